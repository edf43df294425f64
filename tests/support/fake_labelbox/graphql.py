"""As much of GraphQL as the SDK speaks: one operation, arguments, variables, selections."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Resolver = Callable[[Json], Any]

_TOKEN = re.compile(r'\.\.\.|"(?:[^"\\]|\\.)*"|[{}()\[\]:!$=@]|-?\d+(?:\.\d+)?|\w+')
_CONSTANTS = {"true": True, "false": False, "null": None}


class GraphqlError(Exception):
    """An error as Labelbox answers it."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.extensions: Json = {"code": code}
        if status is not None:
            self.extensions["exception"] = {"status": status}


class UnknownError(GraphqlError):
    """A question the fake has no answer for."""

    def __init__(self, what: str) -> None:
        super().__init__("GRAPHQL_VALIDATION_FAILED", f"the fake does not know {what}")


@dataclass(frozen=True)
class Selection:
    """A selected field; `on` names the type of an inline fragment it stands in."""

    name: str
    alias: str
    arguments: Json
    fields: tuple[Selection, ...]
    on: str | None = None


@dataclass(frozen=True)
class Operation:
    """A parsed operation."""

    name: str
    fields: tuple[Selection, ...]


def parse(query: str, variables: Json) -> Operation:
    """Parse a query of one operation; variables are put in place."""
    return _Parser(_TOKEN.findall(query), variables).operation()


class _Parser:
    def __init__(self, tokens: list[str], variables: Json) -> None:
        self.tokens, self.variables = [*tokens, ""], variables
        self.at = 0

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def given(self, token: str) -> bool:
        if self.tokens[self.at] != token:
            return False
        self.at += 1
        return True

    def operation(self) -> Operation:
        name = ""
        if self.tokens[self.at] in ("query", "mutation"):
            self.take()
            if self.tokens[self.at] not in "({":
                name = self.take()
            while self.tokens[self.at] != "{":  # declarations of variables
                self.take()
        return Operation(name, self.selections())

    def selections(self, on: str | None = None) -> tuple[Selection, ...]:
        found: list[Selection] = []
        self.take()
        while not self.given("}"):
            if self.given("..."):
                self.take()  # "on"
                found += self.selections(on=self.take())
            else:
                found += self.selection(on)
        return tuple(found)

    def selection(self, on: str | None) -> list[Selection]:
        alias = name = self.take()
        if self.given(":"):
            name = self.take()
        arguments = self.arguments()
        wanted = True
        while self.given("@"):
            wanted = (self.take() == "include") == bool(self.arguments()["if"]) and wanted
        fields = self.selections() if self.tokens[self.at] == "{" else ()
        return [Selection(name, alias, arguments, fields, on)] if wanted else []

    def arguments(self) -> Json:
        found: Json = {}
        if self.given("("):
            while not self.given(")"):
                key = self.take()
                self.take()  # ":"
                found[key] = self.value()
        return found

    def value(self) -> Any:
        token = self.take()
        if token == "$":
            return self.variables.get(self.take())
        if token == "[":
            items = []
            while not self.given("]"):
                items.append(self.value())
            return items
        if token == "{":
            entries: Json = {}
            while not self.given("}"):
                key = self.take()
                self.take()  # ":"
                entries[key] = self.value()
            return entries
        if token.startswith('"'):
            return token[1:-1].replace('\\"', '"')
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        return int(token) if token.lstrip("-").isdecimal() else token


def execute(operation: Operation, root: dict[str, Resolver]) -> Any:
    """Answer an operation. Values may be functions of their arguments.

    Raises:
        UnknownError: something was selected that there is not.
    """
    return _project(root, operation.fields, operation.name or "operation")


def _project(value: Any, fields: tuple[Selection, ...], path: str) -> Any:
    if isinstance(value, list):
        return [_project(item, fields, path) for item in value]
    if value is None or not fields:
        return value
    answer: Json = {}
    for one in fields:
        if one.on not in (None, value.get("__typename")):
            continue
        if one.name not in value:
            raise UnknownError(f"{path}.{one.name}")
        found = value[one.name]
        found = found(one.arguments) if callable(found) else found
        answer[one.alias] = _project(found, one.fields, f"{path}.{one.name}")
    return answer

"""The api host: the key, GraphQL, and masks over REST."""

from __future__ import annotations

import json
import re
from typing import Any

from .exports import export
from .files import redirect, serve
from .graphql import GraphqlError, Resolver, UnknownError, execute, parse
from .mutations import Mutations
from .nodes import Nodes
from .queries import Queries
from .records import Json
from .rest import Rest
from .server import Request, Response, Seen
from .world import World

GRAPHQL = ("/graphql", "/_gql")
_NAME = re.compile(r"^\s*(?:query|mutation)\s+(\w+)")
_COMPOSITE = re.compile(r"/api/v1/tasks/([^/]+)/masks/([^/]+)/index/(\d+)")
_SINGLE = re.compile(r"/api/v1/projects/([^/]+)/annotations/([^/]+)(?:/index/(\d+))?/mask")


class Api:
    """Answers the requests of the api host."""

    def __init__(self, world: World) -> None:
        self.world = world
        nodes = Nodes(world)
        queries = Queries(world, nodes)
        mutations = Mutations(world, nodes, queries)
        self.rest = Rest(world)
        self.root: dict[str, Resolver] = {**queries.root(), **mutations.root()}
        for name in ("exportDataRowsInProject", "exportDataRowsInCatalog"):
            self.root[name] = lambda args: {"taskId": export(world, args["input"]).id, "isStreamable": True}

    def answer(self, request: Request, seen: Seen) -> Response:
        """Answer a request."""
        if request.path == "/redirect":
            return redirect(request)
        if request.bearer != self.world.key:
            return self._refused()
        with self.world.org.lock:
            if request.path in GRAPHQL:
                return self._graphql(request)
            return self._mask(request) or self.rest.answer(request)

    def _refused(self) -> Response:
        if self.world.refuses == "message":
            return Response.of_json(401, {"message": "Invalid API key"})
        return _errors(GraphqlError("AUTHENTICATION_ERROR", "Invalid API key"))

    def _graphql(self, request: Request) -> Response:
        query, variables = _question(request)
        try:
            return Response.of_json(200, {"data": execute(parse(query, variables), self.root)})
        except GraphqlError as error:
            if isinstance(error, UnknownError):
                self.world.unknown.append(str(error))
            return _errors(error)

    def _mask(self, request: Request) -> Response | None:
        masks, path = self.world.masks, request.path
        if found := _COMPOSITE.fullmatch(path):
            task_id, mask_id, frame = found.groups()
            name = masks.composites.get((mask_id, int(frame))) if task_id in self.world.org.tasks else None
        elif found := _SINGLE.fullmatch(path):
            name = masks.singles.get((found[1], found[2], int(found[3] or 1)))
        else:
            return None
        if name is None:
            return Response.of_json(404, {"message": "no such mask"})
        if self.world.masks_elsewhere:
            return Response(
                302, b"", {"Location": self.world.bucket.put(f"/public/masks/{name}.png", masks.painted[name])}
            )
        return serve(masks.painted[name], "mask.png", request, ranges=False)


def operation_name(request: Request) -> str | None:
    """The name of the GraphQL operation in a request, without its suffix PyApi."""
    if request.path not in GRAPHQL:
        return None
    found = _NAME.match(_question(request)[0])
    return found and found[1].removesuffix("PyApi")


def _question(request: Request) -> tuple[str, Json]:
    """Query and variables; an uploaded file is put where the form says."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        asked = json.loads(request.body)
        return asked["query"], asked.get("variables") or {}
    parts = _form(request.body, kind.partition("boundary=")[2])
    asked = json.loads(parts["operations"][1])
    for name, places in json.loads(parts["map"][1]).items():
        for place in places:
            _put(asked, place.split("."), {"filename": parts[name][0], "content": parts[name][1]})
    return asked["query"], asked["variables"]


def _put(target: Any, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value


def _form(body: bytes, boundary: str) -> dict[str, tuple[str, bytes]]:
    """The parts of a form: file name and content by name."""
    parts = {}
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        named = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        parts[named["name"]] = (named.get("filename", "file"), content.removesuffix(b"\r\n"))
    return parts


def _errors(error: GraphqlError) -> Response:
    return Response.of_json(200, {"errors": [{"message": str(error), "extensions": error.extensions}], "data": None})

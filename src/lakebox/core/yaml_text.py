"""Values as YAML that Hydra and OmegaConf read back exactly, whatever is in them. For files in which people read on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
"""What some reader of YAML takes for something else than text."""
WIDTH = 120

_PLAIN = re.compile(r"(?:\.{0,2}/)?[A-Za-z_][\w./-]*(?: [\w./-]+)*", re.ASCII)
_INTERPOLATION = re.compile(r"(\\*)\$\{")
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: Any) -> str:
    """A value on one line, also within brackets; in quotes where a reader might take it for something else.

    >>> scalar("Car"), scalar("yes"), scalar("a: #1"), scalar(None)
    ('Car', '"yes"', '"a: #1"', 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return re.sub("^(-?)(?=inf|nan)", r"\1.", repr(value))
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return '"' + "".join(_NAMED.get(sign) or _printable(sign) for sign in text) + '"'


def _printable(sign: str) -> str:
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def literal(text: str) -> str:
    """Text as a value of a component that means itself: nothing in it is interpolated.

    Hydra resolves what it hands to a component twice, so each interpolation is escaped twice. (Keys need none of this.)
    """
    for _ in range(2):
        text = _INTERPOLATION.sub(lambda found: rf"{found[1] * 2}\${{", text)
    return scalar(text)


def flow(node: Any) -> str:
    """A node of any depth on one line."""
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(child)}" for key, child in node.items()) + "}"
    if isinstance(node, list | tuple):
        return "[" + ", ".join(map(flow, node)) + "]"
    return scalar(node)


def block(node: Mapping[Any, Any], indent: str = "") -> Iterator[str]:
    """Lines of a mapping, a line for each value."""
    for key, child in node.items():
        if isinstance(child, Mapping) and child and "_target_" not in child:
            yield f"{indent}{scalar(key)}:"
            yield from block(child, f"{indent}  ")
        else:
            yield f"{indent}{scalar(key)}: {flow(child)}"


def remark(indent: str, head: str, items: Iterable[str] = (), between: str = ", ") -> Iterator[str]:
    """Lines of a comment: `# head item, item`, folded between items, and then indented."""
    line, glue = f"{indent}# {head}", " "
    more = f"{indent}# {' ' * (len(head) - len(head.lstrip()) + 4)}"
    for item in items:
        if len(line) + len(glue) + len(item) > WIDTH - 1 and line != more:
            yield line + glue.rstrip()
            line, glue = more, ""
        line, glue = line + glue + item, between
    yield line


def words(indent: str, text: str) -> Iterator[str]:
    """Lines of a comment that is prose."""
    line = f"{indent}#"
    for word in ("".join(map(_printable, word)) for word in text.split()):
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line

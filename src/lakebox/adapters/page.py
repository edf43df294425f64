"""The page: one HTML file that needs nothing else (Jinja2). Needs the extra `preview`."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from lakebox.adapters.charts import charts
from lakebox.adapters.image import jpeg_address
from lakebox.core.colours import COLOURS, class_colour
from lakebox.core.page import WIDEST, Classes, Shown, drawn
from lakebox.core.statistics import Statistics

MOST_BYTES = 9_500_000
"""Largest page; pictures become smaller until it is no larger."""
NARROWEST = 120


def draw(shown: Shown, most: int = MOST_BYTES) -> bytes:
    """The page as UTF-8, of at most so many bytes as long as pictures can become smaller."""
    widest = WIDEST
    while True:
        text = _page(shown, widest)
        if len(text) <= most or widest <= NARROWEST:
            return text
        widest = max(NARROWEST, int(widest * min(0.85, (most / len(text)) ** 0.5)))


def _page(shown: Shown, widest: int) -> bytes:
    found = shown.statistics
    met = Classes(lambda name: COLOURS[class_colour(name, shown.classes)])
    frames = drawn(shown.pictures, met, partial(jpeg_address, widest=widest))
    data = {
        "frames": frames, "classes": met.listed(), "assets": list(shown.assets),
        "sampled": f"{len(frames)} of {found.rows:,} rows" if len(frames) < found.rows else "all of them",
    }  # fmt: skip
    style, script = _part("page.css"), _part("page.shapes.js") + _part("page.js")
    pictures_of, left_out, unused = charts(found) if found.rows else ([], 0, [])
    template = Environment(autoescape=True, trim_blocks=False).from_string(_part("page.html"))
    text = template.render(
        doing=shown.doing, numbers=_numbers(found), charts=pictures_of, left_out=left_out, unused=unused,
        empty="" if frames else "The dataset has no rows yet.",
        style=style, script=script, data=_embedded(data),
        style_hash=_hash(style), script_hash=_hash(script),
    )  # fmt: skip
    return text.encode("utf-8", "replace")


def _numbers(found: Statistics) -> list[tuple[str, str]]:
    objects = sum(objects * rows for objects, rows in found.per_row.items())
    said = [("rows", found.rows), ("data rows", found.assets), ("labelled rows", found.labelled),
            ("negative", found.negative), ("not labelled", found.unlabelled), ("objects", objects)]  # fmt: skip
    return [(f"{number:,}", name.removesuffix("s") if number == 1 else name) for name, number in said]


def _part(name: str) -> str:
    return files("lakebox.web").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What the page's policy allows to run, and nothing else."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _embedded(data: dict[str, Any]) -> str:
    """JSON in ASCII that ends no element, whatever annotators wrote."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

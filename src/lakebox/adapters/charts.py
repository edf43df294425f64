"""Charts of a dataset's numbers (matplotlib), as pictures that a page holds. Needs the extra `preview`."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lakebox.core.statistics import Statistics, merged

MOST = 24
"""Charts of classes; more of them help nobody."""
BARS = 80
"""Bars of a chart."""
LONGEST = 34
"""Characters of a name."""
_BLUE, _GREY, _ORANGE, _SOFT = "#0072B2", "#B8C0CA", "#D55E00", "#5A6675"
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "lakebox", "font.family": "sans-serif", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _GREY,
    "text.color": "#1B2430", "xtick.color": _SOFT, "ytick.color": "#1B2430",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, and the same in words."""

    title: str
    address: str
    """`data:image/svg+xml`."""
    text: str


def charts(found: Statistics) -> tuple[list[Chart], int, list[str]]:
    """What a page draws, how many columns with classes are left out, and those of which no class ever occurs."""
    drawn = [_bars("Rows", [("labelled", found.labelled), ("negative", found.negative),
                            ("not labelled", found.unlabelled)])]  # fmt: skip
    balances = merged(found.balances)
    used = [(title, counts) for title, counts in balances.items() if any(number for _, number in counts)]
    drawn += [_bars(title, counts) for title, counts in used[:MOST]]
    if found.labelled:
        drawn.append(_histogram("Objects on a row", found))
    for title, counted in (("Rows by annotator", found.annotators), ("Data rows by frame size", found.sizes)):
        if counted:
            drawn.append(_bars(title, counted.most_common()))
    return drawn, max(0, len(used) - MOST), [title for title in balances if title not in dict(used)]


def _bars(title: str, counts: Sequence[tuple[str, int]]) -> Chart:
    """Horizontal bars with their numbers: names stay readable, and a class that is missing is seen."""
    shown = list(counts[:BARS])
    rest = sum(number for _, number in counts[BARS:])
    shown += [(f"{len(counts) - BARS} more", rest)] if len(counts) > BARS else []
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 0.12 + 0.27 * len(shown)), layout="constrained")
        axes = figure.subplots()
        numbers = [number for _, number in shown]
        colours = [_BLUE if number else _ORANGE for number in numbers]
        bars = axes.barh(range(len(shown)), numbers, color=colours, height=0.72)
        axes.set_yticks(range(len(shown)), ["" for _ in shown])
        axes.set_yticklabels([_clean(name) for name, _ in shown], parse_math=False)
        for bar, number in zip(bars, numbers, strict=True):
            axes.annotate(
                f"{number:,}", (bar.get_width(), bar.get_y() + bar.get_height() / 2), (4, 0),
                textcoords="offset points", va="center", color=_SOFT if number else _ORANGE, fontsize=9,
            )  # fmt: skip
        axes.set_ylim(len(shown) - 0.4, -0.6)  # the first one on top, and no more air around many than around few
        axes.set_xlim(0, max(1, *numbers) * 1.18)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        text = f"{title}: " + ", ".join(f"{name} {number}" for name, number in shown)
        return Chart(title, _address(figure), text)


def _histogram(title: str, found: Statistics) -> Chart:
    most = max(found.per_row)
    width = max(1, math.ceil((most + 1) / 24))
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes: Axes = figure.subplots()
        heights = [0] * (most // width + 1)
        for objects, rows in found.per_row.items():
            heights[objects // width] += rows
        axes.bar([at * width for at in range(len(heights))], heights, width=0.86 * width, align="edge", color=_BLUE)
        axes.set_xlabel("objects" if width == 1 else f"objects, in steps of {width}", color=_SOFT)
        axes.set_ylabel("rows", color=_SOFT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return Chart(
            title, _address(figure), f"{title}: " + ", ".join(f"{n}: {r}" for n, r in sorted(found.per_row.items()))
        )


def _clean(name: str) -> str:
    said = " ".join("".join(c if c.isprintable() else " " for c in name[:200]).split())
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def _address(figure: Figure) -> str:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # text stays text: the browser's fonts have it
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"

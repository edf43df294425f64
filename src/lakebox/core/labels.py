"""Which label of a data row counts, where several people labelled it. Config group `labels`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import Field

from lakebox.core.component import Component
from lakebox.core.model import LabelHead
from lakebox.errors import RowError


@runtime_checkable
class LabelPolicy(Protocol):
    """Chooses one label, or none. `statuses` limits the choice to data rows in these workflow states."""

    @property
    def statuses(self) -> list[str]:
        """Workflow states whose labels count; empty: all."""

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The label that counts; the data row is unlabelled without one. `labels` come in the export's order."""


class _Policy(Component):
    statuses: list[str] = Field(
        default_factory=list,
        description="Workflow states whose labels count, such as DONE or IN_REVIEW; empty: all",
    )


class Latest(_Policy):
    """The label created last; without dates, the last one listed."""

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The newest label; on a tie the later one of the list."""
        return max(enumerate(labels), key=lambda item: (item[1].created_at, item[0]))[1] if labels else None


class First(_Policy):
    """The label created first; without dates, the first one listed."""

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The oldest label; on a tie the earlier one of the list."""
        return min(enumerate(labels), key=lambda item: (item[1].created_at, item[0]))[1] if labels else None


class Benchmark(_Policy):
    """The label that Labelbox marks as the data row's benchmark reference."""

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The benchmark label, if the data row has one."""
        return next((label for label in labels if label.benchmark), None)


class ByCreator(_Policy):
    """The newest label of the first of these annotators who labelled the data row."""

    creators: list[str] = Field(min_length=1, description="E-mail addresses, the most trusted first")

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The newest label of the most trusted annotator who labelled the data row."""
        for creator in self.creators:
            if own := [label for label in labels if label.creator == creator]:
                return Latest().choose(own)
        return None


class Single(_Policy):
    """Several labels on one data row are an error: choose by hand, in Labelbox."""

    def choose(self, labels: Sequence[LabelHead]) -> LabelHead | None:
        """The only label.

        Raises:
            RowError: there are several.
        """
        if len(labels) > 1:
            listed = ", ".join(f"{label.id} by {label.creator or '?'}" for label in labels)
            raise RowError(
                f"{len(labels)} labels count ({listed}) and"
                " labels=fail allows one; choose with labels=latest|first|benchmark|by_creator"
            )
        return labels[0] if labels else None


def same_status(left: str, right: str) -> bool:
    """Exports say `IN_REVIEW`, export filters `InReview`: the same state."""
    return left.replace("_", "").lower() == right.replace("_", "").lower()

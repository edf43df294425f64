"""From ontology to tensor groups: what shares a column, what converts it, what is left out. Config group `mapping`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lakebox.core.convert import Converter, MaskLinks
from lakebox.core.model import RASTER_KINDS, Question, Tool


def _grouped(value: Any) -> Any:
    """A file may have nothing but comments there."""
    return {} if value is None else value


def _named(value: Any) -> Any:
    """As well the keys of a mapping, which nobody takes for an interpolation, whatever annotators called things."""
    return list(value or ()) if value is None or isinstance(value, dict) else value


class Mapping(BaseModel):
    """Groups tools into tensors and names the converter of each kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    groups: Annotated[dict[str, str], BeforeValidator(_grouped)] = Field(
        default_factory=dict, description="Tool name or kind -> tensor group; a tool's own name wins over its kind"
    )
    leave_out: Annotated[list[str], BeforeValidator(_named)] = Field(
        default_factory=list, description="Names or kinds of tools and questions to leave out: a list, or keys"
    )
    converters: dict[str, Converter] = Field(description="Kind of tool -> what turns its objects into cells")

    def group(self, tool: Tool) -> str | None:
        """The tensor group the tool was put into; None: its own name stands alone."""
        return self.groups.get(tool.name, self.groups.get(tool.kind))

    def wants(self, feature: Tool | Question) -> bool:
        """Whether the feature becomes columns at all."""
        return feature.name not in self.leave_out and feature.kind not in self.leave_out

    def unknown(self, tools: tuple[Tool, ...], questions: tuple[Question, ...]) -> list[str]:
        """Names in `groups` and `leave_out` that are neither a kind nor a feature of this ontology: typos."""
        asked = _all_questions(tools, questions)
        known = {tool.name for tool in tools} | {question.name for question in asked}
        kinds = {*self.converters, *(tool.kind for tool in tools), "radio", "checklist", "text"}
        return sorted({*self.groups, *self.leave_out} - known - kinds)


def _all_questions(tools: tuple[Tool, ...], questions: tuple[Question, ...]) -> list[Question]:
    waiting = [*questions, *(q for tool in tools for q in tool.questions)]
    found = []
    while waiting:
        question = waiting.pop()
        found.append(question)
        waiting += [child for option in question.options for child in option.questions]
    return found


class FetchMasks(BaseModel):
    """Mask files are fetched and painted as the mapping says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def adapt(self, mapping: Mapping) -> Mapping:
        """The mapping as it is."""
        return mapping


class LinkMasks(BaseModel):
    """Mask files are not fetched; their addresses are kept as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def adapt(self, mapping: Mapping) -> Mapping:
        """The mapping with addresses in place of masks."""
        links: dict[str, Converter] = {kind: MaskLinks() for kind in RASTER_KINDS}
        return mapping.model_copy(update={"converters": {**mapping.converters, **links}})


class NoMasks(BaseModel):
    """Masks are left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def adapt(self, mapping: Mapping) -> Mapping:
        """The mapping without mask tools."""
        return mapping.model_copy(update={"leave_out": [*mapping.leave_out, *RASTER_KINDS]})

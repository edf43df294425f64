"""The terminal (rich): errors, and the report for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakebox.core.sweep import own

_QUIET = ("check", "preview", "explain", "history", "diff", "revert", "join", "init")
"""Tasks whose report is one sentence."""
_PIPE = 1000


def complain(text: str) -> None:
    """An error, on standard error."""
    Console(stderr=True).print(escape(text), soft_wrap=True, highlight=False)


def show(report: dict[str, Any], again: str) -> None:
    """A report for people, on standard output.

    Args:
        report: as `Report.as_dict` gives it.
        again: the command that draws the dataset.
    """
    console = Console(highlight=False)
    lines = _summary(report, again)
    width = max(map(len, lines))
    for name, text in lines.items():  # not folded: what is to be copied stays in one piece
        console.print(f"[bold]{name:<{width}}[/bold]  {escape(text)}", soft_wrap=True)
    for name, said in (report.get("settings") or {}).items():
        console.print(f"  {name:<9}  {escape(said)}", soft_wrap=True)
    for line in _versions(report.get("versions") or ()):
        console.print(line, soft_wrap=True)
    if report.get("changes"):
        console.print(_changes(report["changes"]))
    if report.get("explained"):
        _explain(console, report["explained"])
    if report["task"] in _QUIET:
        for warning in report["warnings"]:
            console.print(f"[yellow]note[/yellow]    {escape(warning)}", soft_wrap=True)
        return
    for title, names, rows in _counts(report):
        console.print(_table(title, names, rows))
    for warning in report["warnings"]:
        console.print(f"[yellow]note[/yellow]    {escape(warning)}", soft_wrap=True)
    for failure in report["failures"]:
        who = " ".join(filter(None, (failure["data_row_id"], f"({failure['name']})" if failure["name"] else "")))
        console.print(
            f"[red]failed[/red]  {escape(who)}: {failure['stage']}: {escape(failure['error'])}", soft_wrap=True
        )
    if report["failures"]:
        console.print("What is not named here is done; once these are mended, the same command does the rest.")


def show_sweep(summary: Sequence[dict[str, Any]], file: str) -> None:
    """What came of the jobs of a sweep (`lakebox.core.sweep.summary`): a line each, then why some are not well.

    Args:
        summary: an entry for each job.
        file: where the same lies as JSON.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE  # which has no width, so that nothing has to be folded
    everybodys = [one["overrides"] for one in summary]
    names = ["overrides", "outcome", "rows", "failures", "seconds", "version"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("job", *names):
        table.add_column(name, overflow="fold", no_wrap=name != "overrides")
    for one in summary:
        said = {**one, "overrides": " ".join(own(one["overrides"], everybodys))}
        table.add_row(str(one["job"]), *(escape(str(said[name])) for name in names))
    console.print(table)
    for one in (one for one in summary if one["error"]):
        first = one["error"].removeprefix("Invalid configuration").strip().partition("\n")[0]
        console.print(f"[red]job {one['job']}[/red]  {escape(first)}", soft_wrap=True)
    bad = sum(one["outcome"] != "ok" for one in summary)
    console.print(f"[bold]sweep[/bold]  {len(summary)} jobs, {bad} of them not well, {escape(file)}", soft_wrap=True)


def _explain(console: Console, told: dict[str, Any]) -> None:
    """Where a row comes from: a line for each fact, then its objects."""
    facts = {
        key.replace("_", " "): str(said) for key, said in told.items() if key not in ("objects", "answers") and said
    }
    width = max(map(len, facts))
    for name, said in facts.items():
        console.print(f"{name:<{width}}  {escape(said)}", soft_wrap=True)
    for answer in told["answers"]:
        console.print(f"{'answer':<{width}}  {escape(answer)}", soft_wrap=True)
    lines = [
        (f"{one['name']} #{one['track'] % 1000:03d}", one["column"], one["feature_id"], one["schema_id"], one["kind"],
         _between(one)) for one in told["objects"]
    ]  # fmt: skip
    widths = [max(map(len, parts)) for parts in zip(*lines, strict=True)]
    for line in lines:  # not folded either
        said = "  ".join(f"{part:<{wide}}" for part, wide in zip(line, widths, strict=True) if wide)
        console.print(escape(said.rstrip()), soft_wrap=True)


def _between(one: dict[str, Any]) -> str:
    before, after = one["between"]
    if one["keyframe"]:
        return "on this frame"
    if before is None and after is None:
        return "on no frame that has a row"
    if None in (before, after):
        return f"held from frame {after if before is None else before}"
    return f"between frames {before} and {after}"


def _summary(report: dict[str, Any], again: str) -> dict[str, str]:
    dataset, assets, media, masks = (report[name] for name in ("dataset", "assets", "media", "masks"))
    lines = {report["task"]: report["plan"]}
    if report["task"] not in _QUIET and (report["task"] != "upload" or assets["added"] or assets["failed"]):
        lines["data rows"] = ", ".join(f"{count} {what}" for what, count in assets.items())
    seconds = report["seconds"]
    if media["frames"]:
        lines["media"] = f"{media['fetched']} files, {media['frames']} frames, {media['frames'] / seconds:.0f} frames/s"
    if masks["fetched"] or masks["failed"]:
        lines["masks"] = f"{masks['fetched']} files" + (f", {masks['failed']} failed" if masks["failed"] else "")
    lines["took"] = f"{seconds:.2f} s"
    branch = f"@{dataset['branch']}" if dataset["branch"] != "main" else ""
    if dataset["version"]:
        tag = f", tag {dataset['tag']}" if dataset["tag"] else ""
        lines["dataset"] = f"{dataset['path']}{branch}, {dataset['rows']} rows, version {dataset['version']}{tag}"
    if dataset["version"] and report["task"] not in _QUIET:
        lines |= {"open it": dataset["opening"]} if dataset["opening"] else {}
        lines["see it"] = report.get("page") or again
    lines |= {"next": report["next"]} if report.get("next") else {}
    return lines | _labelbox(report.get("labelbox", {}))


def _versions(versions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Two lines each, the second for what its run did: a column would leave it no width."""
    for one in versions:
        tags = f"  [bold]{escape(', '.join(one['tags']))}[/bold]" if one["tags"] else ""
        yield f"{one['id']}  {one['time']}{tags}"
        yield f"    {escape(one['message'])}"


def _changes(changes: Sequence[dict[str, Any]]) -> Table:
    """Changed data rows, a line each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("data row", "name", "", "frames", "objects", "columns"):
        table.add_column(name, overflow="fold", no_wrap=name == "data row")
    for one in changes:
        objects = Counter(each["change"] for each in one["objects"])
        said = ", ".join(f"{count} {what}" for what, count in sorted(objects.items()))
        columns = ", ".join(one["columns"][:4]) + (", ..." if len(one["columns"]) > 4 else "")
        cells = (one["data_row_id"], one["name"], one["change"], _spans(one["frames"]), said, columns)
        table.add_row(*map(escape, cells))
    return table


def _spans(frames: Sequence[int]) -> str:
    """`0-3, 7` for 0, 1, 2, 3, 7."""
    spans: list[list[int]] = []
    for frame in frames:
        if spans and frame == spans[-1][1] + 1:
            spans[-1][1] = frame
        else:
            spans.append([frame, frame])
    said = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return ", ".join(said[:6]) + (f" and {len(said) - 6} more" if len(said) > 6 else "")


def _labelbox(made: dict[str, Any]) -> dict[str, str]:
    """What is in Labelbox now, and how it comes back once it is labelled."""
    names = {"dataset_id": "dataset", "ontology_id": "ontology", "batches": "batches", "project_id": "project"}
    lines = {name: ", ".join([made[key]] if isinstance(made[key], str) else made[key])
             for key, name in names.items() if made.get(key)}  # fmt: skip
    if "project" in lines:
        lines["next"] = f"lakebox source=labelbox project_id={made['project_id']} path=./lake/{made['project_id']}"
    return lines


def _counts(report: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """The tables of what became of annotations and of what columns hold, where there is something to say."""
    kinds = [[kind, *map(str, counts.values())] for kind, counts in report["kinds"].items()]
    columns = [[name, str(count)] for name, count in report["columns"].items()]
    tables = [("annotations", ["read", "written", "skipped"], kinds), ("column", ["objects or answered rows"], columns)]
    return [table for table in tables if table[2]]


def _table(title: str, names: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column(title)
    for name in names:
        table.add_column(name, justify="right")
    for first, *numbers in rows:
        table.add_row(escape(first), *numbers)
    return table

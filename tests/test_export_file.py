"""Exports on disk: NDJSON and JSON arrays, however they were saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lakebox.adapters.export_file import ExportFile, example
from lakebox.core.ports import SourceRow
from lakebox.errors import SourceError

ROWS: list[dict[str, Any]] = [
    {"data_row": {"id": "a"}, "text": "one\u2028two\u0085three\x0bfour", "n": 1.5},
    {"data_row": {"id": "b"}, "text": "ünï — \U0001f600", "n": 29.97002997002997},
    {"data_row": {"id": "c"}, "list": [], "n": None, "big": 1700000000000},
]
BOM = b"\xef\xbb\xbf"


def ndjson(rows: list[dict[str, Any]], ascii: bool = False, end: str = "\n") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=ascii) + end for row in rows).encode()


def array(rows: list[dict[str, Any]], **how: Any) -> bytes:
    return json.dumps(rows, ensure_ascii=False, **how).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def saved(folder: Path, data: bytes) -> ExportFile:
    path = folder / "export.ndjson"
    path.write_bytes(data)
    return ExportFile(export=path)


def texts(rows: list[SourceRow]) -> list[Any]:
    return [row.data for row in rows]


FORMS = {
    "ndjson": ndjson(ROWS),
    "ascii": ndjson(ROWS, ascii=True),
    "no last newline": ndjson(ROWS).rstrip(),
    "CRLF": ndjson(ROWS, end="\r\n"),
    "BOM": BOM + ndjson(ROWS),
    "empty lines": b"\n\n" + ndjson(ROWS, end="\n\n") + b"  \n",
    "array": array(ROWS),
    "indented array": array(ROWS, indent=2),
    "array behind white space": b" \r\n\t" + array(ROWS) + b"\n\n",
    "array with BOM": BOM + array(ROWS),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS.keys())
def test_every_form_reads_the_same(folder: Path, data: bytes) -> None:
    source = saved(folder, data)
    assert texts(list(source.rows())) == ROWS


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS.keys())
def test_rows_are_read_again_by_position_in_any_order(folder: Path, data: bytes) -> None:
    source = saved(folder, data)
    rows = list(source.rows())
    assert [source.row(row.position) for row in reversed(rows)] == [row.data for row in reversed(rows)]


@pytest.mark.parametrize("form", [ndjson, array])
def test_rows_are_read_again_from_many_threads(folder: Path, form: Any) -> None:
    many = [{"data_row": {"id": str(i)}, "pad": "x" * (i * 3701 % 20_000)} for i in range(200)]
    source = saved(folder, form(many))
    rows = list(source.rows())
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(source.row, [row.position for row in rows] * 10))
    assert again == many * 10


@pytest.mark.parametrize("form", [ndjson, array])
def test_an_export_can_be_read_twice(folder: Path, form: Any) -> None:
    source = saved(folder, form(ROWS))
    assert texts(list(source.rows())) == texts(list(source.rows())) == ROWS


@pytest.mark.parametrize("form", [ndjson, array])
def test_rows_come_one_at_a_time(folder: Path, form: Any) -> None:
    """The reader may stop at any time (a limit), and what it has can be read again."""
    source = saved(folder, form(ROWS))
    rows = source.rows()
    first = next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert source.row(first.position) == ROWS[0]


@pytest.mark.parametrize("broken", [b'{"data_row": {"id": "x"', b"null", b"[1]", b'"text"', b"{'a': 1}", b"\xff\xfe"])
def test_a_broken_line_is_named_and_the_others_are_read(folder: Path, broken: bytes) -> None:
    source = saved(folder, ndjson(ROWS[:1]) + b"\n" + broken + b"\n" + ndjson(ROWS[1:]))
    rows = list(source.rows())
    assert [row.line for row in rows] == [1, 3, 4, 5]
    assert texts(rows) == [ROWS[0], None, *ROWS[1:]]
    assert "line 3 " in rows[1].error
    assert [source.row(row.position) for row in rows[2:]] == ROWS[1:]


def test_an_array_that_breaks_off_gives_what_is_before_and_says_where(folder: Path) -> None:
    data = array(ROWS)
    rows = list(saved(folder, data[: data.index(b'"c"')]).rows())
    assert texts(rows) == [*ROWS[:2], None]
    assert "element 3" in rows[2].error


@pytest.mark.parametrize("data", [b"[" + ndjson(ROWS[:1]) + b", 5]", b'[{"data_row": {"id": "a"}}, nonsense]'])
def test_array_elements_that_are_no_data_rows(folder: Path, data: bytes) -> None:
    rows = list(saved(folder, data).rows())
    assert rows[0].data is not None
    assert rows[1].data is None
    assert "2" in rows[1].error


@pytest.mark.parametrize("data", [b"", b"\n\n", BOM, b"[]"])
def test_an_empty_export_has_no_rows(folder: Path, data: bytes) -> None:
    assert list(saved(folder, data).rows()) == []


@pytest.mark.parametrize("name", ["missing.ndjson", "."])
def test_an_export_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        list(ExportFile(export=folder / name).rows())


def test_building_reads_nothing(folder: Path) -> None:
    assert "missing" in ExportFile(export=folder / "missing.ndjson").describe()


def test_numbers_keep_their_type_in_both_forms(folder: Path) -> None:
    for form in (ndjson, array):
        rows = texts(list(saved(folder, form([{"i": 1, "f": 1.0, "e": 1e3}])).rows()))
        assert [type(value) for value in rows[0].values()] == [int, float, float]


def test_ontology(folder: Path) -> None:
    path = folder / "ontology.json"
    source = ExportFile.model_validate({"export": folder / "e", "ontology": path})
    with pytest.raises(SourceError, match=r"ontology\.json"):
        source.ontology()
    for text, fine in (("{", False), ("[]", False), ('{"tools": []}', True)):
        path.write_text(text, encoding="utf-8")
        if fine:
            assert source.ontology() == {"tools": []}
        else:
            with pytest.raises(SourceError, match=r"ontology\.json"):
                source.ontology()
    assert ExportFile(export=folder / "e").ontology() is None


@pytest.mark.parametrize(
    ("url", "resolved"),
    [("https://h/a.mp4", "https://h/a.mp4"), ("s3://b/a.mp4", "s3://b/a.mp4"), ("media/a.mp4", "{folder}/media/a.mp4")],
)
def test_relative_addresses_are_beside_the_export(folder: Path, url: str, resolved: str) -> None:
    assert ExportFile(export=folder / "e.ndjson").resolve(url) == resolved.format(folder=folder)


def test_absolute_paths_stay(folder: Path) -> None:
    assert Path(ExportFile(export=folder / "e").resolve(str(folder / "other/a.mp4"))) == folder / "other/a.mp4"


@pytest.mark.parametrize("project", ["video", "image"])
def test_the_examples_are_whole(project: Any) -> None:
    source = example(project)
    rows = list(source.rows())
    assert rows
    assert source.ontology()
    for row in rows:
        assert row.data is not None
        assert Path(source.resolve(row.data["data_row"]["row_data"])).is_file()


def test_there_are_no_other_examples() -> None:
    with pytest.raises(ValidationError):
        example("audio")  # type: ignore[arg-type]

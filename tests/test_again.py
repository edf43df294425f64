"""The command that a run says to go on with."""

from __future__ import annotations

import pytest

from lakebox.core.again import command_for

CONFIG = {"-cd": "conf", "-cn": "lanes"}


@pytest.mark.parametrize(
    ("overrides", "provider", "config", "said"),
    [
        ((), "in_place", {}, ""),
        (("path=./x", "limit=3", "tag=a", "task=create", "report=r.json"), "in_place", {}, " path=./x"),
        (("provider=branch", "provider.branch=b", "source=labelbox"), "branch", {}, " provider=branch provider.branch=b"),
        (("storage=s3", "path=s3://a/b", "+storage.endpoint=http://x"), "in_place", {},
         " storage=s3 path=s3://a/b +storage.endpoint=http://x"),
        # by the name of the project
        (("source=labelbox", "project_id=p", "source.filters.batch_ids=[b]", "provider=mapping_file"), "mapping_file", {},
         " source=labelbox project_id=p 'source.filters.batch_ids=[b]' provider=mapping_file"),
        (("project_id=p", "provider.annotations=x/${project_id}"), "separate", {},
         " project_id=p 'provider.annotations=x/${project_id}'"),
        (("project_id=p",), "in_place", CONFIG, " project_id=p"),
        # what only that run had
        (("path=lake/${hydra:job.num}",), "in_place", {}, " path=lake/0"),
        (("path=lake/$\\{hydra\\:job.num\\}",), "in_place", {}, " path=lake/0"),
        (("path=my lake",), "in_place", {}, " 'path=my lake'"),
        (("experiment=nightly", "~tag"), "in_place", CONFIG, " experiment=nightly"),
    ],
)  # fmt: skip
def test_what_names_the_place_is_kept(
    overrides: tuple[str, ...], provider: str, config: dict[str, str], said: str
) -> None:
    flags = " -cd conf -cn lanes" if config else ""
    found = command_for("preview", overrides, provider, "lake/0", config)
    assert found == f"lakebox{flags} task=preview{said}"

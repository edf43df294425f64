"""What `lakebox --help` says. Groups, choices and keys are those of the configurations, in their comments' words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lakebox.search import CONF, GROUPS, ROOT_KEYS

_LINE = r"^(?:  - )?{name}: (?P<default>\S+) +# (?P<said>.*)$"

_HEAD = """\
NAME
    lakebox - turns annotated Labelbox projects into versioned Deep Lake datasets, and keeps them in step

USAGE
    lakebox [group=choice] [key=value] ...       one run; without anything, the example that comes with it
    lakebox -m key=value1,value2 ...             a sweep: a run for each value, summary.json for all
    lakebox -cd conf -cn name [key=value] ...    a configuration of your own repository

    A run brings the dataset at `path` in step with the project: it adds new data rows, rewrites changed labels, drops
    what left the project, and commits. With nothing changed it does nothing. task=plan only says what would happen,
    task=check whether the configuration is right. The API key comes from the environment: LABELBOX_API_KEY.
"""
_TAIL = """\
FLAGS
    --cfg job            show the configuration, and run nothing; add -p frames for one group
    -m                   run a sweep; hydra/launcher=joblib runs its jobs side by side
    -cd DIR, -cn NAME    look for configurations in DIR, too; begin with NAME.yaml
    --info defaults      what the configuration is made of; also config, plugins, searchpath
    -sc install=bash     shell completion: eval "$(lakebox -sc install=bash)"; also zsh and fish
    --hydra-help         all flags of Hydra, which reads the configuration

EXAMPLES
    lakebox
        Build the dataset of the example that comes with lakebox, in ./lake/example.
    lakebox source=export_file source.export=export.ndjson path=./lake/lanes task=plan
        What building a dataset of an export would do.
    lakebox source=labelbox project_id=clx123 path=./lake/lanes tag=auto
        Bring a dataset in step with a live project, and name the version by date and time.
    lakebox path=./lake/lanes task=history
        The versions of a dataset, with what each run did.
    lakebox source=labelbox project_id=clx123 path=./lake/few frames=every frames.n=10 labels=benchmark pixels=png
        Every tenth frame without loss, with the benchmark labels.
    lakebox -m source=labelbox project_id=clx123,clx456 'path=./lake/${project_id}'
        A sweep over projects, each into a dataset of its own.

EXIT STATUS
    0 all well; 1 something failed, the rest is done; 2 the configuration is wrong, nothing was touched; 130 interrupted

SEE ALSO
    README.md: what datasets hold, private media, uploads, versions, clusters. Each choice is a YAML file with comments:
"""


def manual(folder: str | None) -> str:
    """The manual page.

    Args:
        folder: with configurations of somebody's own, which are listed, too.
    """
    primary = (files(CONF) / "config.yaml").read_text(encoding="utf-8")
    parts = [_HEAD, "GROUPS AND THEIR CHOICES (the first is taken if none is given)"]
    parts += ["\n".join(_group(group, primary, folder)) + "\n" for group in (*GROUPS, "experiment")]
    parts += ["KEYS", *_keys(primary), "", f"{_TAIL}    {files(CONF)}\n"]
    return "\n".join(parts)


def _group(group: str, primary: str, folder: str | None) -> Iterator[str]:
    default, said = _commented(group, primary)
    yield f"    {group}: {said.partition(':')[0]}"
    choices = dict(_choices(files(CONF) / group)) | (dict(_choices(Path(folder) / group)) if folder else {})
    width = max(map(len, choices), default=0)
    for choice in sorted(choices, key=lambda one: one != default):
        yield f"        {choice:<{width}}  {choices[choice]}"


def _keys(primary: str) -> Iterator[str]:
    for key in ROOT_KEYS:
        default, said = _commented(key, primary)
        yield f"    {key + '=' + default:<22}  {said}"


def _commented(name: str, primary: str) -> tuple[str, str]:
    """(default, comment) of a group or key in the primary configuration."""
    match = re.search(_LINE.format(name=name), primary, re.MULTILINE)
    return (match["default"], match["said"]) if match else ("", "")


def _choices(group: Traversable) -> Iterator[tuple[str, str]]:
    """(name, first sentence of the first comment) of each choice."""
    if not group.is_dir():
        return
    for file in sorted(group.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            line = file.read_text(encoding="utf-8").lstrip().partition("\n")[0]
            yield file.name.removesuffix(".yaml"), re.split(r"(?<=[^.])\. (?=[A-Z])", line.lstrip("# "))[0].rstrip(".")

"""Many command lines in little time: everything is imported once, then each runs in a fork of that process.

`python -m support.forked` reads a JSON list of {"arguments", "cwd"} and writes one of {"status", "out", "err"}.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def run_all(lines: Sequence[tuple[Sequence[str], Path]]) -> list[Done]:
    """What `lakebox ...` does, for each (arguments, working directory)."""
    asked = json.dumps([{"arguments": list(arguments), "cwd": str(cwd)} for arguments, cwd in lines])
    done = subprocess.run(
        [sys.executable, "-m", "support.forked"], input=asked, cwd=TESTS, capture_output=True, text=True, check=True,
        timeout=300, env={**os.environ, "COLUMNS": "500"},
    )  # fmt: skip
    return [Done(**one) for one in json.loads(done.stdout)]


def _child(arguments: list[str], cwd: str, out: int, err: int) -> int:
    from lakebox import cli

    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(cwd)
    sys.argv = ["lakebox", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:  # noqa: BLE001 - as Python does it at the end of a program
        traceback.print_exc()
        return 1
    return 0


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = _child(asked["arguments"], asked["cwd"], out.fileno(), err.fileno())
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return {"status": status, "out": out.read().decode(), "err": err.read().decode()}


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of the tests, which people do not have
    from hydra.core.plugins import Plugins

    import lakebox.adapters.terminal
    import lakebox.config

    Plugins.instance()  # looks for plugins once
    lakebox.run(lakebox.load_config("task=check"))  # imports what is chosen by default
    gc.disable()  # nothing here lives for long
    json.dump([_forked(one) for one in json.load(sys.stdin)], sys.stdout)

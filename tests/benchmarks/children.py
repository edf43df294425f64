"""Starts the benchmark's scripts, each in a process of its own, and checks what they report.

Standard library only: the process that starts the others stays small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LONGEST = 3600
LOG_LINES = 30


class Failed(Exception):
    """A script failed, or its result is wrong."""


def run_script(script: str, *arguments: str, folder: Path) -> dict[str, Any]:
    """Run a script of this folder from `folder`; the JSON of its last line. Its stderr goes to a log there."""
    log = folder / f"{Path(script).stem}.log"
    with log.open("w", encoding="utf-8") as errors:
        done = subprocess.run(
            [sys.executable, str(HERE / script), *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        raise Failed(f"{script} {' '.join(arguments)} ended with {done.returncode}\n{tail}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def emptied(folder: Path) -> None:
    """Give back the room of a folder's files and keep the files, until all that is measured is done.

    File systems are slow to make files where many were removed a moment ago (ext4 looks at each of them for minutes),
    which the next run would pay for.
    """
    for file in folder.rglob("*"):
        if file.is_file():
            os.truncate(file, 0)


def problems(result: dict[str, Any], rows: int, tolerance: float) -> list[str]:
    """Everything that is wrong with a run's dataset, in words."""
    probe = result["probe"]
    found = [f"failure: {failure}" for failure in result["failures"]]
    found += [f"{probe[key]} {key}, not {rows}" for key in ("rows", "distinct_rows") if probe[key] != rows]
    for column, facts in probe["boxes"].items():
        if facts["wrong_cells"] or not facts["boxes"] or facts["largest_error"] > tolerance:
            found.append(f"boxes of {column!r}: {facts}, at most {tolerance} px off allowed")
    found += [
        f"answers of {column!r}: {facts}"
        for column, facts in probe["answers"].items()
        if facts["wrong_cells"] or not facts["cells"]
    ]
    if probe["pictures"] and probe["pictures"]["wrong"]:
        found.append(f"pictures: {probe['pictures']}")
    return found


def require_right(result: dict[str, Any], rows: int, tolerance: float) -> None:
    """Raise when a run's dataset is not what the project says."""
    if found := problems(result, rows, tolerance):
        raise Failed(f"{result['contender']} wrote a wrong dataset:\n  " + "\n  ".join(found))

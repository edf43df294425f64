"""How lakebox grows with a project: `task=sync pixels=none masks=none` on 50, 100 and 200 assets.

Each asset has 1,000 frames and 5 tracks.

    python tests/benchmarks/scale.py [--assets 50 100 200] [--json FILE]

No media: an export file and an ontology, written line by line. Every run has a process of its own and is checked.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from children import Failed, require_right, run_script

FRAMES = 1000
TRACKS = 5
TOLERANCE = 0.01
OPTIONS = ("--tasks", "sync", "--set", "pixels=none", "--set", "masks=none")
HEADER = "| assets | rows | export MB | s (CPU) | s per 1,000 rows | peak MB | dataset MB |\n" + 7 * "|---:" + "|"


def run_size(assets: int, folder: Path) -> dict[str, Any]:
    """Write a project of so many assets, sync it, check the dataset, and clear up."""
    folder.mkdir()
    project, dataset = folder / "project", folder / "dataset"
    shape = ("--videos", str(assets), "--frames", str(FRAMES), "--tracks", str(TRACKS), "--segments", "2", "--no-media")
    written = run_script("projects.py", str(project), *shape, folder=folder)
    run = run_script("lakebox_run.py", str(project), str(dataset), *OPTIONS, folder=folder)
    require_right(run, written["rows"], TOLERANCE)
    shutil.rmtree(folder)
    return {"assets": assets, "rows": written["rows"], "export_bytes": written["bytes"], **run}


def line(result: dict[str, Any]) -> str:
    """One size as a line of the Markdown table."""
    cost = result["tasks"]["sync"]
    figures = (
        f"{result['assets']}",
        f"{result['rows']}",
        f"{result['export_bytes'] / 1e6:.1f}",
        f"{cost['wall']:.1f} ({cost['cpu']:.1f})",
        f"{1000 * cost['wall'] / result['rows']:.4f}",
        f"{cost['peak'] / 1e6:.0f}",
        f"{result['dataset_bytes'] / 1e6:.1f}",
    )
    return f"| {' | '.join(figures)} |"


def main() -> int:
    """Run the sizes, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="How time and memory grow with the number of assets.")
    parser.add_argument("--assets", nargs="+", type=int, default=[50, 100, 200])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    results = []
    print(HEADER, flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="lakebox-scale-") as work:
            for assets in given.assets:
                results.append(run_size(assets, Path(work) / str(assets)))
                print(line(results[-1]), flush=True)
    except Failed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

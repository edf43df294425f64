"""How fast the images of a project come over loopback HTTP, with nothing done to them: the limit for any importer.

Usage: `python fetch_run.py PROJECT --export FILE`
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

AT_ONCE = 32


def main() -> None:
    """Fetch everything once and print files, wall and CPU seconds as JSON."""
    parser = argparse.ArgumentParser(description="Measure fetching alone.")
    parser.add_argument("project", type=Path)
    parser.add_argument("--export", type=Path, required=True)
    lines = parser.parse_args().export.read_text(encoding="utf-8").splitlines()
    addresses = [json.loads(line)["data_row"]["row_data"] for line in lines]
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))
    wall, cpu = time.perf_counter(), sum(os.times()[:2])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        size = sum(len(answer.content) for answer in pool.map(session.get, addresses))
    cost = {"wall": time.perf_counter() - wall, "cpu": sum(os.times()[:2]) - cpu}
    print(json.dumps({"files": len(addresses), "bytes": size, **cost}))


if __name__ == "__main__":
    main()

"""Runs of the command line, and every place where they may have left a secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .live import Live, cells

SIGNED = ("Signature=", "Signature%3D", "&sig=", "?sig=", "sig%3D")
"""How signed addresses look, also within other addresses."""


@dataclass
class Told:
    """A run, what it said on both streams, and what lies in its folder afterwards."""

    live: Live
    status: int
    said: str

    @property
    def report(self) -> Any:
        return json.loads((self.live.folder / "report.json").read_text(encoding="utf-8"))

    def leaks(self, *secrets: str) -> list[str]:
        """Where the key, a token, one of the secrets or a signed address is: in files, their names, lines or cells.

        Left out: `given`, which the user wrote. Kept exports may hold the addresses that Labelbox signed for them.
        """
        live = self.live
        tokens = {one.query["sig"] for one in live.fake.seen if "sig" in one.query}
        found = {live.fake.key, *(token.rstrip("=") for token in tokens), *secrets}
        files = {path.relative_to(live.folder): path for path in live.folder.rglob("*") if path.is_file()}
        places = {str(name): path.read_bytes() for name, path in files.items() if name.parts[0] != "given"}
        lakes = {path.parent for path in live.folder.glob("*/_deeplake_log")}
        places |= {f"cells of {lake.name}": str(cells(lake)).encode() for lake in lakes}
        places |= {"names of files": "\n".join(map(str, files)).encode(), "lines": self.said.encode()}
        return [
            f"{secret} in {place}"
            for place, content in places.items()
            for secret in (*found, *(() if place.startswith("exports/") else SIGNED))
            if secret.lower().encode() in content.lower()
        ]


def told(live: Live, *overrides: str, **env: str) -> Told:
    """Run the command line, with a report."""
    done = live.command(*overrides, "report=report.json", env={"HYDRA_FULL_ERROR": "1", **env})
    return Told(live, done.returncode, done.stdout + done.stderr)

"""What is installed is what is in the clone: the wheel, in a clean environment, away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def call(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_works_from_another_folder(tmp_path: Path) -> None:
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    bin_ = tmp_path / "env" / "bin"
    call(bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "pkg://lakebox.conf" in call(bin_ / "lakebox", "--info", "searchpath", cwd=elsewhere)
    assert "3 added" in call(bin_ / "lakebox", cwd=elsewhere)
    assert "nothing to do, 3 unchanged" in call(bin_ / "lakebox", cwd=elsewhere)
    assert "6 added" in call(bin_ / "lakebox", "source.project=image", "path=./lake/image", cwd=elsewhere)
    # The extra that draws is not installed: one clear line, nothing else.
    done = subprocess.run(
        [bin_ / "lakebox", "task=preview"], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "lakebox[preview]" in done.stderr
    assert "Traceback" not in done.stderr

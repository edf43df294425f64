"""`python -m tests.benchmarks` or `python tests/benchmarks`: the comparison with upstream, in `compare.py`."""

import subprocess
import sys
from pathlib import Path

raise SystemExit(subprocess.call([sys.executable, str(Path(__file__).with_name("compare.py")), *sys.argv[1:]]))

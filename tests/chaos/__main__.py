"""Kill -9 at random points and at every step boundary, of a run and of a rolling deployment to five hosts.

    python -m tests.chaos --kills 50 --seed 1        (`make chaos KILLS=50 SEED=1`)

`--kills` is the number of random kills, half of them on runs, half on deployments; the step boundaries come on top. The same seed
kills after the same delays; where the process stands then depends on the machine. The last line is the tally.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import deployments, runs
from tests.chaos.world import Tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill Headway and see what is lost.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    arguments = parser.parse_args()
    tally, begin = Tally(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="headway-chaos-"))
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    try:
        runs.attack(folder / "runs", (arguments.kills + 1) // 2, arguments.seed, tally)
        deployments.attack(folder / "deployments", arguments.kills // 2, arguments.seed + 1, tally)
    finally:
        if arguments.keep or tally.faults:
            print(f"left for a look: {folder}")
        else:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
    print(f"{time.monotonic() - begin:.0f} s")
    print(tally.line())
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Kill -9 at random points and at every step boundary: of a run, of a rolling deployment to five hosts, and of a server.

    python -m tests.chaos --kills 50 --seed 1        (`make chaos KILLS=50 SEED=1`)
    python -m tests.chaos --kills 8 --part server

`--kills` is the number of random kills: half of them on runs, half on deployments, where step boundaries come on top; and
as many again, or freezes, on the server, half with each of its databases. The same seed kills after the same delays; where
the process stands then depends on the machine. The last line is the tally.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import deployments, runs, server
from tests.chaos.world import Tally

PARTS = ("runs", "deployments", "server")


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill Headway and see what is lost.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; repeat for several")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    arguments = parser.parse_args()
    kills, seed = arguments.kills, arguments.seed
    tally, begin = Tally(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="headway-chaos-"))
    print(f"seed {seed}, in {folder}", flush=True)
    try:
        for part in arguments.part or PARTS:
            match part:
                case "runs":
                    runs.attack(folder / part, (kills + 1) // 2, seed, tally)
                case "deployments":
                    deployments.attack(folder / part, kills // 2, seed + 1, tally)
                case "server":
                    server.attack(folder / part, kills, seed + 2, tally)
    except BaseException:
        print(f"left for a look: {folder}")
        raise
    if arguments.keep or tally.faults:
        print(f"left for a look: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{time.monotonic() - begin:.0f} s")
    print(tally.line())
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())

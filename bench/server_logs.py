"""Logs through a server: from the job to twenty browsers, and 20 MB/s into storage; the server's memory meanwhile."""

import json
import subprocess
import sys
from pathlib import Path

from bench.parts import ROOT, Row, wait_for
from bench.served import Memory, Served, serving

VIEWERS = 20
#: A line each 50 ms for 10 s, with the clock of this machine.
SLOW = """\
import sys, time
for number in range(200):
    print(f"clock {time.time():.6f}", flush=True)
    time.sleep(0.05)
"""
#: 400 MB in 20 s, in lines of 100 bytes; the clock each 100 ms.
FAST = """\
import sys, time
begin, line = time.monotonic(), b"x" * 99 + b"\\n"
out = sys.stdout.buffer
for number in range(200):
    out.write(line * 20_000 + f"clock {time.time():.6f}\\n".encode())
    out.flush()
    time.sleep(max(0.0, begin + (number + 1) * 0.1 - time.monotonic()))
print(f"took {time.monotonic() - begin:.3f} until {time.time():.6f}", flush=True)
"""


def measure(folder: Path) -> list[Row]:
    slow = _Watched(folder / "slow", SLOW)
    fast = _Watched(folder / "fast", FAST)
    return [
        Row(
            f"a log line from the job to {VIEWERS} browsers",
            "ms",
            slow.latencies,
            target="p95 ≤ 500",
        ),
        Row("the same while the job prints 20 MB/s", "ms", fast.latencies),
        Row(
            f"400 MB of log at 20 MB/s with {VIEWERS} browsers: printed at",
            "MB/s",
            [fast.rate],
            target="≥ 20",
        ),
        Row("the same: last line printed until the run has ended, all stored", "s", [fast.lag]),
        Row("memory of the server meanwhile, at its highest", "MB", [fast.memory], target="≤ 300"),
    ]


class _Watched:
    """One run whose only job is this program, watched to its end."""

    def __init__(self, folder: Path, program: str) -> None:
        contract = (
            'contract = 1\n[service]\nname = "bench"\n[jobs.talk]\noutput_limit = "1GB"\n'
            f'run = "{sys.executable} -u talk.py"\n'
        )
        with serving(folder) as served:
            working = served.hosted("bench", {"headway.toml": contract, "talk.py": program})
            working.change()
            with Memory(served.pid) as memory:
                working.push()
                found = self._watch(served)
            self.memory = memory.highest
            self.latencies: list[float] = found["latencies"]
            self.rate = self.lag = 0.0
            if program is FAST:
                self._judge(served)

    def _watch(self, served: Served) -> dict:
        wait_for(lambda: served.rows("SELECT id FROM jobs WHERE state = 'running'"), seconds=20)
        [job] = served.rows("SELECT id FROM jobs")
        command = [sys.executable, str(ROOT / "bench" / "viewers.py"), served.server.url]
        done = subprocess.run(
            [*command, served.account.session, str(job["id"]), str(VIEWERS)],
            check=True,
            capture_output=True,
            text=True,
        )
        wait_for(lambda: served.rows("SELECT 1 FROM runs WHERE state = 'succeeded'"), seconds=60)
        return json.loads(done.stdout)

    def _judge(self, served: Served) -> None:
        [run] = served.rows("SELECT id, finished_at FROM runs")
        [log] = (served.data / "logs" / str(run["id"])).glob("*.log")
        lines = log.read_bytes().splitlines()
        if len(lines) != 200 * 20_001 + 1:
            raise RuntimeError(f"{len(lines)} lines are in the log")
        _, took, _, until = lines[-1].split()
        self.rate = log.stat().st_size / 1e6 / float(took)
        self.lag = int(str(run["finished_at"])) / 1000 - float(until)

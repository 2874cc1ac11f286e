"""Jobs on this machine: how long a no-op takes, how many go through, what a step and a log line cost."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from bench.buildbot_rival import running_buildbot
from bench.parts import Row, git_repository, headway, headway_environment, rival_environment

FIVE_FILES = {
    "README.md": "five files\n",
    "src/app.py": "print('hello')\n",
    "src/lib.py": "x = 1\n",
    "tests/test_app.py": "assert True\n",
}
NOOP = 'contract = 1\n[service]\nname = "bench"\n[jobs.noop]\nrun = "true"\n'
TWENTY = (
    'contract = 1\n[service]\nname = "bench"\n[jobs.twenty]\nrun = [' + ", ".join(['"true"'] * 20) + "]\n"
)
LINES = 'contract = 1\n[service]\nname = "bench"\n[jobs.lines]\nrun = "seq 1 200000"\n'
MANY = (
    'contract = 1\n[service]\nname = "bench"\n[jobs.noop]\nrun = "true"\n'
    f"matrix = {{ n = {json.dumps([str(n) for n in range(200)])} }}\n"
)
CLOCK = (
    'contract = 1\n[service]\nname = "bench"\n[jobs.clock]\n'
    'run = "for n in $(seq 1 20); do date +%s.%N; sleep 0.25; done"\n'
)
BIG = 'contract = 1\n[service]\nname = "bench"\n[jobs.big]\nrun = "yes 0123456789012345678901234567890123456789 | head -c 400000000"\n'


def measure(folder: Path) -> list[Row]:
    bench = Measured(folder)
    with running_buildbot(rival_environment(), folder / "buildbot") as buildbot:
        buildbot.time_build("noop")
        their_noop = [buildbot.time_build("noop") * 1000 for _ in range(20)]
        their_rate = [buildbot.throughput(30)]
        their_step = [(buildbot.time_build("twenty") * 1000 - sorted(their_noop)[10]) / 19 for _ in range(3)]
        their_lines = [buildbot.time_build("lines") for _ in range(3)]
        their_visible = [1000 * latency for latency in buildbot.line_latencies()]
    noop = [bench.job_milliseconds(NOOP) for _ in range(30)]
    twenty = [bench.job_milliseconds(TWENTY) for _ in range(10)]
    rival = "Buildbot"
    return [
        Row(
            "no-op job in a repository of five files, queued to finished, with checkout",
            "ms",
            noop,
            their_noop,
            rival,
            "p95 ≤ 100, aim 20",
        ),
        Row(
            "the same without checkout: the runner alone",
            "ms",
            bench.runner_alone(),
            their_noop,
            rival,
            "p95 ≤ 100, aim 20",
        ),
        Row(
            "no-op jobs, 200 in one run",
            "jobs/s",
            bench.rates(),
            their_rate,
            rival,
            "≥ 20, aim 100",
            higher_is_better=True,
        ),
        Row(
            "each further step of a job",
            "ms",
            [(t - sorted(noop)[15]) / 19 for t in twenty],
            their_step,
            rival,
            "≤ 20, aim 2",
        ),
        Row(
            "a job that prints 200,000 lines",
            "s",
            [bench.job_milliseconds(LINES) / 1000 for _ in range(5)],
            their_lines,
            rival,
            "≤ 1",
        ),
        Row(
            "a line printed until a follower reads it, here",
            "ms",
            bench.line_latencies(),
            their_visible,
            rival,
            "≤ 100",
        ),
        Row("`headway run` as a whole process, no-op job", "ms", bench.whole_process()),
        Row(
            "peak memory of `headway run` with 400 MB of output", "MB", [bench.peak_memory()], target="≤ 120"
        ),
    ]


class Measured:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.count = 0

    def repository(self, contract: str) -> Path:
        """A new repository each time: nothing is warm but what a user's would be (mirror and database are cold once)."""
        name = re.sub(r"\W", "", contract)[-40:]
        path = self.folder / "repositories" / name
        return path if path.exists() else git_repository(path, {**FIVE_FILES, "headway.toml": contract})

    def run(self, contract: str) -> dict:
        return json.loads(headway(["run", "--json"], folder=self.repository(contract), data=self.data).stdout)

    def job_milliseconds(self, contract: str) -> float:
        """From the run's created_at (its job is queued then) to its finished_at, as stored."""
        run = self.run(contract)["run"]
        return _seconds(run["created_at"], run["finished_at"]) * 1000

    def rates(self) -> list[float]:
        rates = []
        for _ in range(3):
            document = self.run(MANY)
            run = document["run"]
            rates.append(len(document["jobs"]) / _seconds(run["created_at"], run["finished_at"]))
        return rates

    def whole_process(self) -> list[float]:
        samples = []
        for _ in range(10):
            begin = time.perf_counter()
            self.run(NOOP)
            samples.append((time.perf_counter() - begin) * 1000)
        return samples

    def runner_alone(self) -> list[float]:
        """Start to result through the runner's own three verbs, in one process of ours."""
        program = Path(__file__).parent / "runner_alone.py"
        command = [sys.executable, str(program), str(self.folder / "runner")]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=headway_environment(self.data)
        )
        return json.loads(done.stdout)

    def line_latencies(self) -> list[float]:
        """`headway logs --follow` beside a run that prints the clock four times a second."""
        repository, environment = self.repository(CLOCK), headway_environment(self.data)
        program = [sys.executable, "-m", "headway"]
        run = subprocess.Popen([*program, "run"], cwd=repository, env=environment, stdout=subprocess.DEVNULL)
        time.sleep(1.5)
        follower = subprocess.Popen(
            [*program, "logs", "last", "--follow"],
            cwd=repository,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        printed = (re.search(r"\d{9,}\.\d+", line) for line in follower.stdout)
        arrived = [(time.time() - float(match[0])) * 1000 for match in printed if match]
        follower.wait()
        run.wait()
        # The lines printed before the follower came were late by no fault of anyone's.
        return arrived[8:]

    def peak_memory(self) -> float:
        """MB; the kernel's own account of the finished process."""
        program = [sys.executable, "-m", "headway", "run"]
        with (self.folder / "null").open("w") as sink:
            process = subprocess.Popen(
                program,
                cwd=self.repository(BIG),
                env=headway_environment(self.data),
                stdout=sink,
                stderr=sink,
            )
            _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        (self.folder / "null").unlink()
        return usage.ru_maxrss / 1024


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()

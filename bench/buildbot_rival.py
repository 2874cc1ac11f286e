"""Buildbot 4.3, as its users run it: a fresh SQLite master, one local worker, builds forced over REST."""

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.parts import wait_for
from headway.demo.ports import free_ports

MASTER = """\
from buildbot.plugins import schedulers, steps, util, worker
noop = util.BuildFactory([steps.ShellCommand(command=["true"])])
twenty = util.BuildFactory([steps.ShellCommand(command=["true"], name=f"s{n}") for n in range(20)])
lines = util.BuildFactory([steps.ShellCommand(command=["sh", "-c", "seq 1 200000"])])
clock = util.BuildFactory([steps.ShellCommand(command=["sh", "-c",
    "for n in $(seq 1 20); do date +%s.%N; sleep 0.25; done"])])
first = util.BuildFactory([steps.ShellCommand(command=["echo", "first line"])])
factories = {"noop": noop, "twenty": twenty, "lines": lines, "clock": clock, "pushed": first}
BuildmasterConfig = {
    "workers": [worker.LocalWorker("local", max_builds=2)],
    "builders": [util.BuilderConfig(name=n, workernames=["local"], factory=f, collapseRequests=n == "pushed")
                 for n, f in factories.items()],
    "schedulers": [schedulers.ForceScheduler(name=f"force-{n}", builderNames=[n]) for n in factories]
                  + [schedulers.AnyBranchScheduler(name="pushes", treeStableTimer=None, builderNames=["pushed"])],
    "protocols": {"null": {}},
    "db_url": "sqlite:///state.sqlite",
    "www": {"port": "tcp:PORT:interface=127.0.0.1", "change_hook_dialects": {"github": {}}},
    "buildbotURL": "http://127.0.0.1:PORT/",
    "buildbotNetUsageData": None,
}
c = BuildmasterConfig
"""


class Buildbot:
    """A running master; times are seconds of this machine's clock."""

    def __init__(self, port: int, pid: int) -> None:
        self.address = ("127.0.0.1", port)
        self.base = f"http://127.0.0.1:{port}/api/v2"
        self.pid = pid

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"{self.base}/{path}", timeout=30) as answer:
            return json.load(answer)

    def force(self, builder: str) -> int:
        """Ask for a build; the id of its request."""
        body = {"id": 1, "jsonrpc": "2.0", "method": "force", "params": {"builderid": self.builder(builder)}}
        request = urllib.request.Request(
            f"{self.base}/forceschedulers/force-{builder}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            _, requests = json.load(answer)["result"]
        return next(iter(requests.values()))

    def builder(self, name: str) -> int:
        return next(b["builderid"] for b in self.get("builders")["builders"] if b["name"] == name)

    def is_complete(self, request: int) -> bool:
        return self.get(f"buildrequests/{request}")["buildrequests"][0]["complete"]

    def time_build(self, builder: str) -> float:
        """Queued to finished, as the master's user sees it; the poll of 20 ms is part of it."""
        begin = time.perf_counter()
        request = self.force(builder)
        while not self.is_complete(request):
            time.sleep(0.02)
        return time.perf_counter() - begin

    def throughput(self, builds: int) -> float:
        begin = time.perf_counter()
        requests = [self.force("noop") for _ in range(builds)]
        while requests:
            requests = [request for request in requests if not self.is_complete(request)]
            time.sleep(0.1)
        return builds / (time.perf_counter() - begin)

    def line_latencies(self) -> list[float]:
        """How long after it was printed each line of a slow log can be read over REST."""
        request = self.force("clock")
        seen: dict[int, float] = {}
        while not self.is_complete(request):
            text = self._log_of(request)
            now = time.time()
            for number, line in enumerate(text.splitlines()):
                if number not in seen and re.fullmatch(r"\d+\.\d+", line):
                    seen[number] = now - float(line)
            time.sleep(0.05)
        return list(seen.values())

    def _log_of(self, request: int) -> str:
        builds = self.get(f"builds?buildrequestid={request}")["builds"]
        return self.log_of_build(builds[0]["buildid"]) if builds else ""

    def log_of_build(self, build: int) -> str:
        steps = self.get(f"builds/{build}/steps")["steps"]
        text = ""
        for step in steps:
            for log in self.get(f"steps/{step['stepid']}/logs")["logs"]:
                for chunk in self.get(f"logs/{log['logid']}/contents")["logchunks"]:
                    # Each line begins with a letter for its stream.
                    text += "".join(line[1:] + "\n" for line in chunk["content"].splitlines())
        return text


@contextmanager
def running_buildbot(environment: Path, folder: Path) -> Iterator[Buildbot]:
    """Start a master in `folder` with the programs of the virtual environment `environment`; stop it by its pid."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    [port] = free_ports(1)
    program = environment / "bin" / "buildbot"
    subprocess.run(
        [program, "create-master", "--relocatable", "."], cwd=folder, check=True, capture_output=True
    )
    (folder / "master.cfg").write_text(MASTER.replace("PORT", str(port)))
    subprocess.run([program, "upgrade-master", "."], cwd=folder, check=True, capture_output=True)
    master = subprocess.Popen(
        [program, "start", "--nodaemon", "."],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        buildbot = Buildbot(port, master.pid)
        wait_for(lambda: buildbot.get("workers")["workers"][0]["connected_to"], seconds=60)
        yield buildbot
    finally:
        master.send_signal(signal.SIGTERM)
        try:
            master.wait(20)
        except subprocess.TimeoutExpired:
            master.kill()
            master.wait()

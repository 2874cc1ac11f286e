"""A rolling deployment to five hosts under fire, judged by the hosts' own record."""

import getpass
import json
import random
from collections import Counter
from pathlib import Path

from tests.chaos.world import Tally, Workshop, after_a_while, at_each_boundary, kill_until_done
from tests.support.sshd import Farm

HOSTS = 5
#: Seconds that a deployment takes when nobody kills it, roughly.
A_DEPLOYMENT = 4.0
ROOT = "headway/chaos/production"
#: Each writes its own line into the host's `done`.
COMMANDS = ("prepare", "drain", "activate", "undrain")
HEAD = """\
contract = 1
[service]
name = "chaos"
"""
#: Of a service that is deployed; NAMES is the list of its hosts.
DELIVERED = """\
[jobs.build]
retry = 1
run = "tar -czf app.tar.gz version health.sh"
artifacts = ["app.tar.gz"]
[deploy]
kind = "files"
artifact = "app.tar.gz"
prepare = "echo prepare $HEADWAY_RELEASE >> $HEADWAY_ROOT/done"
drain = "echo drain $HEADWAY_RELEASE >> $HEADWAY_ROOT/done"
activate = "echo activate $HEADWAY_RELEASE >> $HEADWAY_ROOT/done; sleep 0.1"
undrain = "echo undrain $HEADWAY_RELEASE >> $HEADWAY_ROOT/done"
health = { command = "sh health.sh {host}", within = "3s", interval = "200ms" }
[environments.production]
hosts = "group:all"
when = "branch == 'main'"
strategy = { kind = "rolling", batch = 1 }
[groups]
all = NAMES
"""


def contract(farm: Farm) -> str:
    return HEAD + delivered(farm)


def delivered(farm: Farm) -> str:
    hosts = farm.hosts()
    text = DELIVERED.replace("NAMES", json.dumps([host.name for host in hosts]))
    for host in hosts:
        text += (
            f'[hosts.{host.name}]\naddress = "127.0.0.1"\nport = {host.port}\nuser = "{getpass.getuser()}"\n'
        )
    return text


def attack(folder: Path, kills: int, seed: int, tally: Tally) -> None:
    farm = Farm(folder / "hosts")
    try:
        farm.start(HOSTS)
        farm.settings()
        workshop = Workshop(folder / "service", {"HEADWAY_SSH_CONFIG": str(farm.servers[0].config)})
        Attack(workshop, farm, tally, random.Random(seed)).all(kills)
    finally:
        farm.stop()


class Attack:
    def __init__(self, workshop: Workshop, farm: Farm, tally: Tally, chance: random.Random) -> None:
        self.workshop, self.farm, self.tally, self.chance = workshop, farm, tally, chance
        self.turn = 0
        #: The release that every host has to be on.
        self.live = ""

    def all(self, kills: int) -> None:
        self.workshop.begin({"headway.toml": contract(self.farm), "version": "0\n", "health.sh": "exit 0\n"})
        self.next_release(bad=False)
        self.deploy(lambda process: False, bad=False)
        while kills > 0:
            bad = self.turn % 3 == 2
            self.next_release(bad=bad)
            before = self.tally.kills
            self.deploy(after_a_while(self.chance, A_DEPLOYMENT, min(kills, 3)), bad=bad)
            # A kill that would have come after the end was none, and is made up for.
            kills -= self.tally.kills - before
        print(f"  deployments: random points done, {self.tally.line()}", flush=True)
        for bad in (False, True):
            self.next_release(bad=bad)
            self.deploy(at_each_boundary(self.journal_lines), bad=bad)
        print(f"  deployments: step boundaries done, {self.tally.line()}", flush=True)
        self.judge_journals()

    def next_release(self, *, bad: bool) -> None:
        """A commit and its release; a bad one is not healthy on the fourth host only."""
        self.turn += 1
        health = 'test "$1" != web-4\n' if bad else "exit 0\n"
        self.workshop.commit({"version": f"{self.turn}\n", "health.sh": health})
        self.workshop.call("run")

    def release(self) -> str:
        listed = json.loads(self.workshop.call("release", "--json"))
        commit = self.workshop.git("rev-parse", "HEAD").strip()
        return next(release["id"] for release in listed["releases"] if release["commit"] == commit)

    def deploy(self, kills, *, bad: bool) -> None:  # type: ignore[no-untyped-def]
        release = self.release()
        code = kill_until_done(self.workshop, ("deploy", "production"), kills, self.tally)
        if code is not None and code != (1 if bad else 0):
            self.tally.fault(
                "stuck", f"deployment of {release} ended with {code}:\n{self.workshop.said()[-3000:]}"
            )
        if not bad:
            self.live = release
        self.judge_hosts()

    def roots(self) -> list[Path]:
        return [server.home / ROOT for server in self.farm.servers]

    def journal_lines(self) -> int:
        journals = (root / "journal" for root in self.roots())
        return sum(journal.read_bytes().count(b"\n") for journal in journals if journal.exists())

    def judge_hosts(self) -> None:
        for root in self.roots():
            judge_host(root, self.live, self.tally)
        (environment,) = json.loads(self.workshop.call("status", "--json"))["environments"]
        if environment["lock"] or environment["unfinished"]:
            self.tally.fault(
                "stuck", f"the database still has {environment['lock'] or environment['unfinished']}"
            )

    def judge_journals(self) -> None:
        for root in self.roots():
            judge_journal(root, self.tally)


def judge_host(root: Path, live: str, tally: Tally) -> None:
    """The host is on this one whole release, and nobody holds it."""
    found = (root / "current").resolve().name
    if found != live:
        tally.fault("lost", f"{root.parents[2].parent.name} is on {found}, not on {live}")
    if not {path.name for path in (root / "current").iterdir()} >= {"version", "health.sh"}:
        tally.fault("lost", f"the release on {root} is not whole")
    held = [epoch.name for epoch in (root / "epochs").iterdir() if not epoch.name.endswith(".closed")]
    if held:
        tally.fault("stuck", f"{root}: epoch {held} is still held")


def judge_journal(root: Path, tally: Tally) -> None:
    """A step that ended well neither began nor ended again; what the commands wrote themselves agrees."""
    ended: set[tuple[str, str]] = set()
    counted: Counter[str] = Counter()
    for line in (root / "journal").read_text().splitlines():
        entry = json.loads(line)
        if entry.get("event") not in ("begin", "end"):
            continue
        key = (entry["deployment"], entry["step"])
        if key in ended:
            tally.fault("repeated", f"{root}: {line}")
        if entry["event"] == "end" and entry["exit"] == 0:
            ended.add(key)
            counted[entry["step"].removeprefix("back-")] += 1
    written = Counter(line.split()[0] for line in (root / "done").read_text().splitlines())
    for word in COMMANDS:
        if written[word] != counted[word]:
            kind = "repeated" if written[word] > counted[word] else "lost"
            tally.fault(kind, f"{root}: {word} ran {written[word]} times, journal: {counted[word]}")

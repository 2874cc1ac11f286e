"""Taking the hosts of an environment and letting them go: Headway's own scripts in a real shell, without SSH between."""

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from headway.base.errors import Errored
from headway.deploy.hostside import close_script, take_script
from headway.deploy.lock import LockOwner
from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import SshError
from headway.drivers.ssh.framing import Reply
from headway.engine.hosts import lock as host_lock
from headway.engine.hosts.link import HostLink, HostRefused, require_all
from headway.engine.hosts.lock import BEAT, HostsHeld, HostsLock, new_owner
from tests.support.clocks import HandClock


@dataclass
class BeatClock(HandClock):
    """Hearts beat when the test lets them; all other sleeping lets time pass."""

    beats: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def sleep(self, seconds: float) -> None:
        if seconds == BEAT:
            await self.beats.acquire()
        else:
            await super().sleep(seconds)
            await asyncio.sleep(0)


@dataclass
class ShellLink(HostLink):
    """A host whose shell is one of this machine."""

    #: What its connection does instead of asking, as long as it stands.
    broken: Exception | None = None
    #: What happens on the host just before our scripts that take it, one each time.
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    #: The answer is lost once, and the same is asked again.
    loses_an_answer: bool = False
    hangs: bool = False
    calls: int = 0

    def run(self, script: str) -> Reply:
        done = subprocess.run(
            ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return Reply(done.returncode, done.stdout)

    async def call(self, script: str, *, timeout: float = 60.0) -> Reply:
        self.calls += 1
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.broken is not None:
            raise self.broken
        if "\nn=" in script:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            if self.loses_an_answer:
                self.run(script)
        return self.run(script)

    async def call_aside(self, script: str, *, timeout: float = 60.0) -> Reply:
        return await self.call(script)

    @property
    def epochs(self) -> list[str]:
        return sorted(path.name for path in Path(self.configured_root, "epochs").glob("*"))

    def read(self, name: str) -> str:
        return Path(self.configured_root, "epochs", name).read_text()


@dataclass
class World:
    """Three hosts, and one who deploys."""

    links: list[ShellLink]
    lock: HostsLock
    clock: BeatClock
    told: list[str]

    def takes(self, owner: LockOwner, token: int, link: ShellLink) -> None:
        """Another one takes a host from whoever has it, and does nothing more."""
        stale = [int(name) for name in link.epochs if name.isdigit()]
        assert link.run(take_script(link.configured_root, token, stale, owner.line())).exit_code == 0

    async def beat(self) -> None:
        """Each heart once, to its end."""
        calls = {link.name: link.calls for link in self.lock.taken if isinstance(link, ShellLink)}
        for _ in calls:
            self.clock.beats.release()
        while any(link.calls == calls[link.name] for link in self.links if link.name in calls):
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    told: list[str] = []
    links = [
        ShellLink(name, HostSpec(name, "10.0.0.1"), str(tmp_path / name), cast(Connections, None))
        for name in ("web3", "web1", "web2")
    ]
    clock = BeatClock()
    lock = HostsLock(links, new_owner("ana", "deploys", "dep-1", "now"), clock, told.append)
    yield World(links, lock, clock, told)
    await lock.stop_beating()


#: Of an earlier boot of this machine: nobody has to wait to know that it is dead.
DEAD = replace(new_owner("eve", "deploys rel-x", "dep-9", "then"), boot_id="an earlier boot")
LIVES = replace(DEAD, machine="another", boot_id="its own")


async def test_all_hosts_are_taken_in_the_order_of_their_names_and_let_go(world: World) -> None:
    lock = world.lock
    await lock.acquire(majority=False, wait=False)
    assert ([link.name for link in lock.taken], lock.token) == (["web1", "web2", "web3"], 1)
    for link in world.links:
        assert json.loads(link.read("1/owner.json"))["id"] == lock.owner.id
        assert link.record.owners[1]["id"] == lock.owner.id, "its record was read under the lock"
    await lock.release()
    assert [link.epochs for link in world.links] == [["1.closed"]] * 3
    assert (lock.taken, world.told) == ([], [])
    # The next taking has a number of its own.
    await lock.acquire(majority=False, wait=False)
    assert (lock.token, world.links[0].epochs) == (2, ["1.closed", "2"])


async def test_each_host_hears_that_its_owner_lives_until_it_is_let_go(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    for count in ("1\n", "2\n"):
        await world.beat()
        assert [link.read("1/beat") for link in world.links] == [count] * 3
    assert sorted(task.get_name() for task in hearts()) == ["beat on web1", "beat on web2", "beat on web3"]
    await world.lock.stop_beating()
    assert hearts() == [], "they have ended, and not only been told to"


def hearts() -> list["asyncio.Task[None]"]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("beat on ")]


@pytest.mark.parametrize("error", [SshError("web1", "no route"), RuntimeError("a fault of ours")])
async def test_a_beat_that_fails_is_followed_by_the_next(
    world: World, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The host may come back, and then has to hear from us."""
    await world.lock.acquire(majority=False, wait=False)
    web1 = next(link for link in world.links if link.name == "web1")
    web1.broken = error
    await world.beat()
    assert web1.read("1/beat") == "0\n"
    web1.broken = None
    await world.beat()
    assert web1.read("1/beat") == "2\n"
    # Only what is no trouble of the network is a matter for who reads the server's log.
    assert [record.getMessage() for record in caplog.records] == (
        [] if isinstance(error, SshError) else ["the beat on web1 failed"]
    )


async def test_who_was_taken_over_from_learns_it_by_its_next_beat(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    web2 = world.links[2]
    web2.run(close_script(web2.configured_root, 1))
    await world.beat()
    assert world.lock.lost.is_set()
    assert world.lock.lost_because == "another owner has taken web2"


async def test_a_dead_owner_loses_its_hosts_at_once(world: World) -> None:
    world.takes(DEAD, 4, world.links[0])
    await world.lock.acquire(majority=False, wait=False)
    assert world.lock.token == 5
    assert [link.epochs for link in world.links] == [["4.closed", "5"], ["5"], ["5"]]
    assert (world.told, world.clock.monotonic()) == ([], 0)


async def test_one_of_another_machine_is_watched_for_its_silence(world: World) -> None:
    world.takes(LIVES, 1, world.links[0])
    await world.lock.acquire(majority=False, wait=False)
    assert world.links[0].epochs == ["1.closed", "2"]
    assert world.clock.monotonic() == 30
    assert len(world.told) == 1, "said once, however often it is looked"


async def test_who_finds_a_living_owner_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "_DRIVEN", {"theirs"})
    theirs = replace(world.lock.owner, id="theirs", user="eve")
    world.takes(theirs, 1, world.links[0])
    with pytest.raises(HostsHeld, match="the hosts are held by eve, deploys"):
        await world.lock.acquire(majority=False, wait=False)
    assert [link.epochs for link in world.links] == [["1"], [], []]
    assert {"theirs"} == host_lock._DRIVEN, "whoever comes next finds that we drive nothing"


async def test_who_waits_takes_them_once_a_living_owner_lets_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "_DRIVEN", {"theirs"})
    web3 = world.links[0]
    world.takes(replace(world.lock.owner, id="theirs", user="eve"), 1, web3)

    def lets_go_when_it_is_told(text: str) -> None:
        world.told.append(text)
        web3.run(close_script(web3.configured_root, 1))

    world.lock.tell = lets_go_when_it_is_told
    await world.lock.acquire(majority=False, wait=True)
    assert world.told == [
        "held by eve, deploys, since now (epoch 1 on web3); watching for 30s whether it lives"
    ]
    assert (world.lock.token, web3.epochs) == (2, ["1.closed", "2"])


async def test_who_takes_the_hosts_drives_them_until_its_end(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    assert world.lock.owner.id in host_lock._DRIVEN
    await world.lock.release()
    assert world.lock.owner.id not in host_lock._DRIVEN


async def test_where_somebody_was_faster_what_was_taken_is_given_back_and_it_begins_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later and later, so that two who meet do not meet again; at most about two seconds later."""
    bounds: list[tuple[float, float]] = []
    monkeypatch.setattr(random, "uniform", lambda low, high: bounds.append((low, high)) or high)
    web3, web1, web2 = world.links
    for _ in range(12):
        web2.meanwhile.append(lambda: world.takes(DEAD, max(map(_number, web2.epochs), default=0) + 1, web2))
    await world.lock.acquire(majority=False, wait=False)
    assert set(bounds) == {(0.05, 0.2)}
    pauses = [0.2 * min(number, 10) for number in range(1, 13)]
    assert world.clock.monotonic() == pytest.approx(sum(pauses))
    token = world.lock.token
    assert (
        web1.epochs.count(str(token)) == web2.epochs.count(str(token)) == web3.epochs.count(str(token)) == 1
    )
    # Web1 was taken each time, before web2 was found to be another's; web3 only at the end.
    assert len([name for name in web1.epochs if name.endswith(".closed")]) == 12
    assert web3.epochs == [str(token)]
    assert len(hearts()) == 3


def _number(epoch: str) -> int:
    return int(epoch.removesuffix(".closed"))


async def test_one_who_took_the_number_and_has_no_name_yet_was_faster(world: World) -> None:
    """Should it have died in that moment, it is taken from after its silence."""
    web3, web1, web2 = world.links
    web2.meanwhile.append(Path(web2.configured_root, "epochs", "1").mkdir)
    Path(web2.configured_root, "epochs").mkdir(parents=True)
    await world.lock.acquire(majority=False, wait=False)
    assert [link.epochs for link in (web1, web2, web3)] == [["1.closed", "2"], ["1.closed", "2"], ["2"]]
    assert world.clock.monotonic() == pytest.approx(30, abs=1)
    assert [told.partition(";")[0] for told in world.told] == [
        "held by somebody (epoch 1 on web2, no name yet)"
    ]


async def test_a_host_whose_answer_was_lost_is_ours_all_the_same(world: World) -> None:
    world.links[0].loses_an_answer = True
    await world.lock.acquire(majority=False, wait=False)
    assert [link.epochs for link in world.links] == [["1"], ["1"], ["1"]]
    assert len(world.lock.taken) == 3


async def test_a_host_that_goes_away_while_the_hosts_are_taken_ends_it(world: World) -> None:
    web3, web1, web2 = world.links
    web2.meanwhile.append(lambda: setattr(web3, "broken", SshError("web3", "no route")))
    with pytest.raises(SshError, match="no route"):
        await world.lock.acquire(majority=False, wait=False)
    assert [web1.epochs, web2.epochs, web3.epochs] == [["1.closed"], ["1.closed"], []]
    assert world.lock.taken == []
    assert hearts() == []


async def test_a_host_on_which_nothing_can_be_made_says_why_and_the_others_are_given_back(
    world: World,
) -> None:
    web3, web1, web2 = world.links
    Path(web2.configured_root).write_text("a file")
    with pytest.raises(HostRefused) as refused:
        await world.lock.acquire(majority=False, wait=False)
    assert refused.value.message.startswith(f"web2 cannot be prepared in {web2.configured_root}: mkdir: ")
    assert refused.value.message.endswith("Not a directory") and "\n" not in refused.value.message
    assert refused.value.hint == "headway check --hosts shows what is missing there"
    assert [web1.epochs, web3.epochs] == [["1.closed"], []]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 20", "exit 20"),
        ("echo no; echo because; exit 20", "because"),
        ("printf 'no \\377'; exit 20", "no \ufffd"),
        (f"echo {'a' * 400}z; exit 20", "exit 20"),
    ],
)
async def test_what_a_host_says_last_is_why(
    world: World, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(host_lock, "take_script", lambda *_: f"\nn=\n{script}")
    with pytest.raises(HostRefused) as refused:
        await world.lock.acquire(majority=False, wait=False)
    root = world.links[1].configured_root
    assert refused.value.message == f"web1 cannot be prepared in {root}: {said}"


async def test_going_forward_needs_every_host(world: World) -> None:
    world.links[0].broken = SshError("web3", "no route", hint="plug it in")
    with pytest.raises(SshError, match="no route") as away:
        await world.lock.acquire(majority=False, wait=False)
    assert away.value.hint == "plug it in; or go on without it: --without web3"
    assert world.lock.out_of_reach("web3") == "no route"


async def test_going_back_goes_on_without_the_lesser_part(world: World) -> None:
    web3 = world.links[0]
    web3.broken = SshError("web3", "no route")
    world.takes(LIVES, 1, world.links[1])
    await world.lock.acquire(majority=True, wait=True)
    assert [link.name for link in world.lock.taken] == ["web1", "web2"]
    assert world.lock.out_of_reach("web3") == "no route"
    assert web3.calls == 1, "who was given up is not waited for anew with each look"
    assert world.told[0] == "goes on without web3: no route"
    assert len(world.told) == 2 and world.told[1].startswith("held by eve")


async def test_all_without_whom_it_goes_on_are_told(world: World, tmp_path: Path) -> None:
    world.lock.links = [
        ShellLink(name, HostSpec(name, "10.0.0.1"), str(tmp_path / name), cast(Connections, None))
        for name in ("a", "b", "c", "d", "e")
    ]
    for link in world.lock.links[1:3]:
        cast(ShellLink, link).broken = SshError(link.name, f"{link.name} is away")
    await world.lock.acquire(majority=True, wait=False)
    assert world.told == ["goes on without b, c: b is away; c is away"]


@pytest.mark.parametrize("majority", [False, True])
async def test_whom_it_waits_for_is_told_while_it_looks(
    world: World, monkeypatch: pytest.MonkeyPatch, *, majority: bool
) -> None:
    """Going back more than half of the hosts are enough; going forward nothing less than all."""
    asked = []
    look_at_all = host_lock.look_at_all

    async def looking(links, tell, *, enough=None):  # type: ignore[no-untyped-def]
        tell("trying to reach web3")
        asked.append(enough and [enough(answered) for answered in range(4)])
        return await look_at_all(links, tell)

    monkeypatch.setattr(host_lock, "look_at_all", looking)
    await world.lock.acquire(majority=majority, wait=False)
    assert asked == [[False, False, True, True] if majority else None]
    assert world.told == ["trying to reach web3"]


async def test_going_back_needs_more_than_half(world: World) -> None:
    for link in world.links[1:]:
        link.broken = SshError(link.name, f"{link.name} is away")
    with pytest.raises(Errored) as few:
        await world.lock.acquire(majority=True, wait=False)
    assert few.value.message == (
        "only 1 of 3 hosts can be reached, more than half are needed: web1 is away; web2 is away"
    )
    assert few.value.hint == "leave those out by name that are gone for good: --without HOST"
    assert world.links[0].epochs == []


async def test_a_host_that_is_away_at_the_end_holds_up_no_other_and_is_told(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    web3, web1, web2 = world.links
    web1.broken = SshError("web1", "no route")
    await world.lock.release()
    assert world.told == ["web1 could not be let go: no route; the next one takes it over"]
    assert [web1.epochs, web2.epochs, web3.epochs] == [["1"], ["1.closed"], ["1.closed"]]


async def test_a_fault_with_one_host_lets_the_others_go_all_the_same(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    web3, web1, web2 = world.links
    web1.broken = RuntimeError("a fault of ours")
    await world.lock.release()
    assert [web1.epochs, web2.epochs, web3.epochs] == [["1"], ["1.closed"], ["1.closed"]]


async def test_a_host_that_hangs_at_the_end_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "_LET_GO_WITHIN", 0.01)
    world.links[0].hangs = True
    world.lock.taken = [world.links[0]]
    await world.lock.release()
    assert world.told == ["web3 could not be let go: it does not answer; the next one takes it over"]


async def test_what_was_lost_before_is_forgotten_with_the_next_taking(world: World) -> None:
    await world.lock.acquire(majority=False, wait=False)
    world.lock._lose(world.links[0])
    await world.lock.release()
    await world.lock.acquire(majority=False, wait=False)
    assert not world.lock.lost.is_set()


def test_where_no_host_would_be_left_nobody_is_told_to_go_on_without() -> None:
    away = SshError("web1", "web1 is away", hint="plug it in")
    with pytest.raises(SshError) as one:
        require_all({"web1": away}, 1)
    assert one.value.hint == "plug it in"
    with pytest.raises(SshError) as of_two:
        require_all({"web1": away}, 2)
    assert of_two.value.hint == "plug it in; or go on without it: --without web1"

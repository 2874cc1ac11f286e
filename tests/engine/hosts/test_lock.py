"""Whether the holder of an environment lives, judged by its process where that can be known and by its silence."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from headway.deploy.hostside import LOST
from headway.deploy.lock import Holder, LockOwner
from headway.drivers.ssh.errors import SshError
from headway.drivers.ssh.framing import Reply
from headway.engine.hosts import lock as host_lock
from headway.engine.hosts.lock import BEAT, SILENCE, HostsHeld, HostsLock, new_owner
from headway.engine.ownership import this_process
from tests.support.clocks import HandClock


def judge(
    lock: HostsLock, looks: list[str], *, wait: bool, owner: LockOwner | None
) -> tuple[int, frozenset[Holder] | None]:
    """After which look the holder counts as gone; `looks` are its counter at each of them."""
    watched: dict[tuple[Holder, ...], float] = {}
    for number, beat in enumerate(looks):
        found = (Holder("web1", 1, owner, beat),)
        if (
            stale := asyncio.run(lock._judge(found, watched, asked_at=lock.clock.monotonic(), wait=wait))
        ) is not None:
            return number, stale
    return len(looks), None


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def lock(told: list[str]) -> HostsLock:
    return HostsLock((), new_owner("ana", "deploys", "dep-1", "now"), HandClock(), told.append)


@pytest.fixture
def living(monkeypatch: pytest.MonkeyPatch) -> LockOwner:
    monkeypatch.setattr(host_lock, "is_alive", lambda owner: True)
    return replace(new_owner("eve", "deploys rel-x", "dep-2", "now"), pid=1)


def test_a_living_process_that_hangs_is_taken_over_from_after_the_silence(
    lock: HostsLock, told: list[str], living: LockOwner
) -> None:
    _, stale = judge(lock, ["7"] * 100, wait=True, owner=living)
    assert stale is not None
    assert lock.clock.monotonic() == SILENCE, "not a look later than the 30 s that the documentation promises"
    assert len(told) == 1 and "eve, deploys rel-x" in told[0]
    # One that beats is waited for, however long.
    assert judge(lock, [str(n // 20) for n in range(400)], wait=True, owner=living)[1] is None


OURS = new_owner("ana", "deploys rel-y", "dep-3", "now")
ELSEWHERE = replace(OURS, machine="another")
DEAD = replace(OURS, boot_id="an earlier boot")
REFUSED = "held"


@pytest.mark.parametrize(
    ("owner", "driven", "looks", "wait", "expected", "said"),
    [
        # A dead process of this machine has lost the hosts at once, and so has a drive that died in this process.
        (DEAD, False, "7", False, (0, 0), ""),
        (OURS, False, "7", False, (0, 0), ""),
        (OURS, True, "7", False, REFUSED, ""),
        # Another machine's tells by its silence alone: a look every 2 s, whether one waits or not.
        (ELSEWHERE, False, "7" * 99, False, (15, 30), "held by ana, deploys rel-y, since now (epoch 1 on web1)"),
        (ELSEWHERE, False, "7" * 99, True, (15, 30), "held by ana, deploys rel-y, since now (epoch 1 on web1)"),
        (ELSEWHERE, False, "77778", False, REFUSED, "held by ana, deploys rel-y, since now (epoch 1 on web1)"),
        # The silence begins anew with each beat, here after 8 s.
        (ELSEWHERE, False, "77778" + "8" * 99, True, (20, 39), "held by ana, deploys rel-y, since now (epoch 1 on web1)"),
        (None, False, "7" * 99, False, (15, 30), "held by somebody (epoch 1 on web1, no name yet)"),
    ],
)  # fmt: skip
def test_when_the_hosts_are_taken_from_their_holder(
    lock: HostsLock,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    owner: LockOwner | None,
    driven: bool,
    looks: str,
    wait: bool,
    expected: object,
    said: str,
) -> None:
    """`expected`: after how many looks and seconds."""
    monkeypatch.setattr(host_lock, "_DRIVEN", {OURS.id} if driven else set())
    if expected == REFUSED:
        with pytest.raises(HostsHeld) as refused:
            judge(lock, list(looks), wait=wait, owner=owner)
        assert refused.value.hint == (
            "wait for it: --wait; if its machine is gone for good, the lock frees itself within 60 s"
        )
    else:
        number, stale = judge(lock, list(looks), wait=wait, owner=owner)
        assert (number, lock.clock.monotonic()) == expected
        assert stale == frozenset({Holder("web1", 1, owner, looks[number])})
    assert told == ([f"{said}; watching for 30s whether it lives"] if said else [])


def test_an_owner_on_the_hosts_is_this_very_process() -> None:
    mine = new_owner("ana", "deploys rel-y", "dep-3", "now")
    assert host_lock._process(Holder("web1", 1, mine, "")) == this_process("ana")
    assert (mine.reason, mine.deployment, mine.since) == ("deploys rel-y", "dep-3", "now")
    assert mine.id != new_owner("ana", "deploys rel-y", "dep-3", "now").id, "each taking is told apart"


def test_why_nothing_can_be_done_on_a_host(lock: HostsLock) -> None:
    lock.left_out = frozenset({"web2"})
    lock.unreachable = {"web2": SshError("web2", "no route"), "web3": SshError("web3", "no answer")}
    assert [lock.out_of_reach(host) for host in ("web1", "web2", "web3")] == ["", "left out", "no answer"]


@dataclass
class AnsweringLink:
    """A host that answers with an exit code; None: it does not."""

    exit_code: int | None
    name: str = "web1"
    root: str = "/srv/shop"

    async def call(self, script: str) -> Reply:
        assert f"root={self.root}\n" in script and "epochs/4" in script, "asked of our own epoch there"
        if self.exit_code is None:
            raise SshError(self.name, "no route")
        return Reply(self.exit_code, b"")


@pytest.mark.parametrize(("exit_code", "ours"), [(0, True), (1, True), (None, True), (LOST, False)])
async def test_only_a_host_that_says_so_is_another_owners(
    lock: HostsLock, exit_code: int | None, ours: bool
) -> None:
    lock.token = 4
    assert await lock.is_ours(AnsweringLink(exit_code)) is ours  # type: ignore[arg-type]
    assert lock.lost.is_set() is not ours
    assert lock.lost_because == ("" if ours else "another owner has taken web1")


def test_an_owner_may_miss_two_beats_and_keep_the_hosts() -> None:
    """The other side of the silence: 10 s and 30 s stand in the documentation, and in hosts that older versions hold."""
    assert (BEAT, SILENCE) == (10.0, 30.0)


def test_a_living_process_is_told_at_once_to_who_does_not_wait(lock: HostsLock, living: LockOwner) -> None:
    with pytest.raises(HostsHeld, match="eve, deploys rel-x"):
        judge(lock, ["7"], wait=False, owner=living)


def test_a_stopped_process_is_named_and_judged_by_its_silence(
    lock: HostsLock, told: list[str], living: LockOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "is_stopped", lambda owner: True)
    assert judge(lock, ["7"] * 100, wait=False, owner=living)[1] is not None
    assert told == [
        "held by eve, deploys rel-x, since now (epoch 1 on web1); its process 1 is stopped; "
        "watching for 30s whether it lives"
    ]
    # It was woken up meanwhile, and beats.
    with pytest.raises(HostsHeld):
        judge(lock, ["7", "7", "8"], wait=False, owner=living)


def test_who_stood_still_himself_takes_no_host_by_an_old_look(lock: HostsLock) -> None:
    """The answer was asked for before we stood still: its owner has beaten since."""
    clock = lock.clock
    assert isinstance(clock, HandClock)
    found = (Holder("web1", 1, ELSEWHERE, "7"),)
    watched: dict[tuple[Holder, ...], float] = {}
    assert asyncio.run(lock._judge(found, watched, asked_at=clock.monotonic(), wait=True)) is None
    asked_at = clock.monotonic()
    clock.pass_(timedelta(seconds=10 * SILENCE))
    assert asyncio.run(lock._judge(found, watched, asked_at=asked_at, wait=True)) is None
    # Asked anew it still is what it was: now it is dead.
    stale = asyncio.run(lock._judge(found, watched, asked_at=clock.monotonic(), wait=True))
    assert stale == frozenset(found)

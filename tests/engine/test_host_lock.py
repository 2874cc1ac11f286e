"""Whether the holder of an environment lives, judged by its process where that can be known and by its silence."""

import asyncio
from dataclasses import replace

import pytest

from headway.deploy.lock import Holder, LockOwner
from headway.engine import host_lock
from headway.engine.host_lock import BEAT, SILENCE, HostsHeld, HostsLock, new_owner
from tests.support.clocks import HandClock


def judge(
    lock: HostsLock, looks: list[str], *, wait: bool, owner: LockOwner
) -> tuple[int, frozenset[Holder] | None]:
    """After which look the holder counts as gone; `looks` are its counter at each of them."""
    watched: dict[tuple[Holder, ...], float] = {}
    for number, beat in enumerate(looks):
        found = (Holder("web1", 1, owner, beat),)
        if (stale := asyncio.run(lock._judge(found, watched, wait=wait))) is not None:
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
    assert 30 <= lock.clock.monotonic() <= 32, "the 30 s that the documentation promises"
    assert len(told) == 1 and "eve, deploys rel-x" in told[0]
    # One that beats is waited for, however long.
    assert judge(lock, [str(n // 20) for n in range(400)], wait=True, owner=living)[1] is None


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

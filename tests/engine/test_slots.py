"""Slots: who may start, who waits for what, and that nothing is kept by what is over."""

from datetime import timedelta

from headway.domain.run import Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.engine.slots import Slots
from tests.support.clocks import NOON


def run(number: int, priority: int = 0) -> Run:
    return Run(
        id=f"run-{number}",
        number=number,
        service="shop",
        repository="/r.git",
        commit="c" * 40,
        tree="t" * 40,
        dirty=False,
        branch="main",
        state=State.QUEUED,
        reason="",
        created_at=NOON + timedelta(seconds=number),
        trigger=Trigger(TriggerEvent.PUSH, f"k{number}", "repo-1", priority=priority),
    )


def job(name: str, of: Run, **more: object) -> Job:
    return Job(f"{of.id}-{name}", of.id, name, name, {}, (), State.QUEUED, "", 1, False, NOON, **more)  # type: ignore[arg-type]


class Asker:
    """A run's drive, as far as slots see it."""

    def __init__(self, slots: Slots, of: Run) -> None:
        self.slots, self.of, self.woken = slots, of, 0

    def ask(self, *jobs: Job) -> set[str]:
        return self.slots.ask(self.of, jobs, {}, self._wake)

    def _wake(self) -> None:
        self.woken += 1


def test_jobs_start_while_there_are_slots_and_the_next_is_woken_when_one_ends() -> None:
    slots = Slots(2)
    first = Asker(slots, run(1))
    jobs = [job(name, first.of) for name in "abc"]
    assert first.ask(*jobs) == {"run-1-a", "run-1-b"}
    assert (slots.held, slots.free) == (2, 0)
    assert slots.explain() == {"run-1-c": "none of 2 slots is free"}
    slots.release(["run-1-a"])
    assert first.woken == 1
    assert first.ask(jobs[2]) == {"run-1-c"}
    assert slots.explain() == {}


def test_the_higher_priority_gets_the_next_slot() -> None:
    slots = Slots(1)
    busy, low, high = Asker(slots, run(1)), Asker(slots, run(2)), Asker(slots, run(3, priority=10))
    assert busy.ask(job("a", busy.of))
    assert not low.ask(job("a", low.of))
    assert not high.ask(job("a", high.of))
    slots.release(["run-1-a"])
    assert (low.woken, high.woken) == (0, 1)


def test_a_group_has_no_more_than_its_limit_whoever_asks() -> None:
    slots = Slots(4)
    one, two = Asker(slots, run(1)), Asker(slots, run(2))
    assert one.ask(job("a", one.of, group="gpu"))
    assert not two.ask(job("a", two.of, group="gpu"))
    assert slots.explain() == {"run-2-a": "group gpu: run 1 of shop has it"}
    slots.release(["run-1-a"])
    assert two.ask(job("a", two.of, group="gpu"))


def test_what_went_on_without_a_server_holds_its_slots_before_anybody_else() -> None:
    slots = Slots(1)
    before, new = Asker(slots, run(1)), Asker(slots, run(2))
    slots.hold(before.of, job("a", before.of))
    assert not new.ask(job("a", new.of))
    slots.leave("run-1")
    assert new.woken == 1


def test_a_run_that_leaves_takes_its_wishes_and_its_slots_with_it() -> None:
    slots = Slots(1)
    one, two, three = (Asker(slots, run(number)) for number in (1, 2, 3))
    one.ask(job("a", one.of))
    two.ask(job("a", two.of))
    three.ask(job("a", three.of))
    slots.leave("run-2")
    slots.leave("run-1")
    assert three.woken == 1
    slots.leave("run-3")
    assert (slots.held, slots.free, slots.waiting()) == (0, 1, [])


def test_a_job_that_wants_more_slots_than_there_are_takes_all() -> None:
    slots = Slots(2)
    large = Asker(slots, run(1))
    assert large.ask(job("a", large.of, slots=8))
    assert slots.free == 0


def test_asking_again_changes_nothing() -> None:
    slots = Slots(1)
    one, two = Asker(slots, run(1)), Asker(slots, run(2))
    one.ask(job("a", one.of))
    for _ in range(3):
        assert not two.ask(job("a", two.of))
    assert len(slots.waiting()) == 1

"""Slots: who may start, who waits for what, and that nothing is kept by what is over."""

from datetime import timedelta

from headway.domain.run import Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.engine.runs.slots import Slots
from tests.support.clocks import NOON, HandClock


def run(number: int, priority: int = 0, of: str = "repo-1") -> Run:
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
        trigger=Trigger(TriggerEvent.PUSH, f"k{number}", of, priority=priority),
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
    slots = Slots(2, HandClock())
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
    slots = Slots(1, HandClock())
    busy, low, high = Asker(slots, run(1)), Asker(slots, run(2)), Asker(slots, run(3, priority=10))
    assert busy.ask(job("a", busy.of))
    assert not low.ask(job("a", low.of))
    assert not high.ask(job("a", high.of))
    slots.release(["run-1-a"])
    assert (low.woken, high.woken) == (0, 1)


def test_a_group_has_no_more_than_its_limit_whoever_asks() -> None:
    slots = Slots(4, HandClock())
    one, two = Asker(slots, run(1)), Asker(slots, run(2))
    assert one.ask(job("a", one.of, group="gpu"))
    assert not two.ask(job("a", two.of, group="gpu"))
    assert slots.explain() == {"run-2-a": "group gpu: run 1 of shop has it"}
    slots.release(["run-1-a"])
    assert two.ask(job("a", two.of, group="gpu"))


def test_what_went_on_without_a_server_holds_its_slots_before_anybody_else() -> None:
    slots = Slots(1, HandClock())
    before, new = Asker(slots, run(1)), Asker(slots, run(2))
    slots.hold(before.of, job("a", before.of))
    assert not new.ask(job("a", new.of))
    slots.leave("run-1")
    assert new.woken == 1


def test_a_run_that_leaves_takes_its_wishes_and_its_slots_with_it() -> None:
    slots = Slots(1, HandClock())
    one, two, three = (Asker(slots, run(number)) for number in (1, 2, 3))
    one.ask(job("a", one.of))
    two.ask(job("a", two.of))
    three.ask(job("a", three.of))
    slots.leave("run-2")
    slots.leave("run-1")
    assert three.woken == 1
    slots.leave("run-3")
    assert (slots.held, slots.free, slots.waiting) == (0, 1, 0)


def test_a_job_that_wants_more_slots_than_there_are_takes_all() -> None:
    slots = Slots(2, HandClock())
    large = Asker(slots, run(1))
    assert large.ask(job("a", large.of, slots=8))
    assert slots.free == 0


def test_asking_again_changes_nothing() -> None:
    slots = Slots(1, HandClock())
    one, two = Asker(slots, run(1)), Asker(slots, run(2))
    one.ask(job("a", one.of))
    for _ in range(3):
        assert not two.ask(job("a", two.of))
    assert slots.waiting == 1


def test_a_newcomer_s_job_is_next_however_many_jobs_of_another_wait() -> None:
    """32 runs of many jobs have all slots; each that ends makes room for one job, and that is the newcomer's."""
    clock = HandClock()
    slots = Slots(4, clock)
    crowd = [Asker(slots, run(number)) for number in range(1, 33)]
    jobs = {asker.of.id: [job(f"{number:04}", asker.of) for number in range(100)] for asker in crowd}
    for asker in crowd:
        asker.ask(*jobs[asker.of.id])
    new = Asker(slots, run(99, of="repo-2"))
    first, second = job("a", new.of), job("b", new.of)
    assert new.ask(first, second) == set()
    order = list(slots.explain())
    assert order[:2] == [first.id, second.id], "it has no slot, the others have all"
    assert len(order) == slots.waiting == 32 * 100 - 4 + 2
    clock.pass_(timedelta(seconds=1))
    slots.release([jobs["run-1"][0].id])
    assert new.woken == 1 and new.ask(first, second) == {first.id}


def test_on_one_slot_repositories_take_it_one_after_the_other() -> None:
    clock = HandClock(NOON + timedelta(minutes=1))
    slots = Slots(1, clock)
    old, new = Asker(slots, run(1)), Asker(slots, run(2, of="repo-2"))
    waiting = {asker.of.id: [job(name, asker.of) for name in "abc"] for asker in (old, new)}
    took: list[str] = []
    for _ in range(6):
        for asker in (old, new):
            for id in asker.ask(*waiting[asker.of.id]):
                took.append(id)
                waiting[asker.of.id] = [one for one in waiting[asker.of.id] if one.id != id]
        clock.pass_(timedelta(seconds=60))
        slots.release([took[-1]])
    assert took == ["run-1-a", "run-2-a", "run-1-b", "run-2-b", "run-1-c", "run-2-c"]


def test_when_a_large_one_leaves_what_was_kept_for_it_is_given_out() -> None:
    slots = Slots(2, HandClock())
    busy, large, small = (Asker(slots, run(number)) for number in (1, 2, 3))
    assert busy.ask(job("a", busy.of))
    assert not large.ask(job("a", large.of, slots=2))
    assert not small.ask(job("a", small.of))
    slots.leave("run-2")
    assert small.woken == 1

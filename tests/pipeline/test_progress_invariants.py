"""What must hold for every run, walked by chance: graphs, results, retries, limits, cancels."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.contract import Retry
from headway.domain.states import State
from headway.pipeline.progress import (
    AttemptEnd,
    Drop,
    Finish,
    Rules,
    Skip,
    Start,
    Stop,
    decide,
    is_halted,
    left_out,
    settled,
    started,
)
from tests.pipeline.test_progress import NOON, job

ENDS = [State.SUCCEEDED, State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.ERRORED, State.CANCELLED]


@st.composite
def pipelines(draw):
    size = draw(st.integers(1, 7))
    jobs = []
    for number in range(size):
        needs = (
            draw(st.lists(st.sampled_from([f"j{n}" for n in range(number)]), max_size=3, unique=True))
            if number
            else []
        )
        for variant in range(draw(st.integers(1, 2))):
            state = draw(st.sampled_from([State.QUEUED] * 6 + [State.SKIPPED]))
            jobs.append(
                job(
                    f"j{number} ({variant})" + (" needs " + " ".join(needs) if needs else ""),
                    state=state,
                    allow_failure=draw(st.booleans()),
                )
            )
    retries = {
        f"j{number}": Retry(
            draw(st.integers(0, 2)), frozenset(draw(st.sets(st.sampled_from([State.FAILED, State.ERRORED]))))
        )
        for number in range(size)
        if draw(st.booleans())
    }
    return jobs, Rules(limit=draw(st.integers(1, 4)), fail_fast=draw(st.booleans()), retries=retries)


class Walk:
    """Plays a run: starts what may start, lets attempts end as they are drawn, checks each step on the way."""

    def __init__(self, jobs, rules):
        self.jobs = {job.name: job for job in jobs}
        self.rules = rules
        self.starts = Counter()
        self.cancel = None

    def decide(self):
        decisions = decide(list(self.jobs.values()), self.rules, self.cancel)
        assert len({d.job for d in decisions if not isinstance(d, Finish)}) == len(decisions) or isinstance(
            decisions[0], Finish
        )
        for decision in decisions:
            self.apply(decision)
        running = sum(job.state is State.RUNNING for job in self.jobs.values())
        assert running <= self.rules.limit
        return decisions

    def apply(self, decision):
        if isinstance(decision, Finish):
            assert all(job.state.is_final for job in self.jobs.values())
            return
        assert decision.reason
        found = self.jobs[decision.job]
        if isinstance(decision, Start):
            assert found.state is State.QUEUED
            for other in self.jobs.values():
                if other.definition in found.needs:
                    assert other.state is State.SUCCEEDED or (
                        other.allow_failure and other.state in (State.FAILED, State.ERRORED)
                    )
            self.starts[(found.name, found.attempt)] += 1
            self.jobs[found.name] = started(found, decision.reason, "/d", NOON)
        elif isinstance(decision, Stop):
            assert found.state is State.RUNNING
        else:
            assert found.state is State.QUEUED
            assert isinstance(decision, Skip | Drop)
            self.jobs[found.name] = left_out(found, decision, NOON)

    def end(self, name, state):
        found = self.jobs[name]
        halted = is_halted(list(self.jobs.values()), self.rules, self.cancel)
        after = settled(found, AttemptEnd(state, "why"), self.rules, halted=halted, now=NOON)
        assert after.state.is_final == (after.finished_at is not None)
        assert after.attempt == (found.attempt if after.state.is_final else found.attempt + 1)
        self.jobs[name] = after

    def running(self):
        return sorted(name for name, job in self.jobs.items() if job.state is State.RUNNING)


@given(pipelines(), st.data())
@settings(max_examples=60, deadline=None)
def test_every_run_ends_exactly_when_nothing_can_change(pipeline, data):
    walk = Walk(*pipeline)
    for _ in range(200):
        decisions = walk.decide()
        if decisions and isinstance(decisions[0], Finish):
            break
        if running := walk.running():
            if walk.cancel is None and data.draw(st.integers(0, 9)) == 0:
                walk.cancel = "cancelled by ana"
            walk.end(data.draw(st.sampled_from(running)), data.draw(st.sampled_from(ENDS)))
        else:
            assert decisions, "nothing runs, nothing is decided, and the run has not ended"
    else:
        raise AssertionError("the run did not end")
    assert all(count == 1 for count in walk.starts.values()), "an attempt started twice"
    for name, attempt in walk.starts:
        retry = walk.rules.retries.get(walk.jobs[name].definition)
        assert attempt <= 1 + (retry.max if retry else 0)
    assert decide(list(walk.jobs.values()), walk.rules, walk.cancel) == decisions, "the end is not final"


@given(pipelines(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_jobs_does_not_change_what_is_decided(pipeline, random):
    jobs, rules = pipeline
    rules = replace(rules, limit=100)
    shuffled = list(jobs)
    random.shuffle(shuffled)
    first, second = decide(jobs, rules), decide(shuffled, rules)
    assert {(type(d), getattr(d, "job", "")) for d in first} == {
        (type(d), getattr(d, "job", "")) for d in second
    }


@given(pipelines(), st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_in_which_jobs_end_does_not_change_the_verdict(pipeline, data):
    jobs, rules = pipeline
    rules = replace(rules, fail_fast=False, retries={})
    ends = {job.name: data.draw(st.sampled_from(ENDS[:-1])) for job in jobs}
    assert verdict(jobs, rules, ends, data) == verdict(jobs, rules, ends, data)


def verdict(jobs, rules, ends, data):
    """How the run ends when each job ends as told, one after the other in an order that is drawn anew."""
    walk = Walk(jobs, rules)
    while True:
        decisions = walk.decide()
        if decisions and isinstance(decisions[0], Finish):
            return decisions[0].state, {name: job.state for name, job in walk.jobs.items()}
        if running := walk.running():
            name = data.draw(st.sampled_from(running))
            walk.end(name, ends[name])

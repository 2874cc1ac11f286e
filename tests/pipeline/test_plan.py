"""From definitions to the jobs of a run."""

import pytest

from headway.domain.contract import JobDefinition, StepDefinition
from headway.pipeline.plan import Fault, PlannedJob, meant, plan
from headway.pipeline.when import WhenFacts

FACTS = WhenFacts(branch="feature", changed=("src/shop.py",))
STEP = (StepDefinition("true", "true"),)


def job(name: str, *needs: str, when: str | None = None, **axes: tuple[str, ...]) -> JobDefinition:
    return JobDefinition(name=name, steps=STEP, needs=needs, matrix=axes, when=when)


def definitions(*jobs: JobDefinition) -> dict[str, JobDefinition]:
    return {job.name: job for job in jobs}


SHOP = definitions(
    job("build", "test"), job("test", "lint", python=("3.11", "3.12")), job("lint"), job("docs", "lint")
)


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ([], ["lint", "test (python=3.11)", "test (python=3.12)", "build", "docs"]),
        (["docs"], ["lint", "docs"]),
        (["test"], ["lint", "test (python=3.11)", "test (python=3.12)"]),
        (["test (python=3.12)"], ["lint", "test (python=3.12)"]),
        (["build", "test (python=3.12)"], ["lint", "test (python=3.11)", "test (python=3.12)", "build"]),
        (["lint", "lint"], ["lint"]),
    ],
)
def test_a_choice_runs_with_what_it_needs_and_nothing_else(only, names):
    assert [planned.name for planned in plan(SHOP, FACTS, only).jobs] == names


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["tset"], "'tset' is no job; did you mean 'test'?"),
        (["test us"], "'test us' is no job; did you mean 'test'?"),
        (["xyz"], "'xyz' is no job; there are 'build', 'test', 'lint', 'docs'"),
        (["test (python=3.13)"], "'test (python=3.13)' is no job; did you mean 'test (python=3.12)'?"),
    ],
)
def test_an_unknown_choice_is_told_with_the_near_name(only, message):
    found = plan(SHOP, FACTS, only)
    assert found.jobs == ()
    assert found.faults == (Fault("--job", message),)


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], "there are none"),
        (["a"], "there are 'a'"),
        ([*"abcdefghij"], "there are 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'"),
        ([*"abcdefghijk"], "there are 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j' and 1 more"),
        ([*"abcdefghijkl"], "there are 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j' and 2 more"),
    ],
)
def test_where_no_name_is_near_ten_are_listed(names, listed):
    assert meant("zzz", names) == f"; {listed}"


def test_one_job_of_a_matrix_is_chosen_by_its_whole_name():
    largest = definitions(job("many", number=tuple(map(str, range(1000)))))
    assert [one.name for one in plan(largest, FACTS, ["many (number=7)"]).jobs] == ["many (number=7)"]
    odd = definitions(job("test", os=("debian (stable)", "alpine")))
    assert [one.name for one in plan(odd, FACTS, ["test (os=debian (stable))"]).jobs] == [
        "test (os=debian (stable))"
    ]


def test_a_planned_job_has_all_that_its_definition_says():
    audit = JobDefinition("audit", STEP, needs=("lint",), matrix={"os": ("debian",)}, allow_failure=True)
    assert plan(definitions(audit, job("lint")), FACTS).jobs == (
        PlannedJob("lint", "lint", {}, (), False),
        PlannedJob("audit (os=debian)", "audit", {"os": "debian"}, ("lint",), True),
    )


def test_all_faults_at_once():
    found = plan(definitions(job("a", "b"), job("b", "a"), job("c", "tests"), job("test")), FACTS)
    assert found.jobs == ()
    assert found.faults == (
        Fault("jobs.c.needs", "'tests' is no job; did you mean 'test'?"),
        Fault("jobs.a.needs", "these jobs wait for each other: a → b → a"),
    )


def test_a_thousand_jobs_are_a_run_and_one_more_is_an_error():
    most = definitions(job("many", number=tuple(map(str, range(999)))), job("one"))
    assert len(plan(most, FACTS).jobs) == 1000
    over = most | definitions(job("two"))
    assert plan(over, FACTS).faults == (
        Fault(
            "jobs.many.matrix", "this makes a run of 1,001 jobs; 1,000 is the most ('many' alone makes 999)"
        ),
    )
    assert len(plan(over, FACTS, ["two"]).jobs) == 1
    single = definitions(*(job(f"job{number}") for number in range(1001)))
    assert [fault.place for fault in plan(single, FACTS).faults] == ["jobs"]


def test_no_job_is_an_error():
    assert plan({}, FACTS).faults == (Fault("jobs", "there is no job to run"),)


@pytest.mark.parametrize(
    ("when", "skipped"),
    [
        (None, None),
        ("branch == 'feature'", None),
        ("changed('src/**')", None),
        ("branch == 'main'", "when branch == 'main': branch is 'feature', not 'main'"),
        ("changed('docs/**')", "when changed('docs/**'): nothing changed in 'docs/**'"),
    ],
)
def test_a_job_is_skipped_with_the_reason_of_its_condition(when, skipped):
    found = plan(definitions(job("test", when=when, python=("3.11", "3.12"))), FACTS)
    assert [(planned.name, planned.skipped) for planned in found.jobs] == [
        ("test (python=3.11)", skipped),
        ("test (python=3.12)", skipped),
    ]

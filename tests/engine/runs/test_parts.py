"""The small parts of a run: the plan in its row, the steps' ledger, the release that a run makes, looking on."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from headway.base.stopping import Stopped, StopSign
from headway.domain.contract import Concurrency, JobDefinition, Retry, StepDefinition
from headway.domain.job import JobResult, StepMark, StepResult
from headway.domain.release import Artifact
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.git import Git
from headway.drivers.runner.masking import LogKeeper
from headway.engine.runs.environment import (
    job_environment,
    lay_out,
    passed_variables,
    variable,
    withheld_note,
)
from headway.engine.runs.plan import RunPlan, from_json, to_json
from headway.engine.runs.release import release_of
from headway.engine.runs.steps import StepLedger
from headway.engine.runs.watch import AttemptEnded, JobBegan, JobEnded, LogPiece, Look, RunEnded, Watcher
from headway.engine.settings import Settings
from headway.wire.contract import read_contract
from tests.support.repositories import ENVIRONMENT, Repository
from tests.support.settings import settings_in

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
DEFINITION = JobDefinition(
    name="test",
    steps=(
        StepDefinition("install", "uv sync", {"A": "b"}, "sub", ("bash",)),
        StepDefinition("pytest", "pytest"),
        StepDefinition("upload", "true"),
    ),
    needs=("lint",),
    matrix={"python": ("3.12",)},
    env={"LEVEL": "high"},
    pass_env=("JAVA_HOME", "AWS_SECRET_ACCESS_KEY", "NOT_SET"),
    secrets=("TOKEN", "KEY"),
    timeout=timedelta(minutes=3),
    idle_timeout=timedelta(seconds=1.5),
    retry=Retry(2, frozenset({State.FAILED, State.ERRORED})),
    allow_failure=True,
    artifacts=("dist/*",),
    junit=("report.xml",),
    working_directory="sub",
    shell=("bash", "-eu"),
    output_limit=123,
    concurrency=Concurrency("gpu", 2),
    slots=3,
    priority=-4,
)
JOB = Job(
    id="job-1",
    run="run-1",
    name="test (python=3.12)",
    definition="test",
    matrix={"python": "3.12"},
    needs=("lint",),
    state=State.RUNNING,
    reason="",
    attempt=1,
    allow_failure=False,
    queued_at=NOON,
    started_at=NOON,
)
RUN = Run(
    id="run-1",
    number=7,
    service="shop",
    repository="/home/ana/shop",
    commit="c" * 40,
    tree="t" * 40,
    dirty=False,
    branch=None,
    state=State.RUNNING,
    reason="",
    created_at=NOON,
)


def test_a_plan_comes_back_from_its_row_as_it_was():
    plan = RunPlan({"test": DEFINITION}, True, "dist/shop.tar.gz", True)
    assert from_json(to_json(plan)) == plan
    assert plan.secrets() == ("TOKEN", "KEY")
    assert plan.rules(3).retries == {"test": DEFINITION.retry}


def test_a_plan_of_an_earlier_headway_is_read_with_defaults():
    document = json.loads(to_json(RunPlan({"test": DEFINITION})))
    for key in ("concurrency", "slots", "priority"):
        del document["jobs"]["test"][key]
    definition = from_json(json.dumps(document)).definitions["test"]
    assert (definition.concurrency, definition.slots, definition.priority) == (None, 1, 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("test (python=3.12)", "TEST_PYTHON_3_12"), ("build-all", "BUILD_ALL"), ("a", "A"), ("ünï", "N")],
)
def test_names_become_parts_of_variables(name, expected):
    assert variable(name) == expected


def test_everything_a_step_may_ask_for_is_set():
    lint = replace(JOB, name="lint", definition="lint", outputs={"version": "1.2"})
    environment = job_environment(RUN, JOB, replace(DEFINITION, env={"CI": "no", "LEVEL": "high"}), [lint])
    assert environment == {
        "CI": "no",
        "LEVEL": "high",
        "HEADWAY_EVENT": "",
        "HEADWAY_PULL_REQUEST": "",
        "MATRIX_PYTHON": "3.12",
        "NEEDS_LINT_VERSION": "1.2",
        "HEADWAY": "1",
        "HEADWAY_SERVICE": "shop",
        "HEADWAY_COMMIT": "c" * 40,
        "HEADWAY_BRANCH": "",
        "HEADWAY_TAG": "",
        "HEADWAY_DIRTY": "",
        "HEADWAY_RUN": "7",
        "HEADWAY_JOB": "test (python=3.12)",
        "HEADWAY_ATTEMPT": "1",
    }


def test_a_server_hands_out_only_the_variables_that_it_was_told_to():
    """Who may push a file could name any; on a laptop whoever calls runs the file himself."""
    around = {"JAVA_HOME": "/opt/java", "AWS_SECRET_ACCESS_KEY": "key", "NPM_TOKEN": "token"}
    laptop = Settings(Path("data"), "sqlite:///data/headway.db", "ana@laptop", around)
    assert passed_variables(DEFINITION, laptop) == {"JAVA_HOME": "/opt/java", "AWS_SECRET_ACCESS_KEY": "key"}
    server = replace(laptop, job_variables=frozenset({"JAVA_HOME", "NPM_TOKEN"}))
    assert passed_variables(DEFINITION, server) == {"JAVA_HOME": "/opt/java"}
    assert passed_variables(DEFINITION, replace(server, job_variables=frozenset())) == {}


def failed(*steps: StepResult, reason: str = "exit 2 in step 2", state: State = State.FAILED) -> JobResult:
    return JobResult(state, reason, steps, timedelta(seconds=1))


def test_steps_have_the_builders_times_whenever_we_look():
    ledger = StepLedger(JOB, DEFINITION)
    ledger.mark(StepMark(1, None, 100.0), place=0, now=NOON)
    [first] = ledger.changed()
    assert (first.state, first.started_at, first.name) == (State.RUNNING, NOON, "install")
    late = NOON + timedelta(hours=3)
    resumed = StepLedger(JOB, DEFINITION, [first])
    resumed.mark(StepMark(1, 0, 101.5), place=10, now=late)
    resumed.mark(StepMark(2, None, 101.5), place=10, now=late)
    resumed.mark(StepMark(2, 2, 103.0), place=30, now=late)
    result = failed(
        StepResult(1, State.SUCCEEDED, 0, timedelta(seconds=1.5)),
        StepResult(2, State.FAILED, 2, timedelta(seconds=1.5)),
        StepResult(3, State.SKIPPED, None, None),
    )
    resumed.end(result, place=30, now=late)
    seconds = [
        (
            step.state,
            step.finished_at and (step.finished_at - NOON).total_seconds(),
            step.log_start,
            step.log_end,
        )
        for step in resumed.changed()
    ]
    assert seconds == [
        (State.SUCCEEDED, 1.5, 0, 10),
        (State.FAILED, 3.0, 10, 30),
        (State.SKIPPED, None, None, None),
    ]
    assert resumed.reason(result) == "exit 2 in 'pytest'"


def test_a_step_whose_runner_was_lost_shares_its_end():
    ledger = StepLedger(JOB, DEFINITION)
    ledger.mark(StepMark(1, None, 100.0), place=0, now=NOON)
    ledger.end(failed(reason="runner lost", state=State.ERRORED), place=5, now=NOON)
    assert [(step.state, step.log_end) for step in ledger.changed()] == [
        (State.ERRORED, 5),
        (State.SKIPPED, None),
        (State.SKIPPED, None),
    ]


SHOP = Artifact("dist/shop.tar.gz", "ab" * 32, 10)
NOTES = Artifact("notes.txt", "cd" * 32, 3)


@pytest.mark.parametrize(
    ("plan", "run", "made", "expected"),
    [
        (RunPlan(), {}, [("build", SHOP)], (None, "")),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {},
            [("build", SHOP), ("docs", NOTES)],
            ([SHOP], ""),
        ),
        (RunPlan(deployable=True), {}, [("build", SHOP), ("docs", NOTES)], ([SHOP, NOTES], "")),
        (RunPlan(deployable=True), {}, [], ([], "")),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {},
            [("docs", NOTES)],
            (None, "no release: no job made dist/shop.tar.gz, which [deploy] names as its artifact"),
        ),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {"dirty": True},
            [("build", SHOP)],
            (None, "no release: the tree has uncommitted changes"),
        ),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {"selection": ("build",)},
            [("build", SHOP)],
            (None, "no release: not all jobs were asked for"),
        ),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {"selection": ("lint",)},
            [],
            (None, ""),
        ),
        (
            RunPlan(release_artifact=SHOP.path, deployable=True),
            {},
            [("a", SHOP), ("b", replace(SHOP, sha256="ff" * 32))],
            (None, "no release: 'a' and 'b' made different files dist/shop.tar.gz"),
        ),
        (RunPlan(release_artifact=SHOP.path, deployable=True), {}, [("a", SHOP), ("b", SHOP)], ([SHOP], "")),
    ],
)
def test_which_release_a_run_makes(plan, run, made, expected):
    release, note = release_of(replace(RUN, **run), plan, made, by="ana", now=NOON)
    assert (list(release.artifacts) if release else None, note) == expected


def test_a_watcher_tells_everything_once_and_in_order(tmp_path):
    def path(job, attempt):
        return tmp_path / f"{job.id}.{attempt}.log"

    state = {"look": Look(RUN, (replace(JOB, state=State.QUEUED, started_at=None),))}
    watcher = Watcher(lambda: state["look"], path)

    def told():
        words = []
        for event in watcher.events():
            match event:
                case JobBegan(_, attempt):
                    words.append(f"began {attempt}")
                case LogPiece(_, data):
                    words.append(data.decode())
                case AttemptEnded(_, attempt):
                    words.append(f"ended {attempt}")
                case JobEnded(job):
                    words.append(str(job.state))
                case RunEnded(run):
                    words.append(f"run {run.state}")
        return words

    assert told() == []
    state["look"] = Look(RUN, (JOB,))
    assert told() == ["began 1"]
    path(JOB, 1).write_text("one")
    assert told() == ["one"]
    assert told() == []
    path(JOB, 1).write_text("one two")
    path(JOB, 2).write_text("three")
    done = replace(JOB, attempt=2, state=State.SUCCEEDED)
    state["look"] = Look(replace(RUN, state=State.SUCCEEDED), (done,))
    assert told() == [" two", "ended 1", "began 2", "three", "succeeded", "run succeeded"]
    assert watcher.ended
    assert told() == []


def test_a_variable_that_a_server_does_not_hand_out_is_named_in_the_log(tmp_path: Path) -> None:
    job = read_contract(
        'contract = 1\n[service]\nname = "s"\n[jobs.a]\nrun = "x"\npass_env = ["GOPROXY", "JAVA_HOME"]\n'
    ).jobs["a"]
    here = settings_in(tmp_path)
    assert withheld_note(job, here) == ""
    note = withheld_note(job, replace(here, job_variables=frozenset({"JAVA_HOME"})))
    assert note == (
        "headway: pass_env: this server does not hand out GOPROXY; its HEADWAY_JOB_VARIABLES names what it does\n"
    )
    for kept in (0, len(note)):
        with LogKeeper(tmp_path / "log", [], kept=kept) as keeper:
            keeper.begin_with(note.encode())
    assert (tmp_path / "log").read_text() == note


def test_a_working_copy_that_is_stopped_leaves_nothing_of_itself_or_of_one_that_was_killed(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "shop")
    commit = repository.commit({"a": "1"})
    git = Git(ENVIRONMENT, tmp_path / "mirrors")
    source = git.inspect(repository.folder)
    directory, sign = tmp_path / "job", StopSign()
    (directory / ".work.new.1a2b3c4d/half").mkdir(parents=True)
    tools = SimpleNamespace(git=git, artifacts=None)
    run = replace(RUN, repository=source.repository, commit=commit, tree=source.tree, branch="main")
    sign.stop("cancelled by ada")
    with pytest.raises(Stopped, match="cancelled by ada"):
        lay_out(tools, run, directory, (), sign)  # type: ignore[arg-type]
    assert list(directory.iterdir()) == []
    assert lay_out(tools, run, directory, (), StopSign()) == ()  # type: ignore[arg-type]
    assert (directory / "work/a").read_text() == "1"

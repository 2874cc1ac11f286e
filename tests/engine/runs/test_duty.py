"""A server's runs: in their order, in their slots and groups, gone on with after a kill, stopped when people say so."""

import asyncio
import itertools
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from headway.base.errors import DiskFull
from headway.domain.people import Actor, Role
from headway.domain.run import Trigger, TriggerEvent
from headway.domain.secrets import service_scope
from headway.domain.states import State
from headway.engine.intake.tries import Tried, start_try
from headway.engine.permissions import NotAllowed
from headway.engine.runs import duty as runs_duty
from headway.engine.runs.control import (
    NothingToRepeat,
    RunEnded,
    UnknownBranch,
    UnknownService,
    cancel_run,
    rerun,
    start_manual,
)
from headway.engine.runs.wishes import JobsWrong, ParametersWrong
from headway.pipeline.run_queue import next_runs
from headway.store import owners, runs
from tests.support.repositories import Repository as Working
from tests.support.serving import ADA, Serving, contract, pushed

SLEEP = '[jobs.test]\nrun = "echo begun; sleep 30"\n'


async def push(serving: Serving, text: str, *, branch: str = "main", name: str = "shop") -> None:
    working = serving.working(name)
    before = None
    sha = working.commit(contract(text, name), f"Change of {branch}")
    known = await serving.server.repositories.all()
    repository = next((found for found in known if found.name == name), None) or await serving.add(name)
    if branch != "main":
        working.git("branch", "-f", branch, sha)
    await serving.tell(repository, pushed(before, sha, branch), delivery=f"{branch}-{sha}")
    await serving.take_in()


async def until_running(serving: Serving, number: int) -> None:
    """Its job has printed something."""
    for _ in range(2000):
        run = serving.runs()[number - 1]
        if run.state is State.RUNNING and any(
            serving.server.tools.log(job, 1).exists() for job in serving.jobs(run)
        ):
            return
        await asyncio.sleep(0.005)
    raise AssertionError(serving.states())


async def test_jobs_of_several_runs_share_the_slots_and_all_end(serving: Serving) -> None:
    text = '[jobs.test]\nmatrix = { n = ["1", "2", "3", "4", "5"] }\nrun = "echo $MATRIX_N"\n'
    for branch in ("one", "two"):
        await push(serving, text, branch=branch)
    await serving.drive()
    assert serving.states() == [(1, "succeeded"), (2, "succeeded")]
    for run in serving.runs():
        assert serving.log(run, "test (n=4)") == b"4\n"
    assert serving.server.slots.held == 0


async def test_a_killed_server_goes_on_with_what_runs_and_starts_nothing_anew(serving: Serving) -> None:
    marks = serving.folder / "marks"
    marks.mkdir()
    text = f'[jobs.test]\nrun = "echo $HEADWAY_ATTEMPT >> {marks}/begun; while [ ! -e {marks}/go ]; do sleep 0.01; done; echo done"\n'
    await push(serving, text)
    await serving.parts.runs.tick(serving.server.now())
    await until_running_mark(marks)
    for task in serving.parts.runs._tasks.values():
        task.cancel()
    await asyncio.gather(*serving.parts.runs._tasks.values(), return_exceptions=True)
    serving.again()
    (marks / "go").touch()
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.SUCCEEDED
    assert (marks / "begun").read_text() == "1\n"
    assert serving.log(run, "test") == b"done\n"


async def until_running_mark(marks) -> None:  # type: ignore[no-untyped-def]
    for _ in range(2000):
        if (marks / "begun").exists():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the job did not begin")


async def test_a_stop_leaves_runs_to_the_next_start(serving: Serving) -> None:
    await push(serving, SLEEP)
    await serving.parts.runs.tick(serving.server.now())
    await until_running(serving, 1)
    await serving.parts.runs.stop()
    [run] = serving.runs()
    assert run.state is State.RUNNING
    assert serving.database.read(lambda tx: owners.holder(tx, "run", run.id)) is None
    serving.again()
    await serving.parts.runs.tick(serving.server.now())
    await cancel_run(serving.server.runs_context, ADA, run)
    await serving.drive()
    assert serving.states() == [(1, "cancelled")]


async def test_cancelling_ends_a_running_run_and_one_that_has_not_begun(serving: Serving) -> None:
    await push(serving, SLEEP, branch="one")
    await push(serving, SLEEP, branch="two")
    await serving.parts.runs.tick(serving.server.now())
    await until_running(serving, 1)
    for run in serving.runs():
        await cancel_run(serving.server.runs_context, ADA, run)
    await serving.drive()
    assert serving.states() == [(1, "cancelled"), (2, "cancelled")]
    with pytest.raises(RunEnded):
        await cancel_run(serving.server.runs_context, ADA, serving.runs()[0])


async def test_the_runs_of_a_removed_repository_are_cancelled(serving: Serving) -> None:
    for branch in ("one", "two"):
        await push(serving, SLEEP, branch=branch)
    [repository] = await serving.server.repositories.all()
    await serving.parts.runs.tick(serving.server.now())
    await until_running(serving, 1)
    await serving.server.repositories.remove(ADA, repository)
    await serving.drive()
    assert serving.states() == [(1, "cancelled"), (2, "cancelled")]
    assert {run.reason for run in serving.runs()} == {"ada removed its repository"}


@pytest.mark.slow
async def test_a_long_queue_of_one_repository_hides_no_other(serving: Serving) -> None:
    for number in range(10):
        await push(serving, SLEEP, branch=f"many{number}")
    await push(serving, SLEEP, name="cart")
    waiting = serving.server.database.read(lambda tx: runs.waiting_runs(tx, limit=8))
    assert [run.service for run in waiting[:3]] == ["shop", "cart", "shop"]
    queue = next_runs(waiting, (), resting={}, paused="", most=2)
    assert [run.service for run in queue.begin] == ["shop", "cart"]


async def test_runs_of_one_group_go_one_after_the_other(serving: Serving) -> None:
    text = '[jobs.test]\nrun = "sleep 0.1"\n[pipeline]\nconcurrency = { group = "deploy", limit = 1 }\n'
    for branch in ("one", "two", "three"):
        await push(serving, text, branch=branch)
    await serving.parts.runs.tick(serving.server.now())
    assert serving.parts.runs.active == 1
    assert "group deploy: run 1 of shop has it" in serving.parts.runs.reasons.values()
    await serving.drive()
    runs = serving.runs()
    assert [str(run.state) for run in runs] == ["succeeded"] * 3
    for earlier, later in itertools.pairwise(runs):
        assert earlier.finished_at and later.started_at and earlier.finished_at <= later.started_at


async def test_a_missing_secret_fails_the_run_with_its_name(serving: Serving) -> None:
    await push(serving, '[jobs.test]\nrun = "true"\nsecrets = ["TOKEN"]\n')
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.FAILED
    assert "TOKEN" in run.reason


async def test_a_secret_of_the_vault_reaches_its_job_and_no_log(serving: Serving) -> None:
    serving.database.transact(
        lambda tx: serving.server.vault.put(
            tx, service_scope("shop"), "TOKEN", "hunter2-hunter2", ADA, serving.server.now()
        )
    )
    await push(serving, '[jobs.test]\nrun = "echo it is $TOKEN"\nsecrets = ["TOKEN"]\n')
    await serving.drive()
    [run] = serving.runs()
    assert serving.log(run, "test") == b"it is [secret]\n"


async def test_a_run_that_cannot_be_gone_on_with_leaves_no_job_alone(serving: Serving) -> None:
    """Its secret was taken away while the server was down: it ends, and so does the job that went on."""

    def put(name: str) -> None:
        vault, now = serving.server.vault, serving.server.now()
        serving.database.transact(
            lambda tx: vault.put(tx, service_scope("shop"), name, "hunter2-hunter2", ADA, now)
        )

    put("TOKEN")
    pid = serving.folder / "pid"
    await push(serving, f'[jobs.test]\nrun = "echo $$ > {pid}; echo begun; sleep 60"\nsecrets = ["TOKEN"]\n')
    await serving.parts.runs.tick(serving.server.now())
    await until_running(serving, 1)
    await serving.parts.runs.stop()
    serving.again()
    serving.database.transact(
        lambda tx: serving.server.vault.remove(tx, service_scope("shop"), "TOKEN", ADA, serving.server.now())
    )
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.FAILED
    assert "TOKEN" in run.reason
    for _ in range(1000):
        if not Path(f"/proc/{pid.read_text().strip()}").exists():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the job goes on, and nobody knows")


async def test_a_full_disk_keeps_no_run_for_ever(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that it is nobody's any more can be stored: that is made up for."""
    await push(serving, '[jobs.test]\nrun = "true"\n')
    full = DiskFull("the disk is full")

    def refuse(*_: object, **__: object) -> None:
        raise full

    async def refuse_later(*_: object) -> None:
        raise full

    with monkeypatch.context() as broken:
        broken.setattr(runs_duty, "give_back", refuse)
        broken.setattr(serving.parts.runs, "_drive", refuse_later)
        await serving.parts.runs.tick(serving.server.now())
        while serving.parts.runs.active:
            await asyncio.sleep(0)
    monkeypatch.setattr(serving.parts.runs, "_resting", {})
    await serving.drive()
    assert serving.states() == [(1, "succeeded")]


async def test_a_fault_of_ours_while_a_run_is_driven_is_a_trouble_at_once_until_it_ends_well(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(serving, '[jobs.test]\nrun = "true"\n')
    duty = serving.parts.runs

    async def broken(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(duty, "_drive", broken)
        await duty.tick(serving.server.now())
        while duty.active:
            await asyncio.sleep(0)
    [run] = serving.runs()
    [trouble] = serving.server.troubles.at(serving.server.now())
    assert trouble.sentence.startswith("run 1 of shop cannot be driven: Headway's own error: KeyError")
    assert (trouble.href, bool(trouble.public)) == ("/services/shop/runs/1", False)
    assert duty.faults.of(run.id, serving.server.now()) is not None
    monkeypatch.setattr(duty, "_resting", {})
    await serving.drive()
    assert serving.states() == [(1, "succeeded")]
    assert serving.server.troubles.at(serving.server.now()) == []


async def test_nothing_new_begins_while_the_disk_is_nearly_full(serving: Serving) -> None:
    await push(serving, '[jobs.test]\nrun = "true"\n')
    serving.parts.runs.paused = "only 3 MiB are free"
    await serving.parts.runs.tick(serving.server.now())
    assert serving.parts.runs.active == 0
    assert list(serving.parts.runs.reasons.values()) == ["only 3 MiB are free"]
    serving.parts.runs.paused = ""
    await serving.drive()
    assert serving.states() == [(1, "succeeded")]


async def test_a_run_by_hand_gets_its_typed_parameters(serving: Serving) -> None:
    text = (
        '[jobs.test]\nrun = "echo $PARAMETER_LEVEL $PARAMETER_COUNT"\n'
        '[parameters.level]\ntype = "choice"\nchoices = ["quick", "full"]\ndefault = "quick"\n'
        '[parameters.count]\ntype = "number"\ndefault = 3\n'
    )
    await push(serving, text)
    await serving.drive()
    run = await start_manual(serving.server.runs_context, ADA, "shop", None, {"level": "full"})
    assert run.trigger is not None
    assert (run.trigger.event, run.requested_by) == (TriggerEvent.MANUAL, "ada")
    await serving.drive()
    assert serving.log(serving.runs()[0], "test") == b"quick 3\n"
    assert serving.log(serving.runs()[1], "test") == b"full 3\n"
    with pytest.raises(ParametersWrong) as caught:
        await start_manual(serving.server.runs_context, ADA, "shop", None, {"level": "ful", "cuont": "1"})
    assert len(caught.value.faults) == 2
    with pytest.raises(JobsWrong, match="'tets' is no job; did you mean 'test'"):
        await start_manual(serving.server.runs_context, ADA, "shop", None, {}, only=("tets",))
    with pytest.raises(UnknownBranch):
        await start_manual(serving.server.runs_context, ADA, "shop", "nowhere", {})
    with pytest.raises(UnknownService):
        await start_manual(serving.server.runs_context, ADA, "nobody", None, {})
    with pytest.raises(NotAllowed):
        await start_manual(serving.server.runs_context, Actor("eve", Role.VIEWER), "shop", None, {})


PARAMETERS = (
    '[jobs.test]\nrun = "echo ${PARAMETER_LEVEL-none} ${PARAMETER_WHO-nobody}"\n'
    '[parameters.level]\ntype = "choice"\nchoices = ["quick", "full"]\ndefault = "quick"\n'
    '[parameters.who]\ntype = "text"\nrequired = true\n'
)


async def test_parameters_hold_in_every_kind_of_run(serving: Serving) -> None:
    """Nobody was asked for a push's; a try, a run by hand and a run by the clock were, and a repeated one has the
    first one's."""
    await push(serving, PARAMETERS)
    await serving.drive()
    [pushed_run] = serving.runs()
    bundle = _bundle(serving.working(), pushed_run.commit)
    for given, message in (
        ({}, "who must be given"),
        ({"who": "a", "level": "ful"}, "level cannot be 'ful'"),
    ):
        with pytest.raises(ParametersWrong, match=message):
            await start_try(
                serving.server.runs_context, ADA, "shop", BytesIO(bundle), Tried(parameters=given)
            )
        with pytest.raises(ParametersWrong, match=message):
            await start_manual(serving.server.runs_context, ADA, "shop", None, given)
    with pytest.raises(JobsWrong):
        await start_try(
            serving.server.runs_context,
            ADA,
            "shop",
            BytesIO(bundle),
            Tried(only=("x",), parameters={"who": "a"}),
        )
    made = await start_manual(serving.server.runs_context, ADA, "shop", None, {"who": "ada", "level": "full"})
    await start_try(
        serving.server.runs_context, ADA, "shop", BytesIO(bundle), Tried(parameters={"who": "bo"})
    )
    await serving.drive()
    again = await rerun(serving.server.runs_context, ADA, made, only_failed=False)
    assert again.parameters == {"level": "full", "who": "ada"}
    await rerun(serving.server.runs_context, ADA, pushed_run, only_failed=False)
    await serving.drive()
    told = [serving.log(run, "test").decode().strip() for run in serving.runs()]
    assert told == ["quick nobody", "full ada", "quick bo", "full ada", "quick nobody"]


async def test_a_run_by_hand_of_a_commit_takes_none_that_its_branch_does_not_hold(serving: Serving) -> None:
    """A stranger's pull request lies in the same repository, and would run as ours."""
    await push(serving, '[jobs.test]\nrun = "true"\n')
    [first] = serving.runs()
    await push(serving, '[jobs.test]\nrun = "echo newer"\n')
    made = await start_manual(serving.server.runs_context, ADA, "shop", "main", {}, commit=first.commit)
    assert (made.commit, made.branch) == (first.commit, "main")
    working = serving.working()
    working.git("switch", "--quiet", "-c", "topic")
    working.commit({"more": "of it"})
    await serving.look()
    topic = serving.runs()[-1]
    assert topic.branch == "topic"
    with pytest.raises(UnknownBranch, match="main of shop has no commit"):
        await start_manual(serving.server.runs_context, ADA, "shop", "main", {}, commit=topic.commit)


async def test_a_key_makes_a_second_wish_the_same_run(serving: Serving) -> None:
    await push(serving, '[jobs.test]\nrun = "true"\n')
    one = await start_manual(serving.server.runs_context, ADA, "shop", None, {}, key="k1")
    two = await start_manual(serving.server.runs_context, ADA, "shop", None, {}, key="k1")
    assert one.id == two.id


async def test_failed_jobs_are_repeated_alone_or_everything_is(serving: Serving) -> None:
    marks = serving.folder / "marks"
    marks.mkdir()
    text = (
        f'[jobs.good]\nrun = "echo x >> {marks}/good"\n'
        f'[jobs.bad]\nrun = "test -e {marks}/fixed"\n'
        f'[jobs.after]\nneeds = ["bad"]\nrun = "true"\n'
    )
    await push(serving, text)
    await serving.drive()
    [failed] = serving.runs()
    assert failed.state is State.FAILED
    (marks / "fixed").touch()
    again = await rerun(serving.server.runs_context, ADA, failed, only_failed=True)
    await serving.drive()
    assert serving.states()[-1] == (2, "succeeded")
    assert {job.name for job in serving.jobs(again)} == {"bad", "after"}
    assert (marks / "good").read_text() == "x\n"
    whole = await rerun(serving.server.runs_context, ADA, serving.runs()[1], only_failed=False)
    assert whole.trigger is not None
    assert whole.trigger.rerun_of == again.id
    await serving.drive()
    with pytest.raises(NothingToRepeat):
        await rerun(serving.server.runs_context, ADA, serving.runs()[-1], only_failed=True)


async def test_a_working_tree_that_is_repeated_makes_no_release_either(serving: Serving) -> None:
    """Else a tree that nobody pushed would pass for the branch that its sender named."""
    await push(serving, '[jobs.test]\nrun = "true"\n[deploy]\nkind = "script"\nrun = "true"\n')
    await serving.drive()
    [pushed_run] = serving.runs()
    assert pushed_run.release is not None
    bundle = BytesIO(_bundle(serving.working(), pushed_run.commit))
    tried = Tried(branch="main", dirty=True)
    first = await start_try(serving.server.runs_context, ADA, "shop", bundle, tried)
    await serving.drive()
    again = await rerun(serving.server.runs_context, ADA, serving.runs()[1], only_failed=False)
    assert again.trigger is not None
    assert (again.trigger.event, again.trigger.rerun_of, again.dirty) == (TriggerEvent.TRY, first.id, True)
    await serving.drive()
    assert [run.release is None for run in serving.runs()] == [False, True, True]


def _bundle(working: Working, parent: str) -> bytes:
    """Of a commit that is on no branch."""
    tree = working.git("rev-parse", f"{parent}^{{tree}}")
    made = working.git("commit-tree", tree, "-p", parent, "-m", "not pushed")
    working.git("update-ref", "refs/headway/try", made)
    file = working.folder.with_name("try.bundle")
    working.git("bundle", "create", "--quiet", "--version=2", str(file), "refs/headway/try", f"^{parent}")
    return file.read_bytes()


async def test_what_another_process_stored_for_one_key_is_found(serving: Serving) -> None:
    """Two servers on one database order the same thing: one of them finds the other's."""
    await push(serving, '[jobs.test]\nrun = "true"\n')
    [run] = serving.runs()
    assert run.trigger is not None
    assert replace(run.trigger, priority=0, pushed_by="") == Trigger(
        TriggerEvent.PUSH, run.trigger.key, run.trigger.repository, ref="refs/heads/main"
    )

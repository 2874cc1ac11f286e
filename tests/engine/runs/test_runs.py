"""Runs from their beginning to their end, on both databases, with the real git and the real runner."""

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from headway.domain.release import release_id
from headway.domain.states import State
from headway.drivers.git import Git, NoCommits, OutputTooLong
from headway.drivers.git.process import TookTooLong, TookTooMuch
from headway.engine.runs.runs import (
    How,
    NothingToRun,
    UnknownRun,
    find_run,
    nobody_drives,
    orphans,
    request_cancel,
)
from headway.engine.secrets.by_name import SecretsMissing
from headway.store import job_results
from headway.store.releases import releases_of_commit
from headway.store.runs import run_by_id
from tests.support.workshop import Workshop

ROAD = """
[jobs.test]
matrix = { python = ["3.11", "3.12"] }
env = { LEVEL = "high" }
run = [
  "echo testing $MATRIX_PYTHON at $LEVEL on $HEADWAY_BRANCH",
  { name = "report", run = "echo VERSION=1.$MATRIX_PYTHON >> $HEADWAY_OUTPUT" },
]

[jobs.build]
needs = ["test"]
run = '''
mkdir dist
echo "$NEEDS_TEST_PYTHON_3_11_VERSION $NEEDS_TEST_PYTHON_3_12_VERSION" > dist/shop.txt
printf '#!/bin/sh\\necho shop\\n' > dist/run
chmod +x dist/run
'''
artifacts = ["dist/*"]

[jobs.try]
needs = ["build"]
run = ["./dist/run", "cat dist/shop.txt"]

[deploy]
kind = "files"
artifact = "dist/shop.txt"
activate = "true"
[environments.production]
hosts = "web1"
[hosts.web1]
"""


async def test_a_commit_goes_all_the_way_to_a_release(workshop: Workshop):
    commit = workshop.write(ROAD)
    ended = await workshop.run()
    assert ended.states == {
        "test (python=3.11)": "succeeded",
        "test (python=3.12)": "succeeded",
        "build": "succeeded",
        "try": "succeeded",
    }
    assert (ended.run.state, ended.run.reason, ended.run.number) == (State.SUCCEEDED, "4 succeeded", 1)
    assert ended.log("test (python=3.12)") == b"testing 3.12 at high on main\n"
    assert ended.log("try") == b"shop\n1.3.11 1.3.12\n"
    [release] = ended.tools.database.read(lambda tx: releases_of_commit(tx, "shop", commit))
    assert release.id == ended.run.release
    assert [artifact.path for artifact in release.artifacts] == ["dist/shop.txt"]
    made = ended.tools.database.read(lambda tx: job_results.artifacts_of_run(tx, ended.run.id))
    assert [(artifact.path, artifact.executable) for _, artifact in made] == [
        ("dist/run", True),
        ("dist/shop.txt", False),
    ]
    assert not list(workshop.settings.jobs.iterdir()), "working copies are removed"


async def test_a_run_whose_release_id_stands_for_other_files_fails_and_says_so(
    workshop: Workshop, monkeypatch
):
    workshop.write(ROAD)
    monkeypatch.setattr("headway.engine.releases.releases.release_id", lambda *content: "rel-same")
    first = await workshop.run()
    assert (first.run.state, first.run.release) == (State.SUCCEEDED, "rel-same")
    commit = workshop.write(ROAD.replace("> dist/shop.txt", "> dist/shop.txt; echo more >> dist/shop.txt"))
    ended = await workshop.run()
    assert (ended.run.state, ended.run.release) == (State.FAILED, None)
    assert "no release: rel-same is stored with another content" in ended.run.reason
    assert ended.tools.database.read(lambda tx: run_by_id(tx, ended.run.id)) == ended.run
    assert ended.tools.database.read(lambda tx: releases_of_commit(tx, "shop", commit)) == []


async def test_a_run_of_what_stands_under_a_short_id_is_of_that_release(workshop: Workshop, monkeypatch):
    workshop.write(ROAD)
    with monkeypatch.context() as before:
        before.setattr(
            "headway.engine.releases.releases.release_id", lambda *content: release_id(*content)[:16]
        )
        first = await workshop.run()
    assert first.run.release is not None
    assert len(first.run.release) == 16
    again = await workshop.run()
    assert again.run.number == 2
    assert again.run.release == first.run.release


async def test_steps_tell_their_times_and_their_places_in_the_log(workshop: Workshop):
    workshop.write('[jobs.a]\nrun = ["echo one", "sleep 0.05; echo two; exit 3", "echo three"]\n')
    ended = await workshop.run()
    job = ended.job("a")
    steps = ended.tools.database.read(lambda tx: job_results.steps_of(tx, job.id, 1))
    assert [(step.index, step.state, step.exit_code, step.log_start, step.log_end) for step in steps] == [
        (1, State.SUCCEEDED, 0, 0, 4),
        (2, State.FAILED, 3, 4, 8),
        (3, State.SKIPPED, None, None, None),
    ]
    assert (steps[1].finished_at - steps[1].started_at).total_seconds() >= 0.04
    assert job.started_at <= steps[0].started_at <= steps[1].finished_at
    assert (job.state, job.reason) == (State.FAILED, "exit 3 in 'sleep 0.05; echo two; exit 3'")


async def test_what_needs_a_failed_job_is_skipped_and_says_so(workshop: Workshop):
    workshop.write(
        '[jobs.a]\nrun = "exit 1"\n[jobs.b]\nneeds = ["a"]\nrun = "true"\n[jobs.c]\nneeds = ["b"]\nrun = "true"\n'
        '[jobs.d]\nrun = "true"\n[jobs.e]\nwhen = "branch == \'release\'"\nrun = "true"\n'
    )
    ended = await workshop.run()
    assert ended.states == {"a": "failed", "b": "skipped", "c": "skipped", "d": "succeeded", "e": "skipped"}
    assert ended.job("b").reason == "needs 'a', which failed"
    assert ended.job("c").reason == "needs 'b', which was skipped"
    assert ended.job("e").reason == "when branch == 'release': branch is 'main', not 'release'"
    assert ended.run.reason == "'a' failed: exit 1 in 'exit 1'; 3 skipped"


async def test_a_job_is_tried_again_for_the_reason_it_names(workshop: Workshop):
    workshop.write(
        "[jobs.flaky]\nretry = { max = 2, on = ['failed'] }\n"
        "run = 'echo attempt $HEADWAY_ATTEMPT; echo $HEADWAY_ATTEMPT >> $OUTSIDE/tries; test $HEADWAY_ATTEMPT = 2'\n"
    )
    ended = await workshop.run()
    job = ended.job("flaky")
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert workshop.happened("tries") == ["1", "2"]
    assert ended.log("flaky", 1) == b"attempt 1\n"
    assert ended.log("flaky", 2) == b"attempt 2\n"
    [before] = ended.tools.database.read(lambda tx: tx.all("SELECT * FROM attempts"))
    assert (before["attempt"], before["state"]) == (1, "failed")


REPORT = """<testsuite name="cart">
<testcase name="adds" time="0.1"/>
<testcase name="counts" file="tests/cart.py" line="7"><failure message="expected 3, found s3cret-value"/></testcase>
</testsuite>"""


async def test_failed_tests_are_kept_and_masked(workshop: Workshop):
    workshop.settings.environment["TOKEN"] = "s3cret-value"
    workshop.write(
        "[jobs.test]\nsecrets = ['TOKEN']\nreports = { junit = 'reports/*.xml' }\n"
        "run = 'mkdir reports; cp cart.xml reports; echo token $TOKEN; echo KEY=x$TOKEN >> $HEADWAY_OUTPUT; exit 1'\n",
        {"cart.xml": REPORT},
    )
    ended = await workshop.run()
    job = ended.job("test")
    assert (job.tests.total, job.tests.failed) == (2, 1)
    [(name, case)] = ended.tools.database.read(lambda tx: job_results.bad_test_cases(tx, ended.run.id))
    assert (name, case.name, case.file, case.line) == ("test", "counts", "tests/cart.py", 7)
    assert case.message == "expected 3, found [secret]"
    assert ended.log("test") == b"token [secret]\n"
    assert job.outputs == {"KEY": "x[secret]"}


@pytest.mark.parametrize(
    ("run", "extra", "reason"),
    [
        (
            "cp bomb.xml report.xml",
            "reports = { junit = 'report.xml' }",
            "the test report report.xml cannot be counted: line 1: it has a DTD, which is refused",
        ),
        ("true", "reports = { junit = 'report.xml' }", "no file is there for the test report 'report.xml'"),
        ("true", "artifacts = ['dist/*.gz']", "no file is there for the artifact 'dist/*.gz'"),
        (
            "ln -s /etc/passwd stolen",
            "artifacts = ['stolen']",
            "the artifact 'stolen' is a link that leaves the job's folder, to /etc/passwd",
        ),
    ],
)
async def test_what_a_job_declares_and_does_not_deliver_fails_it(tmp_path, run, extra, reason):
    workshop = Workshop(tmp_path, f"sqlite:///{tmp_path}/headway.db")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>'
    workshop.write(f"[jobs.a]\n{extra}\nrun = '{run}'\n", {"bomb.xml": bomb})
    ended = await workshop.run()
    assert (ended.job("a").state, ended.job("a").reason) == (State.FAILED, reason)
    workshop.close()


async def test_what_may_fail_does_not_hold_the_run_up(workshop: Workshop):
    workshop.write("[jobs.a]\nallow_failure = true\nrun = 'exit 1'\n[jobs.b]\nneeds = ['a']\nrun = 'true'\n")
    ended = await workshop.run()
    assert ended.states == {"a": "failed", "b": "succeeded"}
    assert ended.run.state is State.SUCCEEDED


async def test_a_dirty_tree_is_run_as_it_is_and_makes_no_release(workshop: Workshop):
    workshop.write(ROAD, {"stock.txt": "old\n"})
    workshop.repository.write({"stock.txt": "new\n", "untracked.txt": "here\n"})
    contract = (workshop.repository.folder / "headway.toml").read_text()
    workshop.repository.write(
        {"headway.toml": contract.replace('"./dist/run"', '"cat stock.txt untracked.txt"')}
    )
    ended = await workshop.run()
    assert ended.run.dirty
    assert ended.log("try") == b"new\nhere\n1.3.11 1.3.12\n"
    assert ended.run.release is None
    assert ended.run.reason == "4 succeeded; no release: the tree has uncommitted changes"


async def test_a_part_of_the_jobs_makes_no_release(workshop: Workshop):
    workshop.write(ROAD)
    ended = await workshop.run("build")
    assert "try" not in ended.states
    assert ended.run.release is None
    assert ended.run.reason == "3 succeeded; no release: not all jobs were asked for"


async def test_two_jobs_that_make_different_files_of_one_name_make_no_release(workshop: Workshop):
    made = "artifacts = ['shop.txt']\nrun = 'echo $HEADWAY_JOB > shop.txt'\n"
    deploy = ROAD[ROAD.index("[deploy]") :].replace("dist/shop.txt", "shop.txt")
    workshop.write(f"[jobs.a]\n{made}[jobs.b]\n{made}{deploy}")
    ended = await workshop.run()
    assert ended.run.release is None
    assert ended.run.reason == "2 succeeded; no release: 'a' and 'b' made different files shop.txt"


async def test_fail_fast_ends_what_still_runs(workshop: Workshop):
    workshop.write(
        "[jobs.a]\nrun = 'exit 1'\n[jobs.b]\nrun = 'sleep 60'\n[jobs.c]\nneeds=['b']\nrun = 'true'\n"
    )
    ended = await asyncio.wait_for(workshop.run(fail_fast=True), 60)
    assert ended.states == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert ended.run.state is State.FAILED
    assert ended.job("b").reason == "'a' failed and fail-fast was asked for"


async def test_another_process_may_ask_for_the_end(workshop: Workshop):
    workshop.write(
        "[jobs.a]\nrun = 'echo on >> $OUTSIDE/on; sleep 60'\n[jobs.b]\nneeds=['a']\nrun = 'true'\n"
    )
    tools = workshop.tools()
    begun = workshop.begin(tools)
    driving = asyncio.create_task(workshop.drive(tools, begun))
    while not workshop.happened("on"):
        await asyncio.sleep(0.01)
    asked = request_cancel(workshop.tools(pid=1), begun.run)
    assert asked.how is How.WATCHING
    ended = await asyncio.wait_for(driving, 60)
    assert ended.states == {"a": "cancelled", "b": "cancelled"}
    assert (ended.run.state, ended.run.reason) == (State.CANCELLED, "cancelled by ana@laptop")


async def test_the_limit_of_jobs_at_once_holds(workshop: Workshop):
    script = "echo in >> $OUTSIDE/doors; sleep 0.05; echo out >> $OUTSIDE/doors"
    workshop.write(f"[jobs.a]\nmatrix = {{ n = ['1', '2', '3', '4'] }}\nrun = '{script}'\n")
    await workshop.run(limit=1)
    assert workshop.happened("doors") == ["in", "out"] * 4


# Bad input


@pytest.mark.parametrize(
    ("contract", "only", "message"),
    [
        ("", [], "jobs: there is no job to run"),
        ("[jobs.test]\nrun = 'true'\n", ["tset"], "--job: 'tset' is no job; did you mean 'test'?"),
    ],
)
async def test_a_run_without_jobs_is_refused_and_nothing_is_stored(workshop, contract, only, message):
    workshop.write(contract)
    tools = workshop.tools()
    with pytest.raises(NothingToRun) as raised:
        workshop.begin(tools, *only)
    assert raised.value.message == message
    assert raised.value.exit_code == 2
    assert tools.database.read(lambda tx: tx.all("SELECT * FROM runs")) == []


async def test_a_missing_secret_is_told_before_anything_is_stored(workshop: Workshop):
    workshop.write("[jobs.a]\nsecrets = ['NOWHERE_TO_BE_FOUND']\nrun = 'true'\n")
    tools = workshop.tools()
    with pytest.raises(SecretsMissing):
        workshop.begin(tools)
    assert tools.database.read(lambda tx: tx.all("SELECT * FROM runs")) == []


async def test_a_repository_without_commits_is_refused(workshop: Workshop):
    workshop.repository.write(
        {"headway.toml": "contract = 1\n[service]\nname = 'shop'\n[jobs.a]\nrun = 'true'\n"}
    )
    with pytest.raises(NoCommits):
        workshop.begin(workshop.tools())


async def test_a_detached_head_has_no_branch(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'echo \"[$HEADWAY_BRANCH]\"; git log --oneline | wc -l'\n")
    workshop.repository.commit({"b": "b"})
    workshop.repository.git("checkout", "--quiet", "--detach", "HEAD~1")
    ended = await workshop.run()
    assert ended.run.branch is None
    assert ended.log("a").split() == [b"[]", b"1"]


async def test_a_shallow_clone_runs_and_takes_what_it_cannot_know_as_changed(workshop: Workshop, tmp_path):
    workshop.write("[jobs.a]\nwhen = \"changed('docs/**')\"\nrun = 'echo ran'\n")
    workshop.repository.commit({"b": "b"})
    workshop.repository.git(
        "clone", "--quiet", "--depth=1", f"file://{workshop.repository.folder}", str(tmp_path / "shallow")
    )
    workshop.repository.folder = tmp_path / "shallow"
    ended = await workshop.run()
    assert ended.states == {"a": "succeeded"}


@pytest.mark.parametrize("kind", [OutputTooLong, TookTooLong, TookTooMuch])
async def test_what_git_needs_too_much_for_counts_as_changed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
):
    def refuse(*_: object) -> NoReturn:
        raise kind("git took longer than 120 s")

    workshop.write("[jobs.a]\nwhen = \"changed('docs/**')\"\nrun = 'echo ran'\n")
    monkeypatch.setattr(Git, "changed_paths", refuse)
    ended = await workshop.run()
    assert ended.states == {"a": "succeeded"}


async def test_file_names_and_output_may_hold_any_byte(workshop: Workshop):
    name = b"caf\xe9\xff.txt"
    workshop.write("[jobs.a]\nrun = 'cat caf*; ls -d caf*'\n", {name: bytes(range(256))})
    ended = await workshop.run()
    assert ended.log("a") == bytes(range(256)) + name + b"\n"


async def test_an_endless_log_is_cut_and_says_so(workshop: Workshop):
    workshop.write(
        "[jobs.a]\noutput_limit = '64KiB'\nrun = 'yes | head -c 1000000; echo done >> $OUTSIDE/end'\n"
    )
    ended = await workshop.run()
    assert ended.states == {"a": "succeeded"}
    assert workshop.happened("end") == ["done"], "the job itself is not harmed"
    log = ended.log("a")
    assert 64 * 1024 <= len(log) < 66 * 1024
    assert b"the output limit of 64.0 KiB is reached" in log[-200:]


async def test_of_an_endless_log_no_part_of_a_secret_is_kept_at_the_cut(workshop: Workshop):
    value = "kJ8vQ2mX7pL4wZ9tR3nB6yF1sD5gH0cA-" * 3
    workshop.settings.environment["KEY"] = value
    workshop.write(
        "[jobs.a]\nsecrets = ['KEY']\noutput_limit = '64KiB'\n"
        "run = 'for i in $(seq 700); do echo \"$KEY\"; done; seq 1000; false'\n"
    )
    log = (await workshop.run()).log("a")
    lines = [line for line in log.split(b"\n") if not line.startswith(b"[headway: ")]
    assert set(lines) == {b"[secret]", b""}
    assert b"the output limit of 64.0 KiB is reached" in log[-200:]


async def test_of_a_long_failure_no_part_of_a_secret_is_kept(workshop: Workshop):
    value = "postgres://shop:Sup3rS3cretPassw0rd@db.internal/shop"
    workshop.settings.environment["DSN"] = value
    workshop.write(
        """[jobs.a]
secrets = ['DSN']
reports = { junit = "r.xml" }
run = '''
{ echo '<testsuite>'
for n in 8140 8150 8180 65490 65520; do
  printf '<testcase name="%01000d %s"><failure message="%08140d %s">%0'$n'd connect %s</failure></testcase>' 0 "$DSN" 0 "$DSN" 0 "$DSN"
  printf '<testcase name="b"><failure>%0'$n'd connect %s</failure></testcase>' 0 "$DSN"
done
echo '</testsuite>'; } > r.xml
false
'''
"""
    )
    ended = await workshop.run()
    cases = ended.tools.database.read(
        lambda tx: tx.all("SELECT suite, name, message FROM test_cases WHERE state = 'failed'")
    )
    assert len(cases) == 10
    for case in cases:
        told = " ".join(str(text) for text in case.values())
        assert not any(value[at : at + 5] in told for at in range(len(value) - 4))


async def test_a_clock_that_jumps_back_harms_nothing(workshop: Workshop):
    class Jumping:
        """A day back after the third look."""

        def __init__(self, clock):
            self.clock, self.looks = clock, 0

        def now(self):
            from datetime import timedelta

            self.looks += 1
            return self.clock.now() - timedelta(days=self.looks > 3)

        def monotonic(self):
            return self.clock.monotonic()

        async def sleep(self, seconds):
            await self.clock.sleep(seconds)

    workshop.write("[jobs.a]\nrun = 'sleep 0.05'\n[jobs.b]\nneeds = ['a']\nrun = 'true'\n")
    tools = workshop.tools()
    tools = replace(tools, clock=Jumping(tools.clock))
    ended = await workshop.drive(tools, workshop.begin(tools))
    assert ended.states == {"a": "succeeded", "b": "succeeded"}
    for thing in (*ended.look.jobs, ended.run):
        assert thing.started_at <= thing.finished_at
    assert (ended.job("a").finished_at - ended.job("a").started_at).total_seconds() >= 0.05


async def test_runs_are_found_by_what_people_type(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'true'\n")
    first = await workshop.run()
    second = await workshop.run()
    database = first.tools.database
    for text, number in (("1", 1), ("2", 2), ("last", 2), (first.run.id, 1)):
        assert find_run(database, text, "shop").number == number
    assert find_run(database, "last", None).number == 2
    for text in ("3", "run-nothing", "9" * 30, "-1", "²"):
        with pytest.raises(UnknownRun):
            find_run(database, text, "shop")
    with pytest.raises(UnknownRun, match="there is no run of other yet"):
        find_run(database, "last", "other")
    assert second.run.number == 2


async def test_an_unfinished_run_of_another_tree_is_left_alone_and_told_of(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'true'\n")
    left = workshop.begin(workshop.tools(pid=1))
    workshop.repository.commit({"b": "b"})
    tools = workshop.tools()
    begun = workshop.begin(tools)
    assert begun.how is How.NEW
    assert [run.id for run in orphans(tools, "shop", but=begun.run.id)] == [left.run.id]
    assert nobody_drives(tools, left.run)
    asked = request_cancel(tools, left.run)
    assert asked.how is How.ATTACHED
    ended = await workshop.drive(tools, asked)
    assert ended.states == {"a": "cancelled"}
    assert ended.run.state is State.CANCELLED

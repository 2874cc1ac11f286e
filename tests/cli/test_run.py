"""`headway run` and `headway logs` as people and scripts meet them."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command_line import Terminal, wait_until

GOOD = """
[jobs.test]
matrix = { python = ["3.11", "3.12"] }
run = "echo testing $MATRIX_PYTHON; printf 'caf\\\\351 \\\\033[2Jx\\\\n'"
[jobs.build]
needs = ["test"]
run = "mkdir dist; echo hello > dist/shop.txt"
artifacts = ["dist/shop.txt"]
[deploy]
kind = "files"
artifact = "dist/shop.txt"
activate = "true"
[environments.production]
hosts = "web1"
[hosts.web1]
"""


def test_a_good_run_shows_each_job_and_what_to_do_next(sqlite_terminal: Terminal):
    sqlite_terminal.write(GOOD)
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    assert b"test (python=3.12) | testing 3.12\n" in answer.output
    assert b"test (python=3.11) | caf\xe9 x\n" in answer.output, (
        "bytes as they are, without the screen erased"
    )
    assert re.search(r"build +\| ==> succeeded \(\d", answer.text)
    assert re.search(
        r"run 1 of shop succeeded in .*: 3 succeeded\nrelease rel-\w{32}\n  next: headway deploy production",
        answer.text,
    )
    assert answer.complaint.startswith("run 1 of shop (main@")


def test_a_failed_run_shows_failed_tests_first_and_where_to_look(sqlite_terminal: Terminal):
    report = '<testsuite name="cart"><testcase name="counts" file="t.py" line="7"><failure message="expected 3"/></testcase></testsuite>'
    sqlite_terminal.repository.write({"cart.xml": report})
    sqlite_terminal.write(
        "[jobs.test]\nreports = { junit = 'report.xml' }\nrun = [\"cp cart.xml report.xml\", { name = 'pytest', run = 'exit 1' }]\n"
        "[jobs.build]\nneeds = ['test']\nrun = 'true'\n"
    )
    answer = sqlite_terminal.call("run")
    assert answer.code == 1, answer
    summary = answer.text[answer.text.index("1 failed test\n") :]
    assert "✗ cart › counts  t.py:7  [test]\n      expected 3\n" in summary
    assert re.search(r"test   failed     \S+  1 tests, 1 failed  exit 1 in 'pytest'\n", summary)
    assert "build  skipped    needs 'test', which failed\n" in summary
    assert "next: headway logs 1 test\n" in summary


def test_a_single_job_has_no_prefix(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.a]\nrun = 'printf one; printf two'\n")
    answer = sqlite_terminal.call("run")
    assert answer.output.startswith(b"onetwo\n\n  a  succeeded"), answer


def test_jobs_yield_to_what_else_runs_here(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.test]\nrun = 'nice; cat /proc/self/oom_score_adj'\n")
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    niceness, score = map(int, re.findall(r"^-?\d+$", answer.text, re.MULTILINE))
    assert niceness >= 5
    assert score >= 300


@pytest.mark.slow
def test_json_is_one_document(terminal: Terminal):
    commit = terminal.write(GOOD)
    answer = terminal.call("run", "--json")
    assert answer.code == 0, answer
    document = answer.document
    assert document["run"]["commit"] == commit
    assert document["run"]["state"] == "succeeded"
    assert document["run"]["release"].startswith("rel-")
    assert [(job["name"], job["state"]) for job in document["jobs"]] == [
        ("test (python=3.11)", "succeeded"),
        ("test (python=3.12)", "succeeded"),
        ("build", "succeeded"),
    ]
    assert document["failed_tests"] == []
    assert document["artifacts"][0]["path"] == "dist/shop.txt"
    logs = terminal.call("logs", "last", "test", "--json").document
    assert [job["name"] for job in logs["jobs"]] == ["test (python=3.11)", "test (python=3.12)"]
    [step] = logs["jobs"][0]["steps"]
    assert (step["number"], step["state"], step["exit_code"], step["log_start"]) == (1, "succeeded", 0, 0)
    assert step["log_end"] == logs["jobs"][0]["log_size"]


@pytest.mark.slow
def test_logs_show_a_job_a_step_and_all(sqlite_terminal: Terminal):
    sqlite_terminal.write(
        '[jobs.a]\nrun = ["echo one", "echo two"]\n[jobs.b]\nneeds = ["a"]\nrun = "echo three; exit 1"\n'
    )
    assert sqlite_terminal.call("run").code == 1
    assert sqlite_terminal.call("logs", "1", "a").output == b"one\ntwo\n"
    assert sqlite_terminal.call("logs", "1", "a", "--step", "2").output == b"two\n"
    everything = sqlite_terminal.call("logs", "last")
    assert everything.code == 0
    assert (
        everything.text
        == "==> a  succeeded\none\ntwo\n\n==> b  failed: exit 1 in 'echo three; exit 1'\nthree\n"
    )
    followed = sqlite_terminal.call("logs", "last", "b", "--follow")
    assert (followed.code, followed.output) == (1, b"three\n")


@pytest.mark.slow
def test_logs_without_a_run_list_the_latest(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.test]\nrun = 'test -e good'\n")
    sqlite_terminal.make_database()
    assert sqlite_terminal.call("logs").text == "there is no run yet; headway run makes one\n"
    assert sqlite_terminal.call("run").code == 1
    (sqlite_terminal.repository.folder / "good").touch()
    assert sqlite_terminal.call("run").code == 0
    heads, *lines = sqlite_terminal.call("logs").text.splitlines()
    assert heads.split() == ["run", "state", "commit", "branch", "began", "took", "reason"]
    assert [line.split()[:2] for line in lines] == [["2", "succeeded"], ["1", "failed"]]
    runs = json.loads(sqlite_terminal.call("logs", "--json").text)["runs"]
    assert [(run["number"], run["state"]) for run in runs] == [(2, "succeeded"), (1, "failed")]
    assert sqlite_terminal.call("logs", "--follow").code == 0


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["run", "--job", "tset"], "--job: 'tset' is no job; did you mean 'test'?", "headway run --help"),
        (["logs", "7"], "there is no run '7' of shop", "headway run makes one"),
        (["logs", "last"], "there is no run of shop yet", "headway run makes one"),
        (["run", "--cancel", "3"], "there is no run '3' of shop", "headway run makes one"),
        (["run", "--cancel", "3", "--fail-fast"], "--cancel stops a run", ""),
        (["logs", "1", "--step", "2"], "name the job", ""),
    ],
)
def test_wrong_use_is_exit_2_with_what_was_meant(sqlite_terminal: Terminal, words, message, hint):
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    sqlite_terminal.make_database()
    answer = sqlite_terminal.call(*words)
    assert answer.code == 2, answer
    assert message in answer.complaint
    assert hint in answer.complaint


@pytest.mark.slow
def test_places_without_a_run_are_told_apart(sqlite_terminal: Terminal, tmp_path):
    outside = tmp_path / "nowhere"
    outside.mkdir()
    answer = sqlite_terminal.call("run", folder=outside)
    assert (answer.code, "is in no git repository" in answer.complaint) == (2, True), answer
    answer = sqlite_terminal.call("run")
    assert (answer.code, "there is no headway.toml in" in answer.complaint) == (2, True), answer
    sqlite_terminal.repository.write(
        {"headway.toml": 'contract = 1\n[service]\nname = "shop"\n[jobs.a]\nrun = "true"\n'}
    )
    answer = sqlite_terminal.call("run")
    assert (answer.code, "has no commit yet" in answer.complaint) == (2, True), answer
    sqlite_terminal.write("")
    answer = sqlite_terminal.call("run", "--json")
    assert (answer.code, "there is no job to run" in answer.complaint) == (2, True), answer
    assert answer.document["error"]["exit_code"] == 2


@pytest.mark.slow
def test_a_job_and_a_run_that_are_gone_from_view_are_told_of(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    assert sqlite_terminal.call("run").code == 0
    answer = sqlite_terminal.call("logs", "1", "tset")
    assert (answer.code, "run 1 has no job 'tset'; did you mean 'test'?" in answer.complaint) == (2, True), (
        answer
    )
    answer = sqlite_terminal.call("run", "--cancel", "1")
    assert (answer.code, "run 1 of shop has ended already" in answer.complaint) == (2, True), answer
    answer = sqlite_terminal.call("logs", "1", "test", "--step", "5")
    assert (answer.code, "'test' has no step 5 that ran" in answer.complaint) == (2, True), answer


def test_a_step_of_a_matrix_wants_one_of_its_jobs(sqlite_terminal: Terminal):
    sqlite_terminal.write('[jobs.test]\nrun = "echo $MATRIX_A"\nmatrix = { a = ["x", "y"] }\n')
    assert sqlite_terminal.call("run").code == 0
    answer = sqlite_terminal.call("logs", "1", "test", "--step", "1")
    assert (answer.code, answer.output) == (2, b"")
    assert "name one of them: 'test (a=x)', 'test (a=y)'" in answer.complaint


@pytest.mark.slow
def test_a_log_that_went_with_its_age_is_told_of(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    assert sqlite_terminal.call("run").code == 0
    (log,) = (Path(job["log"]) for job in sqlite_terminal.call("logs", "1", "--json").document["jobs"])
    log.unlink()
    answer = sqlite_terminal.call("logs", "1", "test")
    assert (answer.code, "the log of 'test' is gone" in answer.complaint) == (0, True), answer


def test_ctrl_c_cancels_the_run_and_leaves_no_process(terminal: Terminal):
    terminal.write(
        "[jobs.a]\nrun = 'echo $$ > $OUTSIDE/pid; sleep 1000 & echo $! >> $OUTSIDE/pid; wait'\n[jobs.b]\nneeds = ['a']\nrun = 'true'\n"
    )
    process = terminal.start("run")
    wait_until(lambda: len(terminal.happened("pid")) == 2)
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, (output, complaint)
    assert b"cancelling run 1" in complaint
    assert b"run 1 of shop cancelled" in output
    wait_until(lambda: not living(terminal.happened("pid")))
    document = terminal.call("logs", "1", "--json").document
    assert [job["state"] for job in document["jobs"]] == ["cancelled", "cancelled"]


def living(pids):
    """Those that live and are no zombies."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] != "Z":
                    found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


SLOW = "[jobs.a]\nrun = 'echo ran >> $OUTSIDE/ran; for n in 1 2 3 4 5 6 7 8; do echo line $n; sleep 0.1; done'\n[jobs.b]\nneeds = ['a']\nrun = 'echo ran >> $OUTSIDE/ran; echo b; sleep 0.3'\n"
LINES = [f"line {n}" for n in range(1, 9)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_term_and_hup_detach_and_the_next_run_goes_on(sqlite_terminal: Terminal, number):
    sqlite_terminal.write(SLOW)
    process = sqlite_terminal.start("run")
    wait_until(lambda: sqlite_terminal.happened("ran"))
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"run 1 goes on without this process" in complaint
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    assert "its process is gone; this one goes on with it" in answer.complaint
    assert [line.removeprefix("a | ") for line in answer.text.splitlines() if "line" in line] == LINES
    assert sqlite_terminal.happened("ran") == ["ran", "ran"]


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.15, 0.5, 1.0])
def test_kill_9_loses_nothing_and_repeats_nothing(terminal: Terminal, delay):
    terminal.write(SLOW)
    process = terminal.start("run")
    # From the first sign that it is at work: the database has the run.
    wait_until((terminal.data / "mirrors").exists)
    time.sleep(delay)
    process.kill()
    process.communicate()
    answer = terminal.call("run")
    assert answer.code == 0, answer
    assert "run 1 of shop" in answer.complaint
    assert terminal.happened("ran") == ["ran", "ran"], "each job ran once"
    assert sorted(terminal.logs()) == sorted([b"".join(f"{line}\n".encode() for line in LINES), b"b\n"])
    document = terminal.call("logs", "1", "--json").document
    assert document["run"]["state"] == "succeeded"


@pytest.mark.slow
def test_a_second_run_of_the_same_tree_looks_on(sqlite_terminal: Terminal):
    sqlite_terminal.write(
        "[jobs.a]\nrun = 'echo ran >> $OUTSIDE/ran; echo one; while [ ! -e $OUTSIDE/go ]; do sleep 0.02; done; echo two'\n"
        "[jobs.b]\nneeds = ['a']\nrun = 'true'\n"
    )
    first = sqlite_terminal.start("run")
    wait_until(lambda: sqlite_terminal.happened("ran"))
    second = sqlite_terminal.start("run")
    told = second.stderr.readline() + second.stderr.readline()
    assert f"process {first.pid} of".encode() in told
    assert b"drives it; this one looks on" in told
    (sqlite_terminal.outside / "go").touch()
    shown = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    for output in shown:
        assert output.startswith(b"a | one\na | two\na | ==> succeeded (")
        assert b"run 1 of shop succeeded" in output
    assert sqlite_terminal.happened("ran") == ["ran"]


@pytest.mark.slow
def test_who_looks_on_takes_the_place_of_a_process_that_was_killed(sqlite_terminal: Terminal):
    sqlite_terminal.write(
        "[jobs.a]\nrun = 'echo ran >> $OUTSIDE/ran; echo one; while [ ! -e $OUTSIDE/go ]; do sleep 0.02; done; echo two'\n"
        "[jobs.b]\nneeds = ['a']\nrun = 'echo ran >> $OUTSIDE/ran; echo three'\n"
    )
    first = sqlite_terminal.start("run")
    wait_until(lambda: sqlite_terminal.happened("ran"))
    second = sqlite_terminal.start("run")
    assert b"run 1" in second.stderr.readline()
    assert b"looks on" in second.stderr.readline()
    first.kill()
    first.communicate()
    (sqlite_terminal.outside / "go").touch()
    output, complaint = second.communicate(timeout=60)
    assert second.returncode == 0, complaint
    assert b"its process is gone; this one goes on with it" in complaint
    assert output.count(b"one\n") == output.count(b"two\n") == output.count(b"three\n") == 1
    assert sqlite_terminal.happened("ran") == ["ran", "ran"]


@pytest.mark.slow
def test_an_orphan_of_another_tree_is_mentioned_and_can_be_cancelled(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.a]\nrun = 'echo $$ > $OUTSIDE/pid; sleep 1000'\n")
    process = sqlite_terminal.start("run")
    wait_until(lambda: sqlite_terminal.happened("pid"))
    process.kill()
    process.communicate()
    sqlite_terminal.write("[jobs.a]\nrun = 'true'\n")
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    assert re.search(
        r"run 1 \(main@\w+\) was left unfinished .*: headway run --cancel 1 ends it", answer.complaint
    )
    assert living(sqlite_terminal.happened("pid")), "it was left alone"
    answer = sqlite_terminal.call("run", "--cancel", "1")
    assert answer.code == 0, answer
    wait_until(lambda: not living(sqlite_terminal.happened("pid")))
    assert "left unfinished" not in sqlite_terminal.call("run").complaint


@pytest.mark.slow
def test_a_follower_sees_a_line_while_the_job_goes_on(sqlite_terminal: Terminal):
    sqlite_terminal.write(
        "[jobs.a]\nrun = 'while [ ! -e $OUTSIDE/go ]; do sleep 0.01; done; echo now; while [ ! -e $OUTSIDE/end ]; do sleep 0.01; done; exit 1'\n"
    )
    run = sqlite_terminal.start("run", stdout=subprocess.DEVNULL)
    wait_until(lambda: sqlite_terminal.call("logs", "last", "--json").code == 0)
    follower = sqlite_terminal.start("logs", "last", "--follow")
    (sqlite_terminal.outside / "go").touch()
    # While the job goes on: how quickly is measured by the benchmarks.
    assert follower.stdout.readline() == b"now\n"
    (sqlite_terminal.outside / "end").touch()
    follower.communicate(timeout=60)
    run.communicate(timeout=60)
    assert (follower.returncode, run.returncode) == (1, 1), "the follower exits as the run does"


def test_a_reader_that_leaves_does_not_stop_the_run(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.a]\nrun = 'echo one; sleep 0.3; seq 100000; echo end >> $OUTSIDE/end'\n")
    process = sqlite_terminal.start("run")
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    process.wait(timeout=60)
    process.stderr.close()
    assert sqlite_terminal.happened("end") == ["end"]
    assert sqlite_terminal.call("logs", "1", "--json").document["run"]["state"] == "succeeded"


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(sqlite_terminal: Terminal):
    """A limit on the size of files is what a full disk is without one: writes of ours fail, the job's do not."""
    sqlite_terminal.write(
        "[jobs.a]\nrun = 'echo ran >> $OUTSIDE/ran; head -c 3000000 /dev/zero | tr \"\\\\0\" x; echo; echo end'\n"
    )

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))

    answer = sqlite_terminal.call("run", preexec_fn=little_room)
    assert answer.code == 3, answer.complaint
    assert "the disk is full: the log of 'a' could not be written" in answer.complaint
    assert "free some space, then headway run again" in answer.complaint
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer.complaint
    assert sqlite_terminal.happened("ran") == ["ran"]
    [log] = sqlite_terminal.logs()
    assert log == b"x" * 3_000_000 + b"\nend\n"


def test_memory_does_not_grow_with_the_log(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.a]\nrun = 'seq 2000000'\n[jobs.b]\nrun = 'seq 1000000'\n")
    measure = (
        "import resource, subprocess, sys; code = subprocess.call([sys.executable, '-m', 'headway', 'run'], stdout=subprocess.DEVNULL);"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure],
        cwd=sqlite_terminal.repository.folder,
        env=sqlite_terminal.environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    code, kibibytes = map(int, done.stdout.split())
    assert code == 0, done.stderr
    assert kibibytes < 120 * 1024


def test_errors_as_json_are_one_document_too(sqlite_terminal: Terminal):
    sqlite_terminal.write("[jobs.a]\nrun = 'true'\n")
    sqlite_terminal.make_database()
    answer = sqlite_terminal.call("logs", "9", "--json")
    assert answer.code == 2
    assert json.loads(answer.output)["error"]["message"] == "there is no run '9' of shop"


def test_a_commit_goes_through_whose_hook_runs_the_pipeline(sqlite_terminal: Terminal):
    """git tells its hooks of its own index and folder; a job that uses git must not meet them."""
    terminal = sqlite_terminal
    terminal.write(
        "[jobs.test]\nrun = 'echo made >made; git add made; git status --short; git rev-parse --show-toplevel'\n"
    )
    hook = terminal.repository.folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} -m headway run >'{terminal.outside}/said' 2>&1\n")
    hook.chmod(0o755)
    terminal.repository.write({"new": "1", "beside": "2"})
    terminal.repository.git("add", "new")
    committed = terminal.environment | {"GIT_DIR": ".git"}
    done = subprocess.run(
        ["git", "commit", "--message", "With a hook", "new"],
        cwd=terminal.repository.folder,
        env=committed,
        capture_output=True,
        check=False,
    )
    said = "\n".join(terminal.happened("said"))
    assert done.returncode == 0, (done.stderr, said)
    assert "A  made" in said
    assert str(terminal.data / "jobs") in said, "the job's git is in the job's own copy"
    changed = terminal.repository.git("show", "--name-only", "--format=", "HEAD").split()
    assert changed == ["new"]
    assert terminal.repository.git("status", "--short") == "?? beside"


def test_a_job_that_names_no_secret_sees_no_token_of_the_caller(sqlite_terminal: Terminal):
    sqlite_terminal.environment |= {"NPM_TOKEN": "npm-token-of-the-caller", "JAVA_HOME": "/opt/java"}
    sqlite_terminal.write(
        "[jobs.a]\nrun = 'env'\n[jobs.b]\npass_env = ['JAVA_HOME', 'NOT_SET']\nrun = 'env'\n"
    )
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    assert "NPM_TOKEN" not in answer.text + "".join(log.decode() for log in sqlite_terminal.logs())
    assert [line for line in answer.text.splitlines() if "JAVA_HOME" in line] == ["b | JAVA_HOME=/opt/java"]
    assert "NOT_SET" not in answer.text


@pytest.mark.slow
def test_parameters_are_given_checked_and_defaulted_here_too(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.write(
        '[jobs.test]\nrun = "echo level=$PARAMETER_LEVEL who=$PARAMETER_WHO"\n'
        '[parameters.level]\ntype = "choice"\nchoices = ["quick", "full"]\ndefault = "quick"\n'
        '[parameters.who]\ntype = "text"\nrequired = true\n'
    )
    missing = sqlite_terminal.call("run")
    assert (missing.code, "who must be given" in missing.complaint) == (2, True), missing
    wrong = sqlite_terminal.call("run", "--parameter", "who=a", "-p", "level=ful", "-p", "lvel=1")
    assert wrong.code == 2
    assert "allowed is quick, full" in wrong.complaint and "'lvel' is no parameter" in wrong.complaint
    assert sqlite_terminal.call("run", "-p", "who").code == 2
    good = sqlite_terminal.call("run", "--parameter", "who=ana=b")
    assert good.code == 0 and "level=quick who=ana=b" in good.text, good
    document = json.loads(sqlite_terminal.call("run", "--json", "-p", "who=bo", "-p", "level=full").output)
    assert document["run"]["parameters"] == {"level": "full", "who": "bo"}
    assert sqlite_terminal.call("run", "--rerun").code == 2

"""`headway up` as a process: how it starts, what it refuses, what a stop and a kill leave behind."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from headway.drivers.runner.ceiling import make_ceiling
from tests.support.repositories import Repository, snapshot
from tests.support.running_server import HEAD, Pusher, RunningServer, running_server
from tests.support.visitor import page


def headway(
    server: RunningServer, *words: str, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """The command as its owner types it beside the server: the same data folder."""
    return subprocess.run(
        [sys.executable, "-m", "headway", *words],
        cwd=cwd,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def until(holds, within: float = 60.0, told: str = "") -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, told or "it did not come"
        time.sleep(0.02)


def test_it_is_ready_on_an_empty_folder(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready", "faults": []}
        assert server.sign_in and server.sign_in.startswith(f"{server.url}/sign-in/")


@pytest.mark.slow
def test_a_second_server_on_the_folder_is_told_who_has_it(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        second = headway(server, "up", "--listen", "127.0.0.1:0")
        assert second.returncode == 2
        assert f"a server runs on {server.data} already: process {server.process.pid} at {server.url}" in (
            second.stderr
        )
        assert "--data DIR" in second.stderr
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.slow
def test_a_second_server_on_the_same_database_is_refused_and_takes_over_when_the_first_is_gone(
    tmp_path: Path, database_url: str
) -> None:
    second = RunningServer(tmp_path / "two", database_url)
    with running_server(tmp_path / "one", database_url) as first:
        told = headway(second, "up", "--listen", "127.0.0.1:0")
        assert told.returncode == 2
        assert f"a server has this database already: process {first.process.pid} of" in told.stderr
        assert first.url in told.stderr
        assert httpx.get(f"{first.url}/healthz").status_code == 200
        first.kill()
        try:
            second.start()
            assert httpx.get(f"{second.url}/readyz").status_code == 200
        finally:
            second.close()


@pytest.mark.slow
def test_a_taken_address_is_told_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with running_server(tmp_path / "one") as one:
        other = RunningServer(tmp_path / "other")
        told = headway(other, "up", "--listen", one.url.removeprefix("http://"))
        assert told.returncode == 2
        assert (
            f"{one.url.removeprefix('http://')} cannot be listened at: address already in use" in told.stderr
        )
        assert "--listen 127.0.0.1:8081" in told.stderr
        try:
            other.start()
        finally:
            other.close()


@pytest.mark.slow
def test_check_tells_all_faults_and_changes_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path / "one") as one:
        faulty = RunningServer(tmp_path / "faulty")
        faulty.data.mkdir(parents=True)
        (faulty.data / "org.toml").write_text('[peopel.ana]\nname = "Ana"\n')
        with closing(sqlite3.connect(faulty.data / "headway.db")) as database:
            database.execute("PRAGMA journal_mode = wal")
            database.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at BIGINT)")
            database.execute("INSERT INTO migrations VALUES ('9999_from_the_future', 0)")
            database.commit()
        before = snapshot(faulty.data)
        faulty.environment |= {"HEADWAY_KEEP_FREE": "much", "HEADWAY_KEEP_LOGS": "long"}
        options = (
            "--behind-proxy",
            "proxy.exampel",
            "--jobs-memory",
            "8 cats",
            "--url",
            "headway.example.org",
        )
        address = one.url.removeprefix("http://")
        told = headway(faulty, "up", "--check", "--listen", address, *options, "--json")
        assert told.returncode == 2, told.stderr
        wrong = [found["error"]["message"] for found in json.loads(told.stdout)["findings"][:3]]
        assert [fault.split()[0] for fault in wrong] == ["--url", "--jobs-memory:", "--behind-proxy:"]
        assert "several options are wrong" in headway(faulty, "up", *options).stderr
        findings = {one["what"]: one["error"] for one in json.loads(told.stdout)["findings"]}
        faults = {what: error["message"] for what, error in findings.items() if error}
        assert len(faults) == 6, faults  # the options are one line each
        said = " ".join(f"{what}: {fault}" for what, fault in faults.items())
        assert "address already in use" in said
        assert "newer" in said
        assert "peopel" in said
        assert "HEADWAY_KEEP_FREE is 'much'" in said
        assert "HEADWAY_KEEP_LOGS is 'long'" in said
        assert {name: held for name, held in snapshot(faulty.data).items() if "-shm" not in name} == before


def test_check_on_an_empty_folder_finds_nothing_and_makes_nothing(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    told = headway(server, "up", "--check", "--listen", "127.0.0.1:0")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "fault" not in told.stdout
    assert not server.data.exists()


@pytest.mark.slow
def test_check_tells_of_a_lost_key_and_of_what_a_start_would_change(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    put = subprocess.run(
        [sys.executable, "-m", "headway", "secret", "set", "A", "--service", "shop"],
        env=server.environment, input="hunter2\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert put.returncode == 0, put.stderr
    (server.data / "secret.key").unlink()
    with closing(sqlite3.connect(server.data / "headway.db")) as database:
        last = database.execute("SELECT MAX(name) FROM migrations").fetchone()[0]
        database.execute("DELETE FROM migrations WHERE name = ?", (last,))
        database.commit()
    missing = ("--org", str(tmp_path / "no.toml"))
    told = headway(server, "up", "--check", "--listen", "127.0.0.1:0", *missing)
    assert told.returncode == 2
    assert "fault  the key of secrets: 1 secret in the database (A of service shop)" in told.stdout
    assert f"applies the migration {last}" in told.stdout
    assert f"there is no file {tmp_path}/no.toml" in told.stdout
    with closing(sqlite3.connect(server.data / "headway.db")) as database:
        database.execute("INSERT INTO migrations VALUES (?, 0)", (last,))
        database.commit()
    refused = headway(server, "up", "--listen", "127.0.0.1:0")
    assert (refused.returncode, "headway up --new-key" in refused.stderr) == (2, True)
    assert not (server.data / "secret.key").exists()
    refused = headway(server, "up", "--listen", "127.0.0.1:0", *missing)
    assert (refused.returncode, "headway up --new-key" in refused.stderr) == (2, True)
    try:
        server.start("--new-key")
        assert "A of service shop; set it anew" in server.log.read_text(), "it was forgotten by its name"
        assert server.stop() == 0
    finally:
        server.close()
    refused = headway(server, "up", "--listen", "127.0.0.1:0", *missing)
    assert (refused.returncode, f"there is no file {tmp_path}/no.toml" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_what_local_commands_did_in_the_folder_is_shown(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    repository = Repository(tmp_path / "shop")
    repository.commit({"headway.toml": f'{HEAD}[jobs.hello]\nrun = "echo hello"\n'})
    ran = headway(server, "run", cwd=repository.folder)
    assert ran.returncode == 0, ran.stderr
    try:
        server.start()
        [run] = server.runs()
        assert (run["service"], run["number"], run["state"]) == ("shop", 1, "succeeded")
    finally:
        server.close()


#: Notes outside that it began, then says a line every 10 ms until it may end.
SLOW = """
[jobs.slow]
run = "echo began >> {notes}; n=0; while [ ! -e {go} ]; do n=$((n+1)); echo line $n; sleep 0.01; done; echo said $n"
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_running_job_outlives_the_server_and_is_picked_up_by_the_next(tmp_path: Path, end: str) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    with running_server(tmp_path) as server:
        server.add_repository()
        pusher = Pusher(tmp_path / "shop", server)
        pusher.say(SLOW.format(notes=notes, go=go))
        until(notes.exists)
        if end == "stop":
            assert server.stop() == 0
        else:
            server.kill()
        written = bytes_of_jobs(server)
        until(lambda: bytes_of_jobs(server) > written, told="the job does not go on without the server")
        server.start()
        [run] = server.runs()
        assert run["state"] == "running"
        go.touch()
        [run] = server.wait_for_runs(1)
        assert run["state"] == "succeeded"
        assert notes.read_text() == "began\n"
        assert_every_line_stands_once(headway(server, "logs", "last", "slow", cwd=pusher.folder).stdout)


def bytes_of_jobs(server: RunningServer) -> int:
    """Of what runners have written by themselves."""
    return sum(file.stat().st_size for file in (server.data / "jobs").rglob("*") if file.is_file())


def assert_every_line_stands_once(log: str) -> None:
    numbers = [int(number) for number in re.findall(r"line (\d+)$", log, re.MULTILINE)]
    [said] = re.findall(r"said (\d+)$", log, re.MULTILINE)
    assert numbers == list(range(1, int(said) + 1))
    assert numbers


def may_have_ceilings() -> bool:
    # Each process of the suite asks while it collects, at the same moment as the others.
    probe = make_ceiling(2**30, f"headway-test-of-ceilings-{os.getpid()}")
    if probe is not None:
        probe.folder.rmdir()
    return probe is not None


GREEDY = """
[jobs.greedy]
run = "exec python3 -c 'import time; held = [bytearray(2**20) for _ in range(4096)]; time.sleep(60)'"
"""


@pytest.mark.skipif(
    not may_have_ceilings(), reason="no control group may be made here (root, or Delegate=memory, may)"
)
@pytest.mark.slow
def test_a_job_that_eats_all_memory_ends_and_the_loops_stay_on_time(tmp_path: Path) -> None:
    with running_server(tmp_path, None, "--jobs-memory", "200MiB") as server:
        server.add_repository()
        Pusher(tmp_path / "shop", server).say(GREEDY)
        slowest = 0.0
        while not [run for run in server.runs() if run["finished_at"]]:
            asked = time.monotonic()
            assert httpx.get(f"{server.url}/readyz").json()["faults"] == []
            slowest = max(slowest, time.monotonic() - asked)
        [run] = server.runs()
        assert run["state"] in ("failed", "errored")
        assert slowest < 2
        assert server.process.poll() is None


@pytest.mark.slow
def test_a_disk_below_its_mark_holds_new_runs_and_every_page_says_so(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    server.environment["HEADWAY_KEEP_FREE"] = "100000GiB"
    try:
        server.start()
        page(server, "/")  # before others get accounts: who comes in first is the administrator
        server.add_repository()
        Pusher(tmp_path / "shop", server).say('[jobs.hello]\nrun = "echo hello"\n')
        for path in ("/", "/runs", "/settings"):
            assert "no new run begins until" in page(server, path)
        assert [run["state"] for run in server.runs()] in ([], ["queued"])
        assert server.stop() == 0
        del server.environment["HEADWAY_KEEP_FREE"]
        server.start()
        [run] = server.wait_for_runs(1)
        assert run["state"] == "succeeded"
        assert "no new run begins until" not in page(server, "/")
    finally:
        server.close()


#: It came with the server; the commit before it is the last one without.
FIRST_OF_THE_SERVER = "src/headway/store/migrations/0005_server.sql"


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The source of the version before there was a server, from the repository's own history."""

    def git(*words: str) -> bytes:
        root = Path(__file__).parents[2]
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=False, timeout=60).stdout

    added = git("log", "--diff-filter=A", "--format=%H", "--", FIRST_OF_THE_SERVER).decode().split()
    packed = git("archive", f"{added[-1]}^", "src") if added else b""
    if not packed:
        pytest.skip("the history does not reach back to the version before this one: clone it whole")
    folder = tmp_path / "previous"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True, timeout=60)
    return folder / "src"


@pytest.mark.slow
def test_a_job_begun_by_the_previous_version_is_picked_up_by_this_one(tmp_path: Path, previous: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    repository = Repository(tmp_path / "shop")
    repository.commit({"headway.toml": HEAD + SLOW.format(notes=notes, go=go)})
    server = RunningServer(tmp_path)
    old = subprocess.Popen(
        [sys.executable, "-m", "headway", "run"],
        cwd=repository.folder,
        env=server.environment | {"PYTHONPATH": str(previous)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(notes.exists)
    old.kill()
    old.wait()
    go.touch()
    ran = headway(server, "run", cwd=repository.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert notes.read_text() == "began\n"
    assert_every_line_stands_once(headway(server, "logs", "last", "slow", cwd=repository.folder).stdout)
    # The new tables came, with a copy of what was there before.
    assert list(server.data.glob("headway.db.before-*")), ran.stderr
    try:
        server.start()
        [run] = server.runs()
        assert (run["number"], run["state"]) == (1, "succeeded")
        assert "shop" in page(server, "/")
    finally:
        server.close()

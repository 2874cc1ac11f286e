"""`deploy`, `rollback` and `status` as people and scripts call them: the real command in a process of its own."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.cli.root import run_command_line
from headway.domain.request import Approval, RequestOrigin, RequestState
from headway.engine.repositories.org import read_org_file
from headway.engine.requests.place import new_request
from headway.engine.settings import Settings
from headway.main.settings import read_settings
from headway.store.audit import entries
from headway.store.database import open_database
from headway.store.requests import get_request, insert_request, put_approval
from headway.store.standings import get_standing, put_standing
from tests.docs.shapes import PAGE, nested, same, tables
from tests.support.deploying import Shop
from tests.support.headway_process import Headway
from tests.support.sshd import Sshd, needs_sshd, start_sshd

pytestmark = needs_sshd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    started = start_sshd(tmp_path / "host")
    yield started
    started.stop()


@pytest.fixture
def headway(server: Sshd, tmp_path: Path) -> Iterator[Headway]:
    (tmp_path / "data").mkdir()
    url = f"sqlite:///{tmp_path}/data/headway.db"
    with open_database(url) as database:
        yield Headway(Shop(tmp_path, [server], database, "apps/shop"), url)


def commit(headway: Headway) -> str:
    git = ["git", "-C", str(headway.folder), "-c", "user.name=ana", "-c", "user.email=ana@example.org"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_dry_run_prints_every_command_and_touches_nothing(headway: Headway, server: Sshd) -> None:
    release = headway.shop.release("one")
    server.stop()
    code, plan = headway.json("deploy", "production", "--release", release.id, "--dry-run")
    assert code == 0
    (host,) = plan["hosts"]
    assert (host["host"], host["root"], host["before"]) == ("web1", "apps/shop", None)
    assert [(c["step"], c["directory"]) for c in host["commands"]] == [
        ("unpack", "."),
        ("prepare", f"releases/{release.id}"),
        ("switch", "."),
        ("activate", f"releases/{release.id}"),
        ("undrain", f"releases/{release.id}"),
    ]
    assert plan["settings"] == ["GREETING"]
    code, text, _ = headway.call("deploy", "production", "--release", release.id[:10], "--dry-run")
    assert code == 0
    for command in host["commands"]:
        assert all(line in text for line in command["script"].splitlines())
    assert list(server.home.iterdir()) == []


@pytest.mark.slow
def test_there_and_back_with_the_exit_codes_of_scripts(headway: Headway) -> None:
    sha = commit(headway)
    code, _, err = headway.call("deploy", "production")
    assert code == 2
    assert f"HEAD ({sha[:12]}) has no release" in err
    assert "headway run" in err
    assert headway.call("status")[1] == "shop\n  nothing was deployed yet: headway deploy ENVIRONMENT\n"
    code, _, err = headway.call("rollback", "production")
    assert (code, "no good release before" in err) == (2, True)
    code, _, err = headway.call("deploy", "prodution", "--release", headway.shop.release("one").id)
    assert (code, "did you mean production" in err) == (2, True)

    one, two = headway.shop.release("one"), headway.shop.release("two")
    code, out, err = headway.call("deploy", "production", "--release", one.id)
    assert code == 0, err
    assert f"deployment 1 of {one.id} to production: succeeded" in out
    assert "web1  live" in out
    code, out, _ = headway.call("deploy", "production", "--release", one.id)
    assert (code, f"already live: {one.id}" in out) == (0, True)
    code, answer = headway.json("deploy", "production", "--release", two.id, "--hotfix")
    assert (code, answer["deployment"]["kind"], answer["deployment"]["previous_release"]) == (
        0,
        "hotfix",
        one.id,
    )
    page = PAGE["headway deploy, headway rollback"]
    assert set(answer) == nested(page, "## headway deploy")
    same(answer["deployment"], tables(page)["DEPLOYMENT"])
    assert set(answer["hosts"][0]) == nested(page, "A HOST is")
    assert [host["state"] for host in answer["hosts"]] == ["finished"]
    code, told = headway.json("status", "--from-hosts")
    assert set(told) == nested(PAGE["headway status"], "--from-hosts --json")
    assert set(told["hosts"][0]) == nested(PAGE["headway status"], "--from-hosts --json", within="hosts")
    code, out, _ = headway.call("status", "--from-hosts")
    assert (code, two.id in out) == (0, True)
    code, answer = headway.json("rollback", "production")
    assert (code, answer["deployment"]["release"], answer["deployment"]["kind"]) == (0, one.id, "rollback")
    code, answer = headway.json("rollback", "production", "--to", two.id[:9])
    assert (code, answer["error"]["exit_code"]) == (2, 2)
    code, status = headway.json("status", "production")
    (environment,) = status["environments"]
    assert (code, environment["live"]["release"], environment["lock"]) == (0, one.id, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "said"),
    [('{ from = "team:storefront" }', "team:storefront"), ("{ expires = '4h' }", "somebody who may approve")],
)
def test_an_approval_is_held_without_a_terminal(headway: Headway, rule: str, said: str) -> None:
    headway.shop.extra_environment = f"approval = {rule}"
    headway.write()
    release = headway.shop.release("one")
    code, _, err = headway.call("deploy", "production", "--release", release.id)
    assert code == 4
    assert said in err
    assert "--approved-by" in err
    code, answer = headway.json("deploy", "production", "--release", release.id, "--approved-by", "eve")
    assert (code, answer["deployment"]["approved_by"], answer["deployment"]["approval_verified"]) == (
        0,
        "eve",
        False,
    )


@pytest.mark.slow
def test_an_unknown_host_key_stops_before_anything(headway: Headway, server: Sshd) -> None:
    release = headway.shop.release("one")
    server.known_hosts.write_text("")
    code, answer = headway.json("deploy", "production", "--release", release.id)
    assert (code, answer["error"]["exit_code"]) == (3, 3)
    assert "key of web1 (127.0.0.1" in answer["error"]["message"]
    assert f"{server.host_key}' >> {server.known_hosts}" in answer["error"]["hint"]
    assert list(server.home.iterdir()) == []
    code, status = headway.json("status", "production")
    assert (status["environments"][0]["last"], status["environments"][0]["lock"]) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "said"), [("y\n", 0, "succeeded"), ("n\n", 4, "not approved")])
def test_the_person_at_the_terminal_is_asked(headway: Headway, answer: str, code: int, said: str) -> None:
    headway.shop.extra_environment = 'approval = { from = "team:storefront" }'
    headway.write()
    terminal = Terminal(headway, "deploy", "production", "--release", headway.shop.release("one").id)
    terminal.wait_for(lambda: "Approve?" in terminal.said)
    terminal.type(answer)
    assert terminal.end() == code
    assert said in terminal.said


def test_ctrl_c_at_the_question_leaves_everything(headway: Headway, server: Sshd) -> None:
    """The event loop's handler of signals does not run while a person is asked."""
    headway.shop.extra_environment = 'approval = { from = "team:storefront" }'
    headway.write()
    terminal = Terminal(headway, "deploy", "production", "--release", headway.shop.release("one").id)
    terminal.wait_for(lambda: "Approve?" in terminal.said)
    os.kill(terminal.process.pid, 2)
    assert terminal.end() == 130
    assert "nothing was done" in terminal.said
    assert list(server.home.iterdir()) == []


@pytest.mark.slow
def test_the_status_of_an_environment_that_is_nowhere(headway: Headway) -> None:
    assert headway.call("status", "production")[:2] == (0, "shop\n  production: nothing is live\n")
    code, out, err = headway.call("status", "prodution")
    assert (code, out) == (2, "")
    assert "did you mean production" in err


def test_a_host_that_is_down_is_named(
    headway: Headway, server: Sshd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release = headway.shop.release("one")
    server.stop()
    patient = Settings.ssh.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Settings, "ssh", property(lambda self: replace(patient(self), connect_within=0.3)))
    monkeypatch.chdir(headway.folder)

    def call(*words: str) -> tuple[int, str]:
        code = run_command_line(words, lambda: read_settings(headway.environment))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    code, said = call("status", "--from-hosts", "--json")
    assert code == 3
    assert "cannot be reached" in json.loads(said)["hosts"][0]["error"]
    code, said = call("deploy", "production", "--release", release.id)
    assert code == 3
    assert "web1" in said
    assert "cannot be reached" in said
    assert json.loads(call("status", "--json")[1])["environments"] == []


@pytest.mark.slow
def test_org_toml_binds_a_server_and_not_who_has_the_hosts_keys(headway: Headway, tmp_path: Path) -> None:
    """As docs/org.md says, so that a server that is down keeps nobody from his hosts."""
    (tmp_path / "data" / "org.toml").write_text(
        '[people.bo]\n[hosts.web1]\nteams = ["others"]\n[teams.others]\nmembers = { bo = "operator" }\n'
        '[[floors]]\nname = "careful"\napprovals = { from = "role:operator", count = 2 }\n'
        '[[freezes]]\nname = "for-good"\nreason = "nobody is at work"\nstart = "2020-01-01T00:00:00Z"\n'
    )
    read_org_file(tmp_path / "data" / "org.toml")
    release = headway.shop.release("one")
    assert headway.call("deploy", "production", "--release", release.id)[0] == 0
    assert headway.shop.serving() == ["one"]


def test_a_missing_secret_stops_before_anything(headway: Headway, server: Sshd) -> None:
    headway.shop.extra_environment = 'secrets = ["TOKEN"]'
    headway.write()
    release = headway.shop.release("one")
    code, _, err = headway.call("deploy", "production", "--release", release.id)
    assert code == 2
    assert "TOKEN" in err
    assert list(server.home.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_on_a_host_stops_before_any_switch(headway: Headway, server: Sshd) -> None:
    """A file system of 1 MiB of its own; needs root."""
    import shutil

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    apps = server.home / "apps"
    apps.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(apps)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        small = headway.shop.release("one")
        assert headway.call("deploy", "production", "--release", small.id)[0] == 0
        noise = "".join(chr(33 + (n * n * 31 + n // 7) % 90) for n in range(900_000))
        big = headway.shop.release("two", {"noise": noise})
        code, answer = headway.json("deploy", "production", "--release", big.id)
        assert (code, answer["deployment"]["state"]) == (1, "failed")
        assert "no host was switched" in answer["deployment"]["reason"]
        assert "full" in answer["deployment"]["reason"].lower() or "space" in answer["deployment"]["reason"]
        assert headway.shop.current() == [small.id]
    finally:
        subprocess.run(["umount", "-l", str(apps)], check=True)


SLOW = {"bin/activate": 'echo begun >> "$HEADWAY_ROOT/begun"; sleep 1; cp VERSION "$HEADWAY_ROOT/serving"'}


class Terminal:
    """The command at a terminal that a test types on."""

    def __init__(self, headway: Headway, *words: str) -> None:
        self.said, self._open = "", True
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headway", *words],
            cwd=headway.folder,
            env={**headway.environment, "TERM": "dumb"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < until, self.said
            if self._open and select.select([self._master], [], [], 0.02)[0]:
                try:
                    self.said += os.read(self._master, 4096).decode("utf-8", "replace")
                except OSError:  # the other side is closed: the command is ending
                    self._open = False

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        self.wait_for(lambda: self.process.poll() is not None)
        # Its last words may still lie in the terminal.
        self.wait_for(lambda: not self._open or not select.select([self._master], [], [], 0)[0])
        os.close(self._master)
        return self.process.wait()


@pytest.mark.parametrize(
    ("answer", "code", "state"),
    [
        pytest.param("s", 130, "cancelled", marks=pytest.mark.slow),
        ("b", 1, "rolled_back"),
        pytest.param("o", 0, "succeeded", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_ctrl_c_asks_what_to_do(headway: Headway, answer: str, code: int, state: str) -> None:
    shop = headway.shop
    first, second = shop.release("one"), shop.release("two", SLOW)
    assert headway.call("deploy", "production", "--release", first.id)[0] == 0
    terminal = Terminal(headway, "deploy", "production", "--release", second.id)
    terminal.wait_for((shop.place("web1") / "begun").exists)
    os.kill(terminal.process.pid, 2)
    terminal.wait_for(lambda: "without me" in terminal.said)
    # The step at hand was finished first.
    assert shop.serving() == ["two"]
    terminal.type(f"{answer}\n")
    assert terminal.end() == code
    until = time.monotonic() + 120
    while (found := headway.json("status", "production")[1]["environments"][0])["unfinished"] or found[
        "lock"
    ]:
        assert time.monotonic() < until
    last = found["last"] or found["live"]
    assert (last["release"], last["state"]) == (second.id, state)
    assert shop.serving() == (["one"] if answer == "b" else ["two"])
    assert (shop.place("web1") / "begun").read_text() == "begun\n"


@pytest.mark.slow
def test_a_rollback_that_was_taken_back_is_no_success(headway: Headway) -> None:
    shop = headway.shop
    first, second = shop.release("one", SLOW), shop.release("two")
    for release in (first, second):
        assert headway.call("deploy", "production", "--release", release.id)[0] == 0
    begun = shop.place("web1") / "begun"
    terminal = Terminal(headway, "rollback", "production")
    terminal.wait_for(lambda: begun.read_text() == "begun\n" * 2)
    os.kill(terminal.process.pid, 2)
    terminal.wait_for(lambda: "without me" in terminal.said)
    terminal.type("b\n")
    assert (terminal.end(), shop.serving()) == (1, ["two"])


@pytest.mark.slow
def test_a_rollback_without_its_database_says_first_what_goes_without(
    headway: Headway, tmp_path: Path
) -> None:
    shop = headway.shop
    for version in ("one", "two"):
        assert headway.call("deploy", "production", "--release", shop.release(version).id)[0] == 0
    said = "headway status production --from-hosts shows it, headway rollback production --direct goes back by it"
    lost = tmp_path / "lost.db"
    headway.environment["HEADWAY_DATABASE_URL"] = f"sqlite:///{lost}"
    code, _, err = headway.call("rollback", "production")
    assert (code, said in err, lost.exists()) == (2, True, False), err
    # An empty one knows only what the hosts tell of what is live.
    open_database(f"sqlite:///{lost}").close()
    code, _, err = headway.call("rollback", "production")
    assert (code, said in err) == (2, True), err
    lost.write_text("damaged " * 1000)
    code, _, err = headway.call("rollback", "production")
    assert (code, said in err) == (3, True), err
    headway.environment["HEADWAY_SERVER"] = "http://127.0.0.1:1"
    code, _, err = headway.call("rollback", "production")
    assert (code, said in err) == (3, True), err
    assert headway.call("rollback", "production", "--direct")[0] == 0
    assert shop.serving() == ["one"]


HELD_OPEN = {
    "bin/activate": 'echo begun >> "$HEADWAY_ROOT/begun"; while [ ! -e "$HEADWAY_ROOT/go" ]; do sleep 0.1; done; '
    'cp VERSION "$HEADWAY_ROOT/serving"'
}


def going_on(headway: Headway) -> list[dict[str, str]]:
    return headway.json("status", "production")[1]["environments"][0]["unfinished"]  # type: ignore[no-any-return]


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_pause_from_another_terminal_outlives_a_kill_until_it_may_go_on(headway: Headway) -> None:
    shop = headway.shop
    release = shop.release("two", HELD_OPEN)
    begun, go = shop.place("web1") / "begun", shop.place("web1") / "go"
    words = ("deploy", "production", "--release", release.id)
    with headway.start(*words) as process:
        wait_until(begun.exists)
        code, paused = headway.json("deployment", "pause", "production")
        assert (code, paused["deployment"]["release"]) == (0, release.id)
        process.kill()
        process.communicate()
    go.touch()
    with headway.start(*words) as process:
        wait_until(lambda: "paused" in going_on(headway)[0]["reason"] and shop.serving() == ["two"])
        assert process.poll() is None
        assert headway.call("deployment", "go-on", "production")[0] == 0
        out, err = process.communicate(timeout=60)
    assert (process.returncode, begun.read_text()) == (0, "begun\n"), (out, err)


@pytest.mark.slow
def test_a_stop_from_another_terminal_says_what_stands_where(headway: Headway) -> None:
    shop = headway.shop
    release = shop.release("two", HELD_OPEN)
    with headway.start("deploy", "production", "--release", release.id) as process:
        wait_until((shop.place("web1") / "begun").exists)
        assert headway.call("deployment", "stop", "production")[0] == 0
        wait_until(lambda: "stopped" in going_on(headway)[0]["reason"])
        (shop.place("web1") / "go").touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "stopped, as it was asked for" in out.decode() and "web1" in out.decode()
    code, _, err_text = headway.call("deployment", "pause", "production")
    assert code == 4 and "no deployment of shop to production goes on" in err_text


@pytest.mark.slow
def test_what_waits_at_the_gate_is_known_to_a_deployment_on_the_same_data(headway: Headway) -> None:
    shop = headway.shop
    shop.extra_environment = 'approval = { from = "team:web" }'
    headway.write()
    release, other = shop.release("one"), shop.release("two")
    now = datetime.now(UTC)
    made = new_request(release, "production", "bo", RequestOrigin.PERSON, "asked", now)
    said = Approval(made.id, "ana", True, "fine", now, now + timedelta(hours=1))
    shop.database.transact(lambda tx: (insert_request(tx, made), put_approval(tx, said)))
    status = headway.call("status")[1]
    assert f"request {made.id} to production: {release.id}, asked by bo: waiting" in status
    code, _, err = headway.call("deploy", "production", "--release", other.id)
    assert code == 4 and f"a request of bo for {release.id} waits at this gate" in err
    code, answer = headway.json("deploy", "production", "--release", release.id)
    assert code == 0
    assert (answer["deployment"]["approved_by"], answer["deployment"]["approval_verified"]) == ("ana", True)
    found = shop.database.read(lambda tx: get_request(tx, made.id))
    assert found is not None
    assert (found.state, found.deployment) == (RequestState.DONE, answer["deployment"]["id"])


def not_in_the_file(headway: Headway, host: str) -> None:
    """As after a deployment whose file does not name the host any more."""
    database = headway.shop.database
    known = database.read(lambda tx: get_standing(tx, "shop", "production", host))
    assert known is not None
    database.transact(lambda tx: put_standing(tx, replace(known, member=False)))


@pytest.mark.slow
def test_a_host_that_left_the_file_is_emptied_by_its_command(headway: Headway) -> None:
    release = headway.shop.release("one")
    assert headway.call("deploy", "production", "--release", release.id)[0] == 0
    code, _, said = headway.call("deployment", "empty", "production", "web1")
    assert (code, "web1 belongs to production" in said) == (2, True)
    not_in_the_file(headway, "web1")
    code, text, _ = headway.call("deployment", "empty", "production", "web1")
    assert (code, text) == (0, f"web1 is empty: {release.id} was ended and is no longer current there\n")
    assert headway.shop.serving() == [None]
    code, _, said = headway.call("deployment", "empty", "production", "web1")
    assert (code, "nothing is known of web1 in production" in said) == (2, True)


@pytest.mark.slow
def test_a_host_that_left_the_file_is_forgotten_by_its_command_and_left_as_it_is(
    headway: Headway, server: Sshd
) -> None:
    release = headway.shop.release("one")
    assert headway.call("deploy", "production", "--release", release.id)[0] == 0
    not_in_the_file(headway, "web1")
    server.stop()
    code, told = headway.json("deployment", "forget", "production", "web1")
    assert (code, told) == (0, {"host": "web1", "release": release.id})
    assert headway.shop.serving() == ["one"]
    [entry] = headway.shop.database.read(lambda tx: entries(tx, limit=1))
    assert entry.action == "deployment.forget_host"
    code, _, said = headway.call("deployment", "forget", "production", "web1")
    assert (code, "nothing is known of web1" in said) == (2, True)


@pytest.mark.slow
def test_an_environment_is_renamed_only_by_who_says_so(headway: Headway) -> None:
    shop = headway.shop
    assert headway.call("deploy", "production", "--release", shop.release("one").id)[0] == 0
    shop.edits = {"[environments.production": "[environments.live"}
    headway.write()
    code, _, err = headway.call("deployment", "rename", "production", "live")
    assert (code, "nothing was done" in err, "--yes" in err) == (2, True, True), err
    code, answer = headway.json("deployment", "rename", "production", "live", "--yes")
    assert (code, answer) == (0, {"environment": "live", "before": "production", "hosts": ["web1"]})
    code, status = headway.json("status", "live")
    assert (code, status["environments"][0]["is_whole"]) == (0, True)
    assert headway.call("rollback", "production")[0] == 2

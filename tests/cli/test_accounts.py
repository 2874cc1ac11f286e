"""`headway secret`, `people` and `token` as they are typed."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.cli.root import run_command_line
from headway.engine.secrets.by_name import load_secrets
from headway.engine.settings import Settings
from headway.store.database import open_database
from tests.support.repositories import Repository
from tests.support.settings import settings_in

CONTRACT = """contract = 1
[service]
name = "shop"
team = "storefront"
[jobs.test]
secrets = ["A"]
run = "true"
[deploy]
kind = "script"
run = "true"
[environments.production]
hosts = "web-1"
secrets = ["A", "B"]
[hosts.web-1]
"""


class Shell:
    """A service's repository to stand in, and the command line on both databases."""

    def __init__(self, folder: Path, database_url: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = Repository(folder / "shop")
        self.repository.commit({"headway.toml": CONTRACT}, "Begin")
        self.settings: Settings = settings_in(folder, database_url)
        self._capsys, self._monkeypatch = capsys, monkeypatch
        monkeypatch.chdir(self.repository.folder)

    def __call__(self, line: str, *, typed: bytes = b"", code: int = 0) -> str:
        """Standard output, and standard error when it is not 0."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        found = run_command_line(line.split(), lambda: self.settings)
        captured = self._capsys.readouterr()
        assert found == code, captured
        return str(captured.out if code == 0 else captured.err)

    def json(self, line: str, *, typed: bytes = b"") -> Any:
        return json.loads(self(f"{line} --json", typed=typed))


@pytest.fixture
def headway(
    tmp_path: Path,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    return Shell(tmp_path, database_url, capsys, monkeypatch)


# Secrets


def test_a_secret_is_set_listed_used_and_removed(headway: Shell) -> None:
    assert headway("secret set A", typed=b"hunter2\n") == "set A of service shop\n"
    headway("secret set B --environment production", typed=b"hunter3")
    headway("secret set A --team storefront", typed=b"hunter4")
    found = headway.json("secret list")["secrets"]
    assert [(one["name"], one["scope"], one["owner"], one["named_by"]) for one in found] == [
        ("B", "environment", "shop/production", ["environment production"]),
        ("A", "service", "shop", ["job test", "environment production"]),
        ("A", "team", "storefront", ["job test", "environment production"]),
    ]
    assert found[0]["updated_by"] == "ana@laptop"
    listed = headway("secret list")
    assert "hunter" not in listed and "shop/production" in listed
    values = load_secrets(("A", "B"), "shop", "production", headway.settings)
    assert [secret.reveal() for secret in values] == ["hunter2", "hunter3"]
    assert headway("secret remove A") == "removed A of service shop\n"
    assert "service shop has no secret 'A'" in headway("secret remove A", code=2)


def test_a_value_keeps_all_but_one_newline(headway: Shell) -> None:
    headway("secret set KEY", typed=b"-----BEGIN-----\nabc\n-----END-----\n\n")
    [value] = load_secrets(("KEY",), "shop", None, headway.settings)
    assert value.reveal() == "-----BEGIN-----\nabc\n-----END-----\n"


@pytest.mark.parametrize(
    ("line", "typed", "complaint"),
    [
        ("secret set A-B", b"hunter2", "'A-B' cannot be the name of a secret"),
        ("secret set A", b"", "fewer than 4 characters"),
        ("secret set A", b"hunter2\xff", "is not UTF-8"),
        ("secret set A", b"x" * 70000, "larger than 64 KiB"),
        ("secret set A --team t --service s", b"hunter2", "of a team, or of a service"),
        ("secret set A --service a/b", b"hunter2", "'a/b' is no name of service"),
        ("secret set A hunter2", b"", "unexpected extra argument"),
    ],
)
def test_what_cannot_be_set(headway: Shell, line: str, typed: bytes, complaint: str) -> None:
    told = headway(line, typed=typed, code=2)
    assert complaint in told
    assert "hunter2" not in told.replace("(hunter2)", "")
    open_database(headway.settings.database_url).close()
    assert headway.json("secret list") == {"secrets": []}


def test_outside_of_a_service_one_is_named(
    headway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    headway("secret set A", typed=b"hunter2", code=2)
    headway("secret set A --service other", typed=b"hunter2")
    assert [one["named_by"] for one in headway.json("secret list")["secrets"]] == [None]


def test_the_key_is_changed(headway: Shell) -> None:
    before = headway.json("secret set A", typed=b"hunter2")["secret"]["key"]
    changed = headway.json("secret rotate-key")
    assert changed["secrets"] == 1 and changed["key"] != before
    assert headway.json("secret list")["secrets"][0]["key"] == changed["key"]
    assert "1 secret encrypted with the new key" in headway("secret rotate-key")


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")
def test_at_a_terminal_it_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    """A real terminal: what is typed comes back only if it is echoed."""
    settings = settings_in(tmp_path)
    environment = {
        **os.environ,
        "HEADWAY_DATA": str(settings.data),
        "HEADWAY_DATABASE_URL": settings.database_url,
    }
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "headway", "secret", "set", "A", "--service", "shop"]
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        for number in (1, 2):
            while shown.count(b": ") < number:
                shown += os.read(ours, 1024)
            os.write(ours, b"hunter2\n")
        try:
            while piece := os.read(ours, 1024):
                shown += piece
        except OSError:
            pass  # EIO: nobody has the other end any more.
        assert process.wait(timeout=60) == 0, shown
    os.close(ours)
    assert b"set A of service shop" in shown
    assert b"hunter2" not in shown
    assert load_secrets(("A",), "shop", None, settings)[0].reveal() == "hunter2"


# People


def test_from_the_first_link_to_a_team(headway: Shell) -> None:
    open_database(headway.settings.database_url).close()
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/sign-in/\S{43}\n", headway("people link"))
    headway("people add ana --name Ana --email ana@example.org --role administrator")
    assert headway.json("people link")["link"].startswith("http://127.0.0.1:8080/sign-in/")
    invited = headway.json("people invite ana --url https://ci.example/")
    assert invited["handle"] == "ana" and invited["link"].startswith("https://ci.example/sign-in/")
    headway("people add bo")
    assert headway("people role bo operator") == "bo is operator now\n"
    assert headway.json("people disable bo")["person"]["disabled_at"]
    assert headway("people disable bo --undo") == "bo is let in again\n"
    found = headway.json("people list")["people"]
    assert [(one["handle"], one["role"], one["disabled_at"]) for one in found] == [
        ("ana", "administrator", None),
        ("bo", "operator", None),
    ]
    assert "no password" in headway("people list")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("people invite nobody", "there is no person 'nobody'"),
        ("people add Ana", "'Ana' cannot be a handle"),
        ("people add ana", "there is a person 'ana' already"),
        ("people role ana viewer", "ana is the last administrator"),
        ("people disable ana", "ana is the last administrator"),
        ("people role ana king", "Invalid value"),
    ],
)
def test_what_cannot_be_done_to_people(headway: Shell, line: str, complaint: str) -> None:
    headway("people add ana --role administrator")
    assert complaint in headway(line, code=2)


def test_who_is_invited_by_org_toml(headway: Shell) -> None:
    (headway.settings.data).mkdir(exist_ok=True)
    (headway.settings.data / "org.toml").write_text(
        'org = 1\n[people.bo]\nname = "Bo"\nrole = "developer"\n', encoding="utf-8"
    )
    headway("people invite bo")
    assert "developer (org.toml)" in headway("people list")


# Tokens


def test_a_token_is_made_shown_once_and_revoked(headway: Shell) -> None:
    headway("people add ana --role administrator")
    made = headway("token create ci --scope run --scope read").strip()
    assert re.fullmatch(r"hw_\w{46}", made)
    [found] = headway.json("token list")["tokens"]
    assert (found["name"], found["person"], found["scopes"]) == ("ci", "ana", ["read", "run"])
    assert found["in_force"] and found["expires_at"] and "text" not in found
    assert made[:8] in headway("token list") and made not in headway("token list")
    assert headway.json(f"token revoke {found['id']}")["token"]["in_force"] is False
    assert "revoked" in headway("token list")


def test_whose_a_token_is_must_be_clear(headway: Shell) -> None:
    assert "nobody whom a token could belong to" in headway("token create ci --scope run", code=2)
    headway("people add ana")
    headway("people add bo")
    assert "There are ana, bo" in headway("token create ci --scope run", code=2)
    made = headway.json("token create ci --scope run --for bo --expires never")["token"]
    assert made["person"] == "bo" and made["expires_at"] is None and made["text"].startswith("hw_")
    assert "bo ci" in str(audit_of(headway))


@pytest.mark.parametrize("expires", ["soon", "0s", "999999999999d"])
def test_an_end_that_cannot_be(headway: Shell, expires: str) -> None:
    headway("people add ana")
    headway(f"token create ci --scope run --expires {expires}", code=2)


def audit_of(headway: Shell) -> list[Any]:
    from headway.engine.audit import list_entries
    from headway.store.database import open_database

    with open_database(headway.settings.database_url) as database:
        return list(database.read(list_entries).entries)


def test_commands_stand_in_the_audit(headway: Shell) -> None:
    headway("people add ana")
    headway("token create ci --scope run")
    headway("secret set A", typed=b"hunter2")
    done = [(entry.actor, entry.by, entry.address, entry.action) for entry in audit_of(headway)]
    assert done == [
        ("ana@laptop", "command", "", "secret.set"),
        ("ana", "command", "ana@laptop", "token.create"),
        ("ana@laptop", "command", "", "person.add"),
    ]

"""`headway release` as it is typed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headway.cli.root import run_command_line
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.run import Run
from headway.domain.states import State
from headway.engine.settings import Settings
from headway.store.database import open_database
from headway.store.deployments import insert_deployment
from headway.store.releases import get_release, mark_removed, put_release
from headway.store.runs import add_run
from tests.support.repositories import Repository
from tests.support.settings import settings_in

CONTRACT = """contract = 1
[service]
name = "shop"
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
"""


class Shell:
    """A service's repository to stand in, and the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.repository = Repository(folder / "shop")
        self.sha = self.repository.commit({"headway.toml": CONTRACT, ".gitignore": "dist/\n"}, "Begin")
        self.repository.write({"dist/shop.tar.gz": "bytes"})
        self.settings: Settings = settings_in(folder)
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        """Standard output, and standard error when it is not 0."""
        found = run_command_line(["release", *words], lambda: self.settings)
        captured = self._capsys.readouterr()
        assert found == code, captured
        return captured.out if code == 0 else captured.err

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def headway_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    shell = Shell(tmp_path, capsys)
    open_database(shell.settings.database_url).close()
    monkeypatch.chdir(shell.repository.folder)
    return shell


def test_no_release_yet(headway_release: Shell) -> None:
    assert headway_release() == ""
    assert headway_release.json() == {"service": "shop", "releases": []}


def test_files_become_a_release_that_is_listed_and_shown(headway_release: Shell) -> None:
    added = headway_release.json("add", "--commit", "HEAD", "dist/shop.tar.gz")["release"]
    assert added == {
        "id": added["id"],
        "service": "shop",
        "repository": str(headway_release.repository.folder),
        "commit": headway_release.sha,
        "subject": "Begin",
        "author": "Ana <ana@example.org>",
        "committed_at": added["committed_at"],
        "created_at": added["created_at"],
        "created_by": "ana@laptop",
        "run": None,
        "run_number": None,
        "artifacts": [
            {
                "path": "dist/shop.tar.gz",
                "sha256": "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9",
                "size": 5,
                "executable": False,
            }
        ],
        "live_in": [],
    }
    assert headway_release.json()["releases"] == [added]
    for name in (added["id"], added["id"][:9], headway_release.sha[:7], "HEAD", "main"):
        assert headway_release.json("show", name)["release"] == added


def test_the_same_files_are_the_same_release(headway_release: Shell) -> None:
    words = ("add", "--commit", "HEAD", "dist/shop.tar.gz")
    assert headway_release.json(*words) == headway_release.json(*words)


def test_the_list_for_people(headway_release: Shell) -> None:
    headway_release("add", "--commit", "HEAD", "dist/shop.tar.gz")
    header, line = headway_release().splitlines()
    assert header.split() == ["RELEASE", "COMMIT", "MADE", "BY", "LIVE", "IN", "SUBJECT"]
    assert line.startswith("rel-")
    assert headway_release.sha[:8] in line
    assert line.endswith("ana@laptop  -        Begin")


def test_one_release_for_people(headway_release: Shell) -> None:
    shown = headway_release("add", "--commit", "HEAD", "dist/shop.tar.gz")
    assert f"commit    {headway_release.sha[:12]}  Begin" in shown
    assert "from files that were added" in shown
    assert "live in   nowhere" in shown
    assert "artifact  dist/shop.tar.gz  5 B  sha256:277089d9" in shown


def test_where_it_is_live_and_which_run_made_it(headway_release: Shell) -> None:
    release = headway_release.json("add", "--commit", "HEAD", "dist/shop.tar.gz")["release"]
    now = datetime.now(UTC)
    run = Run("run-1", 12, "shop", "/src", headway_release.sha, "t", False, None, State.SUCCEEDED, "", now)
    deployment = Deployment(
        id="dep-1", number=1, service="shop", repository="/src", environment="staging", production=False,
        release=release["id"], commit=headway_release.sha, previous_release=None, kind=DeploymentKind.PLANNED,
        state=DeploymentState.SUCCEEDED, reason="", requested_by="ana@laptop", requested_at=now,
    )  # fmt: skip
    with open_database(headway_release.settings.database_url) as database:
        stored = database.read(lambda tx: get_release(tx, release["id"]))
        assert stored is not None
        of_run = replace(stored, id="rel-0000000000aa", run="run-1")
        database.transact(lambda tx: add_run(tx, run, plan="{}", token=1))
        database.transact(lambda tx: put_release(tx, of_run, now=now))
        database.transact(lambda tx: insert_deployment(tx, deployment, [], 1))
        database.transact(
            lambda tx: insert_deployment(
                tx, replace(deployment, id="dep-2", number=2, environment="production"), [], 1
            )
        )
    assert headway_release.json("show", release["id"])["release"]["live_in"] == ["production", "staging"]
    assert headway_release.json("show", of_run.id)["release"]["run_number"] == 12
    assert "run 12" in headway_release("show", of_run.id)


def test_control_characters_of_a_subject_do_not_reach_the_terminal(headway_release: Shell) -> None:
    headway_release.repository.commit({}, "Evil \x1b]0;title\x07 subject")
    headway_release("add", "--commit", "HEAD", "dist/shop.tar.gz")
    assert "\x1b" not in headway_release() + headway_release("show", "HEAD")


# What is refused


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("show", "HEAD"), "HEAD (", "headway run makes one"),
        (("show", "rel-nowhere"), "shop has no release rel-nowhere", "headway release"),
        (("show", "nonsense"), "'nonsense' names no release and no commit of shop", "headway release"),
        (("add", "--commit", "nowhere", "dist/shop.tar.gz"), "'nowhere' names no commit of", "git fetch"),
        (("add", "--commit", "HEAD", "dist/shop.tar.gz=missing"), "there is no file", "see what was built"),
        (
            ("add", "--commit", "HEAD", "headway.toml"),
            "deploys the artifact 'dist/shop.tar.gz'",
            "dist/shop.tar.gz=",
        ),
        (("add", "dist/shop.tar.gz"), "Missing option '--commit'", ""),
        (("add", "--commit", "HEAD"), "Missing argument", ""),
        (("sho",), "No such command 'sho'", ""),
    ],
)
def test_wrong_use(headway_release: Shell, words: tuple[str, ...], message: str, hint: str) -> None:
    told = headway_release(*words, code=2)
    assert message in told
    assert hint in told


def test_a_release_that_is_gone(headway_release: Shell) -> None:
    release = headway_release.json("add", "--commit", "HEAD", "dist/shop.tar.gz")["release"]
    now = datetime.now(UTC)
    with open_database(headway_release.settings.database_url) as database:
        database.transact(lambda tx: mark_removed(tx, release["id"], renewed_at=now, now=now))
    assert "is gone: its artifacts were removed on" in headway_release("show", release["id"], code=2)
    assert headway_release.json()["releases"] == []


def test_outside_of_a_repository(
    headway_release: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git repository" in headway_release(code=2)


def test_a_service_without_a_release_learns_what_makes_one(
    headway_release: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["release"], lambda: headway_release.settings) == 0
    assert capsys.readouterr().err == (
        "shop has no release yet: headway run makes one of a clean commit that passes, if its headway.toml has a [deploy]\n"
    )

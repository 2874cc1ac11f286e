"""A release that is deployed from a later commit is run by the headway.toml of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headway.domain.contract import Contract
from headway.domain.release import Artifact, Release
from headway.drivers.git import Git
from headway.engine.deployments.files import contract_for
from headway.engine.deployments.plan import compose
from headway.engine.projects import find_project
from headway.wire.contract import read_contract
from tests.support.repositories import ENVIRONMENT, Repository

FILE = """\
contract = 1

[service]
name = "shop"

[deploy]
kind = "files"
root = "/srv/{script}"
artifact = "app.tar.gz"
activate = "./bin/{script}"
logs = "tail {script}.log"

[environments.production]
hosts = ["{host}"]

[environments.production.env]
LEVEL = "{script}"

[hosts.{host}]
address = "127.0.0.1"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def release(commit: str, service: str = "shop") -> Release:
    return Release("rel-a", service, "", commit, (), datetime(2026, 1, 2, tzinfo=UTC), "ana")


def contract_of(folder: Path, commit: str, notes: list[str], tmp_path: Path) -> Contract:
    git = Git(ENVIRONMENT, tmp_path / "mirrors")
    found, said = contract_for(find_project(folder), git, release(commit), "production")
    notes += [said] if said else []
    return found


def test_how_it_is_run_says_its_own_file_and_where_the_one_at_hand(
    repository: Repository, tmp_path: Path
) -> None:
    old = repository.commit({"headway.toml": FILE.format(script="start", host="web1")})
    repository.commit({"headway.toml": FILE.format(script="begin", host="web2")})
    notes: list[str] = []
    # A worktree has a file where others have the folder .git.
    repository.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    for folder in (repository.folder, tmp_path / "tree"):
        found = contract_of(folder, old, notes, tmp_path)
        assert found.deploy is not None
        assert found.deploy.processes[0].activate == "./bin/start"
        assert found.deploy.root == "/srv/begin"
        assert found.environments["production"].env == {"LEVEL": "start"}
        assert (found.environments["production"].hosts, list(found.hosts)) == (("web2",), ["web2"])
    assert notes == [f"rel-a is run by the headway.toml of its own commit {old[:12]}"] * 2


def test_going_back_the_hosts_are_those_of_today_and_all_else_is_of_then() -> None:
    def contract(word: str, more: str) -> Contract:
        text = FILE.format(script=word, host="web1").replace('hosts = ["web1"]', 'hosts = ["web1", "web2"]')
        return read_contract(text + '[hosts.web2]\naddress = "127.0.0.2"\n' + more, "headway.toml")

    worker = "[processes.{0}]\nactivate = './bin/{0}'\nhosts = ['web1']\n"
    then, now = contract("start", worker.format("mailer")), contract("begin", worker.format("worker"))
    names = {"deployment": "dep-1", "requested_by": "ana"}
    artifact = replace(release("a" * 40), artifacts=(Artifact("app.tar.gz", "c" * 64, 10),))
    own = compose(then, then.environments["production"], artifact, **names)
    # web2 came later.
    own = replace(own, hosts=own.hosts[:1])
    back = compose(now, now.environments["production"], artifact, rollback=True, own=own, **names)
    assert back.deploy == own.deploy
    assert back.environment.env == {"LEVEL": "start"}
    assert [(host.spec.name, host.processes) for host in back.hosts] == [
        ("web1", ("main", "mailer")),
        ("web2", ("main",)),
    ]


def test_the_file_at_hand_stands_for_that_of_the_commit_one_is_on(
    repository: Repository, tmp_path: Path
) -> None:
    head = repository.commit({"headway.toml": FILE.format(script="start", host="web1")})
    repository.write({"headway.toml": FILE.format(script="changed", host="web1")})
    notes: list[str] = []
    found = contract_of(repository.folder, head, notes, tmp_path)
    assert found.deploy is not None
    assert (found.deploy.processes[0].activate, notes) == ("./bin/changed", [])


def test_a_file_that_cannot_be_read_is_told_and_the_one_at_hand_used(
    repository: Repository, tmp_path: Path
) -> None:
    none = repository.commit({"README": "no file yet"})
    repository.commit({"headway.toml": FILE.format(script="start", host="web1")})
    notes: list[str] = []
    for commit in (none, "f" * 40):
        found = contract_of(repository.folder, commit, notes, tmp_path)
        assert found.deploy is not None
        assert found.deploy.processes[0].activate == "./bin/start"
    assert len(notes) == 2
    assert all("the one here is used" in note for note in notes)

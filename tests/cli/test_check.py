"""`headway check` as it is typed."""

import json
from pathlib import Path

import pytest

from headway.cli.root import run_command_line
from headway.domain.contract import Contract
from headway.engine.hosts import checks as host_checks
from headway.engine.hosts.checks import HostFinding
from headway.engine.settings import Settings
from tests.support.settings import settings_in
from tests.wire.contract.examples import WHOLE

SUMMARY = """\
headway.toml is right
  service       tickets
  jobs          test (2), build
  environments  staging (2 hosts), production (3 hosts, after staging)
  hosts         front1, front2, back1, stage1
needs a server:
  service.team           whose people may look and act
  environments.approval  who really approved, how many, until when
read and checked, but nothing acts on it yet:
  service.runbook  the link in a page
  objectives       verification and alerts
  oncall           paging
"""


class Shell:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._settings = settings_in(folder)
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = run_command_line(["check", *words], lambda: self._settings)
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    root = tmp_path / "tickets"
    (root / ".git").mkdir(parents=True)
    (root / "headway.toml").write_text(WHOLE)
    monkeypatch.chdir(root)
    return Shell(root, capsys)


def test_a_contract_that_is_right(check: Shell) -> None:
    assert check() == (0, SUMMARY, "")


def test_there_is_nothing_to_upgrade(check: Shell) -> None:
    before = (check.folder / "headway.toml").read_bytes()
    assert check("--upgrade") == (0, SUMMARY + "contract 1 is the newest; there is nothing to upgrade\n", "")
    assert (check.folder / "headway.toml").read_bytes() == before


def test_faults_one_a_line(check: Shell) -> None:
    text = WHOLE.replace('needs = ["test"]', 'needs = ["tset"]').replace("group:front", "group:fornt")
    (check.folder / "headway.toml").write_text(text)
    assert check() == (
        2,
        "headway.toml:15:10 jobs.build.needs[0]: 'tset' is no job; did you mean 'test'?\n"
        "headway.toml:42:9 environments.production.hosts: 'fornt' is no group; did you mean 'front'?\n",
        "2 faults\n",
    )


def test_faults_as_json(check: Shell) -> None:
    (check.folder / "headway.toml").write_text(WHOLE.replace('needs = ["test"]', 'needs = ["tset"]'))
    code, said, _ = check("--json")
    assert code == 2
    assert json.loads(said) == {
        "ok": False,
        "faults": [
            {
                "file": "headway.toml",
                "key_path": "jobs.build.needs[0]",
                "line": 15,
                "column": 10,
                "message": "'tset' is no job; did you mean 'test'?",
                "found": "'tset'",
                "allowed": "test",
                "near": "test",
            }
        ],
    }


def test_json(check: Shell) -> None:
    code, said, _ = check("--json", "--upgrade")
    document = json.loads(said)
    assert code == 0 and document["ok"] is True and document["faults"] == []
    assert document["file"] == str(check.folder / "headway.toml")
    assert document["jobs"] == [
        {"name": "test", "needs": [], "instances": 2},
        {"name": "build", "needs": ["test"], "instances": 1},
    ]
    assert document["environments"][1] == {
        "name": "production",
        "production": True,
        "after": "staging",
        "promote": "ask",
        "hosts": ["front1", "front2", "back1"],
    }
    assert document["hosts"][0] == {"name": "front1", "address": "10.0.0.11", "port": None, "user": None}
    assert set(document["not_acted_on"]) == {"service.runbook", "objectives", "oncall"}
    assert set(document["needs_server"]) == {"service.team", "environments.approval"}
    assert document["upgrade"] == {"from": 1, "to": 1, "changed": False}
    assert "findings" not in document


@pytest.mark.parametrize("good", [True, False])
def test_hosts(check: Shell, monkeypatch: pytest.MonkeyPatch, good: bool) -> None:
    """What is asked of the hosts is proved beside `host_checks`; here is only how it is told."""
    findings = [
        HostFinding("front1", "connection", True, "signed in as deploy"),
        HostFinding("front2", "space", good, "3 MiB are free", None if good else "df -h on front2"),
    ]

    async def told(contract: Contract, settings: Settings) -> list[HostFinding]:
        assert contract.service.name == "tickets" and settings.data
        return findings

    monkeypatch.setattr(host_checks, "check_hosts", told)
    code, said, _ = check("--hosts")
    assert code == (0 if good else 1)
    assert said.removeprefix(SUMMARY).splitlines() == [
        "",
        "host    check           found",
        "front1  connection  ok  signed in as deploy",
        f"front2  space       {'ok' if good else 'no'}  3 MiB are free",
        *([] if good else ["  next, for front2: df -h on front2"]),
    ]
    code, said, _ = check("--hosts", "--json")
    document = json.loads(said)
    assert code == (0 if good else 1) and document["ok"] is good
    assert document["findings"][0] == {
        "host": "front1",
        "check": "connection",
        "ok": True,
        "detail": "signed in as deploy",
        "hint": None,
    }


def test_no_contract(check: Shell) -> None:
    (check.folder / "headway.toml").unlink()
    assert check() == (
        2,
        "",
        f"headway: there is no headway.toml in {check.folder}\n  next: headway init writes one that runs\n",
    )

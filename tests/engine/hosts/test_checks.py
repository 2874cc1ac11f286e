"""`headway check --hosts` on real OpenSSH hosts: what it proves, and that it leaves nothing."""

import asyncio
import shutil
from pathlib import Path

import pytest

from headway.engine.hosts.checks import HostFinding, check_hosts
from headway.engine.projects import find_project
from tests.support.powers import bound_program
from tests.support.projects_with_hosts import HostedProject, make_project
from tests.support.sshd import Farm, needs_sshd, sshd_farm

__all__ = ["sshd_farm"]
pytestmark = needs_sshd


def checked(project: HostedProject, *environments: str) -> list[HostFinding]:
    contract = find_project(project.folder).contract
    return asyncio.run(check_hosts(contract, project.settings, list(environments) or None))


def one(findings: list[HostFinding], check: str, host: str = "web-1") -> HostFinding:
    (found,) = [finding for finding in findings if (finding.host, finding.check) == (host, check)]
    return found


def test_a_good_host_is_proved_and_left_as_it_was(sshd_farm: Farm, tmp_path: Path) -> None:
    sshd_farm.start(2)
    project = make_project(tmp_path / "shop", sshd_farm)
    findings = checked(project)
    assert [finding.host for finding in findings] == ["web-1"] * 4 + ["web-2"] * 4
    assert [finding.check for finding in findings[:4]] == ["connection", "commands", "root", "space"]
    assert all(finding.ok and finding.hint is None for finding in findings), findings
    assert "headway/shop/production: can be made in" in one(findings, "root").detail
    assert list(project.home(1).rglob("*")) == []
    assert not list(Path("/tmp").glob("headway-check.*"))


def test_a_root_that_stands_or_cannot_be_made_is_said(sshd_farm: Farm, tmp_path: Path) -> None:
    sshd_farm.start(1)
    project = make_project(tmp_path / "shop", sshd_farm, deploy='root = "it\'s a root/app"')
    assert "can be made" in one(checked(project), "root").detail
    (project.home(1) / "it's a root" / "app").mkdir(parents=True)
    assert "is there and can be written" in one(checked(project), "root").detail
    shutil.rmtree(project.home(1) / "it's a root")
    (project.home(1) / "it's a root").write_text("in the way")
    found = one(checked(project), "root")
    assert not found.ok and "is not a folder" in found.detail and found.hint is not None


def test_a_current_made_by_hand_is_found(sshd_farm: Farm, tmp_path: Path) -> None:
    sshd_farm.start(1)
    project = make_project(tmp_path / "shop", sshd_farm, deploy='root = "app"')
    (project.home(1) / "app" / "current").mkdir(parents=True)
    found = one(checked(project), "current")
    assert not found.ok and "app/current is not a link" in found.detail and "move it away" in str(found.hint)
    (project.home(1) / "app" / "current").rmdir()
    (project.home(1) / "app" / "current").symlink_to("releases/rel-a")
    assert not [finding for finding in checked(project) if finding.check == "current"]


def test_a_root_without_permission_is_said(sshd_farm: Farm, tmp_path: Path) -> None:
    (server,) = sshd_farm.start(1, program=bound_program())
    (server.home / "closed").mkdir(mode=0o500)
    project = make_project(tmp_path / "shop", sshd_farm, deploy='root = "closed/shop"')
    found = one(checked(project), "root")
    assert not found.ok and "cannot be written" in found.detail


def test_what_is_wrong_with_a_host_is_its_finding(
    sshd_farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.engine.hosts.checks._CONNECT_WITHIN", 0.3)
    down, unknown, refusing, closed = sshd_farm.start(4)
    project = make_project(tmp_path / "shop", sshd_farm)
    down.stop()
    known = sshd_farm.servers[0].known_hosts
    lines = known.read_text().splitlines()
    known.write_text("\n".join(line for line in lines if f":{unknown.port} " not in line))
    (refusing.folder / "authorized_keys").write_text("")
    login = closed.folder / "login"
    login.write_text("#!/bin/sh\necho closed for repairs\nexit 1\n")
    findings = checked(project)
    assert [(finding.host, finding.check, finding.ok) for finding in findings] == [
        ("web-1", "connection", False),
        ("web-2", "key", False),
        ("web-3", "account", False),
        ("web-4", "shell", False),
    ]
    assert all(finding.hint for finding in findings)
    assert "SHA256:" in findings[1].detail and "closed for repairs" in findings[3].detail


def test_missing_tools_are_named(sshd_farm: Farm, tmp_path: Path) -> None:
    (server,) = sshd_farm.start(1)
    programs = tmp_path / "bin"
    programs.mkdir()
    kept = ("sh", "id", "mkdir", "ln", "rm", "cat", "chmod", "df", "readlink", "sleep", "sha256sum", "kill")
    for name in kept:
        found = shutil.which(name)
        if found is not None:
            (programs / name).symlink_to(found)
    # A mv that knows no -T.
    (programs / "mv").write_text('#!/bin/sh\n[ "$1" = -T ] && exit 1\nexec /bin/mv "$@"\n')
    (programs / "mv").chmod(0o755)
    login = server.folder / "login"
    login.write_text(login.read_text().replace("exec /bin/sh", f"exec /usr/bin/env PATH={programs} /bin/sh"))
    found = one(checked(make_project(tmp_path / "shop", sshd_farm)), "commands")
    assert not found.ok
    assert found.detail == "not there: setsid, mkfifo, tar, gzip, mv -T"


def test_sudo_is_asked_for_the_programs_that_commands_start(sshd_farm: Farm, tmp_path: Path) -> None:
    (server,) = sshd_farm.start(1)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sudo").write_text('#!/bin/sh\n[ "$*" = "-n -l systemctl" ]\n')
    (programs / "sudo").chmod(0o755)
    login = server.folder / "login"
    login.write_text(
        login.read_text().replace("exec /bin/sh", f"exec /usr/bin/env PATH={programs}:$PATH /bin/sh")
    )
    activate = "sudo systemctl restart shop && sudo -n nginx -s reload; echo pseudo sudoku"
    project = make_project(tmp_path / "shop", sshd_farm, deploy=f'activate = "{activate}"')
    found = [finding for finding in checked(project, "production") if finding.check == "sudo"]
    assert [(finding.detail.split(" is ")[0], finding.ok) for finding in found] == [
        ("sudo -n systemctl", True),
        ("sudo -n nginx", False),
    ]
    assert found[1].hint is not None and "NOPASSWD" in found[1].hint


def test_only_the_environments_that_are_asked_for(sshd_farm: Farm, tmp_path: Path) -> None:
    sshd_farm.start(2)
    project = make_project(tmp_path / "shop", sshd_farm, more='[environments.staging]\nhosts = "web-2"')
    assert {finding.host for finding in checked(project, "staging")} == {"web-2"}
    assert [finding.detail.split(":")[0] for finding in checked(project) if finding.check == "root"] == [
        "headway/shop/production",
        "headway/shop/production",
        "headway/shop/staging",
    ]

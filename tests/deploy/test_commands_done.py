"""What the commands of a deployment do on a host: read by a real shell, in a root of their own."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headway.deploy.commands import Group, commands
from headway.deploy.own_files import Found, OwnFile, with_own_files
from headway.deploy.plan import HostPlan, Plan
from headway.deploy.record import readme
from headway.domain.contract import DeployKind, DeploySpec, ProcessSpec
from headway.domain.deployment import Command
from tests.deploy.examples import BEFORE, deploy_spec, host, plan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host on which dep-2 has switched from rel-a to rel-b."""
    root = tmp_path / "ro ot"
    for folder in ("epochs/1", "settings", "prepared", "unpacked", "releases/rel-a", "releases/rel-b"):
        (root / folder).mkdir(parents=True)
    (root / "settings/dep-1.env").write_text("WORD='of dep-1'\n")
    (root / "settings/dep-2.env").write_text("WORD='of dep-2'\n")
    return root


def shell(root: Path, script: str, directory: str = ".") -> tuple[int, list[str]]:
    """How it ended, and what it said."""
    where = {"HEADWAY_ROOT": str(root), "HEADWAY_EPOCH": str(root / "epochs" / "1")}
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=root / directory,
        env={"PATH": "/usr/bin:/bin", **where},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def run(root: Path, command: Command) -> tuple[int, list[str]]:
    return shell(root, command.script, command.directory)


def named(found: Sequence[Command], step: str) -> Command:
    return next(command for command in found if command.step == step)


def test_a_release_is_prepared_once_whichever_deployment_comes(root: Path) -> None:
    def prepared(text: str) -> tuple[int, list[str]]:
        whole = plan(deploy=deploy_spec(prepare=text))
        return run(root, named(commands(whole, whole.hosts[0], Group.PREPARE), "prepare"))

    assert prepared("echo for {release} on {host}; exit 3") == (3, ["for rel-b on web1"])
    assert prepared("echo for {release}") == (0, ["for rel-b"])
    assert prepared("echo for {release}") == (0, ["this release was prepared before"])
    assert prepared("echo otherwise") == (0, ["otherwise"])
    assert [path.name for path in (root / "prepared").iterdir()] == ["rel-b"]


def test_what_an_older_headway_prepared_is_still_known(root: Path) -> None:
    (root / "prepared" / "rel-b").write_text("c0bb5d98f89ad287\n")
    prepare = commands(plan(), host("web1"), Group.PREPARE)[-1]
    assert run(root, prepare) == (0, ["this release was prepared before"])


def test_going_back_takes_over_the_settings_of_then(root: Path) -> None:
    whole = plan(rollback=True, settings_of="dep-1", deployment="dep-3")
    found = commands(whole, whole.hosts[0], Group.PREPARE)
    assert [command.step for command in found] == ["unpack", "settings", "prepare"]
    assert run(root, found[1]) == (0, [])
    new = root / "settings" / "dep-3.env"
    assert new.read_text() == "WORD='of dep-1'\n"
    assert new.stat().st_mode & 0o777 == 0o600
    (root / "settings" / "dep-1.env").unlink()
    new.unlink()
    assert run(root, found[1]) == (
        0,
        ["the settings of dep-1 are no longer here: those of today are used"],
    )
    assert not new.exists()


def test_a_release_that_is_used_again_is_looked_through_first(root: Path) -> None:
    """Nothing to bring: then what is damaged is refused, and not only unpacked anew."""
    (verify,) = commands(plan(artifact=None), host("web1"), Group.VERIFY)
    (root / "unpacked" / "rel-b").write_text(f"-\n{'0' * 64}  ./gone\n")
    assert verify.step == "verify"
    assert run(root, verify) == (
        1,
        ["rel-b on this host is not as it was unpacked: gone; there is nothing to unpack it from"],
    )


def test_a_process_of_the_bad_release_that_does_not_stop_is_told_when_the_good_one_serves(root: Path) -> None:
    left = ProcessSpec("mailer", "up", deactivate="echo stopping; exit 1")
    new = deploy_spec(processes=(*deploy_spec().processes, left))
    whole = plan(replace(host("web1"), processes=("main", "worker", "mailer")), deploy=new)
    whole = with_own_files(whole, {"web1": Found(BEFORE, None, OwnFile(deploy_spec(), ("main",)))}, {})
    on = whole.hosts[0]
    stop = named(commands(whole, on, Group.BACK), "back-deactivate:mailer")
    last = named(commands(whole, on, Group.READMIT), "back-stopped:mailer")
    assert run(root, last) == (0, [])
    assert run(root, stop) == (0, ["stopping"])
    assert run(root, last) == (
        1,
        ["mailer of rel-b could not be stopped: see back-deactivate:mailer"],
    )


# What a person types by README.txt, without Headway.

TELLS = 'echo "{} in ${{PWD##*/}}, $WORD, $HEADWAY_STOP_WITHIN s"'


def tells(kind: DeployKind, *names: str, stop: str = "", **changes: object) -> DeploySpec:
    processes = tuple(
        ProcessSpec(name, TELLS.format(f"up {name}"), deactivate=stop or TELLS.format(f"down {name}"))
        for name in names
    )
    return deploy_spec(kind=kind, processes=processes, once=None, prepare=None, **changes)


def from_to(old: DeploySpec, new: DeploySpec) -> tuple[Plan, HostPlan]:
    whole = plan(replace(host("web1"), processes=tuple(p.name for p in new.processes)), deploy=new)
    own = OwnFile(old, tuple(p.name for p in old.processes))
    whole = with_own_files(whole, {"web1": Found(BEFORE, None, own)}, {})
    return whole, whole.hosts[0]


def typed(root: Path, whole: Plan, on: HostPlan) -> list[tuple[int, list[str]]]:
    """The lines of README.txt that follow a change of the links: back to the release before, and to this one again."""
    lines = re.findall(r"^ +(export HEADWAY_ROOT=.*)$", readme(whole, on), re.M)
    return [shell(root, line.replace("@ROOT@", str(root))) for line in lines]


def test_by_hand_what_is_gone_is_stopped_and_what_is_back_is_started_with_its_own_settings(
    root: Path,
) -> None:
    old, new = tells(DeployKind.FILES, "main", "mailer"), tells(DeployKind.FILES, "main", "worker", "cron")
    assert typed(root, *from_to(old, new)) == [
        (
            0,
            [
                "down worker in rel-b, of dep-2, 30 s",
                "down cron in rel-b, of dep-2, 30 s",
                "up main in rel-a, of dep-1, 30 s",
                "up mailer in rel-a, of dep-1, 30 s",
            ],
        ),
        (
            0,
            [
                "up main in rel-b, of dep-2, 30 s",
                "up worker in rel-b, of dep-2, 30 s",
                "up cron in rel-b, of dep-2, 30 s",
            ],
        ),
    ]


def test_by_hand_what_does_not_stop_is_told_and_keeps_nothing_from_starting(root: Path) -> None:
    old, new = tells(DeployKind.FILES, "main"), tells(DeployKind.FILES, "main", "worker", stop="false")
    back, _ = typed(root, *from_to(old, new))
    assert back == (0, ["not stopped", "up main in rel-a, of dep-1, 30 s"])


def test_by_hand_what_does_not_start_is_the_end_of_it(root: Path) -> None:
    broken = deploy_spec(processes=(ProcessSpec("main", "exit 3"), ProcessSpec("worker", "echo up")))
    assert typed(root, *from_to(broken, broken)) == [(3, []), (3, [])]


def test_by_hand_a_script_goes_back_as_it_says(root: Path) -> None:
    old = tells(DeployKind.SCRIPT, "main", run="echo run {release}", rollback="echo undo to {release}")
    new = tells(DeployKind.SCRIPT, "main", run="echo run {release}")
    assert typed(root, *from_to(old, new)) == [
        (0, ["undo to rel-a", "up main in rel-a, of dep-1, 30 s"]),
        (0, ["run rel-b", "up main in rel-b, of dep-2, 30 s"]),
    ]


def test_by_hand_the_links_are_enough_where_nothing_has_to_be_started(root: Path) -> None:
    bare = deploy_spec(processes=(ProcessSpec("main", None),))
    assert typed(root, *from_to(bare, bare)) == [(0, []), (0, [])]

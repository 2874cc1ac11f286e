"""What is run on hosts, compared whole: dry run prints exactly this."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headway.deploy.commands import Group, _tried, commands, settings_of, settings_text
from headway.deploy.own_files import Found, OwnFile, with_own_files
from headway.deploy.plan import HostPlan, Plan
from headway.deploy.record import readme
from headway.domain.contract import DeployKind, DeploySpec, Drain, ProcessSpec
from headway.domain.deployment import Command
from tests.deploy.examples import BEFORE, deploy_spec, host, plan

NEW: dict[str, Any] = {
    "env": {"HEADWAY_STOP_WITHIN": "30"},
    "directory": "releases/rel-b",
    "settings": "settings/dep-2.env",
    "stop_within": timedelta(seconds=30),
}
OLD = {**NEW, "directory": "releases/rel-a", "settings": "settings/dep-1.env"}

SWITCH = """\
if [ ! -d "$HEADWAY_ROOT/releases/rel-b" ]; then echo "rel-b is gone from this host"; exit 1; fi
rm -f "$HEADWAY_EPOCH/settings" "$HEADWAY_EPOCH/current"
ln -s dep-2.env "$HEADWAY_EPOCH/settings"
ln -s releases/rel-b "$HEADWAY_EPOCH/current"
mv -T "$HEADWAY_EPOCH/settings" "$HEADWAY_ROOT/settings/current.env"
mv -T "$HEADWAY_EPOCH/current" "$HEADWAY_ROOT/current\""""

DRAIN = """\
sh -eu -c 'touch web1.draining'
read -r now rest < /proc/uptime
end=$((${now%.*} + 20))
until sh -eu -c './bin/idle '"'"'a b'"'"''; do
  read -r now rest < /proc/uptime
  if [ "${now%.*}" -ge "$end" ]; then echo "not drained within 20s"; exit 1; fi
  sleep 0.2 2>/dev/null || sleep 1
done"""


def test_switching_a_host() -> None:
    assert commands(plan(), host("web1"), Group.SWITCH) == (
        Command("web1", "drain", DRAIN, limit=timedelta(minutes=10, seconds=20), **OLD),
        Command("web1", "switch", SWITCH),
        Command("web1", "activate", "systemctl restart shop", **NEW),
        Command("web1", "activate:worker", "systemctl restart worker", **NEW),
    )
    assert commands(plan(), host("web1"), Group.UNDRAIN) == (
        Command("web1", "undrain", "rm -f web1.draining", **NEW),
    )


def test_nothing_is_drained_where_nothing_ran() -> None:
    steps = [command.step for command in commands(plan(), host("web1", before=None), Group.SWITCH)]
    assert steps == ["switch", "activate", "activate:worker"]


def test_going_back() -> None:
    back = commands(plan(), host("web1"), Group.BACK)
    assert [command.step for command in back] == [
        "back-drain",
        "back-switch",
        "back-activate",
        "back-activate:worker",
    ]
    assert back[0].script.endswith("|| echo 'not drained, going on: it is being taken back'")
    assert back[1].script == SWITCH.replace("dep-2", "dep-1").replace("rel-b", "rel-a")
    assert back[2] == Command("web1", "back-activate", "systemctl restart shop", **OLD)
    assert commands(plan(), host("web1"), Group.READMIT) == (
        Command("web1", "back-undrain", "rm -f web1.draining", **OLD),
        Command("web1", "back-finish", ":", limit=plan().deploy.timeout),
    )
    assert commands(plan(), host("web1"), Group.BACK, switched=False) == ()


def test_going_back_to_nothing() -> None:
    back = commands(plan(), host("web1", before=None), Group.BACK)
    assert [command.step for command in back] == ["back-drain", "back-switch", "back-deactivate"]
    assert 'mv -T "$HEADWAY_ROOT/current" "$HEADWAY_EPOCH/removed"' in back[1].script
    assert back[2] == Command("web1", "back-deactivate", "systemctl stop shop", **NEW)
    ended = commands(plan(), host("web1", before=None), Group.READMIT)
    assert [command.step for command in ended] == ["back-finish"]


def test_once_runs_on_the_first_host_alone_and_never_in_a_rollback() -> None:
    whole = plan(host("web1"), host("web2"))
    assert commands(whole, whole.hosts[0], Group.ONCE) == (Command("web1", "once", "./bin/migrate", **NEW),)
    assert commands(whole, whole.hosts[1], Group.ONCE) == ()
    assert commands(replace(whole, rollback=True), whole.hosts[0], Group.ONCE) == ()


def test_preparing_a_host() -> None:
    unpack, prepare = commands(plan(), host("web1"), Group.PREPARE)
    # What it does is shown where it runs: test_unpacking.py.
    assert (unpack.step, unpack.directory, unpack.settings) == ("unpack", ".", None)
    assert prepare.step == "prepare"
    assert "sh -eu -c ./bin/install" in prepare.script
    assert (prepare.directory, prepare.settings) == ("releases/rel-b", "settings/dep-2.env")


def test_kind_script_runs_the_users_command_for_both_ways() -> None:
    spec = deploy_spec(
        kind=DeployKind.SCRIPT,
        processes=(ProcessSpec("main", None),),
        artifact=None,
        shared=(),
        prepare=None,
        once=None,
        run="./release.sh {release} {host}",
    )
    whole = plan(deploy=spec, artifact=None)
    assert [(c.step, c.script) for c in commands(whole, host("web1"), Group.SWITCH)] == [
        ("run", "./release.sh rel-b web1"),
        ("switch", SWITCH),
    ]
    back = commands(whole, host("web1"), Group.BACK)
    assert back[0] == Command("web1", "back-run", "./release.sh rel-a web1", **OLD)
    undone = replace(whole, deploy=replace(spec, rollback="./undo.sh {release}"))
    assert commands(undone, host("web1"), Group.BACK)[0].script == "./undo.sh rel-a"
    assert commands(undone, host("web1"), Group.SWITCH)[0].script == "./release.sh rel-b web1"
    asked_for = replace(undone, rollback=True)
    gone_back = commands(asked_for, host("web1"), Group.SWITCH)
    assert [(c.step, c.script) for c in gone_back] == [("run", "./undo.sh rel-b"), ("switch", SWITCH)]


def test_a_step_may_take_what_its_file_says_and_is_ended_as_its_process_says() -> None:
    """`timeout` of [deploy], and `stop_within` of the process at hand; of the slowest, where it is for all of them."""
    main = ProcessSpec(
        "main", "up", deactivate="down", drain=Drain("drain", None, timedelta(seconds=7)), undrain="undrain",
        stop_within=timedelta(seconds=5),
    )  # fmt: skip
    spec = deploy_spec(
        processes=(main, replace(main, name="worker", stop_within=timedelta(seconds=50))),
        timeout=timedelta(minutes=3),
    )
    leaves = replace(spec, processes=(*spec.processes, replace(main, name="mailer")))
    whole = plan(host("web1"), deploy=spec, settings_of="dep-0")
    whole = with_own_files(
        whole, {"web1": Found(BEFORE, None, OwnFile(leaves, ("main", "worker", "mailer")))}, {}
    )
    first = plan(host("web1", before=None), deploy=spec)
    found = {}
    for one, groups in (
        (whole, (Group.VERIFY, Group.PREPARE, Group.ONCE, Group.SWITCH, Group.UNDRAIN)),
        (first, (Group.BACK,)),
    ):
        for group in groups:
            for command in commands(one, one.hosts[0], group):
                found[command.step] = (
                    round(command.limit.total_seconds()),
                    command.env.get("HEADWAY_STOP_WITHIN"),
                    round(command.stop_within.total_seconds()),
                )
    assert found == {
        "verify": (180, None, 10),
        "unpack": (180, None, 10),
        "settings": (180, None, 10),
        "prepare": (180, "50", 50),
        "once": (180, "50", 50),
        "drain": (187, "5", 5),
        "drain:worker": (187, "50", 50),
        "drain:mailer": (187, "5", 5),
        "switch": (180, None, 10),
        "deactivate:mailer": (180, "5", 5),
        "activate": (180, "5", 5),
        "activate:worker": (180, "50", 50),
        "undrain": (180, "5", 5),
        "undrain:worker": (180, "50", 50),
        # One that may fail is ended on the host itself, a little before Headway would do it.
        "back-drain": (187 + 5 + 10, "5", 5),
        "back-drain:worker": (187 + 50 + 10, "50", 50),
        "back-switch": (180, None, 10),
        "back-deactivate": (180, "5", 5),
        "back-deactivate:worker": (180, "50", 50),
    }  # fmt: skip


def test_a_drain_lasts_a_second_at_least() -> None:
    main = replace(deploy_spec().processes[0], drain=Drain("drain", "idle", timedelta(milliseconds=300)))
    drain, *_ = commands(plan(deploy=deploy_spec(processes=(main,))), host("web1"), Group.SWITCH)
    assert "not drained within 1s" in drain.script


def file(word: str, *processes: str, **changes: object) -> DeploySpec:
    """A headway.toml whose every command tells that it is its own."""
    specs = tuple(
        ProcessSpec(
            name,
            f"{word}-activate {name}",
            deactivate=f"{word}-deactivate {name}",
            drain=Drain(f"{word}-drain {name}"),
            undrain=f"{word}-undrain {name}",
            stop_within=timedelta(seconds=5 if word == "old" else 50),
        )
        for name in processes
    )
    return deploy_spec(processes=specs, prepare=f"{word}-prepare", once=None, shared=(), **changes)


def between(old: DeploySpec, new: DeploySpec, **changes: object) -> tuple[Plan, HostPlan]:
    """A deployment from a release with one file to a release with another."""
    names = tuple(process.name for process in new.processes)
    whole = plan(replace(host("web1"), processes=names), deploy=new, **changes)
    own = OwnFile(old, tuple(process.name for process in old.processes))
    whole = with_own_files(whole, {"web1": Found(BEFORE, None, own)}, {})
    return whole, whole.hosts[0]


def said(whole: Plan, on: HostPlan, group: Group) -> list[str]:
    """What is said, without the frame that Headway puts round a drain and round what may fail."""
    found = []
    for command in commands(whole, on, group):
        word = next((w for w in command.script.replace("'", " ").split() if w[:4] in ("old-", "new-")), "")
        found.append(f"{command.step} {word}".strip())
    return found


def test_every_command_comes_from_the_file_of_the_release_that_it_acts_on() -> None:
    whole, on = between(file("old", "main"), file("new", "main"))
    assert said(whole, on, Group.PREPARE) == ["unpack", "prepare new-prepare"]
    assert said(whole, on, Group.SWITCH) == ["drain old-drain", "switch", "activate new-activate"]
    assert said(whole, on, Group.UNDRAIN) == ["undrain new-undrain"]
    assert said(whole, on, Group.BACK) == [
        "back-drain new-drain",
        "back-switch",
        "back-activate old-activate",
    ]
    assert said(whole, on, Group.READMIT) == ["back-undrain old-undrain", "back-finish"]
    stops = {c.step: c.env["HEADWAY_STOP_WITHIN"] for c in commands(whole, on, Group.BACK) if c.env}
    assert stops == {"back-drain": "50", "back-activate": "5"}


def test_a_process_that_the_release_does_not_have_is_stopped_by_the_file_that_has_it() -> None:
    whole, on = between(file("old", "main", "mailer"), file("new", "main", "worker"))
    assert said(whole, on, Group.SWITCH) == [
        "drain old-drain",
        "drain:mailer old-drain",
        "switch",
        "deactivate:mailer old-deactivate",
        "activate new-activate",
        "activate:worker new-activate",
    ]
    stop = commands(whole, on, Group.SWITCH)[3]
    assert (stop.script, stop.directory, stop.settings) == (
        "old-deactivate mailer",
        "releases/rel-a",
        "settings/dep-1.env",
    )
    assert said(whole, on, Group.BACK) == [
        "back-drain new-drain",
        "back-drain:worker new-drain",
        "back-switch",
        "back-deactivate:worker new-deactivate",
        "back-activate old-activate",
        "back-activate:mailer old-activate",
    ]
    # That a process of the bad release does not stop is told, once what should serve serves again.
    assert said(whole, on, Group.READMIT) == [
        "back-undrain old-undrain",
        "back-undrain:mailer old-undrain",
        "back-finish",
        "back-stopped:worker",
    ]


def test_a_process_that_nobody_knows_how_to_stop_is_told() -> None:
    old = file("old", "main", "mailer")
    silent = replace(old, processes=(old.processes[0], replace(old.processes[1], deactivate=None)))
    whole, on = between(silent, file("new", "main"))
    stop = next(c for c in commands(whole, on, Group.SWITCH) if c.step == "deactivate:mailer")
    assert (
        "mailer is no longer a process of this host, and no `deactivate` of it says how it stops"
        in stop.script
    )


def test_what_was_left_half_way_is_drained_and_stopped_by_its_own_file() -> None:
    left = replace(BEFORE, release="rel-x", deployment="dep-x")
    whole = plan(replace(host("web1"), processes=("main",)), deploy=file("new", "main"))
    old = OwnFile(file("old", "main"), ("main",))
    half = OwnFile(file("new", "main", "worker"), ("main", "worker"))
    whole = with_own_files(whole, {"web1": Found(BEFORE, left, old, half)}, {})
    switch = commands(whole, whole.hosts[0], Group.SWITCH)
    assert [(c.step, c.directory) for c in switch if c.settings] == [
        ("drain", "releases/rel-x"),
        ("drain:worker", "releases/rel-x"),
        ("deactivate:worker", "releases/rel-x"),
        ("activate", "releases/rel-b"),
    ]
    assert said(whole, whole.hosts[0], Group.BACK)[-1] == "back-activate old-activate"


def test_a_rollback_script_is_that_of_the_release_gone_back_to() -> None:
    script = {"kind": DeployKind.SCRIPT, "artifact": None}
    old = file("old", "main", run="old-run", rollback="old-rollback", **script)
    whole, on = between(old, file("new", "main", run="new-run", **script), artifact=None)
    assert said(whole, on, Group.SWITCH)[1] == "run new-run"
    assert said(whole, on, Group.BACK)[1] == "back-run old-rollback"


def test_going_back_by_request_uses_the_file_of_the_release_gone_back_to() -> None:
    """What a person asked to go back to has a file of its own; the one at hand is that of the newer release."""
    at_hand, then = file("new", "main", "worker"), file("old", "main", "mailer")
    whole = plan(replace(host("web1"), processes=("main", "worker")), deploy=at_hand, rollback=True)
    newer = OwnFile(at_hand, ("main", "worker"))
    whole = with_own_files(
        whole, {"web1": Found(BEFORE, None, newer, None, OwnFile(then, ("main", "mailer")))}, {}
    )
    assert said(whole, whole.hosts[0], Group.SWITCH) == [
        "drain new-drain",
        "drain:worker new-drain",
        "switch",
        "deactivate:worker new-deactivate",
        "activate old-activate",
        "activate:mailer old-activate",
    ]


def test_each_placeholder_stands_for_its_own_of_this_host() -> None:
    text = "note {service} {environment} {release} {host} {address} {labels.zone}"
    main = replace(deploy_spec().processes[0], activate=text)
    whole = plan(deploy=deploy_spec(processes=(main,)))
    activate = commands(whole, host("web1"), Group.SWITCH)[-1]
    assert activate.script == "note shop production rel-b web1 10.0.0.1 'a b'"


def test_the_readme_goes_back_by_the_file_of_the_release_before() -> None:
    whole, on = between(file("old", "main", "mailer"), file("new", "main", "worker"))
    _, line = (line for line in readme(whole, on).splitlines() if line.startswith(("  cd ", "  export ")))
    assert [word for word in line.replace("'", " ").split() if word[:4] in ("old-", "new-")] == [
        "new-deactivate",
        "old-activate",
        "old-activate",
    ]
    assert line.index("releases/rel-b") < line.index("new-deactivate") < line.index("releases/rel-a")


def test_settings_hold_what_the_platform_promises() -> None:
    whole = plan()
    settings = settings_of(whole, whole.hosts[0], {"LOG_LEVEL": "it's", "TOKEN": "a\nb"})
    assert settings_text(settings) == (
        "HEADWAY_SERVICE=shop\nHEADWAY_ENVIRONMENT=production\nHEADWAY_RELEASE=rel-b\n"
        f"HEADWAY_COMMIT={'b' * 40}\nHEADWAY_HOST=web1\nHEADWAY_DEPLOYMENT=dep-2\n"
        "LOG_LEVEL='it'\"'\"'s'\nTOKEN='a\nb'\n"
    )


def test_no_secret_is_in_any_command() -> None:
    for group in Group:
        assert not any("TOKEN" in command.script for command in commands(plan(), host("web1"), group)), group


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo done", ["done"]),
        ("echo no; exit 3", ["no", "going on"]),
        # Which ends neither by itself nor by TERM, and whose child does not either.
        (
            "trap '' TERM; sleep 1000 & echo waits; wait; wait",
            ["waits", "stop took longer than its limit of 1s and is ended", "going on"],
        ),
    ],
)
def test_what_may_fail_or_hang_on_the_way_back_keeps_nothing_from_going_on(
    script: str, said: list[str]
) -> None:
    second = timedelta(seconds=1)
    command = _tried(Command("web1", "stop", script, limit=second, stop_within=second), "echo going on")
    done = subprocess.run(["sh", "-eu", "-c", command.script], check=True, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line] == said
    assert command.limit > timedelta(seconds=2)

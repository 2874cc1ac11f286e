"""What is run on hosts, compared whole: dry run prints exactly this."""

from dataclasses import replace

from headway.deploy.commands import Group, commands, settings_of, settings_text
from headway.domain.contract import DeployKind, ProcessSpec
from headway.domain.deployment import Command
from tests.deploy.examples import deploy_spec, host, plan

NEW = {"directory": "releases/rel-b", "settings": "settings/dep-2.env"}
OLD = {"directory": "releases/rel-a", "settings": "settings/dep-1.env"}

SWITCH = """\
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
        Command("web1", "drain", DRAIN, **OLD),
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
    )
    assert commands(plan(), host("web1"), Group.BACK, switched=False) == ()


def test_going_back_to_nothing() -> None:
    back = commands(plan(), host("web1", before=None), Group.BACK)
    assert [command.step for command in back] == ["back-drain", "back-switch", "back-deactivate"]
    assert 'mv -T "$HEADWAY_ROOT/current" "$HEADWAY_EPOCH/removed"' in back[1].script
    assert back[2] == Command("web1", "back-deactivate", "systemctl stop shop", **NEW)
    assert commands(plan(), host("web1", before=None), Group.READMIT) == ()


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
    assert commands(asked_for, host("web1"), Group.SWITCH)[0].script == "./undo.sh rel-b"


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

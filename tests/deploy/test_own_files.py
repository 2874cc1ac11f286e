"""What a host keeps of a release's own file comes back as it was, and is believed only as far as it can harm nobody else."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from headway.deploy.own_files import (
    Found,
    OwnFile,
    checks_of,
    own_file_text,
    own_files_script,
    read_own_files,
    with_own_files,
)
from headway.deploy.plan import ReleaseOnHost
from headway.domain.contract import DeploySpec, HealthCheck, HealthFrom, HealthKind
from headway.wire.contract import read_contract
from tests.deploy.examples import BEFORE, deploy_spec, host, plan

HERE = HealthCheck(HealthKind.COMMAND, "./look", source=HealthFrom.HERE)


def kept(deploy: DeploySpec) -> str:
    return own_file_text(plan(deploy=deploy).new(host("web1")))


def test_a_host_gives_back_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "dep-1.json").write_text(kept(deploy_spec()))
    script = own_files_script(str(tmp_path), ["dep-1", "dep-none"])
    output = subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout
    assert read_own_files(output, ()) == {"dep-1": OwnFile(deploy_spec(), ("main", "worker"))}


def test_what_a_host_says_is_never_run_on_headways_own_machine() -> None:
    spec = deploy_spec()
    main = replace(spec.processes[0], health=(*spec.processes[0].health, HERE))
    line = b"dep-1 " + kept(replace(spec, processes=(main,))).encode()
    assert checks_of(read_own_files(line, ())["dep-1"].deploy) == checks_of(deploy_spec())[:1]
    # What the file at hand says too, somebody here has written.
    assert HERE in checks_of(read_own_files(line, [HERE])["dep-1"].deploy)


@pytest.mark.parametrize(
    ("key", "value"),
    [("keep", "5; id"), ("prepare", 7), ("timeout", "long"), ("kind", "other"), ("processes", 1)],
)
def test_what_is_no_file_is_left_out(key: str, value: object) -> None:
    told = json.loads(kept(deploy_spec()))
    told["deploy"][key] = value
    assert read_own_files(f"dep-1 {json.dumps(told)}".encode(), ()) == {}


def test_whatever_a_host_prints_can_be_read() -> None:
    spec = deploy_spec()
    hostile = replace(spec, processes=(replace(spec.processes[0], name="x; id"),))
    for line in (
        b"",
        b"dep-1",
        b"dep-1 {",
        b"dep-1 []",
        b"dep-1 null",
        b"\xff",
        b"dep-1 " + kept(hostile).encode(),
    ):
        assert read_own_files(line, ()) == {}


def test_a_line_that_cannot_be_read_hides_none_after_it() -> None:
    lines = f"dep-0 {{\ndep-1 {kept(deploy_spec())}".encode()
    assert list(read_own_files(lines, ())) == ["dep-1"]


def test_the_file_at_hand_stands_for_one_that_nobody_knows() -> None:
    today = OwnFile(deploy_spec(prepare="./bin/today"), ("main",))
    whole = with_own_files(plan(), {"web1": Found(BEFORE, None)}, {"web1": today})
    old = whole.old(whole.hosts[0])
    assert old is not None
    assert (old.deploy, [process.name for process in old.processes]) == (today.deploy, ["main"])


def test_what_runs_and_what_was_before_each_have_their_own_file_and_each_file_is_kept_once() -> None:
    today = deploy_spec()
    then, left = (deploy_spec(prepare=f"./bin/{word}") for word in ("then", "left"))
    half = replace(BEFORE, release="rel-x", deployment="dep-x")
    found = {
        "web1": Found(BEFORE, half, OwnFile(then, ("main",)), OwnFile(left, ("worker",))),
        # Its file is the one at hand, with the same processes here: it needs no place.
        "web2": Found(BEFORE, half, OwnFile(today, ("main", "worker")), OwnFile(then, ("main",))),
        # The same file, but other processes ran here.
        "web3": Found(BEFORE, None, OwnFile(today, ("main",))),
    }
    whole = with_own_files(plan(*(host(f"web{n}") for n in range(1, 5))), found, {})
    assert whole.files == (then, left, today)
    one, two, three, unknown = whole.hosts
    assert (one.predecessor, one.running) == (
        replace(BEFORE, file=0, processes=("main",)),
        replace(half, file=1, processes=("worker",)),
    )
    assert (two.predecessor, two.running) == (BEFORE, replace(half, file=0, processes=("main",)))
    assert (three.predecessor, three.running) == (replace(BEFORE, file=2, processes=("main",)), None)
    assert unknown == host("web4"), "one of which nothing was asked stays as it was"


def test_the_release_gone_back_to_runs_by_its_own_file_and_leaves_by_the_one_at_hand() -> None:
    then = OwnFile(deploy_spec(prepare="./bin/then"), ("main",))
    at_hand = OwnFile(deploy_spec(), ("main", "worker"))
    whole = with_own_files(plan(), {"web1": Found(BEFORE, None, at_hand, None, then)}, {})
    (on,) = whole.hosts
    assert (on.file, on.processes) == (0, ("main",))
    new, old = whole.new(on), whole.old(on)
    assert old is not None
    assert (new.deploy, old.deploy) == (then.deploy, at_hand.deploy)
    assert [process.name for process in old.processes] == ["main", "worker"]


def test_the_file_at_hand_needs_no_place_where_another_release_with_the_same_processes_is_gone_back_to() -> (
    None
):
    then, at_hand = (OwnFile(deploy_spec(prepare=f"./bin/{word}"), ("main",)) for word in ("then", "now"))
    whole = with_own_files(
        plan(deploy=at_hand.deploy), {"web1": Found(BEFORE, None, at_hand, None, then)}, {}
    )
    (on,) = whole.hosts
    assert whole.files == (then.deploy,)
    assert (whole.new(on), whole.old(on)) == (
        ReleaseOnHost("rel-b", "dep-2", then.deploy, then.deploy.processes[:1]),
        ReleaseOnHost("rel-a", "dep-1", at_hand.deploy, at_hand.deploy.processes[:1]),
    )


def test_whatever_a_file_can_say_a_host_can_keep() -> None:
    """The example says all there is."""
    text = (Path(__file__).parents[2] / "docs" / "headway.example.toml").read_text()
    deploy = read_contract(text, "headway.toml").deploy
    assert deploy is not None
    names = tuple(process.name for process in deploy.processes)
    standing = plan(replace(host("web1"), processes=names), deploy=deploy).new(
        replace(host("web1"), processes=names)
    )
    line = b"dep-1 " + own_file_text(standing).encode()
    assert read_own_files(line, checks_of(deploy)) == {"dep-1": OwnFile(deploy, names)}

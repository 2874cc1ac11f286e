"""What a host tells is believed only as far as it can harm nobody else, and what is written there at the end."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from headway.deploy.commands import again_by_hand, by_hand
from headway.deploy.plan import Plan, Predecessor
from headway.deploy.record import (
    HostRecord,
    Step,
    finish_script,
    finished_on,
    is_half_way,
    journal_entries,
    left_open,
    live_facts,
    predecessor,
    read_record,
    readme,
    renamed_script,
    running,
    standing_there,
)
from headway.domain.contract import Once
from tests.deploy.examples import deploy_spec, host, plan

GOOD = {"release": "rel-5fe40cee0fcc", "commit": "a" * 40, "deployment": "dep-01abc"}
#: Each would end a word of a script, or leave the folder that it names.
HOSTILE = ["rel-b; id", "$(id)", "`id`", "rel-b\nid", "../../etc", "-rf", "rel b", "x" * 101, 7, ["rel-b"]]


BEFORE = {"release": "rel-0123456789ab", "commit": "b" * 40, "deployment": "dep-00abc"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("dep-00abc.env", "rel-0123456789ab"),
        ("dep-01abc.env", "rel-0123456789ab"),
        ("dep-02abc.env", GOOD["release"]),
    ],
)
def test_only_who_goes_back_by_hand_changes_what_is_gone_back_to(settings: str, expected: str) -> None:
    """A rollback that failed also leaves `current` on the release before, with settings of its own."""
    look = told({**GOOD, "previous": BEFORE})
    look += f"current releases/{BEFORE['release']}\ncurrent-settings {settings}\n".encode()
    found = predecessor(read_record(look))
    assert found is not None
    assert found.release == expected


def told(deployed: object) -> bytes:
    return f"root /srv/shop\ndeployed {json.dumps(deployed)}\n".encode()


def test_a_host_is_believed_its_own_record() -> None:
    found = predecessor(read_record(told({**GOOD, "previous": None})))
    assert found is not None
    assert (found.release, found.commit, found.deployment) == tuple(GOOD.values())
    assert journal_entries(json.dumps(GOOD).encode()) == [GOOD]


@pytest.mark.parametrize("word", HOSTILE, ids=repr)
@pytest.mark.parametrize("key", ["release", "commit", "deployment"])
def test_an_id_that_is_none_never_gets_into_a_script(key: str, word: object) -> None:
    bad = {**GOOD, key: word}
    for deployed in (bad, {**GOOD, "previous": bad}):
        record = read_record(told(deployed))
        assert record.deployed is None
        assert predecessor(record) is None
    lines = b"\n".join(json.dumps(entry).encode() for entry in (GOOD, bad))
    assert journal_entries(lines) == [GOOD]


def test_whatever_a_host_prints_can_be_read() -> None:
    record = read_record(b"\xff\xfe\x00\nopen x\nopen 3\nowner 3 [1]\nowner y {}\ndeployed 1\nbeat\n")
    assert (record.open, record.owners, record.deployed) == ((3,), {}, None)
    assert journal_entries(b"\xff\n[]\n{\n") == []


def test_what_was_finished_elsewhere_is_what_its_links_say_here() -> None:
    """Its record could not be written then: deployed.json tells of an older one."""
    links = "current releases/rel-0123456789ab\ncurrent-settings dep-00abc.env\n"
    record = read_record(told({**GOOD, "previous": None}) + links.encode())
    other = read_record(told({**BEFORE, "previous": GOOD}))
    assert finished_on([other]) == {"dep-00abc": "b" * 40, "dep-01abc": "a" * 40}
    assert predecessor(record) == Predecessor(**GOOD)
    assert is_half_way(record, predecessor(record))
    assert predecessor(record, finished_on([record, other])) == Predecessor(**BEFORE)
    assert not is_half_way(record, Predecessor(**BEFORE))


def test_settings_of_another_deployment_tell_of_one_that_was_left() -> None:
    for settings, half in (("dep-01abc", False), ("dep-02abc", True)):
        links = f"current releases/{GOOD['release']}\ncurrent-settings {settings}.env\n"
        record = read_record(told({**GOOD, "previous": BEFORE}) + links.encode())
        assert is_half_way(record, predecessor(record)) == half


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("", None),
        ("dep-1 prepare, dep-1 once", None),
        ("dep-1 prepare:web", None),
        ("dep-1 drain", "dep-1"),
        ("dep-1 drain, dep-1 switch, dep-1 finish", None),
        ("dep-1 drain:web, dep-1 back-switch, dep-1 back-undrain:web", "dep-1"),
        ("dep-1 drain, dep-1 back-switch, dep-1 back-finish", None),
        ("dep-1 drain, dep-2 drain, dep-2 finish, dep-3 prepare", None),
    ],
)
def test_a_journal_tells_who_did_not_end_there(steps: str, expected: str | None) -> None:
    entries = [
        {"deployment": deployment, "step": step, "event": event, "exit": 0}
        for deployment, step in (one.split() for one in filter(None, steps.split(", ")))
        for event in ("begin", "end")
    ]
    assert left_open(entries) == expected
    assert left_open([*entries, {"deployment": "dep-9", "step": "finish", "event": "end", "exit": 1}]) == (
        expected
    )


@pytest.mark.parametrize(
    ("current", "commit"),
    [(GOOD["release"], "a" * 40), (BEFORE["release"], "b" * 40), ("rel-another", None)],
)
def test_what_is_said_of_the_live_release_is_of_that_release(current: str, commit: str | None) -> None:
    """Somebody went back by hand: what was finished last is not what stands there, and its commit neither."""
    look = told({**GOOD, "previous": BEFORE}) + f"current releases/{current}\n".encode()
    assert live_facts(read_record(look)).get("commit") == commit
    assert live_facts(read_record(told({**GOOD, "previous": None}))) == {}
    assert live_facts(read_record(b"")) == {}


LOOK = b"""\
root /srv/shop/production
open 12
open 9
closed 8
closed 11
owner 12 {"id":"x"}
owner 9 7
beat 12 4 5
beat x 1
ended epochs/8/steps/dep-1.web1.switch.10
ended epochs/8/steps/dep-1.web1.switch.9
going epochs/12/steps/dep-1.web1.back-a.11
going epochs/12/steps/dep-1.web10.switch.1
going epochs/12/steps/dep-11.web1.switch.1
going epochs/12/steps/dep-1.web1.notes
ended epochs/12/steps/dep-1.rack_web1.prepare.2
current releases/rel-b
current-settings dep-1.env
in-the-way current
in-the-way settings/current.env
release rel-a ?
release rel-b 12ab
prepared rel-b 34cd
settings dep-1
"""


def test_what_a_host_says_of_itself_word_by_word() -> None:
    record = read_record(LOOK)
    assert (record.root, record.exists) == ("/srv/shop/production", True)
    assert (record.open, record.closed, record.highest) == ((9, 12), (8, 11), 12)
    assert (record.owners, record.beats) == ({12: {"id": "x"}}, {12: "4 5"})
    assert (record.current, record.live_release) == ("releases/rel-b", "rel-b")
    assert (record.current_settings, record.in_the_way) == ("dep-1.env", ("current", "settings/current.env"))
    assert record.releases == {"rel-a": "?", "rel-b": "12ab"}
    assert (sorted(record.prepared), sorted(record.settings)) == (["rel-b 34cd"], ["dep-1"])
    assert record.going() == (
        "epochs/12/steps/dep-1.web1.back-a.11",
        "epochs/12/steps/dep-1.web10.switch.1",
        "epochs/12/steps/dep-11.web1.switch.1",
        "epochs/12/steps/dep-1.web1.notes",
    )


def test_a_host_that_says_nothing_has_nothing() -> None:
    record = read_record(b"absent\n")
    assert record == HostRecord("", exists=False)
    assert (record.highest, record.live_release, record.going()) == (0, None, ())
    assert read_record(b"closed 3\nopen 2\n").highest == 3


@pytest.mark.parametrize(
    ("deployment", "host", "jobs"),
    [
        ("dep-1", "web1", [("switch", 9, True), ("switch", 10, True), ("back-a", 11, False)]),
        ("dep-1", "web10", [("switch", 1, False)]),
        ("dep-11", "web1", [("switch", 1, False)]),
        # A host's name is that of a folder there.
        ("dep-1", "rack/web1", [("prepare", 2, True)]),
        ("dep-2", "web1", []),
    ],
)
def test_the_jobs_of_one_host_are_its_own_and_the_earliest_comes_first(
    deployment: str, host: str, jobs: list[tuple[str, int, bool]]
) -> None:
    found = read_record(LOOK).jobs(deployment, host)
    assert [(job.group, job.attempt, job.ended) for job in found] == jobs
    assert all(job.directory.rpartition("/")[2].startswith(deployment) for job in found)


@pytest.mark.parametrize(
    ("current", "settings", "expected"),
    [
        ("releases/rel-b", "dep-1.env", Predecessor("rel-b", "", "dep-1")),
        ("releases/rel-b", "dep-1.json", None),
        ("releases/rel-b", None, None),
        (None, "dep-1.env", None),
        ("releases/$(id)", "dep-1.env", None),
        ("releases/rel-b", "$(id).env", None),
    ],
)
def test_what_runs_is_told_by_the_links(
    current: str | None, settings: str | None, expected: Predecessor | None
) -> None:
    assert running(HostRecord("/x", current=current, current_settings=settings)) == expected


@pytest.mark.parametrize(
    ("deployed", "expected"),
    [
        ({"release": "rel-a", "commit": "c", "deployment": "dep-1"}, Predecessor("rel-a", "c", "dep-1")),
        ({"release": "rel-a", "deployment": "dep-1"}, Predecessor("rel-a", "", "dep-1")),
        ({"release": "rel-a", "commit": "c"}, None),
        ({"commit": "c", "deployment": "dep-1"}, None),
    ],
)
def test_half_a_record_is_no_way_back(deployed: dict[str, object], expected: Predecessor | None) -> None:
    assert predecessor(HostRecord("/x", deployed=deployed)) == expected


def finished(root: Path, whole: Plan, *, number: int = 7) -> None:
    """Runs the script that ends a deployment, as the owner of epoch 9."""
    (root / "current").symlink_to(f"releases/{whole.release}")
    (root / "settings/current.env").symlink_to(f"{whole.deployment}.env")
    done = subprocess.run(
        ["sh", "-s"],
        input=finish_script(whole, whole.hosts[0], number=number, kind="hotfix"),
        env={"PATH": "/usr/bin:/bin", "HEADWAY_ROOT": str(root), "HEADWAY_EPOCH": str(root / "epochs/9")},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (root / "settings/current.env").unlink()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with eight releases and settings, the highest number the newest, and epochs 3 to 8 that are closed."""
    for name in ("releases", "settings", "unpacked", "prepared", "uploads", "epochs/9"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(1, 9):
        made = [tmp_path / f"releases/rel-{number}", tmp_path / f"settings/dep-{number}.env"]
        made[0].mkdir()
        (tmp_path / f"unpacked/rel-{number}").touch()
        (tmp_path / f"settings/dep-{number}.json").touch()
        made[1].touch()
        for path in made:
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    for number in range(3, 9):
        (tmp_path / f"epochs/{number}.closed").mkdir()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("keep", "releases", "settings"),
    [
        # The live one, the one before it, and the newest of the others; of settings twice as many.
        (0, "rel-3 rel-5", "dep-3 dep-5"),
        (1, "rel-3 rel-5 rel-8", "dep-3 dep-5 dep-7 dep-8"),
        (2, "rel-3 rel-5 rel-7 rel-8", "dep-3 dep-5 dep-4 dep-6 dep-7 dep-8"),
        (9, " ".join(f"rel-{n}" for n in range(1, 9)), " ".join(f"dep-{n}" for n in range(1, 9))),
    ],
)
def test_what_is_kept_on_a_host(root: Path, keep: int, releases: str, settings: str) -> None:
    on = host("web1", before=Predecessor("rel-3", "a" * 40, "dep-3"))
    finished(root, plan(on, release="rel-5", deployment="dep-5", deploy=deploy_spec(keep=keep)))
    assert names(root / "releases") == sorted(releases.split())
    assert names(root / "unpacked") == sorted(releases.split())
    assert names(root / "settings") == sorted(
        f"{name}.{end}" for name in settings.split() for end in ("env", "json")
    )
    assert names(root / "epochs") == ["6.closed", "7.closed", "8.closed", "9"]


@pytest.mark.parametrize(
    ("once", "rollback", "passable"),
    [
        (None, False, True),
        (Once("migrate", rollback_compatible=True), False, True),
        (Once("migrate", rollback_compatible=False), False, False),
        # A rollback runs no `once`.
        (Once("migrate", rollback_compatible=False), True, True),
    ],
)
def test_what_is_written_on_a_host_at_the_end(
    root: Path, once: Once | None, rollback: bool, passable: bool
) -> None:
    whole = plan(deploy=deploy_spec(once=once), rollback=rollback)
    finished(root, whole)
    told = json.loads((root / "deployed.json").read_text())
    assert told.pop("at").endswith("Z")
    assert told == {
        "service": "shop",
        "environment": "production",
        "host": "web1",
        "release": "rel-b",
        "commit": "b" * 40,
        "deployment": "dep-2",
        "number": 7,
        "kind": "hotfix",
        "by": "ana@laptop",
        "passable": passable,
        "previous": {"release": "rel-a", "commit": "a" * 40, "deployment": "dep-1"},
        "token": 9,
    }
    assert (root / "README.txt").read_text() == readme(whole, whole.hosts[0]).replace(
        "@ROOT@", str(root)
    ) + "\n"


def test_the_first_one_on_a_host_has_nothing_before_it(root: Path) -> None:
    whole = plan(host("web1", before=None))
    finished(root, whole)
    assert json.loads((root / "deployed.json").read_text())["previous"] is None
    assert (
        (root / "README.txt").read_text()
        == f"""\
shop in production on web1, put here by Headway.

Live:   rel-b (commit {"b" * 40}), deployment dep-2, by ana@laptop
Before: nothing. There is no release to go back to on this host.

{half_way(whole, str(root))}
"""
    )


def half_way(whole: Plan, root: str) -> str:
    """The end of a README.txt, which each has."""
    return f"""\
Look first whether a deployment has begun here since and has not ended: the two commands that go
back above are for `readlink current` = releases/rel-b and
`readlink settings/current.env` = dep-2.env. Otherwise what is called live above is what
to go back to, by these two:

    cd "{root}" && ln -s releases/rel-b back && mv -T back current \
&& ln -s dep-2.env settings/back && mv -T settings/back settings/current.env
    export HEADWAY_ROOT="{root}"; {again_by_hand(whole, whole.hosts[0])}

journal        what was done here, a line each, in its order
deployed.json  what is live and what was before
current        the live release; its settings are settings/current.env"""


@pytest.mark.parametrize("rollback", [False, True])
def test_the_readme_says_how_to_go_back_by_hand(rollback: bool) -> None:
    whole = plan(rollback=rollback)
    on = whole.hosts[0]
    undoes = ", which was left by a rollback: going back to it undoes that" if rollback else ""
    assert (
        readme(whole, on)
        == f"""\
shop in production on web1, put here by Headway.

Live:   rel-b (commit {"b" * 40}), deployment dep-2, by ana@laptop
Before: rel-a (commit {"a" * 40}), deployment dep-1{undoes}

To go back by hand, on each host, these two commands:

  cd "@ROOT@" && ln -s releases/rel-a back && mv -T back current \
&& ln -s dep-1.env settings/back && mv -T settings/back settings/current.env

  export HEADWAY_ROOT="@ROOT@"; {by_hand(whole, on)}

From anywhere with SSH, without Headway's database, on all hosts:

  headway rollback production --direct

{half_way(whole, "@ROOT@")}"""
    )


LAST = {"release": "rel-b", "deployment": "dep-2", "previous": {"release": "rel-a", "deployment": "dep-1"}}


@pytest.mark.parametrize(
    ("deployed", "current", "settings", "before", "half"),
    [
        # Nothing was ever finished: whatever stands there was left.
        (None, None, None, None, False),
        (None, "rel-b", "dep-2.env", None, True),
        # It is what was finished last, or another release.
        (LAST, "rel-b", "dep-2.env", Predecessor("rel-b", "", "dep-2"), False),
        (LAST, "rel-c", "dep-2.env", Predecessor("rel-b", "", "dep-2"), True),
        (LAST, None, None, Predecessor("rel-b", "", "dep-2"), True),
        # The same release with the settings of a deployment that was left.
        (LAST, "rel-b", "dep-3.env", Predecessor("rel-b", "", "dep-2"), True),
        (LAST, "rel-b", None, Predecessor("rel-b", "", "dep-2"), False),
        # Somebody went back by hand, with or without the settings.
        (LAST, "rel-a", "dep-1.env", Predecessor("rel-a", "", "dep-1"), False),
        (LAST, "rel-a", "dep-2.env", Predecessor("rel-a", "", "dep-1"), False),
        (LAST, "rel-a", "dep-3.env", Predecessor("rel-a", "", "dep-1"), True),
        (None, "rel-a", "dep-1.env", Predecessor("rel-a", "", "dep-1"), False),
    ],
)
def test_a_host_is_half_way_where_its_links_are_not_those_of_what_was_finished(
    deployed: dict[str, object] | None,
    current: str | None,
    settings: str | None,
    before: Predecessor | None,
    half: bool,
) -> None:
    record = HostRecord(
        "/x",
        current=current and f"releases/{current}",
        current_settings=settings,
        deployed=deployed,
    )
    assert is_half_way(record, before) is half


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # Of what its own record knows, that is believed; of what other hosts alone finished, they are.
        ("dep-1.env", Predecessor("rel-b", "", "dep-2")),
        ("dep-2.env", Predecessor("rel-b", "", "dep-2")),
        ("dep-3.env", Predecessor("rel-b", "c3", "dep-3")),
        ("dep-4.env", Predecessor("rel-b", "", "dep-2")),
    ],
)
def test_what_others_finished_is_believed_of_what_a_host_does_not_know(
    settings: str, expected: Predecessor
) -> None:
    record = HostRecord("/x", current="releases/rel-b", current_settings=settings, deployed=LAST)
    assert predecessor(record, {"dep-1": "c1", "dep-2": "c2", "dep-3": "c3"}) == expected


def test_a_record_without_one_before_it_says_nothing_of_another_release() -> None:
    record = HostRecord("/x", current="releases/rel-a", deployed={"release": "rel-b", "previous": "rel-a"})
    assert live_facts(record) == {}


def test_the_end_of_the_last_step_ends_it_and_its_begin_does_not() -> None:
    drain = {"deployment": "dep-1", "step": "drain", "event": "begin"}
    finish = {"deployment": "dep-1", "step": "finish"}
    assert left_open([drain, {**finish, "event": "begin"}]) == "dep-1"
    assert left_open([drain, {**finish, "event": "end", "exit": 0}]) is None
    assert left_open([drain, {**finish, "event": "begin", "exit": 0}]) == "dep-1"


@pytest.mark.parametrize(
    ("deployed", "current", "settings", "expected"),
    [
        (None, None, None, None),
        (None, "rel-b", None, None),
        (None, "rel-b", "dep-2.env", Predecessor("rel-b", "", "dep-2")),
        # Its own record tells the commit of the release and deployment that its links name, and of no other.
        ({**LAST, "commit": "c2"}, "rel-b", "dep-2.env", Predecessor("rel-b", "c2", "dep-2")),
        (LAST, "rel-b", "dep-2.env", Predecessor("rel-b", "", "dep-2")),
        ({**LAST, "commit": "c2"}, "rel-b", "dep-3.env", Predecessor("rel-b", "", "dep-3")),
        ({**LAST, "commit": "c2"}, "rel-c", "dep-2.env", Predecessor("rel-c", "", "dep-2")),
        # Without the link to the settings the record alone tells.
        ({**LAST, "commit": "c2"}, "rel-b", None, Predecessor("rel-b", "c2", "dep-2")),
        ({**LAST, "commit": "c2"}, None, None, None),
    ],
)
def test_what_stands_on_a_host_is_told_by_its_links_and_as_far_as_it_speaks_of_them_by_its_record(
    deployed: dict[str, object] | None,
    current: str | None,
    settings: str | None,
    expected: Predecessor | None,
) -> None:
    record = HostRecord(
        "/x", current=current and f"releases/{current}", current_settings=settings, deployed=deployed
    )
    assert standing_there(record) == expected


def test_the_steps_of_a_host_are_those_of_all_deployments_ended_or_not() -> None:
    assert read_record(LOOK).steps() == (
        Step(8, "dep-1", "switch"),
        Step(8, "dep-1", "switch"),
        Step(12, "dep-1", "prepare"),
        Step(12, "dep-1", "back-a"),
        Step(12, "dep-1", "switch"),
        Step(12, "dep-11", "switch"),
    )


@pytest.mark.parametrize("with_readme", [True, False])
def test_a_root_that_is_given_another_name_says_so_in_its_record_and_to_people(
    tmp_path: Path, with_readme: bool
) -> None:
    root = tmp_path / "the root"
    (root / "epochs/9").mkdir(parents=True)
    whole = plan()
    if with_readme:
        (root / "README.txt").write_text(readme(whole, whole.hosts[0]))
    script = renamed_script(str(root), 9, {**LAST, "environment": "production"}, "production", "live")
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (root / "deployed.json").read_text() == json.dumps(
        {**LAST, "environment": "live"}, separators=(",", ":")
    ) + "\n"
    assert names(root / "epochs/9") == []
    if with_readme:
        told = (root / "README.txt").read_text()
        assert told.startswith("shop in live on web1, put here by Headway.\n")
        assert "\n  headway rollback live --direct\n" in told
        assert "production" not in told


def test_a_root_that_was_taken_over_is_given_no_name(tmp_path: Path) -> None:
    (tmp_path / "epochs/9.closed").mkdir(parents=True)
    (tmp_path / "README.txt").write_text("shop in production on web1\n")
    script = renamed_script(str(tmp_path), 9, LAST, "production", "live")
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode != 0
    assert names(tmp_path) == ["README.txt", "epochs"]
    assert (tmp_path / "README.txt").read_text() == "shop in production on web1\n"

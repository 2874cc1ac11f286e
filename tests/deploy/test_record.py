"""What a host tells is believed only as far as it can harm nobody else."""

import json

import pytest

from headway.deploy.plan import Predecessor
from headway.deploy.record import (
    finished_on,
    is_half_way,
    journal_entries,
    left_open,
    live_facts,
    predecessor,
    read_record,
)

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

"""What a host tells is believed only as far as it can harm nobody else."""

import json

import pytest

from headway.deploy.record import journal_entries, live_facts, predecessor, read_record

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

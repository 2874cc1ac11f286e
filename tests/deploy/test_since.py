"""Of a deployment that was left half-way: what the hosts say wins over what the rows remember."""

from dataclasses import replace

import pytest

from headway.deploy.plan import Plan
from headway.deploy.record import HostRecord
from headway.deploy.since import Since, since
from headway.domain.deployment import HostRow
from tests.deploy.examples import host, plan, rows

OLD = ("rel-a", "dep-1.env")
NEW = ("rel-b", "dep-2.env")
NAMES = ("web1", "web2", "web3")


def left(epoch: int = 5) -> Plan:
    return plan(*(host(name) for name in NAMES), epoch=epoch)


def record(links: tuple[str | None, str | None], **changes: object) -> HostRecord:
    current, settings = links
    values: dict[str, object] = {
        "current": current and f"releases/{current}",
        "current_settings": settings,
        "deployed": {"release": "rel-a", "deployment": "dep-1", "token": 4},
    }
    return HostRecord("/srv/shop", **{**values, **changes})  # type: ignore[arg-type]


def judged(
    states: str, *links: tuple[str | None, str | None], going_back: bool = False, **changes: object
) -> Since:
    records = {name: record(one, **changes) for name, one in zip(NAMES, links, strict=False)}
    return since(left(), rows(states.split()), records, going_back=going_back)


@pytest.mark.parametrize(
    ("states", "links"),
    [
        ("live switching prepared", (NEW, OLD, OLD)),
        ("live switching prepared", (NEW, NEW, OLD)),
        # Between the two renames of its switch.
        ("live switching prepared", (NEW, ("rel-a", "dep-2.env"), OLD)),
        ("live broken waiting", (NEW, OLD, OLD)),
        ("finished finishing live", (NEW, NEW, NEW)),
        ("live live left_out", (NEW, NEW, ("rel-x", "dep-0.env"))),
        ("prepared prepared migrating", (OLD, OLD, OLD)),
        # By rows of a database that was put back from a copy.
        ("prepared prepared waiting", (NEW, OLD, OLD)),
        # Out of reach: says nothing.
        ("live live live", (NEW,)),
    ],
)
def test_what_stands_as_it_was_left_goes_on(
    states: str, links: tuple[tuple[str | None, str | None], ...]
) -> None:
    assert judged(states, *links).is_ours


@pytest.mark.parametrize(
    ("states", "links", "corrected"),
    [
        ("live switching prepared", (OLD, NEW, OLD), ["web1 reverted"]),
        ("live checking prepared", (NEW, OLD, OLD), ["web2 reverted"]),
        ("live checking prepared", (NEW, NEW, ("rel-0", "dep-0.env")), ["web3 left_out"]),
        ("live live live", (("rel-a", "dep-2.env"), NEW, (None, None)), ["web1 left_out", "web3 left_out"]),
        # The same release with other settings.
        ("live live live", (("rel-b", "dep-7.env"), NEW, NEW), ["web1 left_out"]),
    ],
)
def test_a_host_that_has_something_else_is_not_what_its_row_says(
    states: str, links: tuple[tuple[str | None, str | None], ...], corrected: list[str]
) -> None:
    found = judged(states, *links)
    assert not found.is_ours
    assert [f"{row.host} {row.state}" for row in found.corrected] == corrected
    assert found.told.startswith("changed by hand on " + ", ".join(one.split()[0] for one in corrected))


@pytest.mark.parametrize(
    ("links", "told"),
    [
        (("rel-x", "dep-7.env"), "web1 has rel-x, which was not put there by this deployment"),
        (("rel-b", "dep-7.env"), "web1 has rel-b with dep-7.env, which was not put there by this deployment"),
        (("rel-a", None), "web1 has rel-a, which was not put there by this deployment"),
        ((None, "dep-7.env"), "web1 has no `current`: this deployment did not remove it"),
    ],
)
def test_what_stands_there_instead_is_told(links: tuple[str | None, str | None], told: str) -> None:
    assert [f"{row.host} {row.reason}" for row in judged("live", links).corrected] == [told]


@pytest.mark.parametrize(
    ("state", "links", "corrected"),
    [
        ("waiting", (None, None), []),
        ("switching", (None, None), []),
        # Between the two renames of its switch.
        ("switching", (None, "dep-2.env"), []),
        ("live", NEW, []),
        ("reverted", (None, None), []),
        ("live", (None, None), ["reverted"]),
        ("reverted", NEW, ["left_out"]),
        ("prepared", ("rel-x", "dep-7.env"), ["left_out"]),
        ("switching", ("rel-x", "dep-7.env"), ["left_out"]),
        ("live", ("rel-x", "dep-7.env"), ["left_out"]),
    ],
)
def test_where_nothing_was_before_nothing_else_may_be(
    state: str, links: tuple[str | None, str | None], corrected: list[str]
) -> None:
    first = plan(host("web1", before=None), epoch=5)
    found = since(first, rows([state]), {"web1": record(links, deployed=None)}, going_back=False)
    assert [row.state for row in found.corrected] == corrected


def test_what_stands_where_is_told_release_by_release() -> None:
    found = judged("live live live", OLD, (None, None), OLD)
    assert found.stands == "rel-a on web1, web3; nothing on web2"
    assert found.told == "changed by hand on web1, web2, web3; there stands " + found.stands


def test_going_back_a_host_that_was_taken_back_by_hand_is_no_contradiction() -> None:
    assert judged("live live prepared", OLD, ("rel-a", "dep-2.env"), OLD, going_back=True).is_ours
    assert judged("reverted reverting live", OLD, NEW, NEW, going_back=True).is_ours
    assert not judged("reverted reverting live", NEW, NEW, NEW, going_back=True).is_ours
    assert not judged("live live prepared", ("rel-x", None), NEW, OLD, going_back=True).is_ours


def test_who_finished_something_since_is_named() -> None:
    newer = {
        "release": "rel-a",
        "deployment": "dep-9",
        "token": 6,
        "kind": "rollback",
        "by": "eve@laptop",
        "at": "2026-01-02T03:04:05Z",
    }
    found = judged("live switching prepared", ("rel-a", "dep-9.env"), deployed=newer)
    assert found.finished
    assert found.told == (
        "eve@laptop went back to rel-a at 2026-01-02T03:04:05Z (dep-9); there stands rel-a on web1"
    )
    # Its own record, and one from before it began, are no other's.
    assert judged("finished", NEW, deployed={**newer, "deployment": "dep-2"}).is_ours
    assert judged("live", NEW, deployed={**newer, "token": 5}).is_ours
    assert judged("live", NEW, deployed={**newer, "token": "9"}).is_ours


@pytest.mark.parametrize(
    ("deployed", "told"),
    [
        ({"kind": "planned", "by": "eve"}, "eve deployed rel-c (dep-9)"),
        ({"kind": "rollback"}, "somebody went back to rel-c (dep-9)"),
        ({}, "somebody deployed rel-c (dep-9)"),
    ],
)
def test_what_another_record_leaves_out_is_left_out(deployed: dict[str, object], told: str) -> None:
    newer = {"release": "rel-c", "deployment": "dep-9", "token": 6, **deployed}
    assert judged("live", NEW, deployed=newer).another == told


def test_of_several_who_finished_something_since_the_last_one_is_named() -> None:
    ours = {"release": "rel-b", "deployment": "dep-2", "token": 5}
    third, fourth = ({"release": "rel-c", "deployment": f"dep-{n}", "token": n * 3} for n in (3, 4))
    for said in ([ours, third, fourth], [fourth, third, ours]):
        records = {name: record(NEW, deployed=one) for name, one in zip(NAMES, said, strict=True)}
        found = since(left(), rows(["live"] * 3), records, going_back=False)
        assert found.another == "somebody deployed rel-c (dep-4)"


def test_of_several_who_began_something_since_the_last_one_is_named_with_its_hosts() -> None:
    jobs = {
        "web1": ["epochs/6.closed/steps/dep-8.web1.switch.1", "epochs/7/steps/dep-9.web1.switch.1"],
        "web2": ["epochs/6.closed/steps/dep-8.web2.switch.1"],
        "web3": ["epochs/7/steps/dep-9.web3.switch.1"],
    }
    records = {name: record(NEW, directories=tuple((one, True) for one in jobs[name])) for name in NAMES}
    assert since(left(), rows(["live"] * 3), records, going_back=False).another == (
        "dep-9, which this database does not know, has begun on web1, web3 since and did not end"
    )


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("epochs/6.closed/steps/dep-9.web1.switch.1", False),
        ("epochs/6/steps/dep-9.web1.back.1", False),
        ("epochs/6/steps/dep-9.web1.prepare.1", True),
        ("epochs/4.closed/steps/dep-9.web1.switch.1", True),
        # Of the very turn in which it began.
        ("epochs/5/steps/dep-9.web1.switch.1", True),
        ("epochs/7/steps/dep-2.web1.switch.2", True),
        ("epochs/6/steps/somebody's", True),
    ],
)
def test_who_began_something_since_and_did_not_end_is_no_less_there(path: str, *, ours: bool) -> None:
    found = judged("live", NEW, directories=((path, True),))
    assert found.is_ours == ours
    assert found.finished is False
    assert ours or "dep-9" in found.told


def test_one_that_an_older_version_began_is_judged_by_what_it_found() -> None:
    states: list[HostRow] = rows(["live"])
    old = replace(left(epoch=0), hosts=(host("web1"),))
    assert since(old, states, {"web1": record(NEW)}, going_back=False).is_ours
    other = {"release": "rel-x", "deployment": "dep-9", "token": 6}
    assert since(old, states, {"web1": record(NEW, deployed=other)}, going_back=False).finished
    jobs = (("epochs/7/steps/dep-2.web1.switch.1", True),)
    assert since(
        old, states, {"web1": record(NEW, deployed=other, directories=jobs)}, going_back=False
    ).is_ours

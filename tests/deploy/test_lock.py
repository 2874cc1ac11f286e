"""Who holds the hosts, from one look at each, and which number the next one takes."""

import json
from dataclasses import asdict

import pytest

from headway.deploy.lock import Holder, LockOwner, holders, next_token, stale_on, told
from headway.deploy.record import HostRecord

ANA = LockOwner(
    "1", "here", "boot", 7, "99", "ana@laptop", "deploys rel-b", "dep-2", "2026-01-02 03:04:05 UTC"
)
WRITTEN = asdict(ANA)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({}, ()),
        ({"web1": HostRecord("/x", closed=(3,))}, ()),
        (
            {"web1": HostRecord("/x", open=(3,), owners={3: WRITTEN}, beats={3: "5"})},
            (Holder("web1", 3, ANA, "5"),),
        ),
        # By host; in the moment before it is written, and for what is no owner's, there is no name.
        (
            {
                "web2": HostRecord("/x", open=(4, 6), owners={4: {"id": "1"}, 6: WRITTEN}, beats={6: "1"}),
                "web1": HostRecord("/x", open=(3,)),
            },
            (Holder("web1", 3, None, ""), Holder("web2", 4, None, ""), Holder("web2", 6, ANA, "1")),
        ),
        ({"web1": HostRecord("/x", open=(3,), owners={3: {}})}, (Holder("web1", 3, None, ""),)),
    ],
)
def test_every_open_epoch_has_a_holder(records: dict[str, HostRecord], expected: tuple[Holder, ...]) -> None:
    assert holders(records) == expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({}, 1),
        ({"web1": HostRecord("/x")}, 1),
        ({"web1": HostRecord("/x", open=(3,)), "web2": HostRecord("/x", closed=(7,))}, 8),
    ],
)
def test_the_next_number_is_higher_than_any_that_was_given(
    records: dict[str, HostRecord], expected: int
) -> None:
    assert next_token(records) == expected


def test_exactly_what_was_judged_is_closed() -> None:
    record = HostRecord("/x", open=(3, 4, 5), closed=(2,))
    judged = frozenset(
        Holder(host, epoch, None, "") for host, epoch in [("web1", 2), ("web1", 3), ("web1", 5), ("web2", 4)]
    )
    assert stale_on(record, judged, "web1") == (3, 5)
    assert stale_on(record, judged, "web2") == (4,)
    assert stale_on(record, judged, "web3") == ()


def test_a_holder_is_told_by_name_or_by_its_number() -> None:
    assert told(Holder("web1", 3, ANA, "5")) == (
        "ana@laptop, deploys rel-b, since 2026-01-02 03:04:05 UTC (epoch 3 on web1)"
    )
    assert told(Holder("web1", 3, None, "")) == "somebody (epoch 3 on web1, no name yet)"


def test_an_owner_is_one_line_without_blanks_between() -> None:
    line = ANA.line()
    assert line.startswith('{"id":"1","machine":"here",')
    assert json.loads(line) == WRITTEN

"""What is wrong in an environment is found by the rows alone, for the bar of every page."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headway.deploy.standing import Before, seen
from headway.deploy.trouble import TroubleKind
from headway.domain.deployment import DeploymentState, HostRow
from headway.domain.standing import Standing, StandingState
from headway.engine.standing.troubles import read_troubles
from headway.engine.standing.what_runs import read_what_runs
from headway.store.database import Database, Transaction
from headway.store.deployments import insert_deployment
from headway.store.standings import put_standing
from headway.store.views.hosts import on_hosts
from tests.support.clocks import NOON
from tests.support.standing_deployments import deployment

SIX = replace(deployment("rel-6", number=6), state=DeploymentState.SUCCEEDED)
SERVES = Standing("shop", "production", "web1", SIX.release, SIX.commit, SIX.id, 6, NOON)
#: Nothing stood there before, its first deployment could not be taken away, and no file names it any more.
LEFT = Standing(
    "shop", "production", "web4", state=StandingState.UNCLEAR, reason="exit 1 in activate", member=False
)


def test_a_host_that_left_the_file_and_of_which_nobody_can_say_what_it_has_is_told_everywhere(
    database: Database,
) -> None:
    def put(tx: Transaction) -> None:
        insert_deployment(tx, SIX, [HostRow(SIX.id, "web1", 0, "finished", "", None)], token=1)
        for one in (SERVES, LEFT):
            put_standing(tx, one)

    database.transact(put)
    assert [one.host for one in database.read(lambda tx: read_what_runs(tx, "shop", "production")).gone] == [
        "web4"
    ]
    found = database.read(read_troubles)
    assert {where: [one.kind for one in said] for where, said in found.items()} == {
        ("shop", "production"): [TroubleKind.LEFT_OVER]
    }
    assert found["shop", "production"][0].sentence == "web4, no longer of it, still has something of it"
    lines = database.read(lambda tx: on_hosts(tx, most=5, limit=10))
    assert [(one.host, one.release, one.state, one.reason) for one in lines] == [
        ("web1", "rel-6", "live", ""),
        ("web4", "", "left_over", "no longer of production, unclear: exit 1 in activate"),
    ]


@pytest.mark.parametrize("state", ["broken", "stuck"])
def test_a_host_that_a_later_look_found_repaired_is_told_by_what_stands_there(
    database: Database, state: str
) -> None:
    why = "exit 1 in activate"
    seven = replace(
        deployment("rel-7", number=7),
        state=DeploymentState.FAILED,
        requested_at=SIX.requested_at + timedelta(minutes=1),
    )
    broken = replace(
        SERVES, release="rel-7", deployment=seven.id, number=7, state=StandingState.UNCLEAR, reason=why
    )

    def put(tx: Transaction) -> None:
        insert_deployment(tx, SIX, [HostRow(SIX.id, "web1", 0, "finished", "", None)], token=1)
        insert_deployment(tx, seven, [HostRow(seven.id, "web1", 0, state, why, None)], token=2)
        put_standing(tx, broken)

    def told() -> list[tuple[str, str, str, int]]:
        lines = database.read(lambda tx: on_hosts(tx, most=5, limit=10))
        return [(one.release, one.state, one.reason, one.troubled) for one in lines]

    database.transact(put)
    assert told() == [("rel-7", state, why, 1)]
    repaired = seen(broken, Before(SIX.release, SIX.commit, SIX.id, 6), NOON, half_way=False)
    database.transact(lambda tx: put_standing(tx, repaired))
    assert told() == [("rel-6", "live", "", 0)]

"""What is wrong where, as `deploy.trouble` decides it: of all services, of one, of one environment."""

from collections.abc import Mapping

from headway.deploy.trouble import Ended, PlaceTrouble, troubles
from headway.domain.deployment import DeploymentState
from headway.engine.standing.what_runs import read_what_runs
from headway.store.database import Transaction
from headway.store.views.places import bad_ends, moving_places, standing_strangely

#: Service and environment.
Where = tuple[str, str]


def read_troubles(tx: Transaction, service: str | None = None) -> Mapping[Where, tuple[PlaceTrouble, ...]]:
    """Only of environments where something is wrong: those that are broken first, then by name."""
    ended = {
        (one.service, one.environment): Ended(
            one.number, DeploymentState(one.state), elsewhere=bool(one.origin)
        )
        for one in bad_ends(tx, service=service)
    }
    moving = moving_places(tx)
    found = {}
    for where in {*ended, *standing_strangely(tx, service=service)}:
        if said := troubles(read_what_runs(tx, *where), ended.get(where), moving=where in moving):
            found[where] = said
    order = sorted(found, key=lambda where: (not found[where][0].is_broken, where))
    return {where: found[where] for where in order}

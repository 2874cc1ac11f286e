"""What the settings show of one repository, and of effects that did not get out."""

from dataclasses import dataclass

from headway.domain.intake import Repository
from headway.store.arrivals import StoredArrival, latest_arrivals, waiting_arrivals
from headway.store.database import Transaction
from headway.store.repositories import repository_by_id
from headway.store.views.system import Stuck, branches_of, run_numbers, stuck_effects

_MOST_STUCK = 50


@dataclass(frozen=True, slots=True)
class RepositoryView:
    repository: Repository
    #: What came from it last.
    arrivals: tuple[StoredArrival, ...]
    #: Id of a run -> service and number.
    runs: dict[str, tuple[str, int]]
    #: How many branches and tags are known.
    refs: int


def read_repository(tx: Transaction, id: str) -> RepositoryView | None:
    repository = repository_by_id(tx, id)
    if repository is None:
        return None
    arrivals = latest_arrivals(tx, id)
    runs = run_numbers(tx, [one.run for one in arrivals if one.run])
    return RepositoryView(repository, tuple(arrivals), runs, branches_of(tx, id))


@dataclass(frozen=True, slots=True)
class Outbox:
    #: Tried more than once, and not out yet; or given up.
    stuck: tuple[Stuck, ...]
    #: Arrivals that were accepted and are not worked on yet.
    arrivals: int


def read_outbox(tx: Transaction) -> Outbox:
    return Outbox(tuple(stuck_effects(tx, limit=_MOST_STUCK)), waiting_arrivals(tx))

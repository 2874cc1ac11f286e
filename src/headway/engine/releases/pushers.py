"""Who pushed a commit: as its forge told with a signature, or as they signed in to push to us.

What a commit says of its author anybody can write; so floors ask for this. Who cannot be told is nobody that a floor may
take for somebody else.
"""

from dataclasses import dataclass

from headway.domain.intake import ForgeKind
from headway.domain.org import Org
from headway.domain.request import Request
from headway.engine.releases.projects import repository_id
from headway.engine.settings import Settings
from headway.store import people, runs
from headway.store.arrivals import senders_of
from headway.store.database import Transaction
from headway.store.releases import get_release
from headway.store.repositories import repository_by_id


@dataclass(frozen=True, slots=True)
class Pushers:
    handles: frozenset[str]
    #: Why it is not known who all of them are, in one clause; empty: it is.
    unknown: str = ""


def pushers_of(tx: Transaction, settings: Settings, org: Org, request: Request) -> Pushers:
    """Of the request's commit, on any branch and by any push; of what another system built, who brought it here."""
    release = get_release(tx, request.release)
    found = _of_commit(tx, settings, org, request)
    if release is None or release.run is not None:
        return found
    return Pushers(found.handles | {release.created_by})


def _of_commit(tx: Transaction, settings: Settings, org: Org, request: Request) -> Pushers:
    id = repository_id(settings, request.repository)
    repository = None if id is None else repository_by_id(tx, id)
    if id is None or repository is None:
        return Pushers(frozenset(), "its repository is none of this server's")
    senders = runs.pushers(tx, request.service, request.commit) | senders_of(tx, id, request.commit)
    if not senders:
        return Pushers(frozenset(), f"nobody who can prove it has told who pushed {request.commit[:12]}")
    # Who pushes to us signs in by handle; a forge has names of its own.
    signs_in = repository.forge is ForgeKind.HEADWAY
    known = {sender: handle for sender in senders if (handle := _handle(tx, org, sender, signs_in=signs_in))}
    strange = sorted(senders - known.keys())
    unknown = (
        f"{', '.join(strange)} pushed {request.commit[:12]}, and no `aliases` in org.toml have that name"
    )
    return Pushers(frozenset(known.values()), unknown if strange else "")


def _handle(tx: Transaction, org: Org, sender: str, *, signs_in: bool) -> str | None:
    if signs_in:
        found = people.person_by_handle(tx, sender)
        return None if found is None else found.name
    # A handle spelled alike says nothing: whoever renames their account there could be anybody here.
    wanted = sender.casefold()
    return next(
        (one.handle for one in org.people.values() if wanted in {name.casefold() for name in one.aliases}),
        None,
    )

"""Who an account is here and now: its own role, and what org.toml adds by handle and by team."""

from collections import OrderedDict
from dataclasses import dataclass

from headway.base.clock import Clock
from headway.domain.org import Org
from headway.domain.people import Actor, Person, Role, Scope

#: Seconds for which it is not asked again who somebody is. Another process's revocation counts after that.
_TRUSTED_FOR = 3.0
_MOST = 2048


def role_of(person: Person, org: Org) -> Role:
    """Everywhere: the higher of what the account has and what org.toml says of the handle."""
    told = org.people.get(person.name)
    roles = [person.role, *([told.role] if told is not None and told.role is not None else [])]
    return max(roles, key=lambda role: role.rank)


def actor_of(person: Person, org: Org, *, by: str, address: str, scopes: frozenset[Scope] | None) -> Actor:
    teams = tuple(
        (team.name, team.members[person.name]) for team in org.teams.values() if person.name in team.members
    )
    return Actor(
        name=person.name, role=role_of(person, org), teams=teams, scopes=scopes, by=by, address=address
    )


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a cookie or a token lets in."""

    person: Person
    by: str
    scopes: frozenset[Scope] | None


class Acquaintances:
    """Who was let in a moment ago, by the hash of what they showed: a page asks ten times in a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Known]] = OrderedDict()
        self.generation = 0

    def find(self, hash: str) -> Known | None:
        found = self._known.get(hash)
        if found is None or found[0] < self._clock.monotonic():
            return None
        return found[1]

    def keep(self, hash: str, known: Known, *, generation: int) -> None:
        """`generation` as it was before the database was asked: what was changed since then is not kept."""
        if generation != self.generation:
            return
        self._known[hash] = (self._clock.monotonic() + _TRUSTED_FOR, known)
        self._known.move_to_end(hash)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Something was changed: look at everybody anew."""
        self.generation += 1
        self._known.clear()

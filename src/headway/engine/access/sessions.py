"""Sessions of browsers: begun by signing in, known by a cookie, ended by hand or when nobody came for a while."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.ids import new_id
from headway.domain.access import Session
from headway.domain.org import Org
from headway.domain.people import Actor, Person
from headway.engine.access.credentials import digest, new_value
from headway.engine.actors import Acquaintances, Known, actor_of
from headway.engine.audit import record
from headway.engine.permissions import Action, require
from headway.store import people, sessions
from headway.store.database import Database, Transaction

#: Of a browser.
COOKIE = "headway_session"
IDLE = timedelta(days=14)
LONGEST = timedelta(days=90)
#: How often it is written down that a session is used.
_NOTED_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SignedIn:
    #: For the cookie; it is nowhere else.
    value: str
    person: Person
    session: Session

    @property
    def ends_at(self) -> datetime:
        """When it ends whatever happens: the cookie's own age."""
        return self.session.created_at + LONGEST


@dataclass(frozen=True, slots=True)
class Sessions:
    database: Database
    clock: Clock
    org: Callable[[], Org]
    known: Acquaintances

    async def actor_of(self, value: str, *, address: str = "") -> Actor | None:
        """Who shows this cookie; None: nobody who is signed in."""
        hash = digest(value)
        found = self.known.find(hash)
        if found is None:
            found = await self._look(hash)
        if found is None:
            return None
        return actor_of(found.person, self.org(), by=found.by, address=address, scopes=found.scopes)

    async def _look(self, hash: str) -> Known | None:
        now, generation = self.clock.now(), self.known.generation

        def read(tx: Transaction) -> tuple[Session, Person] | None:
            session = sessions.session_by_hash(tx, hash, now)
            person = None if session is None else people.person_by_handle(tx, session.person)
            if session is None or person is None or person.disabled_at is not None:
                return None
            return session, person

        loaded = await self.database.fetch(read)
        if loaded is None:
            return None
        session, person = loaded
        if now - session.seen_at >= _NOTED_EVERY:
            until = min(now + IDLE, session.created_at + LONGEST)
            await self.database.perform(
                lambda tx: sessions.touch_session(tx, hash, seen_at=now, expires_at=until)
            )
        known = Known(person, "session", None)
        self.known.keep(hash, known, generation=generation)
        return known

    async def list(self, actor: Actor, person: str | None = None) -> Sequence[Session]:
        """Where somebody is signed in: oneself, or (for who manages people) another."""
        whose = self._whose(actor, person)
        now = self.clock.now()
        return await self.database.fetch(lambda tx: sessions.sessions_of(tx, whose, now))

    async def end(self, value: str, actor: Actor) -> None:
        """Sign out here."""
        now = self.clock.now()

        def work(tx: Transaction) -> None:
            if (person := sessions.end_session(tx, digest(value))) is not None:
                record(tx, actor, "session.end", person, None, None, now)

        await self.database.perform(work)
        self.known.forget()

    async def end_one(self, actor: Actor, id: str, *, person: str | None = None) -> bool:
        """By its id, as a list shows it; False when it is not there (any more)."""
        whose, now = self._whose(actor, person), self.clock.now()

        def work(tx: Transaction) -> bool:
            ended = sessions.end_session_by_id(tx, whose, id)
            if ended:
                record(tx, actor, "session.end", whose, {"session": id}, None, now)
            return ended

        ended = await self.database.perform(work)
        self.known.forget()
        return ended

    async def end_all(self, actor: Actor, person: str | None = None) -> int:
        """Sign out everywhere; how many sessions there were."""
        whose, now = self._whose(actor, person), self.clock.now()

        def work(tx: Transaction) -> int:
            ended = sessions.end_sessions_of(tx, whose)
            record(tx, actor, "session.end_all", whose, {"sessions": ended}, None, now)
            return ended

        ended = await self.database.perform(work)
        self.known.forget()
        return ended

    def _whose(self, actor: Actor, person: str | None) -> str:
        if person is not None and person != actor.name:
            require(actor, Action.PEOPLE_MANAGE, team=None)
            return person
        return actor.name


def begin_session(
    tx: Transaction, person: Person, *, address: str, user_agent: str, now: datetime, how: str
) -> SignedIn:
    """Within the transaction that let the person in. `how`: password or link."""
    value = new_value()
    session = Session(
        id=new_id("ses", now),
        person=person.name,
        created_at=now,
        seen_at=now,
        expires_at=now + IDLE,
        address=address[:100],
        user_agent=user_agent[:300],
    )
    sessions.add_session(tx, digest(value), session)
    actor = Actor(person.name, person.role, by="session", address=address)
    record(tx, actor, "session.begin", person.name, None, {"how": how, "session": session.id}, now)
    return SignedIn(value, replace(person), session)

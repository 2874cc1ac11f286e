"""People: their accounts, how they come in, and the first of them all.

PeopleError               2
├── SignInRefused         2    401: handle and password do not fit; which of the two is not told
├── LinkInvalid           2    401: a link that was used, has run out, or never was
├── UnknownPerson         2    404
├── HandleTaken           2    409
├── HandleInvalid         2    400
├── PersonDisabled        2    409
└── LastAdministrator     2    409: nobody could manage people any more

Beside them TooManyAttempts (429), PasswordWeak (400), and NotAllowed (403) of the modules that decide these.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.errors import WrongUse
from headway.domain.access import SignInLink, Token
from headway.domain.org import Org
from headway.domain.people import Actor, Person, Role, Scope
from headway.engine.access.credentials import digest, new_value
from headway.engine.access.passwords import Passwords, require_strong
from headway.engine.access.sessions import Sessions, SignedIn, begin_session
from headway.engine.access.sign_in_limits import FORGOTTEN_AFTER, Attempt, attempt_was_right, begin_attempt
from headway.engine.access.tokens import NewToken, Tokens
from headway.engine.actors import Acquaintances, role_of
from headway.engine.audit import HEADWAY, record
from headway.engine.permissions import Action, NotAllowed, require
from headway.store import people, sessions, sign_in_attempts
from headway.store.database import Database, Transaction

FIRST_LINK = timedelta(hours=24)
INVITATION = timedelta(days=3)
_HANDLE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: Names by which Headway itself acts.
_OURS = frozenset({"headway", "system"})


class PeopleError(WrongUse):
    http_status = 400


class SignInRefused(PeopleError):
    http_status = 401


class LinkInvalid(PeopleError):
    http_status = 401


class UnknownPerson(PeopleError):
    http_status = 404


class HandleTaken(PeopleError):
    http_status = 409


class HandleInvalid(PeopleError):
    pass


class PersonDisabled(PeopleError):
    http_status = 409


class LastAdministrator(PeopleError):
    http_status = 409


class People:
    """The accounts of one database. `sessions` and `tokens` are the ways in, known by their cookies and texts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        org: Callable[[], Org] = Org,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        """`org` is asked each time, so that a changed org.toml counts at once."""
        self._database = database
        self._clock = clock
        self._org = org
        self._passwords = passwords or Passwords()
        self._known = Acquaintances(clock)
        self.sessions = Sessions(database, clock, org, self._known)
        self.tokens = Tokens(database, clock, org, self._known)

    # Who is it?

    async def actor_of_session(self, value: str, address: str = "") -> Actor | None:
        return await self.sessions.actor_of(value, address=address)

    async def actor_of_token(self, text: str, address: str = "") -> Actor | None:
        return await self.tokens.actor_of(text, address=address)

    async def people(self) -> Sequence[Person]:
        return await self._database.fetch(people.all_people)

    async def person(self, handle: str) -> Person:
        """Raises UnknownPerson."""
        return await self._database.fetch(lambda tx: _found(tx, handle))

    def role_of(self, person: Person) -> Role:
        """Everywhere, with what org.toml adds."""
        return role_of(person, self._org())

    # Coming in and going

    async def ensure_first_link(self, now: datetime) -> str | None:
        """A link that makes the first administrator, when no administrator could come in; else None.

        Each call gives a new one and voids the one before, so what an old log shows is worth nothing.
        """
        text = new_value()

        def work(tx: Transaction) -> bool:
            administrators = self._administrators(tx)
            if any(
                person.has_password or sessions.sessions_of(tx, person.name, now) for person in administrators
            ):
                people.void_links(tx, None, now)
                return False
            who = administrators[0].name if administrators else None
            people.void_links(tx, who, now)
            people.add_link(tx, digest(text), SignInLink(who, now, HEADWAY.name, now + FIRST_LINK))
            return True

        return text if await self._database.perform(work) else None

    async def link(self, text: str) -> SignInLink | None:
        """Whom it lets in, before it is used; None: nobody (any more)."""
        now = self._clock.now()
        found = await self._database.fetch(lambda tx: people.find_link(tx, digest(text)))
        return found if found and found.used_at is None and now < found.expires_at else None

    async def sign_in_by_link(
        self,
        text: str,
        *,
        address: str,
        user_agent: str,
        handle: str = "admin",
        display_name: str = "",
        password: str | None = None,
    ) -> SignedIn:
        """Uses it up. `handle` and `display_name` count for the first administrator only, who has none yet.

        A password, where given, is set, and ends what other sessions there were. Raises LinkInvalid, HandleTaken,
        HandleInvalid, PasswordWeak; none of the last three uses the link up.
        """
        now = self._clock.now()
        link = await self.link(text)
        if link is None:
            raise _link_invalid()
        who = link.person or _sound_handle(handle)
        hash = None
        if password is not None:
            require_strong(password, handle=who)
            hash = await self._passwords.hash(password)

        def work(tx: Transaction) -> SignedIn:
            used = people.use_link(tx, digest(text), now)
            if used is None:
                raise _link_invalid()
            if used.person is None:
                self._make_first(tx, who, display_name, address, now)
            person = _found(tx, who)
            if person.disabled_at is not None:
                raise _link_invalid()
            if hash is not None:
                people.put_password_hash(tx, who, hash)
                sessions.end_sessions_of(tx, who)
                record(tx, _self(person, address), "person.set_password", who, None, None, now)
            person = replace(person, has_password=person.has_password or hash is not None)
            return begin_session(tx, person, address=address, user_agent=user_agent, now=now, how="link")

        signed_in = await self._database.perform(work)
        self._known.forget()
        return signed_in

    async def sign_in(self, handle: str, password: str, *, address: str, user_agent: str) -> SignedIn:
        """Raises SignInRefused and TooManyAttempts. Somebody who is not there takes as long as a wrong password."""
        handle = handle.strip().lower()[:200]
        attempt, hash = await self._begin_attempt(handle, address)
        if not await self._passwords.matches(hash, password) or hash is None:
            raise SignInRefused(
                "the handle and the password do not fit",
                hint="an administrator can give you a link that lets you in and sets a new password",
            )
        better = await self._passwords.hash(password) if self._passwords.is_old(hash) else None
        now = self._clock.now()

        def work(tx: Transaction) -> SignedIn:
            if people.password_hash_of(tx, handle) != hash:
                # Disabled, or given another password, since we looked.
                raise SignInRefused("the handle and the password do not fit")
            attempt_was_right(tx, attempt, now)
            if better is not None:
                people.put_password_hash(tx, handle, better)
            person = _found(tx, handle)
            return begin_session(tx, person, address=address, user_agent=user_agent, now=now, how="password")

        return await self._database.perform(work)

    async def sign_out(self, value: str, actor: Actor) -> None:
        await self.sessions.end(value, actor)

    async def sign_out_everywhere(self, actor: Actor, person: str | None = None) -> int:
        """Oneself, or another for who manages people; how many sessions there were."""
        return await self.sessions.end_all(actor, person)

    async def set_password(
        self, actor: Actor, password: str, *, current: str | None = None, session: str = ""
    ) -> None:
        """One's own, signed in. `current` must fit where there is one; all sessions but the one with the cookie
        `session` end. Raises PasswordWeak, SignInRefused, TooManyAttempts, NotAllowed.
        """
        if actor.scopes is not None:
            raise NotAllowed("a token cannot set a password", hint="sign in on the page")
        require_strong(password, handle=actor.name)
        attempt, hash = await self._begin_attempt(actor.name, actor.address)
        if hash is not None and not await self._passwords.matches(hash, current or ""):
            raise SignInRefused("the present password is another one")
        new, now = await self._passwords.hash(password), self._clock.now()

        def work(tx: Transaction) -> None:
            _found(tx, actor.name)
            attempt_was_right(tx, attempt, now)
            people.put_password_hash(tx, actor.name, new)
            sessions.end_sessions_of(tx, actor.name, but=digest(session) if session else "")
            record(tx, actor, "person.set_password", actor.name, None, None, now)

        await self._database.perform(work)
        self._known.forget()

    # Tokens, for those who know nothing but People

    async def create_token(
        self, actor: Actor, name: str, scopes: Collection[Scope], expires_at: datetime | None
    ) -> NewToken:
        return await self.tokens.create(actor, name, scopes, expires_at)

    async def revoke_token(self, actor: Actor, id: str) -> Token:
        return await self.tokens.revoke(actor, id)

    # Accounts, for who manages people

    async def add_person(
        self, actor: Actor, handle: str, *, display_name: str = "", email: str = "", role: Role = Role.VIEWER
    ) -> Person:
        """Without a way in: give a link by `invite`. Raises HandleTaken, HandleInvalid, NotAllowed."""
        require(actor, Action.PEOPLE_MANAGE, team=None)
        now = self._clock.now()
        person = Person(_sound_handle(handle), display_name[:200], email[:200], role, now)
        await self._database.perform(lambda tx: _add(tx, actor, person, now))
        return person

    async def invite(self, actor: Actor, handle: str) -> str:
        """What stands in a link that lets this person in once; links given before no longer do.

        Somebody who stands in org.toml gets an account by this. Raises UnknownPerson, PersonDisabled, NotAllowed.
        """
        require(actor, Action.PEOPLE_MANAGE, team=None)
        now, text = self._clock.now(), new_value()

        def work(tx: Transaction) -> None:
            person = people.person_by_handle(tx, handle)
            if person is None:
                person = self._from_org(handle, now)
                _add(tx, actor, person, now)
            if person.disabled_at is not None:
                raise PersonDisabled(f"{handle} is disabled", hint=f"headway people disable {handle} --undo")
            people.void_links(tx, handle, now)
            people.add_link(tx, digest(text), SignInLink(handle, now, actor.name, now + INVITATION))
            record(tx, actor, "person.invite", handle, None, {"expires_at": str(now + INVITATION)}, now)

        await self._database.perform(work)
        return text

    async def set_role(self, actor: Actor, handle: str, role: Role) -> Person:
        """Raises UnknownPerson, LastAdministrator, NotAllowed."""
        require(actor, Action.PEOPLE_MANAGE, team=None)
        now = self._clock.now()

        def work(tx: Transaction) -> Person:
            person = _found(tx, handle)
            if person.role is not role:
                people.put_role(tx, handle, role)
                record(tx, actor, "person.set_role", handle, {"role": person.role}, {"role": role}, now)
                self._require_administrator(tx, handle)
            return replace(person, role=role)

        person = await self._database.perform(work)
        self._known.forget()
        return person

    async def disable(self, actor: Actor, handle: str, *, undo: bool = False) -> Person:
        """No longer lets them in, by password, link, session or token; `undo` lets them in again.

        Raises UnknownPerson, LastAdministrator, NotAllowed.
        """
        require(actor, Action.PEOPLE_MANAGE, team=None)
        now = self._clock.now()

        def work(tx: Transaction) -> Person:
            person = _found(tx, handle)
            if undo != (person.disabled_at is not None):
                return person
            people.put_disabled(tx, handle, None if undo else now)
            if not undo:
                sessions.end_sessions_of(tx, handle)
                people.void_links(tx, handle, now)
                self._require_administrator(tx, handle)
            record(tx, actor, "person.enable" if undo else "person.disable", handle, None, None, now)
            return replace(person, disabled_at=None if undo else now)

        person = await self._database.perform(work)
        self._known.forget()
        return person

    async def sweep(self, now: datetime) -> int:
        """Forgets what lets nobody in any more; how many rows. For the janitor."""

        def work(tx: Transaction) -> int:
            return (
                sessions.forget_sessions(tx, now)
                + people.forget_links(tx, now - timedelta(days=7))
                + sign_in_attempts.forget_failures(tx, now - FORGOTTEN_AFTER)
            )

        return await self._database.perform(work)

    async def _begin_attempt(self, handle: str, address: str) -> tuple[Attempt, str | None]:
        now = self._clock.now()

        def work(tx: Transaction) -> tuple[Attempt, str | None]:
            attempt = begin_attempt(tx, handle=handle, address=address, now=now)
            return attempt, people.password_hash_of(tx, handle)

        return await self._database.perform(work)

    def _administrators(self, tx: Transaction) -> list[Person]:
        """Who are let in, the oldest first."""
        found = [
            person
            for person in people.all_people(tx)
            if person.disabled_at is None and self.role_of(person) is Role.ADMINISTRATOR
        ]
        return sorted(found, key=lambda person: person.created_at)

    def _require_administrator(self, tx: Transaction, changed: str) -> None:
        """Asked after the change; raising undoes it."""
        if not self._administrators(tx):
            raise LastAdministrator(
                f"{changed} is the last administrator", hint="make somebody else one before"
            )

    def _make_first(self, tx: Transaction, handle: str, name: str, address: str, now: datetime) -> None:
        if self._administrators(tx):
            raise _link_invalid()
        person = Person(handle, name[:200], "", Role.ADMINISTRATOR, now)
        _add(tx, _self(person, address), person, now)

    def _from_org(self, handle: str, now: datetime) -> Person:
        told = self._org().people.get(handle)
        if told is None:
            raise _unknown(handle)
        # What org.toml gives counts as long as it stands there; the account itself gives nothing more.
        return Person(_sound_handle(handle), told.name, told.email, Role.VIEWER, now)


def _add(tx: Transaction, actor: Actor, person: Person, now: datetime) -> None:
    if not people.add_person(tx, person):
        raise HandleTaken(f"there is a person '{person.name}' already", hint="headway people list")
    record(tx, actor, "person.add", person.name, None, {"role": person.role, "email": person.email}, now)


def _found(tx: Transaction, handle: str) -> Person:
    person = people.person_by_handle(tx, handle)
    if person is None:
        raise _unknown(handle)
    return person


def _sound_handle(handle: str) -> str:
    if not _HANDLE.fullmatch(handle) or handle in _OURS:
        raise HandleInvalid(
            f"'{handle[:80]}' cannot be a handle",
            hint="small letters, digits and . _ - up to 63, such as ana or ana.b; not 'headway'",
        )
    return handle


def _self(person: Person, address: str) -> Actor:
    """Who comes by a link acts for themselves."""
    return Actor(person.name, person.role, by="link", address=address)


def _unknown(handle: str) -> UnknownPerson:
    return UnknownPerson(f"there is no person '{handle[:80]}'", hint="headway people list shows them")


def _link_invalid() -> LinkInvalid:
    return LinkInvalid(
        "this link lets nobody in: it was used, has run out, or a newer one took its place",
        hint="ask an administrator for another (headway people invite HANDLE); the first one is printed when the server starts",
    )

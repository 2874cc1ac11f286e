"""Tokens of programs: made by a person for themselves, shown once, with scopes and an end.

TokenError              2
├── TokenRefused        2    a name, scope or end that cannot be
└── UnknownToken        2    no token of this id (that one may see)
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.access import Token
from headway.domain.org import Org
from headway.domain.people import Actor, Person, Scope
from headway.engine.access.credentials import SHOWN, digest, is_token, new_token
from headway.engine.actors import Acquaintances, Known, actor_of
from headway.engine.audit import record
from headway.engine.permissions import Action, NotAllowed, allows, require
from headway.store import people, tokens
from headway.store.database import Database, Transaction

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,63}")
#: In force at a time; a program that makes one at each start should say so before the list is endless.
_MOST = 100
_NOTED_EVERY = timedelta(minutes=1)


class TokenError(WrongUse):
    pass


class TokenRefused(TokenError):
    http_status = 400


class UnknownToken(TokenError):
    http_status = 404


@dataclass(frozen=True, slots=True)
class NewToken:
    #: Shown now and never again.
    text: str
    token: Token


@dataclass(frozen=True, slots=True)
class Tokens:
    database: Database
    clock: Clock
    org: Callable[[], Org]
    known: Acquaintances

    async def create(
        self, actor: Actor, name: str, scopes: Collection[Scope], expires_at: datetime | None
    ) -> NewToken:
        """For oneself. A token can make another only with scopes that it has. Raises TokenRefused, NotAllowed."""
        require(actor, Action.TOKEN_CREATE, team=None)
        now = self.clock.now()
        _require_sound(actor, name, scopes, expires_at, now)
        text = new_token()
        token = Token(
            id=new_id("tok", now),
            name=name,
            person=actor.name,
            scopes=frozenset(scopes),
            prefix=text[:SHOWN],
            created_at=now,
            expires_at=expires_at,
        )

        def work(tx: Transaction) -> None:
            person = people.person_by_handle(tx, actor.name)
            if person is None or person.disabled_at is not None:
                raise TokenRefused(
                    f"{actor.name} has no account here that a token could belong to",
                    hint="headway people list shows the accounts",
                )
            mine = [found for found in tokens.tokens_of(tx, actor.name) if found.is_in_force(now)]
            if any(found.name == name for found in mine):
                raise TokenRefused(
                    f"you have a token '{name}' already", hint="revoke that one, or take another name"
                )
            if len(mine) >= _MOST:
                raise TokenRefused(f"you have {_MOST} tokens in force", hint="revoke those nobody uses")
            tokens.add_token(tx, digest(text), token)
            record(tx, actor, "token.create", f"{actor.name} {name}", None, _shown(token), now)

        await self.database.perform(work)
        return NewToken(text, token)

    async def actor_of(self, text: str, *, address: str = "") -> Actor | None:
        """Whose token this is; None: nobody's, or one that is no longer in force."""
        if not is_token(text):
            return None
        hash = digest(text)
        found = self.known.find(hash)
        if found is None:
            found = await self._look(hash)
        if found is None:
            return None
        return actor_of(found.person, self.org(), by=found.by, address=address, scopes=found.scopes)

    async def _look(self, hash: str) -> Known | None:
        now, generation = self.clock.now(), self.known.generation

        def read(tx: Transaction) -> tuple[Token, Person] | None:
            token = tokens.token_by_hash(tx, hash)
            person = None if token is None else people.person_by_handle(tx, token.person)
            if token is None or person is None or person.disabled_at is not None:
                return None
            return (token, person) if token.is_in_force(now) else None

        loaded = await self.database.fetch(read)
        if loaded is None:
            return None
        token, person = loaded
        if token.last_used_at is None or now - token.last_used_at >= _NOTED_EVERY:
            await self.database.perform(lambda tx: tokens.touch_token(tx, token.id, now))
        known = Known(person, _by(token), token.scopes)
        self.known.keep(hash, known, generation=generation)
        return known

    async def list(self, actor: Actor, *, everybody: bool = False) -> Sequence[Token]:
        """One's own, or (for who manages people) all; newest first, those out of force included. Raises NotAllowed."""
        require(actor, Action.PEOPLE_MANAGE if everybody else Action.LOOK, team=None)
        whose = None if everybody else actor.name
        return await self.database.fetch(lambda tx: tokens.tokens_of(tx, whose))

    async def revoke(self, actor: Actor, id: str) -> Token:
        """One's own, or anybody's for who manages people. Twice does no harm.

        A token may end itself; others only with the scope that makes them. Raises UnknownToken, NotAllowed.
        """
        now = self.clock.now()

        def work(tx: Transaction) -> Token:
            found = tokens.token_by_id(tx, id)
            # Who may not see it learns nothing of it.
            may = found is not None and (
                found.person == actor.name or allows(actor, Action.PEOPLE_MANAGE, team=None)
            )
            if found is None or not may:
                raise UnknownToken(f"there is no token '{id}'", hint="headway token list shows them")
            if (found.person, _by(found)) != (actor.name, actor.by):
                require(actor, Action.TOKEN_CREATE, team=None)
            if tokens.put_revoked(tx, id, now):
                record(tx, actor, "token.revoke", f"{found.person} {found.name}", _shown(found), None, now)
            return found

        found = await self.database.perform(work)
        self.known.forget()
        return found


def _by(token: Token) -> str:
    """How `Actor.by` names whoever came with it."""
    return f"token {token.name}"


def _require_sound(
    actor: Actor, name: str, scopes: Collection[Scope], expires_at: datetime | None, now: datetime
) -> None:
    if not _NAME.fullmatch(name):
        raise TokenRefused(
            f"'{name[:80]}' cannot be the name of a token",
            hint="letters, digits, spaces and . _ @ / - up to 64, such as ci-upload",
        )
    if not scopes:
        raise TokenRefused(
            "a token without a scope is good for nothing", hint=f"scopes are {', '.join(Scope)}"
        )
    if expires_at is not None and expires_at <= now:
        raise TokenRefused("this token would have run out already", hint="give an end that lies ahead")
    if actor.scopes is not None and (beyond := sorted(frozenset(scopes) - actor.scopes)):
        raise NotAllowed(
            f"{actor.by} has not the scope '{beyond[0]}', so it cannot hand it on",
            hint="make the token on the page, where you are signed in",
            scope=Scope(beyond[0]),
        )


def _shown(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "prefix": token.prefix,
        "scopes": sorted(token.scopes),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
    }

"""The vault: secrets of teams, services, environments, repositories and webhooks, encrypted in the database.

AES-256-GCM with a random nonce; where a secret belongs and how it is called is authenticated with it, so a row that is
copied to another name does not open. A sealed text is `hw1.KEY-ID.BASE64`. Keys stand in `engine.secrets.keys`.

NotItsSecrets    2    a repository asks for the secrets of another one's service
and the errors of `engine.secrets.keys`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from headway.base.errors import WrongUse
from headway.base.secret import MINIMUM_LENGTH, Secret
from headway.domain.intake import Repository
from headway.domain.people import Actor
from headway.domain.secrets import (
    ScopeKind,
    SecretScope,
    StoredSecret,
    environment_scope,
    repository_scope,
    service_scope,
    team_scope,
)
from headway.engine.audit import record
from headway.engine.keeping.upgrade import copy_first
from headway.engine.secrets.keys import (
    Key,
    KeyMissing,
    KeySource,
    SecretDamaged,
    SecretNameInvalid,
    fitting,
    new_key,
    write_key_file,
)
from headway.engine.settings import Settings, StoredSecrets, WantedSecrets
from headway.store import secrets as rows
from headway.store.database import Database, Transaction, open_database
from headway.store.repositories import repository_of_service
from headway.store.requests import look_soon_for_secrets
from headway.store.secrets import SealedSecret

_FORM = "hw1"
_NONCE = 12
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LONGEST_VALUE = 64 * 1024
#: What jobs and deployments may be given; the rest is Headway's own.
FOR_JOBS = (ScopeKind.TEAM, ScopeKind.SERVICE, ScopeKind.ENVIRONMENT)
_OF_SERVICE = (ScopeKind.SERVICE, ScopeKind.ENVIRONMENT)


class NotItsSecrets(WrongUse):
    http_status = 403


class Vault:
    """Encrypts and decrypts. Safe to use from several threads."""

    def __init__(self, keys: Sequence[Key], *, again: Callable[[], Sequence[Key]] | None = None) -> None:
        """`again` reads the keys anew, when one is met that came later."""
        self._again = again
        self._take(keys)

    def _take(self, keys: Sequence[Key]) -> None:
        self._writer = keys[0] if keys else None
        self._keys: Mapping[str, Key] = {key.id: key for key in keys}

    @property
    def key_id(self) -> str:
        """Of the key that writes. Raises KeyMissing."""
        return self._current.id

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    @property
    def _current(self) -> Key:
        if self._writer is None:
            raise KeyMissing(
                "there is no key to encrypt secrets with",
                hint="headway up makes one in its data folder; or set HEADWAY_SECRET_KEY",
            )
        return self._writer

    def derive(self, purpose: str) -> bytes:
        """32 bytes that follow from the key, for another purpose: the proofs of forms, for example."""
        return hmac.new(self._current.secret, b"headway\0" + purpose.encode(), hashlib.sha256).digest()

    def encrypt(self, purpose: str, text: str) -> str:
        """`purpose` says what it is and for whom; only the same one decrypts it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._look_again(lambda: True)
        key, nonce = self._current, os.urandom(_NONCE)
        sealed = AESGCM(key.secret).encrypt(nonce, text.encode(), purpose.encode())
        return f"{_FORM}.{key.id}.{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, purpose: str, sealed: str, *, what: str = "a secret") -> str:
        """`what` names it in messages. Raises KeyMissing, KeyDoesNotFit, SecretDamaged."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        form, _, rest = sealed.partition(".")
        key_id, _, encoded = rest.partition(".")
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if form != _FORM or len(data) <= _NONCE:
            raise SecretDamaged(f"{what} is not stored as this Headway stores secrets", hint="set it anew")
        self._look_again(lambda: key_id not in self._keys)
        key = fitting(self._keys, key_id, what)
        try:
            return AESGCM(key.secret).decrypt(data[:_NONCE], data[_NONCE:], purpose.encode()).decode()
        except InvalidTag:
            # Not chained: nothing in it helps, and what was tried is nobody's business.
            raise SecretDamaged(
                f"{what} was changed in the database, or moved there from another name", hint="set it anew"
            ) from None

    def _look_again(self, is_needed: Callable[[], bool]) -> None:
        """Another process may have rotated the key."""
        if self._again is not None and is_needed():
            self._take(self._again())

    # In the database

    def put(  # noqa: PLR0917  (whose, which, what, by whom, when: each call reads like a sentence)
        self, tx: Transaction, scope: SecretScope, name: str, value: str, actor: Actor, now: datetime
    ) -> None:
        """Sets it, and writes down that it was. Raises SecretNameInvalid, KeyMissing."""
        require_sound(name, value)
        found = rows.find_secret(tx, scope, name)
        sealed = self.encrypt(_purpose(scope, name), value)
        stored = StoredSecret(scope, name, sealed.split(".")[1], now, actor.name)
        owner = (
            repository_of_service(tx, scope.owner.partition("/")[0]) if scope.kind in _OF_SERVICE else None
        )
        rows.put_secret(tx, SealedSecret(stored, sealed), repository=owner.id if owner else None)
        before = None if found is None else {"updated_by": found.stored.updated_by, "at": _at(found)}
        record(tx, actor, "secret.set", f"{scope} {name}", before, {"key": stored.key_id}, now)
        look_soon_for_secrets(tx, now)

    def remove(self, tx: Transaction, scope: SecretScope, name: str, actor: Actor, now: datetime) -> bool:
        """False when there was none."""
        found = rows.find_secret(tx, scope, name)
        if found is None or not rows.remove_secret(tx, scope, name):
            return False
        before = {"updated_by": found.stored.updated_by, "at": _at(found)}
        record(tx, actor, "secret.remove", f"{scope} {name}", before, None, now)
        return True

    def remove_all(self, tx: Transaction, scope: SecretScope, actor: Actor, now: datetime) -> int:
        """Of a repository or webhook that goes."""
        names = [found.stored.name for found in rows.secrets_of(tx, scope)]
        if names:
            rows.remove_secrets_of(tx, scope)
            record(tx, actor, "secret.remove", str(scope), {"names": names}, None, now)
        return len(names)

    def remove_bound(self, tx: Transaction, repository_id: str, actor: Actor, now: datetime) -> None:
        """Those of the services of a repository that goes: whose name the next one may take."""
        for secret in rows.bound_secrets(tx, repository_id):
            self.remove(tx, secret.stored.scope, secret.stored.name, actor, now)

    def get(
        self, tx: Transaction, scope: SecretScope, name: str, *, given_to: str | None = None
    ) -> str | None:
        """The value; None when there is none, or none that the repository `given_to` may have."""
        found = rows.find_secret(tx, scope, name, given_to=given_to)
        return None if found is None else self._open(found)

    def of_repository(self, tx: Transaction, repository_id: str) -> tuple[Secret, ...]:
        """What Headway has for a repository, to be masked in what git and the forge say."""
        found = rows.secrets_of(tx, repository_scope(repository_id))
        return tuple(Secret(secret.stored.name, self._open(secret)) for secret in found)

    def values(
        self, tx: Transaction, wanted: WantedSecrets, *, given_to: str | None = None
    ) -> dict[str, str]:
        """Those that are here; an environment's before the service's before the team's. `given_to`: the repository that
        declares the service; it gets none that are of one which declared it before."""
        scopes = [service_scope(wanted.service)]
        if wanted.environment is not None:
            scopes.insert(0, environment_scope(wanted.service, wanted.environment))
        if wanted.team is not None:
            scopes.append(team_scope(wanted.team))
        found: dict[str, str] = {}
        for scope in scopes:
            for name in wanted.names:
                if name not in found and (value := self.get(tx, scope, name, given_to=given_to)) is not None:
                    found[name] = value
        return found

    def rotate(self, database: Database, source: KeySource, actor: Actor, now: datetime) -> tuple[int, str]:
        """Re-encrypts everything with a new key; how many secrets, and the new key's id. May be cut short anywhere
        and called again.

        A key that the environment gives is not ours to change: then the first of several is taken as the new one.
        A file is written beside the present one first, and takes its name when the database is done. The key
        before stays in it for reading, for processes that still write with it; the next rotation drops what no
        secret needs.
        """
        if source.is_given:
            keys = source.read()
            _require_several(keys)
            return self._reseal(database, keys, actor, now), keys[0].id
        with source.rotation():
            present = source.read()
            needed = set(database.read(rows.key_ids))
            kept = [key for number, key in enumerate(present) if number == 0 or key.id in needed]
            keys = (new_key(), *kept)
            write_key_file(source.next_file, keys)
            count = self._reseal(database, keys, actor, now)
            os.replace(source.next_file, source.file)
        return count, keys[0].id

    def _reseal(self, database: Database, keys: Sequence[Key], actor: Actor, now: datetime) -> int:
        fresh = Vault(keys)

        def work(tx: Transaction) -> int:
            found = rows.all_secrets(tx)
            for secret in found:
                purpose = _purpose(secret.stored.scope, secret.stored.name)
                sealed = fresh.encrypt(purpose, fresh._open(secret))
                rows.reseal(tx, secret, ciphertext=sealed, key_id=fresh.key_id)
            record(tx, actor, "secret.rotate_key", fresh.key_id, None, {"secrets": len(found)}, now)
            return len(found)

        count = database.transact(work)
        self._take(keys)
        return count

    def _open(self, secret: SealedSecret) -> str:
        stored = secret.stored
        what = f"the secret {stored.name} of {stored.scope}"
        return self.decrypt(_purpose(stored.scope, stored.name), secret.ciphertext, what=what)


def open_vault(settings: Settings, *, create: bool = False) -> Vault:
    """The vault of this data folder; with `create` a key is made where there is none.

    Without a key it opens all the same, and says so when a secret is asked for. Raises KeyFileOpen, KeyInvalid, KeyMissing.
    """
    source = KeySource.of(settings)
    return Vault(source.create() if create else source.read(), again=source.read)


def stored_secrets(vault: Vault, database: Database) -> StoredSecrets:
    """What `Settings.stored_secrets` is on a server.

    Whose a service is, and of which team, is what its repository's default branch says, whatever another branch or
    another repository claims: else whoever may push somewhere would have the secrets of all.
    """

    def look(wanted: WantedSecrets) -> Mapping[str, str]:
        def read(tx: Transaction) -> dict[str, str]:
            owner = repository_of_service(tx, wanted.service)
            if wanted.repository is not None and (owner is None or owner.id != wanted.repository):
                raise _not_its_own(wanted.service, owner)
            return vault.values(
                tx,
                replace(wanted, team=owner.team if owner else None),
                given_to=owner.id if owner else "",
            )

        return database.read(read)

    return look


def _not_its_own(service: str, owner: Repository | None) -> NotItsSecrets:
    if owner is None:
        # What was stored for a service whose repository went is nobody's who takes the name on a branch.
        return NotItsSecrets(
            f"the default branch of its repository does not declare {service}: it is given no secrets of that name",
            hint="push a headway.toml that declares it to the default branch first",
        )
    return NotItsSecrets(
        f"{service} belongs to the repository {owner.name}: another one that calls itself so is given none of its "
        "secrets",
        hint="give the service in headway.toml a name of its own",
    )


def local_secrets(settings: Settings) -> StoredSecrets | None:
    """The same for a command in this data folder; None when there is no key. What is here is the caller's own."""
    if not KeySource.of(settings).exists():
        return None

    def look(wanted: WantedSecrets) -> Mapping[str, str]:
        def read(tx: Transaction) -> dict[str, str]:
            owner = repository_of_service(tx, wanted.service)
            return vault.values(
                tx,
                replace(wanted, team=owner.team if owner else wanted.team),
                given_to=owner.id if owner else None,
            )

        vault = open_vault(settings)
        with open_database(settings.database_url, before=copy_first(settings)) as database:
            return database.read(read)

    return look


def require_sound(name: str, value: str) -> None:
    """Raises SecretNameInvalid, which never shows the value."""
    if not _NAME.fullmatch(name):
        raise SecretNameInvalid(
            f"'{name[:80]}' cannot be the name of a secret",
            hint="letters, digits and _, as of an environment variable: DATABASE_URL",
        )
    if len(value) < MINIMUM_LENGTH:
        raise SecretNameInvalid(
            f"the secret {name} has fewer than {MINIMUM_LENGTH} characters, too few to mask it in logs",
            hint="give it a longer value, or make it a plain variable in env",
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise SecretNameInvalid(f"the secret {name} is no text", hint="encode it as base64")
    if len(value.encode()) > LONGEST_VALUE:
        raise SecretNameInvalid(
            f"the secret {name} is larger than 64 KiB", hint="put the file elsewhere, and its key here"
        )
    if "\0" in value:
        raise SecretNameInvalid(
            f"the secret {name} holds a NUL byte, which no environment variable can",
            hint="encode it as base64",
        )


def _require_several(keys: Sequence[Key]) -> None:
    if len(keys) < 2:
        raise WrongUse(
            "the key comes from HEADWAY_SECRET_KEY, which Headway cannot change",
            hint="put a new key before it (HEADWAY_SECRET_KEY=NEW,OLD), rotate, then take the old one away",
        )


def _purpose(scope: SecretScope, name: str) -> str:
    """JSON, so that no two places are one text."""
    return json.dumps(["secret", scope.kind, scope.owner, name])


def _at(secret: SealedSecret) -> str:
    return secret.stored.updated_at.isoformat(timespec="seconds")

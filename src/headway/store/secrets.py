"""Secrets as the database has them: encrypted. `engine.secrets.vault` has the keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.secrets import ScopeKind, SecretScope, StoredSecret
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class SealedSecret:
    stored: StoredSecret
    ciphertext: str


def put_secret(tx: Transaction, secret: SealedSecret, *, repository: str | None = None) -> None:
    """`repository`: the one that declares the service that it is of; None: not declared yet, or of no service."""
    stored = secret.stored
    tx.execute(
        """
        INSERT INTO secrets (scope, owner, name, ciphertext, key_id, updated_at, updated_by, repository)
        VALUES (:scope, :owner, :name, :ciphertext, :key_id, :updated_at, :updated_by, :repository)
        ON CONFLICT (scope, owner, name) DO UPDATE SET ciphertext = :ciphertext, key_id = :key_id,
            updated_at = :updated_at, updated_by = :updated_by, repository = :repository
        """,
        scope=stored.scope.kind,
        owner=stored.scope.owner,
        name=stored.name,
        ciphertext=secret.ciphertext,
        key_id=stored.key_id,
        updated_at=to_milliseconds(stored.updated_at),
        updated_by=stored.updated_by,
        repository=repository,
    )


def find_secret(
    tx: Transaction, scope: SecretScope, name: str, *, given_to: str | None = None
) -> SealedSecret | None:
    """`given_to`: only if this repository may have it, and no other one had the service before."""
    row = tx.one(
        "SELECT * FROM secrets WHERE scope = :scope AND owner = :owner AND name = :name",
        scope=scope.kind,
        owner=scope.owner,
        name=name,
    )
    if row is None or (given_to is not None and row["repository"] not in (None, given_to)):
        return None
    return _sealed(row)


def bind_secrets(tx: Transaction, service: str, repository: str) -> None:
    """It declares the service now: what was set for it before anybody did is its own."""
    tx.execute(
        """
        UPDATE secrets SET repository = :repository WHERE repository IS NULL
            AND (scope = 'service' AND owner = :service
                OR scope = 'environment' AND SUBSTR(owner, 1, LENGTH(:prefix)) = :prefix)
        """,
        repository=repository,
        service=service,
        prefix=f"{service}/",
    )


def bound_secrets(tx: Transaction, repository: str) -> list[SealedSecret]:
    """Those of the services that it declares or declared."""
    rows = tx.all(
        "SELECT * FROM secrets WHERE repository = :repository ORDER BY scope, owner, name",
        repository=repository,
    )
    return [_sealed(row) for row in rows]


def secrets_of(tx: Transaction, scope: SecretScope) -> list[SealedSecret]:
    """All of one scope, by name."""
    rows = tx.all(
        "SELECT * FROM secrets WHERE scope = :scope AND owner = :owner ORDER BY name",
        scope=scope.kind,
        owner=scope.owner,
    )
    return [_sealed(row) for row in rows]


def all_secrets(tx: Transaction, *, kinds: Sequence[ScopeKind] = tuple(ScopeKind)) -> list[SealedSecret]:
    wanted = frozenset(kinds)
    rows = tx.all("SELECT * FROM secrets ORDER BY scope, owner, name")
    return [found for found in map(_sealed, rows) if found.stored.scope.kind in wanted]


def remove_secret(tx: Transaction, scope: SecretScope, name: str) -> bool:
    return bool(
        tx.execute(
            "DELETE FROM secrets WHERE scope = :scope AND owner = :owner AND name = :name",
            scope=scope.kind,
            owner=scope.owner,
            name=name,
        )
    )


def remove_secrets_of(tx: Transaction, scope: SecretScope) -> int:
    return tx.execute(
        "DELETE FROM secrets WHERE scope = :scope AND owner = :owner", scope=scope.kind, owner=scope.owner
    )


def reseal(tx: Transaction, secret: SealedSecret, *, ciphertext: str, key_id: str) -> None:
    """The same value under another key: nobody changed it, so who did and when stays."""
    tx.execute(
        """
        UPDATE secrets SET ciphertext = :ciphertext, key_id = :key_id
        WHERE scope = :scope AND owner = :owner AND name = :name
        """,
        scope=secret.stored.scope.kind,
        owner=secret.stored.scope.owner,
        name=secret.stored.name,
        ciphertext=ciphertext,
        key_id=key_id,
    )


def key_ids(tx: Transaction) -> list[str]:
    """Of all keys that are needed to read what is here."""
    rows = tx.all("SELECT DISTINCT key_id FROM secrets ORDER BY key_id")
    return [str(row["key_id"]) for row in rows]


def _sealed(row: Row) -> SealedSecret:
    return SealedSecret(
        StoredSecret(
            scope=SecretScope(ScopeKind(row["scope"]), row["owner"]),
            name=row["name"],
            key_id=row["key_id"],
            updated_at=from_milliseconds(row["updated_at"]),
            updated_by=row["updated_by"],
        ),
        row["ciphertext"],
    )

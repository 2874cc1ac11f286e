"""Secrets as rows, on both databases."""

from dataclasses import replace

from headway.domain.secrets import (
    ScopeKind,
    StoredSecret,
    environment_scope,
    repository_scope,
    service_scope,
    team_scope,
)
from headway.store import secrets as rows
from headway.store.database import Database
from headway.store.secrets import SealedSecret
from tests.support.clocks import NOON

SHOP = SealedSecret(StoredSecret(service_scope("shop"), "A", "k1", NOON, "ana"), "sealed")


def test_a_secret_is_set_found_and_removed(database: Database) -> None:
    later = replace(SHOP, stored=replace(SHOP.stored, updated_by="bo"), ciphertext="other")
    for secret in (SHOP, later):
        database.transact(lambda tx, secret=secret: rows.put_secret(tx, secret))
    assert database.read(lambda tx: rows.find_secret(tx, service_scope("shop"), "A")) == later
    assert database.read(lambda tx: rows.find_secret(tx, team_scope("shop"), "A")) is None
    assert database.transact(lambda tx: rows.remove_secret(tx, service_scope("shop"), "A"))
    assert not database.transact(lambda tx: rows.remove_secret(tx, service_scope("shop"), "A"))


def test_scopes_and_keys_of_all_that_is_there(database: Database) -> None:
    scopes = [environment_scope("shop", "production"), repository_scope("repo-1"), team_scope("storefront")]
    for number, scope in enumerate(scopes):
        stored = replace(SHOP.stored, scope=scope, key_id=f"k{number % 2}")
        database.transact(lambda tx, stored=stored: rows.put_secret(tx, SealedSecret(stored, "x")))
    found = database.read(rows.all_secrets)
    assert [secret.stored.scope for secret in found] == scopes
    assert [str(scope) for scope in scopes] == ["shop/production", "repository repo-1", "team storefront"]
    of_teams = database.read(lambda tx: rows.all_secrets(tx, kinds=[ScopeKind.TEAM]))
    assert [secret.stored.scope for secret in of_teams] == [team_scope("storefront")]
    assert database.read(rows.key_ids) == ["k0", "k1"]
    assert database.read(lambda tx: rows.secrets_of(tx, repository_scope("repo-1"))) == [found[1]]
    assert database.transact(lambda tx: rows.remove_secrets_of(tx, repository_scope("repo-1"))) == 1


def test_another_key_changes_nothing_else(database: Database) -> None:
    database.transact(lambda tx: rows.put_secret(tx, SHOP))
    database.transact(lambda tx: rows.reseal(tx, SHOP, ciphertext="new", key_id="k2"))
    found = database.read(lambda tx: rows.find_secret(tx, service_scope("shop"), "A"))
    assert found == SealedSecret(replace(SHOP.stored, key_id="k2"), "new")

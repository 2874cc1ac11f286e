"""A key that is lost is told, and nothing is forgotten that somebody did not say so of."""

import logging
from pathlib import Path

import pytest

from headway.domain.people import Actor, Role
from headway.domain.secrets import service_scope, team_scope
from headway.engine.audit import list_entries
from headway.engine.secrets.keys import FILE, KeySource
from headway.engine.secrets.lost_keys import KeyLost, forget_lost, open_fitting_vault
from headway.engine.settings import Settings
from headway.store.database import Database
from tests.support.clocks import NOON
from tests.support.settings import settings_in

ACTOR = Actor("ana", Role.ADMINISTRATOR, by="command")


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    settings = settings_in(tmp_path)
    settings.data.mkdir()
    return settings


def put(database: Database, here: Settings, name: str) -> None:
    vault = open_fitting_vault(here, database)
    database.transact(lambda tx: vault.put(tx, service_scope("shop"), name, "hunter2", ACTOR, NOON))


def test_no_new_key_is_made_over_secrets_whose_key_is_lost(database: Database, here: Settings) -> None:
    put(database, here, "A")
    put(database, here, "B")
    (key,) = KeySource.of(here).read()
    (here.data / FILE).unlink()
    for _ in range(2):
        with pytest.raises(KeyLost) as told:
            open_fitting_vault(here, database)
        assert not (here.data / FILE).exists()
    assert (
        f"2 secrets in the database (A of service shop, B of service shop) are sealed with the key {key.id}"
        in (told.value.message)
    )
    assert "headway up --new-key" in told.value.hint and FILE in told.value.hint


def test_another_key_is_no_key_either(database: Database, here: Settings) -> None:
    put(database, here, "A")
    (here.data / FILE).unlink()
    KeySource.of(here).create()
    with pytest.raises(KeyLost, match="1 secret in the database"):
        open_fitting_vault(here, database)


def test_what_is_lost_for_good_is_forgotten_by_name_and_nothing_else(
    database: Database, here: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    put(database, here, "A")
    (here.data / FILE).unlink()
    kept = KeySource.of(here)
    kept.create()
    from headway.engine.secrets.vault import open_vault

    vault = open_vault(here)
    database.transact(lambda tx: vault.put(tx, team_scope("web"), "B", "hunter3", ACTOR, NOON))
    with caplog.at_level(logging.WARNING):
        forget_lost(database, here, ACTOR, NOON)
    assert "A of service shop; set it anew" in caplog.text
    again = open_fitting_vault(here, database)
    assert database.read(lambda tx: again.get(tx, team_scope("web"), "B")) == "hunter3"
    assert database.read(lambda tx: again.get(tx, service_scope("shop"), "A")) is None
    [entry] = [entry for entry in database.read(list_entries).entries if entry.action == "secret.forget"]
    assert entry.subject == "service shop A"
    forget_lost(database, here, ACTOR, NOON)
    put(database, here, "A")

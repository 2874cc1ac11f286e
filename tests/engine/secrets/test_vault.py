"""The vault: what was sealed opens with its key under its name, and in no other way; keys can be changed at any moment."""

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.base.errors import Held, WrongUse
from headway.domain.intake import ForgeKind, Repository
from headway.domain.people import Actor, Role
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.domain.secrets import environment_scope, repository_scope, service_scope, team_scope
from headway.domain.states import State
from headway.engine.audit import list_entries
from headway.engine.secrets import keys as key_files
from headway.engine.secrets.by_name import SecretsMissing, load_secrets, secrets_for_run
from headway.engine.secrets.keys import (
    Key,
    KeyDoesNotFit,
    KeyFileOpen,
    KeyInvalid,
    KeyMissing,
    KeySource,
    SecretDamaged,
    SecretNameInvalid,
    new_key,
    read_key_file,
)
from headway.engine.secrets.vault import NotItsSecrets, Vault, open_vault, stored_secrets
from headway.engine.settings import Settings, WantedSecrets
from headway.store import repositories, secrets
from headway.store.database import Database, Transaction, open_database
from tests.support.clocks import NOON
from tests.support.settings import settings_in

ANA = Actor("ana", Role.ADMINISTRATOR, address="192.0.2.1")
KEY, OTHER = Key.of(b"k" * 32), Key.of(b"o" * 32)
SHOP = service_scope("shop")
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def vault() -> Vault:
    return Vault([KEY])


def put(database: Database, vault: Vault, scope: Any, name: str, value: str) -> None:
    database.transact(lambda tx: vault.put(tx, scope, name, value, ANA, NOON))


# Sealing


@given(texts, texts)
def test_what_was_sealed_opens_under_its_name(purpose: str, text: str) -> None:
    sealed = Vault([KEY]).encrypt(purpose, text)
    assert Vault([OTHER, KEY]).decrypt(purpose, sealed) == text
    assert sealed.startswith(f"hw1.{KEY.id}.")


@given(texts, texts, st.data())
def test_whatever_was_changed_does_not_open(purpose: str, text: str, data: st.DataObject) -> None:
    vault = Vault([KEY])
    form, key_id, encoded = vault.encrypt(purpose, text).split(".")
    sealed = bytearray(base64.b64decode(encoded))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SecretDamaged):
        vault.decrypt(purpose, f"{form}.{key_id}.{base64.b64encode(sealed).decode()}")


@given(texts, texts, texts)
def test_it_opens_under_no_other_name(purpose: str, other: str, text: str) -> None:
    if purpose != other:
        with pytest.raises(SecretDamaged):
            Vault([KEY]).decrypt(other, Vault([KEY]).encrypt(purpose, text))


@given(texts)
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises((SecretDamaged, KeyDoesNotFit)):
        Vault([KEY]).decrypt("p", text)


def test_no_two_are_alike(vault: Vault) -> None:
    assert len({vault.encrypt("p", "same") for _ in range(100)}) == 100


def test_a_key_that_does_not_fit_is_named(vault: Vault) -> None:
    sealed = vault.encrypt("p", "hunter2")
    with pytest.raises(KeyDoesNotFit) as refused:
        Vault([OTHER]).decrypt("p", sealed, what="the secret A of shop")
    assert refused.value.message == (
        f"the secret A of shop was encrypted with the key {KEY.id}; here is {OTHER.id}"
    )
    with pytest.raises(KeyMissing, match=f"with the key {KEY.id}, and there is no key here"):
        Vault([]).decrypt("p", sealed)
    with pytest.raises(KeyMissing):
        Vault([]).encrypt("p", "hunter2")


def test_a_key_is_never_shown(vault: Vault) -> None:
    assert "kkk" not in repr(KEY) and KEY.text not in repr(KEY)
    assert vault.derive("csrf") != vault.derive("other") != Vault([OTHER]).derive("other")
    assert KEY.secret not in vault.derive("csrf")


# In the database


def test_a_secret_is_set_and_read_and_nothing_of_it_stands_in_a_row(database: Database, vault: Vault) -> None:
    put(database, vault, SHOP, "A", "hunter2hunter2")
    put(database, vault, SHOP, "A", "hunter3hunter3")
    assert database.read(lambda tx: vault.get(tx, SHOP, "A")) == "hunter3hunter3"
    assert database.read(lambda tx: vault.get(tx, SHOP, "B")) is None
    rows = database.read(lambda tx: [*tx.all("SELECT * FROM secrets"), *tx.all("SELECT * FROM audit")])
    assert "hunter" not in str(rows)
    assert database.transact(lambda tx: vault.remove(tx, SHOP, "A", ANA, NOON))
    assert not database.transact(lambda tx: vault.remove(tx, SHOP, "A", ANA, NOON))
    done = database.read(list_entries).entries
    assert [entry.action for entry in done] == ["secret.remove", "secret.set", "secret.set"]
    assert (done[2].subject, done[2].before, done[2].address) == ("service shop A", "", "192.0.2.1")
    assert '"updated_by": "ana"' in done[1].before


def test_a_row_that_is_copied_to_another_place_does_not_open(database: Database, vault: Vault) -> None:
    put(database, vault, environment_scope("shop", "production"), "A", "hunter2")
    copy = "INSERT INTO secrets SELECT 'service', 'mine', name, ciphertext, key_id, updated_at, updated_by, repository FROM secrets"
    database.transact(lambda tx: tx.execute(copy))
    with pytest.raises(SecretDamaged, match="the secret A of service mine was changed"):
        database.read(lambda tx: vault.get(tx, service_scope("mine"), "A"))


def test_the_nearest_scope_wins(database: Database, vault: Vault) -> None:
    put(database, vault, team_scope("storefront"), "A", "of the team")
    put(database, vault, team_scope("storefront"), "B", "of the team")
    put(database, vault, SHOP, "A", "of the service")
    put(database, vault, SHOP, "C", "of the service")
    put(database, vault, environment_scope("shop", "production"), "A", "of production")

    def values(environment: str | None, team: str | None) -> dict[str, str]:
        wanted = WantedSecrets(("A", "B", "C", "D"), "shop", environment, team)
        return database.read(lambda tx: vault.values(tx, wanted))

    assert values("production", "storefront") == {
        "A": "of production",
        "B": "of the team",
        "C": "of the service",
    }
    assert values("staging", "storefront")["A"] == "of the service"
    assert values(None, None) == {"A": "of the service", "C": "of the service"}


def test_what_git_says_can_be_masked(database: Database, vault: Vault) -> None:
    put(database, vault, repository_scope("repo-1"), "token", "ghp_123456")
    [token] = database.read(lambda tx: vault.of_repository(tx, "repo-1"))
    assert (token.name, token.reveal()) == ("token", "ghp_123456")
    assert database.transact(lambda tx: vault.remove_all(tx, repository_scope("repo-1"), ANA, NOON)) == 1
    assert database.read(lambda tx: vault.of_repository(tx, "repo-1")) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1A", "hunter2"),
        ("A-B", "hunter2"),
        ("", "hunter2"),
        ("A" * 129, "hunter2"),
        ("A", "abc"),
        ("A", "x" * 65537),
        ("A", "hunter2\0"),
        ("A", "hunter2\ud800"),
    ],
)
def test_what_no_process_could_be_given_is_refused(
    database: Database, vault: Vault, name: str, value: str
) -> None:
    with pytest.raises(SecretNameInvalid) as refused:
        put(database, vault, SHOP, name, value)
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"
    assert database.read(secrets.all_secrets) == []


# Keys


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def test_a_key_is_made_once_and_for_its_owner_only(here: Settings) -> None:
    assert open_vault(here).key_ids == ()
    assert not here.data.exists(), "looking makes nothing"
    made = open_vault(here, create=True)
    file = here.data / "secret.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_vault(here, create=True).key_ids == open_vault(here).key_ids == made.key_ids
    assert sorted(path.name for path in here.data.iterdir()) == ["secret.key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_could_read_is_refused(here: Settings, mode: int) -> None:
    open_vault(here, create=True)
    (here.data / "secret.key").chmod(mode)
    with pytest.raises(KeyFileOpen, match="can be read by others") as refused:
        open_vault(here)
    assert refused.value.hint == f"chmod 600 {here.data}/secret.key"


@pytest.mark.parametrize("text", ["short", KEY.text[:-2], "=" * 44, f"{KEY.text}\nno key"])
def test_what_is_no_key_is_told_without_showing_it(here: Settings, tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.key"
    file.write_text(text)
    file.chmod(0o600)
    by_file = replace(here, environment={"HEADWAY_SECRET_KEY_FILE": str(file)})
    by_text = replace(here, environment={"HEADWAY_SECRET_KEY": text.replace("\n", ",")})
    for settings in (by_file, by_text):
        with pytest.raises(KeyInvalid, match="is not 32 bytes as base64") as refused:
            open_vault(settings)
        assert text[:6] not in refused.value.message


def test_the_environment_gives_a_key(here: Settings, tmp_path: Path) -> None:
    by_text = replace(here, environment={"HEADWAY_SECRET_KEY": f"{KEY.text},{OTHER.text}"})
    assert open_vault(by_text, create=True).key_ids == (KEY.id, OTHER.id)
    file = tmp_path / "a.key"
    by_file = replace(here, environment={"HEADWAY_SECRET_KEY_FILE": str(file)})
    with pytest.raises(KeyMissing, match="which holds no key"):
        open_vault(by_file, create=True)
    key_files.write_key_file(file, [OTHER])
    assert open_vault(by_file).key_ids == (OTHER.id,)
    assert not here.data.exists()


# Changing the key


@pytest.fixture
def kept(database: Database, here: Settings) -> Iterator[Vault]:
    """A vault with a key in its file, and one secret."""
    vault = open_vault(here, create=True)
    put(database, vault, SHOP, "A", "hunter2")
    yield vault
    assert database.read(lambda tx: open_vault(here).get(tx, SHOP, "A")) == "hunter2"


def rotate(database: Database, here: Settings) -> tuple[int, str]:
    return open_vault(here).rotate(database, KeySource.of(here), ANA, NOON + timedelta(days=1))


def test_the_key_is_changed_and_the_one_before_still_reads(
    database: Database, here: Settings, kept: Vault
) -> None:
    old = kept.key_id
    assert rotate(database, here) == (1, open_vault(here).key_id)
    first = open_vault(here).key_ids
    assert first[1:] == (old,)
    [row] = database.read(secrets.all_secrets)
    assert (row.stored.key_id, row.stored.updated_at) == (first[0], NOON), "nobody changed the secret"
    rotate(database, here)
    assert open_vault(here).key_ids[1:] == (first[0],), "what no secret needs is dropped"
    assert not (here.data / "secret.key.next").exists()


def test_a_process_that_runs_meanwhile_reads_and_writes_on(
    database: Database, here: Settings, kept: Vault
) -> None:
    rotate(database, here)
    assert database.read(lambda tx: kept.get(tx, SHOP, "A")) == "hunter2"
    put(database, kept, SHOP, "B", "hunter3")
    assert {row.stored.key_id for row in database.read(secrets.all_secrets)} == {open_vault(here).key_id}


class PowerCut(Exception):
    pass


@pytest.mark.parametrize("cut", ["before the database", "after the database"])
def test_a_change_that_was_cut_short_loses_nothing_and_can_be_repeated(
    database: Database, here: Settings, kept: Vault, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    def fails(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        if cut == "before the database":
            patch.setattr(Vault, "_reseal", fails)
        else:
            patch.setattr(os, "replace", fails)
        with pytest.raises(PowerCut):
            rotate(database, here)
    assert database.read(lambda tx: open_vault(here).get(tx, SHOP, "A")) == "hunter2"
    put(database, open_vault(here), SHOP, "B", "hunter3")
    assert rotate(database, here)[0] == 2
    assert database.read(lambda tx: open_vault(here).get(tx, SHOP, "B")) == "hunter3"
    assert not (here.data / "secret.key.next").exists()


def test_two_do_not_change_it_at_once(database: Database, here: Settings, kept: Vault) -> None:
    with KeySource.of(here).rotation():
        with pytest.raises(Held):
            rotate(database, here)


def test_a_key_of_the_environment_is_changed_by_naming_two(database: Database, here: Settings) -> None:
    old = replace(here, environment={"HEADWAY_SECRET_KEY": OTHER.text})
    both = replace(here, environment={"HEADWAY_SECRET_KEY": f"{KEY.text},{OTHER.text}"})
    put(database, open_vault(old), SHOP, "A", "hunter2")
    with pytest.raises(WrongUse, match="which Headway cannot change"):
        rotate(database, old)
    assert rotate(database, both) == (1, KEY.id)
    assert database.read(lambda tx: Vault([KEY]).get(tx, SHOP, "A")) == "hunter2"


def test_a_file_of_keys_may_hold_comments(tmp_path: Path) -> None:
    keys = [new_key(), new_key()]
    key_files.write_key_file(tmp_path / "k", keys)
    assert read_key_file(tmp_path / "k") == tuple(keys)
    assert read_key_file(tmp_path / "nowhere") == ()


# Who is given what


def serving(database: Database, here: Settings, vault: Vault) -> Settings:
    return replace(here, stored_secrets=stored_secrets(vault, database))


def run_of(trigger: Trigger | None) -> Run:
    return Run("run-1", 1, "shop", "/r", "c", "t", False, "main", State.QUEUED, "", NOON, trigger=trigger)


def know(database: Database, id: str, service: str, team: str | None, number: int) -> None:
    at = NOON + timedelta(minutes=number)
    repository = Repository(
        id, f"name-{id}", ForgeKind.GIT, "file:///r", service, "main", at, "ana", team=team
    )

    def work(tx: Transaction) -> None:
        repositories.add_repository(tx, repository)
        repositories.describe(tx, id, service=service, team=team, default_branch="main")

    database.transact(work)


def test_a_server_gives_what_is_stored_then_files_and_never_its_own_environment(
    database: Database, tmp_path: Path, vault: Vault
) -> None:
    settings = serving(
        database, settings_in(tmp_path, A="of the server", B="of the server", C="of the server"), vault
    )
    put(database, vault, SHOP, "A", "of the vault")
    file = settings.secrets / "shop.env"
    file.parent.mkdir(parents=True)
    file.write_text("A=of the file\nB=of the file\n")
    file.chmod(0o600)
    found = load_secrets(("A", "B"), "shop", None, settings)
    assert [secret.reveal() for secret in found] == ["of the vault", "of the file"]
    with pytest.raises(
        SecretsMissing, match="the jobs of shop need the secret C, which is not stored"
    ) as refused:
        load_secrets(("A", "C"), "shop", None, settings)
    assert "headway secret set C --service shop" in (refused.value.hint or "")


def test_a_command_opens_the_vault_of_its_data_folder(database_url: str, tmp_path: Path) -> None:
    here = settings_in(tmp_path, database_url, A="of the caller")
    assert load_secrets(("A",), "shop", None, here)[0].reveal() == "of the caller"
    vault = open_vault(here, create=True)
    with open_database(database_url) as database:
        put(database, vault, team_scope("storefront"), "A", "of the team")
    assert load_secrets(("A",), "shop", None, here)[0].reveal() == "of the caller"
    assert load_secrets(("A",), "shop", None, here, team="storefront")[0].reveal() == "of the team"


@pytest.mark.parametrize(
    ("trigger", "given_"),
    [
        (None, ["hunter2"]),
        (Trigger(TriggerEvent.PUSH, "k", "repo-1"), ["hunter2"]),
        (Trigger(TriggerEvent.PULL_REQUEST, "k", "repo-1", pull_request=7), ["hunter2"]),
        (Trigger(TriggerEvent.PULL_REQUEST, "k", "repo-1", fork=True, pull_request=7), []),
        (Trigger(TriggerEvent.PULL_REQUEST, "k", "repo-1", fork=True, approved_by="ana"), []),
        (Trigger(TriggerEvent.RERUN, "k", "repo-1", fork=True), []),
    ],
)
def test_the_run_of_a_stranger_is_given_nothing(
    database: Database, here: Settings, vault: Vault, trigger: Trigger | None, given_: list[str]
) -> None:
    know(database, "repo-1", "shop", None, 1)
    put(database, vault, SHOP, "A", "hunter2")
    found = secrets_for_run(run_of(trigger), ("A",), serving(database, here, vault))
    assert [secret.reveal() for secret in found] == given_


def test_another_repository_gets_nothing_by_taking_the_name(
    database: Database, here: Settings, vault: Vault
) -> None:
    know(database, "repo-1", "shop", None, 1)
    know(database, "repo-2", "shop", None, 2)
    put(database, vault, SHOP, "A", "hunter2")
    settings = serving(database, here, vault)
    assert secrets_for_run(run_of(Trigger(TriggerEvent.PUSH, "k", "repo-1")), ("A",), settings)
    with pytest.raises(NotItsSecrets, match="shop belongs to the repository name-repo-1"):
        secrets_for_run(run_of(Trigger(TriggerEvent.PUSH, "k", "repo-2")), ("A",), settings)


def test_what_is_left_of_a_service_is_not_whose_branch_takes_its_name(
    database: Database, here: Settings, vault: Vault
) -> None:
    know(database, "repo-1", "shop", None, 1)
    know(database, "repo-2", "cart", None, 2)
    put(database, vault, SHOP, "A", "hunter2")
    database.transact(lambda tx: repositories.remove_repository(tx, "repo-1", NOON))
    with pytest.raises(NotItsSecrets, match="the default branch of its repository does not declare shop"):
        secrets_for_run(
            run_of(Trigger(TriggerEvent.PUSH, "k", "repo-2")), ("A",), serving(database, here, vault)
        )


def test_the_next_repository_of_a_name_is_not_given_what_the_one_before_had(
    database: Database, here: Settings, vault: Vault
) -> None:
    put(database, vault, SHOP, "A", "hunter2")  # before anybody declared it
    put(database, vault, environment_scope("shop-two", "production"), "A", "of another")
    know(database, "repo-1", "shop", None, 1)
    database.transact(lambda tx: secrets.bind_secrets(tx, "shop", "repo-1"))
    put(database, vault, environment_scope("shop", "production"), "B", "hunter3")

    def given(repository: str) -> list[str]:
        look = stored_secrets(vault, database)
        found = look(WantedSecrets(("A", "B"), "shop", "production", repository=repository))
        return sorted(found.values())

    assert given("repo-1") == ["hunter2", "hunter3"]
    # It calls itself otherwise now, and another one takes the name.
    database.transact(
        lambda tx: repositories.describe(tx, "repo-1", service="store", team=None, default_branch=None)
    )
    know(database, "repo-2", "shop", None, 2)
    database.transact(lambda tx: secrets.bind_secrets(tx, "shop", "repo-2"))
    assert given("repo-2") == []
    put(database, vault, SHOP, "A", "hunter4")
    assert given("repo-2") == ["hunter4"]
    database.transact(lambda tx: vault.remove_bound(tx, "repo-2", ANA, NOON))
    assert given("repo-2") == []
    left = database.read(secrets.all_secrets)
    assert [(str(one.stored.scope), one.stored.name) for one in left] == [
        ("shop-two/production", "A"),
        ("shop/production", "B"),
    ]


def test_a_branch_gets_no_team_s_secrets_by_claiming_the_team(
    database: Database, here: Settings, vault: Vault
) -> None:
    know(database, "repo-1", "shop", "storefront", 1)
    put(database, vault, team_scope("storefront"), "A", "of storefront")
    put(database, vault, team_scope("billing"), "A", "of billing")
    [found] = load_secrets(("A",), "shop", None, serving(database, here, vault), team="billing")
    assert found.reveal() == "of storefront"

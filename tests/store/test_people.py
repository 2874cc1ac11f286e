"""People, links, sessions, tokens and failures of signing in, on both databases."""

from datetime import timedelta

import pytest

from headway.domain.access import Session, SignInLink, Token
from headway.domain.people import Person, Role, Scope
from headway.store import people, sessions, sign_in_attempts, tokens
from headway.store.database import Database
from headway.store.sign_in_attempts import Failures
from tests.support.clocks import NOON

ANA = Person("ana", "Ana", "ana@example.org", Role.DEVELOPER, NOON)
BO = Person("bo", "Bo \N{SNOWMAN}", "", Role.VIEWER, NOON)
DAY = timedelta(days=1)


@pytest.fixture
def stored(database: Database) -> Database:
    for person in (ANA, BO):
        assert database.transact(lambda tx, person=person: people.add_person(tx, person))
    return database


def test_a_person_is_there_once(stored: Database) -> None:
    assert not stored.transact(lambda tx: people.add_person(tx, ANA))
    assert stored.read(people.all_people) == [ANA, BO]
    assert stored.read(people.count_people) == 2
    assert stored.read(lambda tx: people.person_by_handle(tx, "cy")) is None


def test_what_becomes_of_a_person(stored: Database) -> None:
    def work(tx):  # type: ignore[no-untyped-def]
        people.put_role(tx, "ana", Role.OPERATOR)
        people.put_names(tx, "ana", display_name="A.", email="a@x")
        people.put_password_hash(tx, "ana", "$argon2id$")
        people.put_disabled(tx, "ana", NOON + DAY)
        return people.person_by_handle(tx, "ana")

    assert stored.transact(work) == Person("ana", "A.", "a@x", Role.OPERATOR, NOON, NOON + DAY, True)
    assert stored.read(lambda tx: people.password_hash_of(tx, "ana")) is None, "disabled"
    stored.transact(lambda tx: people.put_disabled(tx, "ana", None))
    assert stored.read(lambda tx: people.password_hash_of(tx, "ana")) == "$argon2id$"
    assert stored.read(lambda tx: people.password_hash_of(tx, "bo")) is None


def test_a_link_is_used_once_and_in_time(stored: Database) -> None:
    link = SignInLink("ana", NOON, "bo", NOON + DAY)
    stored.transact(lambda tx: people.add_link(tx, "h1", link))
    stored.transact(lambda tx: people.add_link(tx, "h2", link))
    assert stored.transact(lambda tx: people.use_link(tx, "h1", NOON)) is not None
    assert stored.transact(lambda tx: people.use_link(tx, "h1", NOON)) is None
    assert stored.transact(lambda tx: people.use_link(tx, "h2", NOON + DAY)) is None
    assert stored.transact(lambda tx: people.use_link(tx, "nowhere", NOON)) is None


@pytest.mark.parametrize(("voided", "left"), [("ana", {None, "bo"}), (None, {"ana", "bo"})])
def test_links_are_voided_of_one_person_or_of_the_first(
    stored: Database, voided: str | None, left: set[str | None]
) -> None:
    for person in ("ana", "bo", None):
        link = SignInLink(person, NOON, "headway", NOON + DAY)
        stored.transact(lambda tx, link=link: people.add_link(tx, f"of {link.person}", link))
    assert stored.transact(lambda tx: people.void_links(tx, voided, NOON)) == 1
    usable = {
        person
        for person in ("ana", "bo", None)
        if stored.transact(lambda tx, person=person: people.use_link(tx, f"of {person}", NOON))
    }
    assert usable == left
    assert stored.transact(lambda tx: people.forget_links(tx, NOON + 2 * DAY)) == 3


def test_sessions(stored: Database) -> None:
    session = Session("ses-1", "ana", NOON, NOON, NOON + DAY, "192.0.2.7", "Browser")
    other = Session("ses-2", "ana", NOON, NOON, NOON + DAY, "", "")
    stored.transact(lambda tx: sessions.add_session(tx, "h1", session))
    stored.transact(lambda tx: sessions.add_session(tx, "h2", other))
    assert stored.read(lambda tx: sessions.session_by_hash(tx, "h1", NOON)) == session
    assert stored.read(lambda tx: sessions.session_by_hash(tx, "h1", NOON + DAY)) is None
    stored.transact(
        lambda tx: sessions.touch_session(tx, "h1", seen_at=NOON + DAY, expires_at=NOON + 2 * DAY)
    )
    [left] = stored.read(lambda tx: sessions.sessions_of(tx, "ana", NOON + DAY))
    assert (left.id, left.seen_at) == ("ses-1", NOON + DAY)
    assert stored.transact(lambda tx: sessions.forget_sessions(tx, NOON + DAY)) == 1
    assert not stored.transact(lambda tx: sessions.end_session_by_id(tx, "bo", "ses-1")), "not hers"
    assert stored.transact(lambda tx: sessions.end_session(tx, "h1")) == "ana"
    assert stored.transact(lambda tx: sessions.end_session(tx, "h1")) is None


def test_all_sessions_but_one_end(stored: Database) -> None:
    for number in "123":
        session = Session(f"ses-{number}", "ana", NOON, NOON, NOON + DAY, "", "")
        stored.transact(lambda tx, session=session, number=number: sessions.add_session(tx, number, session))
    assert stored.transact(lambda tx: sessions.end_sessions_of(tx, "ana", but="2")) == 2
    [left] = stored.read(lambda tx: sessions.sessions_of(tx, "ana", NOON))
    assert left.id == "ses-2"


def test_tokens(stored: Database) -> None:
    token = Token("tok-1", "ci", "ana", frozenset({Scope.RUN, Scope.READ}), "hw_abcde", NOON, NOON + DAY)
    endless = Token("tok-2", "cd", "bo", frozenset({Scope.DEPLOY}), "hw_fghij", NOON + DAY)
    stored.transact(lambda tx: tokens.add_token(tx, "h1", token))
    stored.transact(lambda tx: tokens.add_token(tx, "h2", endless))
    assert stored.read(lambda tx: tokens.token_by_hash(tx, "h1")) == token
    assert stored.read(lambda tx: tokens.tokens_of(tx, None)) == [endless, token]
    assert stored.read(lambda tx: tokens.tokens_of(tx, "bo")) == [endless]
    stored.transact(lambda tx: tokens.touch_token(tx, "tok-1", NOON + DAY))
    assert stored.transact(lambda tx: tokens.put_revoked(tx, "tok-1", NOON + DAY))
    assert not stored.transact(lambda tx: tokens.put_revoked(tx, "tok-1", NOON + 2 * DAY))
    found = stored.read(lambda tx: tokens.token_by_id(tx, "tok-1"))
    assert found is not None
    assert (found.last_used_at, found.revoked_at) == (NOON + DAY, NOON + DAY)


def test_a_scope_that_is_not_known_here_allows_nothing(stored: Database) -> None:
    token = Token("tok-1", "ci", "ana", frozenset({Scope.RUN}), "hw_abcde", NOON)
    stored.transact(lambda tx: tokens.add_token(tx, "h1", token))
    stored.transact(lambda tx: tx.execute("""UPDATE tokens SET scopes = '["run", "fly"]'"""))
    found = stored.read(lambda tx: tokens.token_by_hash(tx, "h1"))
    assert found is not None and found.scopes == {Scope.RUN}


def test_failures_are_counted_apart(database: Database) -> None:
    failures = Failures(3, NOON, NOON + DAY)
    for kind in ("account", "address"):
        database.transact(lambda tx, kind=kind: sign_in_attempts.put_failures(tx, kind, "x", failures))
    more = Failures(4, NOON, NOON)
    database.transact(lambda tx: sign_in_attempts.put_failures(tx, "account", "x", more))
    assert database.read(lambda tx: sign_in_attempts.failures_of(tx, "account", "x")) == more
    assert database.read(lambda tx: sign_in_attempts.failures_of(tx, "address", "x")) == failures
    database.transact(lambda tx: sign_in_attempts.forget_failures_of(tx, "account", "x"))
    assert database.read(lambda tx: sign_in_attempts.failures_of(tx, "account", "x")) is None
    assert database.transact(lambda tx: sign_in_attempts.forget_failures(tx, NOON)) == 0
    assert database.transact(lambda tx: sign_in_attempts.forget_failures(tx, NOON + DAY)) == 1

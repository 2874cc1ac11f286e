"""The small parts that people come in by: the words of forms, passwords, texts of tokens, waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.engine.access import csrf
from headway.engine.access.credentials import SHOWN, digest, is_token, new_token, new_value
from headway.engine.access.passwords import LONGEST, Passwords, PasswordWeak, require_strong
from headway.engine.access.sign_in_limits import (
    ACCOUNT,
    ADDRESS,
    FORGOTTEN_AFTER,
    TooManyAttempts,
    attempt_was_right,
    begin_attempt,
)
from headway.store.database import Database
from tests.support.clocks import HandClock

KEY = b"k" * 32
CHEAP = Passwords(time_cost=1, memory_cost=64)


# Forms


@given(st.text(min_size=1), st.text())
def test_the_word_of_a_form_fits_its_session_only(session: str, other: str) -> None:
    word = csrf.csrf_token(KEY, session.encode("utf-8", "replace").decode())
    assert csrf.check(KEY, session.encode("utf-8", "replace").decode(), word)
    assert not csrf.check(b"x" * 32, "session", csrf.csrf_token(KEY, "session"))
    if other != word:
        assert not csrf.check(KEY, "session", other)


# Passwords


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("short", "has 5 characters, and needs 12"),
        ("a" * (LONGEST + 1), "at most 200"),
        ("aaaaaaaaaaaa", "first that are tried"),
        ("123456789012", "first that are tried"),
        ("Password1234", "first that are tried"),
        ("P@ssw0rd2024!", "first that are tried"),
        ("correct horse battery staple", "first that are tried"),
        ("ana-braganza-2026", "first that are tried"),
        ("QWERTYUIOP!!", "first that are tried"),
    ],
)
def test_weak_passwords_are_refused(password: str, complaint: str) -> None:
    with pytest.raises(PasswordWeak, match=complaint):
        require_strong(password, handle="ana.braganza")


@pytest.mark.parametrize("password", ["mole tango brisk lamp", "pörridge tüsk", "x7!kQ2#vM9@p"])
def test_others_are_good_enough(password: str) -> None:
    require_strong(password, handle="ana")


async def test_a_password_is_compared_however_it_is_composed() -> None:
    hash = await CHEAP.hash("a\u0308pfel und birnen")
    assert hash.startswith("$argon2id$")
    assert await CHEAP.matches(hash, "\u00e4pfel und birnen")
    assert not await CHEAP.matches(hash, "apfel und birnen")


async def test_nobody_and_nonsense_are_compared_like_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same work by construction: each way leads through one comparison with a hash of the same cost."""
    compared = []
    compare = Passwords._compare
    monkeypatch.setattr(
        Passwords, "_compare", lambda self, hash, given: compared.append(hash) or compare(self, hash, given)
    )
    hash = await CHEAP.hash("mole tango brisk lamp")
    for known, given_ in ((None, "anything"), (hash, "wrong"), (hash, "x" * 5000), ("", "anything")):
        assert not await CHEAP.matches(known, given_)
    assert len(compared) == 4
    assert {text.split("$")[3] for text in compared} == {"m=64,t=1,p=1"}
    assert not CHEAP.is_old(hash)
    assert Passwords(time_cost=2, memory_cost=64).is_old(hash)


# Texts


def test_a_token_can_be_told_from_other_texts() -> None:
    token = new_token()
    assert is_token(token)
    assert token.startswith("hw_") and len(token) == 49 and SHOWN == 8
    assert len({new_token() for _ in range(50)} | {new_value() for _ in range(50)}) == 100
    slips = [
        token[:-1],
        token + "a",
        token.upper(),
        token[:10] + "!" + token[11:],
        "hw_",
        "",
        "hw_ü" + token[4:],
    ]
    swapped = token[:20] + token[21] + token[20] + token[22:]
    assert not any(is_token(text) for text in [*slips, *([swapped] if swapped != token else [])])


@given(st.text())
def test_any_text_has_a_digest_and_is_no_token(text: str) -> None:
    assert len(digest(text)) == 64
    assert not is_token(text)


# Waits


def test_waits_grow_and_end() -> None:
    waits = [ACCOUNT.wait_after(failures) for failures in range(1, 40)]
    assert waits[:6] == [timedelta(seconds=s) for s in (0, 0, 0, 0, 5, 10)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=15)


def fail(database: Database, clock: HandClock, handle: str = "ana", address: str = "192.0.2.1") -> None:
    database.transact(lambda tx: begin_attempt(tx, handle=handle, address=address, now=clock.now()))


def test_an_account_has_to_wait_wherever_the_guesses_come_from(database: Database) -> None:
    clock = HandClock()
    for number in range(5):
        fail(database, clock, address=f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts, match="possible in 5s") as refused:
        fail(database, clock, handle=" ANA ", address="198.51.100.9")
    assert (refused.value.http_status, refused.value.retry_at) == (429, clock.now() + timedelta(seconds=5))
    fail(database, clock, handle="bo", address="198.51.100.9")
    clock.pass_(timedelta(seconds=5))
    fail(database, clock, address="198.51.100.9")
    with pytest.raises(TooManyAttempts, match="possible in 10s"):
        fail(database, clock)


def test_an_address_has_to_wait_whatever_the_account(database: Database) -> None:
    clock = HandClock()
    for number in range(ADDRESS.free):
        fail(database, clock, handle=f"guess-{number}", address=f"2001:db8::{number:x}")
    fail(database, clock, handle="last", address="2001:db8::ffff")
    with pytest.raises(TooManyAttempts):
        fail(database, clock, handle="another", address="2001:db8::1")
    fail(database, clock, handle="another", address="2001:db8:1::1")
    fail(database, clock, handle="another", address="")


def test_refused_tries_do_not_make_the_wait_longer(database: Database) -> None:
    clock = HandClock()
    for _ in range(5):
        fail(database, clock)
    for _ in range(50):
        with pytest.raises(TooManyAttempts):
            fail(database, clock)
    clock.pass_(timedelta(seconds=5))
    fail(database, clock)


def test_a_right_one_frees_the_account_but_not_the_address(database: Database) -> None:
    clock = HandClock()
    for number in range(ADDRESS.free):
        fail(database, clock, handle=f"guess-{number}")
    attempt = database.transact(
        lambda tx: begin_attempt(tx, handle="mine", address="192.0.2.1", now=clock.now())
    )
    database.transact(lambda tx: attempt_was_right(tx, attempt, clock.now()))
    fail(database, clock, handle="guess-x")
    with pytest.raises(TooManyAttempts):
        fail(database, clock, handle="guess-z")


def test_failures_are_forgotten_in_the_end(database: Database) -> None:
    clock = HandClock()
    for _ in range(5):
        fail(database, clock)
    clock.pass_(FORGOTTEN_AFTER)
    for _ in range(4):
        fail(database, clock)


def test_what_was_typed_as_a_handle_is_not_stored(database: Database) -> None:
    fail(database, HandClock(), handle="oops my password")
    rows = database.read(lambda tx: tx.all("SELECT * FROM sign_in_attempts"))
    assert len(rows) == 2
    assert "oops" not in str(rows)

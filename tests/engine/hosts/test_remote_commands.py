"""Masked lines and merged outcomes, without a host."""

from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.base.secret import Secret
from headway.domain.contract import (
    Amount,
    Contract,
    EnvironmentSpec,
    JobDefinition,
    ServiceSpec,
    Strategy,
    StrategyKind,
)
from headway.domain.states import State
from headway.engine.hosts.remote_commands import MaskedLines, Outcome, known_secrets, merged
from headway.engine.repositories.host_book import HostBook, book_of
from headway.engine.settings import Settings

SECRET = Secret("TOKEN", "hunter2-hunter2")


def lines_of(pieces: list[bytes], *secrets: Secret) -> list[bytes]:
    found: list[bytes] = []
    lines = MaskedLines(secrets, found.append)
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    return found


def test_lines_are_whole_however_they_come() -> None:
    assert lines_of([b"o", b"ne\ntw", b"o\n", b"\nend"]) == [b"one\n", b"two\n", b"\n", b"end"]
    assert lines_of([]) == []


def test_a_secret_cut_in_two_is_masked() -> None:
    assert lines_of([b"x hunter2-", b"hunter2 y\n"], SECRET) == [b"x [secret] y\n"]


def test_a_secret_of_several_lines_is_masked_whole_and_line_by_line() -> None:
    key = Secret("KEY", "-----BEGIN\nabcdefgh\n-----END")
    assert lines_of([b"-----BEGIN\nabcdefgh\n-----END\n"], key) == [b"[secret]\n"]
    assert lines_of([b"-----BEGIN\n abcde", b"fgh\n"], key) == [b"[secret]\n", b" [secret]\n"]


@settings(max_examples=30, deadline=None)
@given(st.integers(min_value=0, max_value=200_000), st.integers(min_value=500, max_value=50_000))
def test_a_line_without_an_end_is_masked_and_passed_on_in_pieces(place: int, size: int) -> None:
    data = b"x" * place + b"hunter2-hunter2" + b"y" * (200_000 - place)
    found = lines_of([data[start : start + size] for start in range(0, len(data), size)], SECRET)
    assert b"".join(found) == b"x" * place + b"[secret]" + b"y" * (200_000 - place)
    assert max(len(piece) for piece in found) < 150_000


def outcome(
    host: str, output: bytes = b"", exit_code: int | None = 0, state: State = State.SUCCEEDED
) -> Outcome:
    return Outcome(host, state, "", exit_code, None, output, 0, timedelta())


def test_equal_outcomes_stand_together_the_many_first() -> None:
    groups = merged(
        [
            outcome("a", b"1"),
            outcome("b", b"2"),
            outcome("c", b"2"),
            outcome("d", b"2", 1, State.FAILED),
            outcome("e", exit_code=None, state=State.ERRORED),
            outcome("f", exit_code=None, state=State.ERRORED),
        ]
    )
    assert [group.hosts for group in groups] == [("b", "c"), ("a",), ("d",), ("e",), ("f",)]


def test_secrets_are_those_of_one_environment_or_of_all(tmp_path: Path) -> None:
    here = Settings(tmp_path, "sqlite://", "x", {"PASSWORD": "swordfish", "JOB_TOKEN": "12345678"})
    strategy = Strategy(StrategyKind.ROLLING, Amount(1))
    production = EnvironmentSpec("production", ("web-1",), strategy, True, secrets=("PASSWORD", "NOWHERE"))
    contract = Contract(
        1,
        ServiceSpec("shop"),
        jobs={"test": JobDefinition("test", (), secrets=("JOB_TOKEN",))},
        environments={"production": production},
    )
    book = book_of(contract)
    assert [secret.name for secret in known_secrets(book, here)] == ["PASSWORD", "JOB_TOKEN"]
    assert [secret.name for secret in known_secrets(book, here, "production")] == ["PASSWORD"]
    assert known_secrets(book, here, "staging") == ()


def test_what_the_file_names_no_more_is_masked_as_long_as_it_is_stored(tmp_path: Path) -> None:
    """What runs was given it, by the file of then."""
    here = Settings(tmp_path, "sqlite://", "x", {"OLD": "swordfish", "SHORT": "abc"})
    here.secrets.mkdir()
    for name in ("shop", "shop.production", "shop.staging", "shop%2Etwo"):
        file = here.secrets / f"{name}.env"
        file.touch(0o600)
        file.write_text(f"A=of {name}\nSHORT=abc\n")
    book = HostBook("shop", {}, {}, ())

    def masked(environment: str | None, *stored: tuple[str | None, str]) -> set[str]:
        return {one.reveal() for one in known_secrets(book, here, environment, stored=stored)}

    assert masked("production") == {"of shop", "of shop.production"}
    assert masked(None) == {"of shop", "of shop.production", "of shop.staging"}
    assert "swordfish" in masked("production", ("production", "OLD"), ("production", "SHORT"))

"""Secrets: found where they may lie, refused where others could read them, never told."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.base.errors import WrongUse
from headway.engine.secrets.by_name import (
    SecretsFileInvalid,
    SecretsFileOpen,
    SecretsMissing,
    SecretTooShort,
    load_secrets,
    parse_secrets,
    read_secrets_file,
    secret_files,
)
from tests.support.settings import settings_in


def written(folder: Path, name: str, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "data/secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def loaded(
    folder: Path, *names: str, environment: str | None = "production", **variables: str
) -> dict[str, str]:
    found = load_secrets(names, "shop", environment, settings_in(folder, **variables))
    return {secret.name: secret.reveal() for secret in found}


def test_the_nearest_place_wins(tmp_path: Path) -> None:
    written(tmp_path, "shop.production.env", "A=of production\n")
    written(tmp_path, "shop.env", "A=of shop\nB=of shop\n")
    assert loaded(tmp_path, "B", "A", "C", A="of caller", B="of caller", C="of caller") == {
        "B": "of shop",
        "A": "of production",
        "C": "of caller",
    }


def test_jobs_have_no_environment(tmp_path: Path) -> None:
    written(tmp_path, "shop.production.env", "A=of production\n")
    written(tmp_path, "shop.env", "A=of shop\n")
    assert loaded(tmp_path, "A", environment=None) == {"A": "of shop"}


def test_a_name_with_a_dot_takes_no_other_services_file(tmp_path: Path) -> None:
    written(tmp_path, "alpha.production.env", "A=of alpha\n")
    settings = settings_in(tmp_path)
    [found] = load_secrets(("A",), "alpha", "production", settings)
    assert found.reveal() == "of alpha"
    with pytest.raises(SecretsMissing) as caught:
        load_secrets(("A",), "alpha.production", None, settings)
    file = written(tmp_path, "alpha%2Eproduction.env", "A=of the other\n")
    assert str(file) in (caught.value.hint or "")
    [found] = load_secrets(("A",), "alpha.production", None, settings)
    assert found.reveal() == "of the other"


names = st.from_regex(r"[a-z]([a-z.]{0,6}[a-z])?", fullmatch=True)


@given(st.tuples(names, st.none() | names), st.tuples(names, st.none() | names))
def test_no_file_is_read_for_two(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    """The first of each is its own; the second is the service's in all environments."""
    here = settings_in(Path("/nowhere"))
    assert (secret_files(*one, here)[0] == secret_files(*other, here)[0]) is (one == other)


def test_who_asks_for_nothing_needs_no_files(tmp_path: Path) -> None:
    written(tmp_path, "shop.env", "A=1234\n", mode=0o644)
    assert loaded(tmp_path) == {}


def test_all_missing_names_are_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, "shop.env", "B=here\nEMPTY=\n")
    with pytest.raises(SecretsMissing) as caught:
        loaded(tmp_path, "A", "B", "EMPTY", "C")
    assert caught.value.message == (
        "the environment production of shop needs the secrets A, EMPTY, C, and no file or variable has them"
    )
    assert f"{tmp_path}/data/secrets/shop.production.env" in (caught.value.hint or "")
    assert "export A=…" in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path, "shop.env", "A=s3cr3t\n", mode)
    with pytest.raises(SecretsFileOpen, match=rf"can be read by others \(mode {mode:04o}\)") as caught:
        loaded(tmp_path, "A")
    assert caught.value.hint == f"chmod 600 {file}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_read(tmp_path: Path, mode: int) -> None:
    written(tmp_path, "shop.env", "A=s3cr3t\n", mode)
    assert loaded(tmp_path, "A") == {"A": "s3cr3t"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "shop.env", "A=s3cr3t\n")
    os.chown(file, 12345, 12345)
    with pytest.raises(SecretsFileOpen, match="belongs to another user") as caught:
        loaded(tmp_path, "A")
    assert caught.value.hint == f"sudo chown 0 {file}"


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "data/secrets").mkdir(parents=True)
    os.mkfifo(tmp_path / "data/secrets/shop.env", 0o600)
    with pytest.raises(SecretsFileOpen, match="not a regular file"):
        loaded(tmp_path, "A")


@pytest.mark.parametrize("source", ["file", "caller"])
def test_what_is_too_short_to_mask_is_refused(tmp_path: Path, source: str) -> None:
    variables = {"A": "abc"} if source == "caller" else {}
    written(tmp_path, "shop.env", "A=abc\n" if source == "file" else "")
    with pytest.raises(SecretTooShort, match=r"the secret A in .* has fewer than 4 characters") as caught:
        loaded(tmp_path, "A", **variables)
    assert "abc" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=value", {"A": "value"}),
        ("# comment\n\n  export A = two words  \nB=2\n", {"A": "two words", "B": "2"}),
        ("A=p#ss'w\"ord$HOME\\n", {"A": "p#ss'w\"ord$HOME\\n"}),
        ("A='single \\n $x'", {"A": "single \\n $x"}),
        ('A="line\\nbreak \\"quoted\\" back\\\\slash"', {"A": 'line\nbreak "quoted" back\\slash'}),
        (
            'KEY="-----BEGIN-----\nabc\n-----END-----"\nB=after',
            {"KEY": "-----BEGIN-----\nabc\n-----END-----", "B": "after"},
        ),
        ("KEY='one\ntwo'  \n", {"KEY": "one\ntwo"}),
        ("A=\nB=b", {"A": "", "B": "b"}),
        ("A=x=y==", {"A": "x=y=="}),
        ("A=windows\r\nB=lines\r\n", {"A": "windows", "B": "lines"}),
        ("", {}),
    ],
)
def test_how_a_file_is_read(tmp_path: Path, text: str, found: dict[str, str]) -> None:
    assert read_secrets_file(written(tmp_path, "shop.env", text)) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A=fine\nhunter2\n", r"line 2 of .*shop\.env is no NAME=value"),
        ("1A=hunter2\n", "line 1 .* is no NAME=value"),
        ("\n\nA='hunter2\n", "line 3 .* opens a quote that is not closed"),
        ('A="hunter2" tail\n', "line 1 .* opens a quote that is not closed, or has text after it"),
        ("A=1\nA=hunter2\n", "line 2 .* sets A a second time"),
        ('K="a\nb"\nhunter2', "line 3 .* is no NAME=value"),
        ("A=hunter2\0", "line 1 .* holds a NUL byte"),
        (b"A=hunter2\xff", "is not UTF-8"),
        ("A=hunter2" * (1 << 17), "is larger than 1 MiB"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    file = written(tmp_path, "shop.env", text)
    with pytest.raises(SecretsFileInvalid, match=complaint) as caught:
        read_secrets_file(file)
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "hunter2" not in f"{shown!r} {getattr(shown, 'hint', '')}"
        shown = shown.__cause__


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read_secrets_file(tmp_path / "nowhere.env") == {}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z_]{1,6}\Z"), st.text(st.characters(exclude_characters="\0\r"), max_size=20)
    )
)
def test_every_value_can_be_written(values: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = "".join(f"{name}={quoted(value)}\n" for name, value in values.items())
    assert parse_secrets(text, "file") == values


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_secrets(text, "file")
    except WrongUse:
        pass

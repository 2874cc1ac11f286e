import base64
import itertools
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.base.secret import MASK, Secret
from headway.domain.job import JobResult, Piece, StepMark
from headway.domain.states import State
from headway.drivers.runner.masking import LogKeeper, Masker, mask, mask_text

PASSWORD = 'p@ss "w/rd"+\\é'
KEY = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJA=\n-----END KEY-----\n"


def fed(masker: Masker, data: bytes, cuts: list[int]) -> bytes:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in itertools.pairwise(borders)]
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD.encode(),
        quote(PASSWORD, safe="").encode(),
        json.dumps(PASSWORD)[1:-1].encode(),
        base64.b64encode(PASSWORD.encode()),
        base64.urlsafe_b64encode(PASSWORD.encode()).rstrip(b"="),
    ],
)
def test_every_form_is_masked(form: bytes) -> None:
    secret = Secret("PASSWORD", PASSWORD)
    assert mask(b"a " + form + b" z\n", [secret]) == b"a " + MASK + b" z\n"


def test_lines_of_a_secret_are_masked_one_by_one() -> None:
    printed = KEY.replace("\n", "\n    ").encode()
    assert mask(printed, [Secret("KEY", KEY)]).count(MASK) == 4
    assert b"MIIE" not in mask(printed, [Secret("KEY", KEY)])


def test_secrets_that_overlap_leave_nothing() -> None:
    secrets = [Secret("A", "abcdef"), Secret("B", "defghijk")]
    assert mask(b"<abcdefghijk>", secrets) == b"<" + MASK + b">"
    assert mask(b"<abcdefabcdef>", secrets) == b"<" + MASK + MASK + b">"


def test_secrets_that_overlap_leave_nothing_however_late_they_come() -> None:
    secrets = [Secret("A", "abcdef"), Secret("B", "defghijk")]
    before = b"nothing here\n" * 500
    assert mask(before + b"<abcdefghijk>", secrets) == before + b"<" + MASK + b">"


def test_a_short_line_of_a_secret_waits_for_the_next_one() -> None:
    """A line of two letters is no secret alone, and is part of one that goes on in the next line."""
    masker = Masker([Secret("A", "?!\nsecond line\n??")])
    assert masker.feed(b"first ?!\n") == b"first "
    assert masker.feed(b"second line\n") == b""
    assert masker.feed(b"??.") == MASK + b"."
    assert masker.feed(b"first ?!\n") == b"first "
    assert masker.feed(b"another\n") == b"?!\nanother\n"


@pytest.mark.parametrize("value", ["?!\nab\ncd\nlong line", "a'b$\n\nc d", "\nlong line\n?!"])
def test_each_form_is_masked_wherever_it_is_cut_in_two(value: str) -> None:
    secrets = [Secret("A", value)]
    for form in sorted(secrets[0].forms()):
        data = b"< " + form + b" >\n"
        whole = mask(data, secrets)
        assert MASK in whole
        for cut in range(len(data)):
            assert fed(Masker(secrets), data, [cut]) == whole, (form, cut)


@pytest.mark.parametrize("value", ["abcé-secret", "é-secret", "日本語-secret", "secret-é"])
def test_letters_of_several_bytes_are_masked_wherever_they_stand(value: str) -> None:
    """Also where what is looked for first ends within a letter, and where what stands around is no text."""
    data = b"\xff\xc3 " + value.encode() + b" \xe9\n"
    expected = b"\xff\xc3 " + MASK + b" \xe9\n"
    assert mask(data, [Secret("A", value)]) == expected
    assert fed(Masker([Secret("A", value)]), data, list(range(len(data)))) == expected


def test_text_is_masked_too() -> None:
    assert mask_text("exit 1: é secret é\udcff", [Secret("A", "secret")]) == "exit 1: é [secret] é\udcff"
    assert mask(b"nothing to hide", []) == b"nothing to hide"


def test_only_what_may_become_a_secret_is_kept_back() -> None:
    masker = Masker([Secret("A", "hunter2")])
    assert masker.feed(b"the hunt") == b"the "
    assert masker.pending == 4
    assert masker.feed(b"ing\n") == b"hunting\n"
    assert masker.feed(b"hunter") + masker.feed(b"2!") == MASK + b"!"
    assert masker.pending == 0


def test_a_whole_secret_waits_for_nothing() -> None:
    masker = Masker([Secret("A", "hunter!")])
    assert (masker.feed(b"my hunter!"), masker.pending) == (b"my " + MASK, 0)
    assert (masker.feed(b" hunt"), masker.finish(), masker.pending) == (b" ", b"hunt", 0)
    # The stream begins anew: what was kept back is no beginning of what comes.
    assert (masker.feed(b"er!"), masker.finish()) == (b"er!", b"")


def test_what_is_kept_back_is_bounded() -> None:
    masker = Masker([Secret("A", "aaaa")])
    out = b""
    for _ in range(100):
        out += masker.feed(b"a" * 50)
        assert masker.pending < 1100
    assert out.replace(MASK, b"") == b""


ALPHABET = st.sampled_from(["a", "b", "ab", "ba", "\n", "aab", "%", '"', "="])
VALUES = st.lists(ALPHABET, min_size=4, max_size=8).map("".join).filter(lambda text: len(text.strip()) >= 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=3), st.data())
def test_the_borders_of_pieces_do_not_matter(values: list[str], data: st.DataObject) -> None:
    secrets = [Secret(f"S{number}", value) for number, value in enumerate(values)]
    forms = [form.decode("utf-8", "replace") for secret in secrets for form in secret.forms()]
    parts = st.lists(st.one_of(ALPHABET, st.sampled_from(sorted(forms))), max_size=20)
    text = "".join(data.draw(parts)).encode()
    cuts = data.draw(st.lists(st.integers(0, 10_000), max_size=12))
    whole = mask(text, secrets)
    assert fed(Masker(secrets), text, cuts) == whole
    for form in (form for secret in secrets for form in secret.forms()):
        assert form not in whole.replace(MASK, b"\0")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from([b"hun", b"hunter2", b"ter2", b"x\n", b"2"]), st.just(None)), max_size=12
    ),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_a_killed_keeper_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes | None], kills: list[int]
) -> None:
    """The runner's file is played in single bytes; the keeper dies after some of them, with older numbers stored."""
    log = tmp_path_factory.mktemp("log") / "log"
    secrets = [Secret("A", "hunter2")]
    mark = StepMark(1, None, 1.0)
    file: list[bytes | StepMark] = []
    for part in parts:
        file += [mark] if part is None else [part[at : at + 1] for at in range(len(part))]

    def play(taken: int, kept: int, stop: int | None) -> tuple[int, int, list[int]]:
        """Follow from `taken` (here one for each byte and mark); what is stored lags behind by one piece."""
        stored, places = (taken, kept), []
        with LogKeeper(log, secrets, taken=taken, kept=kept) as keeper:
            for offset in range(taken, len(file)):
                if offset == stop:
                    return *stored, places
                stored = (keeper.taken, keeper.kept)
                places += [place for _, place in keeper.keep(Piece((file[offset],), offset + 1))]
            end = JobResult(State.SUCCEEDED, "", (), None)
            keeper.keep(Piece((), len(file), end))
            return keeper.taken, keeper.kept, places

    taken = kept = 0
    for stop in kills:
        taken, kept, _ = play(taken, kept, stop)
    taken, kept, _ = play(taken, kept, None)
    segments = b"".join(part or b"\0" for part in parts).split(b"\0")
    expected = b"".join(mask(segment, secrets) for segment in segments)
    assert log.read_bytes() == expected
    assert (taken, kept) == (len(file), len(expected))


def test_marks_come_with_their_place_in_the_masked_log(tmp_path: Path) -> None:
    begin, end = StepMark(1, None, 1.0), StepMark(1, 0, 2.0)
    with LogKeeper(tmp_path / "log", [Secret("A", "hunter2")]) as keeper:
        assert (keeper.taken, keeper.kept) == (0, 0)
        piece = Piece((begin, b"my hunter2 hun", end, b"rest"), 100)
        assert keeper.keep(piece) == [(begin, 0), (end, len(b"my [secret] hun"))]
        assert keeper.taken == 100
    assert (tmp_path / "log").read_bytes() == b"my [secret] hunrest"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_log_that_is_shorter_than_told_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"abc")
    with LogKeeper(tmp_path / "log", [], taken=9, kept=5) as keeper:
        assert (keeper.taken, keeper.kept) == (0, 0)
        keeper.keep(Piece((b"whole",), 5))
    assert (tmp_path / "log").read_bytes() == b"whole"


def test_a_log_that_is_as_long_as_told_goes_on(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"stored")
    with LogKeeper(tmp_path / "log", [], taken=9, kept=6) as keeper:
        assert (keeper.taken, keeper.kept) == (9, 6)
        keeper.keep(Piece((b" more",), 14))
    assert (tmp_path / "log").read_bytes() == b"stored more"


def test_what_is_kept_back_is_not_taken_yet(tmp_path: Path) -> None:
    with LogKeeper(tmp_path / "log", [Secret("A", "hunter2")]) as keeper:
        keeper.keep(Piece((b"my hunt",), 7))
        assert (keeper.taken, keeper.kept) == (3, 3)
        # The end of the job is the end of all waiting.
        keeper.keep(Piece((), 7, JobResult(State.SUCCEEDED, "", (), None)))
        assert (keeper.taken, keeper.kept) == (7, 7)
    assert (tmp_path / "log").read_bytes() == b"my hunt"


def test_half_of_a_secret_at_a_cut_is_not_kept(tmp_path: Path) -> None:
    cut = JobResult(State.ERRORED, "runner lost", (), None, output_truncated=True)
    with LogKeeper(tmp_path / "log", [Secret("A", "hunter2")]) as keeper:
        keeper.keep(Piece((b"my hunt",), 7, cut))
        assert (keeper.taken, keeper.kept) == (7, 3)
    assert (tmp_path / "log").read_bytes() == b"my "


def test_a_line_of_ours_stands_before_all_output_and_once(tmp_path: Path) -> None:
    with LogKeeper(tmp_path / "log", []) as keeper:
        keeper.begin_with(b"on web1\n")
        keeper.keep(Piece((b"hello\n",), 6))
        taken, kept = keeper.taken, keeper.kept
    assert (taken, kept) == (6, 14)
    with LogKeeper(tmp_path / "log", [], taken=taken, kept=kept) as keeper:
        keeper.begin_with(b"on web1\n")
    assert (tmp_path / "log").read_bytes() == b"on web1\nhello\n"


def test_what_was_appended_but_not_stored_is_cut(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"stored, not stored")
    with LogKeeper(tmp_path / "log", [], taken=7, kept=7) as keeper:
        keeper.keep(Piece((b" more",), 12))
        assert (keeper.taken, keeper.kept) == (12, 12)
    assert (tmp_path / "log").read_bytes() == b"stored, more"

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.job import StepMark
from headway.domain.states import State
from headway.drivers.runner.frames import (
    OUTPUTS_LIMIT,
    describe_exit,
    parse_answer,
    parse_log,
    parse_outputs,
    parse_owner,
    parse_result,
)

MARK = b"0123456789abcdef0123456789abcdef"
SIGN = b"\x1e" + MARK

BEGIN, END = SIGN + b" b 1 12.34\n", SIGN + b" e 1 13.00 2\n"


def test_marks_are_taken_out_exactly() -> None:
    data = BEGIN + b"no newline" + END + b"\x1e\nrest" + SIGN + b" end\n"
    parsed = parse_log(data, MARK, is_last=True)
    assert parsed.items == (StepMark(1, None, 12.34), b"no newline", StepMark(1, 2, 13.0), b"\x1e\nrest")
    assert parsed.taken == len(data)


@pytest.mark.parametrize(
    "tail", [b"\x1e", SIGN[:9], SIGN, SIGN + b" ", SIGN + b" e 1 13", SIGN + b" e 1 13.00 2"]
)
def test_what_may_become_a_mark_waits(tail: bytes) -> None:
    parsed = parse_log(b"before" + tail, MARK, is_last=False)
    assert (parsed.items, parsed.taken) == ((b"before",), 6)
    parsed = parse_log(b"before" + tail, MARK, is_last=True)
    assert b"".join(item for item in parsed.items if isinstance(item, bytes)) == b"before" + tail
    assert parsed.taken == 6 + len(tail)


@pytest.mark.parametrize("line", [b" x\n", b" b one 2\n", b" e 1 2.0\n", b" " + b"9" * 500 + b"\n", b"\n"])
def test_what_only_looks_like_a_mark_is_output(line: bytes) -> None:
    data = b"a" + SIGN + line + b"z"
    parsed = parse_log(data, MARK, is_last=False)
    assert b"".join(item for item in parsed.items if isinstance(item, bytes)) == data
    assert parsed.taken == len(data)


PARTS = st.lists(
    st.sampled_from([b"text\n", b"no newline", b"\x1e", SIGN[:20], SIGN, BEGIN, END, b"\0\xff", b" b 1 2\n"]),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(PARTS, st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_the_borders_of_pieces_do_not_matter(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)

    def joined(items: list[bytes | StepMark]) -> list[bytes | StepMark]:
        out: list[bytes | StepMark] = []
        for item in items:
            if isinstance(item, bytes) and out and isinstance(out[-1], bytes):
                out[-1] += item
            else:
                out.append(item)
        return out

    whole = joined(list(parse_log(data, MARK, is_last=True).items))
    items: list[bytes | StepMark] = []
    offset, end, turn = 0, 0, 0
    while end < len(data):
        end = min(len(data), end + sizes[turn % len(sizes)])
        turn += 1
        parsed = parse_log(data[offset:end], MARK, is_last=False)
        items += parsed.items
        offset += parsed.taken
    items += parse_log(data[offset:], MARK, is_last=True).items
    assert joined(items) == whole


def test_half_a_record_is_none() -> None:
    text = b"boot 12 345 12 13 14 job " + MARK + b" 1000 77 end\n"
    owner = parse_owner(text)
    assert owner is not None
    assert (owner.boot_id, owner.pid, owner.start_time, owner.mark) == ("boot", 12, 345, MARK)
    assert parse_owner(text[:-5]) is None
    assert parse_owner(b"") is None
    assert parse_owner(text.replace(b" 12 345 ", b" me 345 ")) is None
    assert parse_result(b"steps 1\nbegan 1.00\nended 2.00\n", b"") is None
    assert parse_result(b"", b"") is None


def test_a_result_is_read() -> None:
    text = b"steps 3\nbegan 10.00\nended 12.50\nstep 1 0 10.00 11.00\nstep 2 143 11.00 12.00\nstopped failed timeout after 2s\nlost limit\nend\n"
    result = parse_result(text, b"A=1\n")
    assert result is not None
    assert (result.state, result.reason) == (State.FAILED, "timeout after 2s in step 2")
    assert [step.state for step in result.steps] == [State.SUCCEEDED, State.FAILED, State.SKIPPED]
    assert result.duration is not None and result.duration.total_seconds() == 2.5
    assert result.outputs == {"A": "1"}
    assert result.output_truncated


@pytest.mark.parametrize(
    "nonsense",
    [
        "step x 0 1.00 1.00",
        "step 1 0 1.00 nan",
        "ended inf",
        "steps 99999999999",
        "stopped perhaps because",
        "stopped running because",
        "stopped failed",
    ],
)
def test_a_result_that_makes_no_sense_is_none(nonsense: str) -> None:
    """A job can write the file itself: that must not keep whoever follows it from its end, nor take its memory."""
    assert parse_result(f"steps 1\nbegan 1.00\n{nonsense}\nend\n".encode(), b"") is None


def test_a_log_that_could_not_be_written_is_the_platforms_fault() -> None:
    failed = b"steps 1\nbegan 1.00\nended 1.00\nstep 1 7 1.00 1.00\nlost disk\nend\n"
    for text, said in ((failed, "disk was full"), (failed.replace(b"disk", b"cut"), "writer was killed")):
        result = parse_result(text, b"")
        assert result is not None
        assert result.state is State.ERRORED
        assert result.reason.startswith("exit 7 in step 1; ") and said in result.reason


def test_what_succeeded_while_the_disk_was_full_has_succeeded() -> None:
    result = parse_result(b"steps 1\nbegan 1.00\nended 1.00\nstep 1 0 1.00 1.00\nlost disk\nend\n   ", b"")
    assert result is not None
    assert (result.state, result.output_truncated) == (State.SUCCEEDED, True)
    assert "disk was full" in result.reason


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (2, "exit 2"),
        (126, "command cannot be executed (exit 126)"),
        (127, "command not found (exit 127)"),
        (130, "killed by SIGINT (exit 130)"),
        (143, "killed by SIGTERM (exit 143)"),
        (255, "exit 255"),
    ],
)
def test_exits_are_named(code: int, said: str) -> None:
    assert describe_exit(code) == said


def test_outputs() -> None:
    assert parse_outputs(b"A=1\r\n\nB_2=x = y\nA=3") == ({"A": "3", "B_2": "x = y"}, None)
    assert parse_outputs(b"A=\xff\n")[0] == {"A": "\ufffd"}
    for wrong in (b"novalue", b"=1", b"A B=1", b"1A=2"):
        values, fault = parse_outputs(b"A=1\n" + wrong)
        assert values == {"A": "1"}
        assert fault is not None and fault.startswith("line 2 of $HEADWAY_OUTPUT is not KEY=value")


def test_what_is_no_answer_is_none() -> None:
    assert parse_answer(b"sh: 1: syntax error") is None
    assert parse_answer(b"") is None
    answer = parse_answer(b"state lost\nowner \nfree tmpfs 100 96 4 96% /tmp\n\nlog")
    assert answer is not None
    assert (answer.state, answer.owner, answer.free, answer.log) == ("lost", None, 4096, b"log")


def test_a_line_that_is_quoted_is_quoted_whole_or_not_at_all() -> None:
    """The half of a secret would pass the mask."""
    assert parse_outputs(b"token")[1] == "line 1 of $HEADWAY_OUTPUT is not KEY=value: 'token'"
    assert parse_outputs(b"t" * 60)[1] == "line 1 of $HEADWAY_OUTPUT is not KEY=value"


def test_outputs_are_read_up_to_their_limit_and_no_further() -> None:
    assert parse_outputs(b"A=" + b"1" * (OUTPUTS_LIMIT - 2))[1] is None
    assert parse_outputs(b"A=" + b"1" * (OUTPUTS_LIMIT - 1)) == (
        {},
        "$HEADWAY_OUTPUT holds more than 64.0 KiB",
    )

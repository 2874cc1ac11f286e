"""How a run looks on the screen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headway.cli.run_screen import Screen
from headway.domain.run import Job
from headway.domain.states import State
from headway.engine.runs.watch import AttemptEnded, JobBegan, JobEnded, LogPiece

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


class Paper:
    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data


def job(name, **changes):
    made = Job(
        id=name,
        run="run",
        name=name,
        definition=name,
        matrix={},
        needs=(),
        state=State.RUNNING,
        reason="",
        attempt=1,
        allow_failure=False,
        queued_at=NOON,
        started_at=NOON,
    )
    return replace(made, **changes)


A, LONG = job("a"), job("longer")


def screen(**options):
    paper = Paper()
    defaults = {"colour": False, "status_line": False, "prefixed": True, "width": 6}
    return paper, Screen(paper, **(defaults | options))


def test_lines_stand_whole_behind_their_jobs_names():
    paper, shown = screen()
    shown.show(LogPiece(A, b"one\ntw"))
    shown.show(LogPiece(LONG, b"other\n"))
    shown.show(LogPiece(A, b"o\n\nrest"))
    shown.show(
        JobEnded(job("a", state=State.FAILED, reason="exit 1", finished_at=NOON + timedelta(seconds=2)))
    )
    assert paper.data.decode().splitlines() == [
        "a      | one",
        "longer | other",
        "a      | two",
        "a      | ",
        "a      | rest",
        "a      | ==> failed: exit 1 (2s)",
    ]


def test_of_a_progress_bar_only_the_last_state_is_shown():
    paper, shown = screen()
    shown.show(LogPiece(A, b"10 %\r50 %\r100 %\nnext\r\n"))
    assert paper.data == b"a      | 100 %\na      | next\n"


def test_a_colour_ends_with_its_line():
    paper, shown = screen(colour=True)
    shown.show(LogPiece(A, b"\x1b[31mred\nstill\n"))
    assert paper.data.count(b"\x1b[31mred\x1b[0m\n") == 1
    assert paper.data.endswith(b"still\x1b[0m\n")


def test_a_line_without_an_end_is_shown_in_parts():
    paper, shown = screen()
    for _ in range(10):
        shown.show(LogPiece(A, b"x" * 4096))
    assert paper.data.count(b"x") >= 8 * 4096
    assert all(len(line) < 10_000 for line in paper.data.splitlines())


def test_attempts_and_their_reasons_are_told():
    paper, shown = screen()
    again = job("a", reason="attempt 1 errored: runner lost; the last one")
    shown.show(JobBegan(A, 1))
    shown.show(AttemptEnded(again, 1))
    shown.show(JobBegan(again, 2))
    assert paper.data.decode().splitlines() == [
        "a      | ==> attempt 1 errored: runner lost; the last one",
        "a      | ==> attempt 2",
    ]


def test_what_a_job_has_to_say_though_it_succeeded_is_told():
    """Such as that not all of its test cases are kept, or not all of its log."""
    paper, shown = screen()
    shown.show(JobEnded(job("a", state=State.SUCCEEDED, reason="the log could not be written to the end")))
    assert paper.data == b"a      | ==> succeeded: the log could not be written to the end\n"


def test_a_single_job_is_shown_as_it_writes():
    paper, shown = screen(prefixed=False)
    shown.show(LogPiece(A, b"no end"))
    assert paper.data == b"no end"
    shown.show(JobEnded(job("a", state=State.SUCCEEDED)))
    assert paper.data == b"no end\n"


def test_the_status_line_makes_room_for_output():
    paper, shown = screen(status_line=True)
    later = NOON + timedelta(hours=2, minutes=10)
    shown.status((A, job("b", state=State.QUEUED, started_at=None)), later)
    assert paper.data == "running: a 2h10m · 1 queued".encode()
    shown.show(LogPiece(A, b"line\n"))
    assert paper.data.endswith(b"\r\x1b[2Ka      | line\n" + "running: a 2h10m · 1 queued".encode())
    shown.close()
    assert paper.data.endswith(b"\r\x1b[2K")

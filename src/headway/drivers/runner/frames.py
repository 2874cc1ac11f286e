"""Reading what the runner writes: its record of itself, the log with step marks in it, the result.

A mark is `\\x1e` + the job's mark + ` b STEP UPTIME`, ` e STEP UPTIME EXITCODE`, ` cut` or ` end`, + a newline. The mark is
128 random bits, so it is recognised wherever it stands, in the middle of a line too, and taken out exactly: what
the steps wrote before and behind it meets again as it was.
"""

import signal
from dataclasses import dataclass, field
from datetime import timedelta

from headway.base.durations import format_size
from headway.domain.job import JobResult, LogCut, StepMark, StepResult
from headway.domain.states import State

#: A mark with its newline is never longer.
LONGEST_MARK = 128
OUTPUTS_LIMIT = 64 * 2**10
#: Of the result file, and what a step takes of it at most.
RESULT_LIMIT, _STEP = 2**20, 96
#: Characters of a line that a reason quotes. A longer one is not cut: half of a secret would not be masked.
_QUOTED = 40
_CANNOT_EXECUTE, _NOT_FOUND, _SIGNALLED = 126, 127, 128
_UNKNOWN_SIGNALS = 64
_LOST = {"disk": "its disk was full", "cut": "its writer was killed"}


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs a job: the process (boot id, pid, start time), and the mark in the job's log."""

    boot_id: str
    pid: int
    start_time: int
    mark: bytes


def parse_owner(text: bytes) -> Owner | None:
    """The runner's record of itself; None as long as it is not whole."""
    words = text.decode("ascii", "replace").split()
    if len(words) != 11 or words[-1] != "end" or not (words[1].isdigit() and words[2].isdigit()):
        return None
    return Owner(words[0], int(words[1]), int(words[2]), words[7].encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """What follow.sh printed. `free`: bytes free on the job's disk, told when it has no runner."""

    state: str
    owner: Owner | None
    free: int | None
    result: JobResult | None
    log: bytes


def parse_answer(output: bytes) -> Answer | None:
    """None if that is no answer of follow.sh."""
    header, found, rest = output.partition(b"\n\n")
    lines = [line.partition(b" ") for line in header.split(b"\n")]
    values = {name.decode("ascii", "replace"): value for name, _, value in lines}
    if not found or "state" not in values:
        return None
    result, outputs = int(values.get("result", 0)), int(values.get("outputs", 0))
    # df -P: file system, blocks, used, available (KiB), …; its name may hold blanks, the end may not be told.
    disk = values.get("free", b"").split()
    return Answer(
        state=values["state"].decode("ascii", "replace"),
        owner=parse_owner(values.get("owner", b"")),
        free=int(disk[3]) * 1024 if len(disk) >= 4 and disk[3].isdigit() else None,
        result=parse_result(rest[:result], rest[result : result + outputs]),
        log=rest[result + outputs :],
    )


@dataclass(frozen=True, slots=True)
class Parsed:
    """Output and marks in their order, from the first `taken` bytes."""

    items: tuple[bytes | StepMark | LogCut, ...]
    taken: int


def parse_log(data: bytes, mark: bytes, *, is_last: bool) -> Parsed:
    """Take the marks out of a piece of log. Unless it `is_last`, a tail that may yet become a mark is not taken."""
    items: list[bytes | StepMark | LogCut] = []
    position, sign = 0, b"\x1e" + mark + b" "
    while (found := data.find(sign, position)) >= 0:
        end = data.find(b"\n", found, found + LONGEST_MARK)
        if end < 0 and not is_last and len(data) - found < LONGEST_MARK:
            break
        read = _read_mark(data[found + len(sign) : end]) if end >= 0 else None
        if read is None:  # not ours: somebody printed what he read elsewhere
            end = found
            items += [data[position : found + 1]]
        else:
            items += [data[position:found], *read]
        position = end + 1
    stop = len(data) if is_last else _start_of_tail(data, sign, max(position, found))
    if position < stop:
        items.append(data[position:stop])
    return Parsed(tuple(item for item in items if item != b""), max(position, stop))


def _start_of_tail(data: bytes, sign: bytes, found: int) -> int:
    """Where the bytes begin that may become a mark; `found`: where the search ended, or an unfinished mark."""
    if data.startswith(sign, found):
        return found
    at = data.rfind(b"\x1e", max(found, len(data) - len(sign)))
    return at if at >= 0 and sign.startswith(data[at:]) else len(data)


def _read_mark(text: bytes) -> tuple[StepMark | LogCut, ...] | None:
    """The mark, none for the one that ends the log; None if it is not one."""
    try:
        match text.split(b" "):
            case [b"b", step, uptime]:
                return (StepMark(int(step), None, float(uptime)),)
            case [b"e", step, uptime, code]:
                return (StepMark(int(step), int(code), float(uptime)),)
            case [b"cut"]:
                return (LogCut(),)
            case [b"end"]:
                return ()
    except ValueError:
        pass
    return None


@dataclass(slots=True)
class _Record:
    """The lines of a result file."""

    steps: int = 0
    began: float = 0
    ended: float = 0
    finished: list[tuple[int, int, float, float]] = field(default_factory=list)
    stopped: tuple[State, str] | None = None
    problem: str | None = None
    lost: str = "nothing"


def parse_result(text: bytes, outputs: bytes) -> JobResult | None:
    """What came of a job, from its result file and its outputs file; None if that is no whole result.

    The job could have written it as well as its runner: what makes no sense is none, and never an error of ours.
    """
    # Behind its end stands what is left of the room that was kept for it.
    lines = text.decode("utf-8", "replace").rstrip(" ").splitlines()
    if not lines or lines[-1] != "end":
        return None
    record = _Record()
    try:
        for line in lines[:-1]:
            _read_line(record, line)
        state, reason = _verdict(record)
        steps = _steps(record, state)
        duration = timedelta(seconds=max(0.0, record.ended - record.began))
    except (ValueError, IndexError, OverflowError):
        return None
    values, fault = parse_outputs(outputs)
    if state is State.SUCCEEDED and fault:
        state, reason = State.FAILED, fault
    return JobResult(
        state=state,
        reason=reason,
        steps=steps,
        duration=duration,
        outputs=values,
        output_truncated=record.lost != "nothing",
    )


def _read_line(record: _Record, line: str) -> None:
    match line.split(" ", 4):
        case ["step", step, code, began, ended]:
            record.finished.append((int(step), int(code), float(began), float(ended)))
        case ["steps", number]:
            record.steps = int(number)
            if record.steps > RESULT_LIMIT // _STEP:
                raise ValueError(number)
        case ["began", uptime]:
            record.began = float(uptime)
        case ["ended", uptime]:
            record.ended = float(uptime)
        case ["stopped", state, *_]:
            record.stopped = (State(state), line.split(" ", 2)[2])
            if not record.stopped[0].is_final:
                raise ValueError(state)
        case ["problem", *_]:
            record.problem = line.split(" ", 1)[1]
        case ["lost", what]:
            record.lost = what


def _verdict(record: _Record) -> tuple[State, str]:
    if record.stopped is not None:
        state, why = record.stopped
        # Of a limit that was passed: the step that passed it. Whoever cancels stops the job, whatever it does.
        cut_off = record.finished[-1] if record.finished else None
        is_named = state is State.FAILED and cut_off is not None and cut_off[1] != 0
        return state, f"{why} in step {cut_off[0]}" if is_named and cut_off else why
    if record.problem is not None:
        return State.ERRORED, record.problem
    failed = [f"{describe_exit(code)} in step {step}" for step, code, _, _ in record.finished if code != 0]
    if record.lost in _LOST:
        lost = f"the job's log could not be written to the end: {_LOST[record.lost]}"
        # What succeeded has; what failed may have for want of room, and is no verdict on the code.
        if record.lost == "disk" and not failed and len(record.finished) == record.steps:
            return State.SUCCEEDED, lost
        return State.ERRORED, "; ".join([*failed, lost])
    return (State.FAILED, failed[0]) if failed else (State.SUCCEEDED, "")


def describe_exit(code: int) -> str:
    """`exit 2`, or what a shell means by it: `command not found (exit 127)`, `killed by SIGKILL (exit 137)`."""
    if code == _CANNOT_EXECUTE:
        return "command cannot be executed (exit 126)"
    if code == _NOT_FOUND:
        return "command not found (exit 127)"
    if _SIGNALLED < code <= _SIGNALLED + _UNKNOWN_SIGNALS:
        try:
            return f"killed by {signal.Signals(code - _SIGNALLED).name} (exit {code})"
        except ValueError:
            pass
    return f"exit {code}"


def _steps(record: _Record, state: State) -> tuple[StepResult, ...]:
    results: list[StepResult] = []
    for step, code, began, ended in record.finished:
        came_to = State.SUCCEEDED if code == 0 else State.FAILED
        # Whoever stopped the job stopped the step it was in.
        if code != 0 and state is State.CANCELLED and step == len(record.finished):
            came_to = State.CANCELLED
        results.append(StepResult(step, came_to, code, timedelta(seconds=ended - began)))
    left_out = range(len(record.finished) + 1, record.steps + 1)
    return (*results, *(StepResult(step, State.SKIPPED, None, None) for step in left_out))


def parse_outputs(data: bytes) -> tuple[dict[str, str], str | None]:
    """The KEY=value lines of $HEADWAY_OUTPUT and, if they cannot all be read, why not. A later line wins."""
    if len(data) > OUTPUTS_LIMIT:
        return {}, f"$HEADWAY_OUTPUT holds more than {format_size(OUTPUTS_LIMIT)}"
    values: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        key, equals, value = line.removesuffix("\r").partition("=")
        if not line.strip():
            continue
        if not equals or not key.isidentifier() or not key.isascii():
            quoted = f": '{line}'" if len(line) <= _QUOTED else ""
            return values, f"line {number} of $HEADWAY_OUTPUT is not KEY=value{quoted}"
        values[key] = value
    return values, None

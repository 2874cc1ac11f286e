"""The runner on a host, over anything that runs a shell script there and brings back what it printed."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from headway.base.clock import Clock, SystemClock
from headway.base.durations import format_size
from headway.base.errors import Errored
from headway.base.secret import last_lines
from headway.domain.job import JobResult, JobSpec, Piece
from headway.domain.states import State
from headway.drivers.runner.frames import Answer, parse_answer, parse_log
from headway.drivers.runner.payload import payload, quoted
from headway.drivers.runner.verbs import FULL_DISK, SIGN_OF_LIFE_WITHIN

#: Less than what a session keeps of one reply, with room for a result and outputs.
PIECE_SIZE = 512 * 2**10
_CALL_TIMEOUT = 30.0


class Reply(Protocol):
    """What a script came to: its exit code, and its output with its errors, byte by byte."""

    @property
    def exit_code(self) -> int: ...

    @property
    def output(self) -> bytes: ...


class Session(Protocol):
    """Runs a POSIX sh script on a host, each in a subshell; at least 1 MiB of output must come back whole."""

    async def call(self, script: str, *, timeout: float) -> Reply: ...


@cache
def _compact(name: str) -> str:
    """A script of ours without its comments and indentation: it travels with the jobs."""
    lines = [line.strip() for line in Path(__file__).with_name(name).read_text().splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


@dataclass
class SessionRunner:
    """See Runner. Directories may be absolute or relative to where the session's scripts begin (the home).

    The script that runs a job lies in the job's directory, so a job is ended by the version that began it, and
    nothing has to be installed on a host. Raises what the session raises: a lost connection neither ends nor
    repeats a job; ask again.
    """

    session: Session
    clock: Clock = field(default_factory=SystemClock)
    _waiting_since: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    async def start(self, spec: JobSpec) -> None:
        """See Runner. The directory is made private to the user; its parent must exist.

        Only by plain mkdir: whoever was superseded finds the parent renamed, and must not make it anew.
        """
        reply = await self.session.call(self._starting(spec), timeout=_CALL_TIMEOUT)
        if reply.exit_code != 0:
            raise _not_started(spec, reply)

    async def begin(self, spec: JobSpec, *, wait: float) -> Piece:
        """`start` and the first, patient `follow` in one question: a job of milliseconds costs one round trip."""
        words = f"{quoted(spec.directory)} 0 {round(wait * 100)} {PIECE_SIZE} patient"
        script = f"( {self._starting(spec)}\n) || exit 9\n{_compact('follow.sh')}hw_follow {words}"
        asked_at = self.clock.monotonic()
        reply = await self.session.call(script, timeout=wait + _CALL_TIMEOUT)
        answer = parse_answer(reply.output) if reply.exit_code != 9 else None
        if answer is None:
            raise _not_started(spec, reply)
        if answer.state == "lost":
            return await self.follow(spec.directory, 0, wait=0)
        return _piece(answer, 0, self._lost(spec.directory, answer, asked_at))

    def _starting(self, spec: JobSpec) -> str:
        directory = quoted(spec.directory)
        text = payload(spec).decode("utf-8", "surrogateescape")
        return "\n".join(
            [
                # What cannot be begun, as on a full disk, leaves nothing for which somebody would wait.
                f"none() {{ [ -e {directory}/claim ] || rm -rf -- {directory}; exit 9; }}",
                f"if [ ! -e {directory}/claim ]; then",
                f"[ -d {directory} ] || mkdir -m 700 {directory} || [ -d {directory} ] || exit 9",
                f"cd {directory} && {{ [ -d steps ] || mkdir steps || [ -d steps ]; }} || none",
                "[ -p pipe ] || mkfifo -m 600 pipe || [ -p pipe ] || none",
                f"printf %s {quoted(_compact('runner.sh'))} >runner.$$ && mv -f runner.$$ runner.sh || none",
                # The runner's process leaves this session; the one that waits for it ends by KILL, see runner.sh.
                f"{{ printf %s {quoted(text)} | setsid sh runner.sh launch .; }} >/dev/null 2>&1",
                "fi",
                "exit 0",
            ]
        )

    async def follow(self, directory: str, offset: int, *, wait: float, patient: bool = False) -> Piece:
        """See Runner. One question to the session, which is taken for as long as it waits.

        `patient`: not at once with the first news, but when the job has ended or `wait` is over.
        """
        until = self.clock.monotonic() + wait
        while True:
            left = max(0.0, until - self.clock.monotonic())
            asked_at = self.clock.monotonic()
            answer = await self._ask(directory, offset, left, patient)
            if answer.state == "lost" and not await self._sweep(directory):
                asked_at = self.clock.monotonic()
                answer = await self._ask(directory, offset, 0)
            piece = _piece(answer, offset, self._lost(directory, answer, asked_at))
            if piece.items or piece.offset != offset or piece.result is not None or left <= 0:
                return piece

    async def _ask(self, directory: str, offset: int, wait: float, patient: bool = False) -> Answer:
        words = (
            f"{quoted(directory)} {offset} {round(wait * 100)} {PIECE_SIZE} {'patient' if patient else ''}"
        )
        script = f"{_compact('follow.sh')}hw_follow {words}"
        reply = await self.session.call(script, timeout=wait + _CALL_TIMEOUT)
        answer = parse_answer(reply.output)
        if answer is None:
            raise Errored(f"cannot follow the job in {directory}: {_said(reply)}")
        return answer

    async def _sweep(self, directory: str) -> bool:
        """End what a dead runner left behind. False: it was not needed, or could not be done."""
        script = f"exec sh {quoted(directory)}/runner.sh sweep {quoted(directory)} </dev/null >/dev/null 2>&1"
        return (await self.session.call(script, timeout=_CALL_TIMEOUT * 10)).exit_code == 0

    def _lost(self, directory: str, answer: Answer, asked_at: float) -> JobResult | None:
        if answer.state == "missing":
            reason = f"runner lost: there is no {directory}"
        elif answer.state == "lost" or (
            answer.state in ("none", "claimed") and self._is_overdue(directory, asked_at)
        ):
            reason = "runner lost"
            if answer.free is not None and answer.free < FULL_DISK:
                reason = f"runner lost: the disk of {directory} is full ({format_size(answer.free)} free)"
        else:
            return None
        return JobResult(State.ERRORED, reason, (), None, output_truncated=True)

    def _is_overdue(self, directory: str, asked_at: float) -> bool:
        """When it was asked, not now: an answer that came while we stood still is old, and another runner beside one
        that has begun meanwhile would run the job twice."""
        since = self._waiting_since.setdefault(directory, self.clock.monotonic())
        return asked_at - since > SIGN_OF_LIFE_WITHIN.total_seconds()

    async def cancel(self, directory: str, reason: str) -> None:
        """See Runner. A process of its own on the host does it, so it is done even if the connection ends now."""
        why = quoted(" ".join(reason.split()))
        script = (
            f"cd -- {quoted(directory)} || exit 0\n"
            # Not started yet: whoever starts it finds this.
            f"[ -e runner.sh ] || {{ [ -e cancel ] || printf '%s\\n' {State.CANCELLED} {why} >cancel; exit 0; }}\n"
            f"setsid sh runner.sh cancel . {State.CANCELLED} {why} </dev/null >/dev/null 2>&1 &"
        )
        await self.session.call(script, timeout=_CALL_TIMEOUT)

    async def end_lost(self, directory: str) -> None:
        """Notes in the directory of a job whose runner was lost that it is over. A runner that comes late all the same
        finds that it was cancelled; a result that is there stays what counts. A disk that is full keeps nothing."""
        script = (
            f"cd -- {quoted(directory)} 2>/dev/null || exit 0\n"
            "[ ! -s result ] || exit 0\n"
            f"{{ [ -e cancel ] || printf '%s\\n' {State.CANCELLED} 'it was lost' >cancel; : >over; }} 2>/dev/null\n"
            "exit 0"
        )
        await self.session.call(script, timeout=_CALL_TIMEOUT)

    async def remove(self, directory: str) -> None:
        """See Runner."""
        self._waiting_since.pop(directory, None)
        path = quoted(directory)
        script = f"rm -rf -- {path} 2>/dev/null || {{ chmod -R u+rwX -- {path}; rm -rf -- {path}; }}"
        reply = await self.session.call(script, timeout=_CALL_TIMEOUT * 10)
        if reply.exit_code != 0:
            raise Errored(f"cannot remove {directory}: {_said(reply)}")


def _not_started(spec: JobSpec, reply: Reply) -> Errored:
    return Errored(f"cannot start a job in {spec.directory}: {_said(reply)}")


def _said(reply: Reply) -> str:
    return last_lines(reply.output.decode("utf-8", "replace"), 300) or f"exit {reply.exit_code}"


def _piece(answer: Answer, offset: int, lost: JobResult | None) -> Piece:
    result = lost or answer.result
    is_last = result is not None and len(answer.log) < PIECE_SIZE
    if answer.owner is None:
        return Piece((), offset, result)
    parsed = parse_log(answer.log, answer.owner.mark, is_last=is_last)
    return Piece(parsed.items, offset + parsed.taken, result if is_last else None)

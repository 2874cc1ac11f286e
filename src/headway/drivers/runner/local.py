"""The runner on this machine."""

import asyncio
import contextlib
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headway.base.clock import Clock, SystemClock
from headway.base.durations import format_size
from headway.base.errors import Errored
from headway.base.patience import Patience
from headway.domain.job import JobResult, JobSpec, Piece
from headway.domain.states import State
from headway.drivers.processes import ProcessIdentity, identity, is_alive
from headway.drivers.runner.ceiling import Ceiling
from headway.drivers.runner.frames import (
    OUTPUTS_LIMIT,
    RESULT_LIMIT,
    Owner,
    parse_log,
    parse_owner,
    parse_result,
)
from headway.drivers.runner.payload import payload
from headway.drivers.runner.spawner import (
    ADOPTS,
    DEFAULT_SIGNALS,
    IS_POSSIBLE,
    SpawnerGone,
    inherited,
    spawner,
)
from headway.drivers.runner.surroundings import passed_on
from headway.drivers.runner.verbs import FULL_DISK, PIECE_SIZE, SIGN_OF_LIFE_WITHIN

SCRIPT = Path(__file__).with_name("runner.sh")
#: Lines of `left`: pid and start time.
_LEFT = re.compile(rb"^(\d+) (\d+)$", re.MULTILINE)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
#: More between two looks is time in which this machine stood still, and the runner with it.
_TICK = 2.0


@dataclass
class LocalRunner:
    """Starts jobs as processes of their own session; they go on when this process dies.

    `environment` is what jobs get besides what their spec says; None: the short list of this process's that every job gets.
    `niceness` and `oom_score_adjust` make jobs yield to everything else (a build must never take down what else runs here);
    `ceiling` bounds the memory that all of them take together.
    """

    environment: Mapping[str, str] | None = None
    niceness: int = 0
    oom_score_adjust: int = 0
    ceiling: Ceiling | None = None
    shell: tuple[str, ...] = ("sh",)
    clock: Clock = field(default_factory=SystemClock)
    _children: set[int] = field(default_factory=set, init=False, repr=False)
    _waiting: dict[str, Patience] = field(default_factory=dict, init=False, repr=False)

    async def start(self, spec: JobSpec) -> None:
        """See Runner. The directory is made private to this user; its parent must exist.

        In a thread, because joining the memory ceiling alone may take ten milliseconds, in which a server would answer
        nobody. Whoever is cancelled meanwhile has started the job all the same.
        """
        await asyncio.to_thread(self._start, spec, payload(spec))

    def _start(self, spec: JobSpec, text: bytes) -> None:
        directory = Path(spec.directory)
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            directory.chmod(0o700)
            if (directory / "claim").exists():
                return
            (directory / "steps").mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(directory / "pipe", 0o600)
        except OSError as error:
            raise Errored(f"cannot make the job's directory {directory}: {error.strerror}") from error
        try:
            write_end = self._begin(spec.directory)
        except SpawnerGone:
            # Killed, most likely: the next one is asked, through another pipe.
            write_end = self._begin(spec.directory)
        _write_all(write_end, text)

    def _begin(self, directory: str) -> int:
        """A runner that waits for its payload; answers with where that is to be written."""
        read_end, write_end = os.pipe()
        try:
            self._yield_to_others(self._spawn_job(directory, read_end))
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        return write_end

    def _spawn_job(self, directory: str, stdin: int) -> int:
        """The runner; where the kernel allows it, one that adopts whoever of the job forks away from his parent."""
        if not IS_POSSIBLE:
            return self._spawn(["job", directory, str(os.getpid())], stdin=stdin)
        return spawner.start([*self._script(), "job", directory, ADOPTS], self._environment(), stdin=stdin)

    def _spawn(self, words: list[str], *, stdin: int | None = None) -> int:
        """A process of its own session, with default signals and no open files of ours."""
        self._reap()
        program, *rest = self._script()
        null = os.open(os.devnull, os.O_RDWR)
        try:
            pid = os.posix_spawn(
                program,
                [program, *rest, *words],
                self._environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null if stdin is None else stdin, 0),
                    (os.POSIX_SPAWN_DUP2, null, 1),
                    (os.POSIX_SPAWN_DUP2, null, 2),
                    *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in inherited()),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=DEFAULT_SIGNALS,
            )
        finally:
            os.close(null)
        self._children.add(pid)
        return pid

    def _script(self) -> list[str]:
        program = shutil.which(self.shell[0])
        if program is None:
            raise Errored(f"there is no {self.shell[0]} on this machine")
        return [program, *self.shell[1:], str(SCRIPT)]

    def _environment(self) -> dict[str, str]:
        return passed_on(os.environ) if self.environment is None else dict(self.environment)

    def _yield_to_others(self, pid: int) -> None:
        """While the runner still waits for its payload, so all its processes inherit it."""
        if self.niceness:
            with contextlib.suppress(OSError):
                # Counted from our own: under `nice` a process may not come up again.
                own = os.getpriority(os.PRIO_PROCESS, os.getpid())
                os.setpriority(os.PRIO_PROCESS, pid, min(own + self.niceness, 19))
        if self.oom_score_adjust:
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/oom_score_adj").write_text(str(self.oom_score_adjust))
        if self.ceiling is not None:
            self.ceiling.take_in(pid)

    def _reap(self) -> None:
        """Take the exit status of our own finished runners, or they stay as zombies."""
        for pid in list(self._children):
            try:
                done, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done = pid
            if done:
                self._children.discard(pid)

    async def follow(self, directory: str, offset: int, *, wait: float) -> Piece:
        """See Runner."""
        until = self.clock.monotonic() + wait
        pause = _FIRST_PAUSE
        while True:
            piece = self._look(directory, offset)
            if piece.result is not None:
                self._reap()
                return piece
            if piece.items or piece.offset != offset:
                return piece
            if self._is_lost(directory):
                return await self._lost(directory, offset)
            left = until - self.clock.monotonic()
            if left <= 0:
                return piece
            await self.clock.sleep(min(pause, left))
            pause = min(pause * 1.3, _LONGEST_PAUSE)

    def _look(self, directory: str, offset: int, lost: JobResult | None = None) -> Piece:
        """What is there now. The result is looked for first: once it is there, the log is whole."""
        result = lost or _read_result(directory)
        owner = _read_owner(directory)
        if owner is None:
            return Piece((), offset, result)
        data = _read(f"{directory}/log", offset, PIECE_SIZE)
        is_last = result is not None and len(data) < PIECE_SIZE
        parsed = parse_log(data, owner.mark, is_last=is_last)
        return Piece(parsed.items, offset + parsed.taken, result if is_last else None)

    def _is_lost(self, directory: str) -> bool:
        """There will never be a result: the runner is dead, or has never given a sign of life."""
        owner = _read_owner(directory)
        if owner is not None:
            return not _is_running(owner)
        if not os.path.isdir(directory):
            return True
        if directory not in self._waiting:
            within = SIGN_OF_LIFE_WITHIN.total_seconds()
            self._waiting[directory] = Patience(self.clock.monotonic, within, tick=_TICK)
        return self._waiting[directory].left() < 0

    async def _lost(self, directory: str, offset: int) -> Piece:
        if _read_result(directory) is None:
            await self._run("sweep", directory)
        # Between our two looks it may have ended by itself, and its last words may not be read yet.
        return self._look(directory, offset, _read_result(directory) or _lost_result(directory))

    async def cancel(self, directory: str, reason: str) -> None:
        """See Runner. A process of its own does it, so it is done even if this one dies now."""
        self._spawn(["cancel", directory, State.CANCELLED, " ".join(reason.split())])

    async def _run(self, verb: str, directory: str) -> None:
        pid = self._spawn([verb, directory])
        while pid in self._children:
            await self.clock.sleep(_LONGEST_PAUSE)
            self._reap()

    async def remove(self, directory: str) -> None:
        """See Runner."""
        self._waiting.pop(directory, None)
        self._reap()
        await asyncio.to_thread(_remove_unless_used, Path(directory))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        pass  # another one has the claim: this runner needs nothing
    finally:
        os.close(descriptor)


def _read(path: str, offset: int, size: int) -> bytes:
    """At most `size` bytes from `offset`; none while there is no such file.

    A job can put something else in its place: a pipe would hold us, and with us everybody, until somebody writes to it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.pread(descriptor, min(size, max(0, os.fstat(descriptor).st_size - offset)), offset)
    finally:
        os.close(descriptor)


def _is_running(owner: Owner) -> bool:
    if owner.start_time == 0:  # written by a shell without /proc (macOS): the pid is all there is
        return identity(owner.pid) is not None
    return is_alive(ProcessIdentity(owner.boot_id, owner.pid, owner.start_time))


def is_in_use(directory: Path) -> bool:
    """Whether a process of the job lives: its runner, or one that even KILL has not ended."""
    owner = _read_owner(str(directory))
    if owner is None:
        return False
    # With its result there the runner is through, though it may be seen for a moment longer.
    if not (directory / "result").exists() and _is_running(owner):
        return True
    left = _LEFT.findall(_read(f"{directory}/left", 0, PIECE_SIZE))
    return any(is_alive(ProcessIdentity(owner.boot_id, int(pid), int(start))) for pid, start in left)


def _remove_unless_used(directory: Path) -> None:
    if not is_in_use(directory):
        remove_tree(directory)


def _read_owner(directory: str) -> Owner | None:
    return parse_owner(_read(f"{directory}/owner", 0, 4096))


def _read_result(directory: str) -> JobResult | None:
    text = _read(f"{directory}/result", 0, RESULT_LIMIT)
    return parse_result(text, _read(f"{directory}/outputs", 0, OUTPUTS_LIMIT + 1)) if text else None


def _lost_result(directory: str) -> JobResult:
    reason = "runner lost"
    try:
        disk = os.statvfs(directory)
    except OSError as error:
        reason = f"runner lost: {directory}: {error.strerror}"
    else:
        free = disk.f_bavail * disk.f_frsize
        if free < FULL_DISK or (disk.f_files and not disk.f_favail):
            reason = f"runner lost: the disk of {directory} is full ({format_size(free)} free)"
    return JobResult(State.ERRORED, reason, (), None, output_truncated=True)


def remove_tree(path: Path) -> None:
    """Remove a directory with all in it, folders without write permission too. No error if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(path)
        except PermissionError:  # module caches of some languages are read-only
            os.chmod(path, stat.S_IRWXU)
            for folder, inner, _ in os.walk(path):
                for name in inner:
                    if not os.path.islink(os.path.join(folder, name)):
                        os.chmod(os.path.join(folder, name), stat.S_IRWXU)
            shutil.rmtree(path)

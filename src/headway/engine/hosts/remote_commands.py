"""One command on many hosts: started together, masked, ended when nobody waits any more."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from headway.base.clock import Clock
from headway.base.secret import Secret
from headway.domain.contract import HostSpec
from headway.domain.states import State
from headway.drivers.runner.masking import Masker
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut, SshConfigFault, SshError
from headway.drivers.ssh.framing import Capped
from headway.engine.repositories.host_book import HostBook
from headway.engine.secrets.by_name import SecretsMissing, SecretTooShort, load_secrets, secrets_in_files
from headway.engine.settings import Settings

#: What is kept of one host's output for merging, JSON and the summary.
OUTPUT_KEPT = 2**20
#: A line longer than this is passed on in pieces.
_LONGEST_LINE = 2**16

OnLine = Callable[["Task", bytes], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What to run on one host: words for a program, or a script for sh."""

    host: HostSpec
    command: str | Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    #: The process whose log it is; None for `exec`.
    process: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command on one host.

    succeeded: exit 0 · failed: another exit, a signal, or the time limit · errored: the host was not reached, or
    lost. `output` is masked, standard output and error together.
    """

    host: str
    state: State
    #: One line for a person: `exit 2`, `killed by SIGKILL`, why the host was not reached.
    reason: str
    exit_code: int | None
    signal: str | None
    output: bytes
    #: Bytes left out of the middle of `output`.
    dropped: int
    duration: timedelta
    process: str | None = None
    hint: str | None = None


def known_secrets(
    book: HostBook,
    settings: Settings,
    environment: str | None = None,
    *,
    stored: Sequence[tuple[str | None, str]] = (),
) -> tuple[Secret, ...]:
    """Every secret of the service that can be found here, to be masked: of one environment, or of all and of its jobs.

    What runs was given what an older file named: so it is all that the service's files of secrets hold as well, and
    those of `stored` (environment, or None: of all; and name), which the vault has or the plans on the hosts name.

    Those that are nowhere are passed over: nothing can print them for us. Raises SecretsError for a file that
    others could read.
    """
    named = [one for one in book.secrets if environment is None or one[0] == environment]
    found: dict[str, Secret] = {}
    for place, name in dict.fromkeys([*named, *stored]):
        try:
            (secret,) = load_secrets((name,), book.service, place, settings, team=book.team)
        except SecretsMissing:
            continue
        except SecretTooShort:
            if (place, name) in named:
                raise
            continue
        found[secret.reveal()] = secret
    if book.service:
        for secret in secrets_in_files(book.service, environment, settings):
            found.setdefault(secret.reveal(), secret)
    return tuple(found.values())


class MaskedLines:
    """Masks a stream and cuts it into lines; a secret of several lines is masked line by line."""

    def __init__(self, secrets: Iterable[Secret], on_line: Callable[[bytes], None]) -> None:
        self._masker = Masker(secrets)
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._take(self._masker.feed(data))

    def end(self) -> None:
        self._take(self._masker.finish())
        if self._rest:
            self._on_line(self._rest)
            self._rest = b""

    def _take(self, masked: bytes) -> None:
        *lines, self._rest = (self._rest + masked).split(b"\n") if masked else [self._rest]
        for line in lines:
            self._on_line(line + b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._on_line(self._rest)
            self._rest = b""


@dataclass(frozen=True)
class Stage:
    """What all commands of one call share."""

    connections: Connections
    #: Masked in every line.
    secrets: Sequence[Secret]
    clock: Clock
    #: Gets each line as it comes, masked; the last one may lack its newline.
    on_line: OnLine
    pty: bool = False
    #: Of the command on its host, from when it was reached.
    timeout: timedelta | None = None


async def run_tasks(stage: Stage, tasks: Sequence[Task], *, parallel: int = 64) -> list[Outcome]:
    """All of them, at most `parallel` at once; the outcomes in the tasks' order.

    Nothing is raised for a host: what is wrong with it is its outcome. When the caller is cancelled, the commands
    on the hosts are ended too (leaving `connections` waits for that). Raises SshConfigFault: that is wrong for all.
    """
    gate = asyncio.Semaphore(parallel)

    async def one(task: Task) -> Outcome:
        async with gate:
            return await run_task(stage, task)

    running = [asyncio.ensure_future(one(task)) for task in tasks]
    try:
        return list(await asyncio.gather(*running))
    finally:
        for unfinished in running:
            unfinished.cancel()


async def run_task(stage: Stage, task: Task) -> Outcome:
    kept = Capped(OUTPUT_KEPT)

    def take(line: bytes) -> None:
        kept.add(line)
        stage.on_line(task, line)

    lines = MaskedLines(stage.secrets, take)
    began = stage.clock.monotonic()
    exit_code: int | None = None
    signal: str | None = None
    hint: str | None = None
    try:
        # Connecting has its own patience; the time limit is the command's.
        session = stage.connections.of(task.host)
        await session.connection()
        ended = await session.run(
            task.command,
            env=task.env,
            pty=stage.pty,
            timeout=stage.timeout.total_seconds() if stage.timeout else None,
            on_output=lines.feed,
        )
        state, reason = (State.SUCCEEDED if ended.ok else State.FAILED), str(ended)
        exit_code, signal = ended.exit_code, ended.signal
        if exit_code == 127:
            hint = "the host does not find this command; look at its PATH, or give the whole path"
    except SshConfigFault:
        raise
    except CommandTimedOut as error:
        state, reason = State.FAILED, error.message
    except SshError as error:
        state, reason, hint = State.ERRORED, error.message, error.hint
    lines.end()
    output, dropped = kept.value()
    return Outcome(
        host=task.host.name,
        state=state,
        reason=reason,
        exit_code=exit_code,
        signal=signal,
        output=output,
        dropped=dropped,
        duration=timedelta(seconds=stage.clock.monotonic() - began),
        process=task.process,
        hint=hint,
    )


@dataclass(frozen=True, slots=True)
class SameOutcome:
    """Hosts on which a command came to the same end with the same output."""

    hosts: tuple[str, ...]
    outcome: Outcome


def merged(outcomes: Iterable[Outcome]) -> list[SameOutcome]:
    """Equal ones together, the largest group first; hosts that were not reached stand alone with their reasons."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in outcomes:
        alone = outcome.host if outcome.state is State.ERRORED else None
        key = (outcome.state, outcome.exit_code, outcome.signal, outcome.output, alone)
        groups.setdefault(key, []).append(outcome)
    found = [SameOutcome(tuple(one.host for one in group), group[0]) for group in groups.values()]
    return sorted(found, key=lambda group: -len(group.hosts))

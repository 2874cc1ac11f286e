"""The service's own logs on its hosts: which command to run where, and what of it is new when it is run again."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from headway.base.errors import WrongUse
from headway.deploy.hostside import go_to
from headway.deploy.layout import root_of
from headway.deploy.placeholders import Values, fill_command
from headway.deploy.plan import Plan
from headway.domain.contract import Contract, HostSpec, ProcessSpec
from headway.domain.selection import processes_by_host
from headway.domain.states import State
from headway.drivers.ssh.framing import quote
from headway.engine.hosts.remote_commands import Stage, Task, run_task

#: How often a log whose command ends is looked at again, in seconds.
_PAUSE = 2.0
#: Lines of a log that are compared with the next look at it.
_REMEMBERED = 5000


def log_tasks(
    contract: Contract,
    environment: str,
    *,
    since: datetime,
    lines: int,
    follow: bool,
    live: Plan | None = None,
) -> list[Task]:
    """The `logs` command of each process on each of its hosts: as what is live there says in its own file, where that
    is known; else as the contract says, which says in any case where the hosts are.

    It runs in the environment's root there, in `current` where that stands, with the environment's `env` and
    HEADWAY_SERVICE, _ENVIRONMENT, _HOST, _ROOT, _RELEASE (what `current` points at), HEADWAY_SINCE (ISO 8601 in UTC),
    HEADWAY_SINCE_EPOCH (seconds), HEADWAY_LINES, and HEADWAY_FOLLOW (1 or empty).
    Raises WrongUse when there is no such environment, or no process says how to read its log.
    """
    spec = contract.environments.get(environment)
    if spec is None or contract.deploy is None:
        raise WrongUse(
            f"there is no environment '{environment}' in headway.toml",
            hint=f"there are: {', '.join(contract.environments)}"
            if contract.environments
            else "see headway.example.toml",
        )
    tasks = []
    for host, names in processes_by_host(contract, contract.deploy, spec):
        own = next((one for one in live.hosts if one.spec.name == host.name), None) if live else None
        variables = live.environment.env if live and own else spec.env
        of_today = tuple(one for one in contract.deploy.processes if one.name in names)
        for process in live.new(own).processes if live and own else of_today:
            if process.logs is None:
                continue
            values = Values(
                host.name, host.address, "", contract.service.name, environment, dict(host.labels)
            )
            root = root_of(contract.deploy, spec, values)
            tasks.append(
                log_task(process, host, root, values, variables, since=since, lines=lines, follow=follow)
            )
    # `main` first, then the others, each host by host.
    order = {name: place for place, name in enumerate(dict.fromkeys(task.process for task in tasks))}
    tasks.sort(key=lambda task: order[task.process])
    if not tasks:
        raise WrongUse(
            f"no process of {contract.service.name} says how to read its log",
            hint='write logs = "journalctl -u SERVICE -o short-iso --since @$HEADWAY_SINCE_EPOCH" into [deploy]',
        )
    return tasks


def log_task(
    process: ProcessSpec,
    host: HostSpec,
    root: str,
    values: Values,
    env: Mapping[str, str],
    *,
    since: datetime,
    lines: int,
    follow: bool = False,
    settings: str = "",
) -> Task:
    """The `logs` command of one process on one host, as `log_tasks` says. The process must have one.

    `settings` is a file of settings on the host, relative to the root, that is read first.
    """
    told = {
        "HEADWAY_SERVICE": values.service,
        "HEADWAY_ENVIRONMENT": values.environment,
        "HEADWAY_SINCE": since.astimezone(UTC).isoformat(timespec="seconds"),
        "HEADWAY_SINCE_EPOCH": str(int(since.timestamp())),
        "HEADWAY_LINES": str(lines),
        "HEADWAY_FOLLOW": "1" if follow else "",
        "HEADWAY_HOST": host.name,
    }
    return Task(host, _log_script(process, root, values, settings), {**env, **told}, process.name)


def _log_script(process: ProcessSpec, root: str, values: Values, settings: str) -> str:
    # Which release is live, only the host knows. `${release}` is the shell's own.
    asked = re.sub(r"(?<!\$)\{release\}", '"$HEADWAY_RELEASE"', process.logs or "")
    command = fill_command(asked, values)
    return (
        f"{go_to(root)}"
        "export HEADWAY_RELEASE=\n"
        # The command may read something else altogether, such as the journal: it is run in any case, and what was not
        # there is said when it fails.
        'if cd -- "$root" 2>/dev/null; then\n  export HEADWAY_ROOT="$root"\n'
        f"{_read(settings)}"
        "  HEADWAY_RELEASE=$(readlink current 2>/dev/null); HEADWAY_RELEASE=${HEADWAY_RELEASE##*/}\n"
        "  if [ -e current ]; then cd current || :; fi\n"
        "else\n"
        "  trap '[ $? = 0 ] || echo \"headway: the folder $root cannot be entered, so this ran in $PWD\" >&2' EXIT\n"
        "fi\n"
        f"{command}"
    )


def _read(settings: str) -> str:
    return (
        f"if [ -r {quote(settings)} ]; then set -a; . ./{quote(settings)}; set +a; fi\n" if settings else ""
    )


async def follow_tasks(stage: Stage, tasks: Sequence[Task], on_trouble: Callable[[Task, str], None]) -> None:
    """Logs as they grow, until the caller is cancelled.

    A command that goes on (because it heeds HEADWAY_FOLLOW) is read as it prints; one that ends is run again, and
    what it printed before is left out. A host that is lost is asked again; `on_trouble` says so once for each trouble.
    """
    following = [asyncio.ensure_future(_follow(stage, task, on_trouble)) for task in tasks]
    try:
        await asyncio.gather(*following)
    finally:
        for one in following:
            one.cancel()


async def _follow(stage: Stage, task: Task, on_trouble: Callable[[Task, str], None]) -> None:
    seen, trouble = Seen(), ""
    while True:
        fresh = Fresh(seen, partial(stage.on_line, task))
        outcome = await run_task(replace(stage, on_line=partial(_take, fresh)), task)
        # A command that was cut off may have printed only half of what was seen before.
        seen = fresh.broken_off() if outcome.state is State.ERRORED else fresh.end()
        found = "" if outcome.state is State.SUCCEEDED else outcome.reason
        if found and found != trouble:
            on_trouble(task, found)
        trouble = found
        await stage.clock.sleep(_PAUSE)


def _take(fresh: "Fresh", _task: Task, line: bytes) -> None:
    fresh.take(line)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a log's command printed: how many lines, the first, and the last of them."""

    count: int = 0
    first: bytes = b""
    tail: tuple[bytes, ...] = ()


class Fresh:
    """Passes on the lines of a log that were not there when it was printed the last time.

    A log that grew begins with all that was seen; of one that shows its last lines only, the end of what was seen
    stands at the beginning. Lines wait until it is clear which ones are new: no longer, for the command may go on.
    """

    def __init__(self, seen: Seen, pass_on: Callable[[bytes], None]) -> None:
        self._seen = seen
        self._pass_on = pass_on
        self._count = 0
        self._first = b""
        self._tail: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._waiting: list[bytes] = []
        #: Nothing to compare with (any more): lines pass at once.
        self._direct = not seen.count
        #: From where on in what was seen these lines may be the same; None before the first line.
        self._from: list[int] | None = None
        #: How many of them are the end of what was seen, as far as that is known.
        self._overlap = 0

    def take(self, line: bytes) -> None:
        self._count += 1
        self._first = self._first or line
        self._tail.append(line)
        if self._direct:
            self._pass_on(line)
            return
        if len(self._waiting) < _REMEMBERED:
            self._waiting.append(line)
        self._compare(line)
        if self._count == self._seen.count and tuple(self._tail) == self._seen.tail:
            self._direct = True
        elif not self._from and not self._may_be_all():
            self._decide()

    def end(self) -> Seen:
        """What is now seen; a command that printed nothing changes nothing (a log that is being rotated)."""
        if not self._count:
            return self._seen
        if not self._direct:
            self._decide()
        return self.broken_off()

    def broken_off(self) -> Seen:
        """The command did not come to its end: what it printed before it was clear what is new, was not new."""
        return (
            Seen(self._count, self._first, tuple(self._tail)) if self._direct and self._count else self._seen
        )

    def _compare(self, line: bytes) -> None:
        seen = self._seen.tail
        place = self._count - 1
        if self._from is None:
            self._from = list(range(len(seen)))
        same = [start for start in self._from if seen[start + place] == line]
        # What ends with what was seen is an overlap; the longest one counts.
        if any(start + self._count == len(seen) for start in same):
            self._overlap = self._count
        self._from = [start for start in same if start + self._count < len(seen)]

    def _may_be_all(self) -> bool:
        """More was printed than is remembered of it, and this may be all of that again."""
        seen = self._seen
        return self._first == seen.first and len(seen.tail) < seen.count and self._count < seen.count

    def _decide(self) -> None:
        for line in self._waiting[self._overlap :]:
            self._pass_on(line)
        self._waiting, self._direct = [], True

"""The duty of housekeeping, on by default: finished logs are packed, what the rules no longer keep goes, the database
and the repositories are tended.

Each chore may be repeated at any time and is cut short after some seconds, so that the duty stays on time; what is
left comes with the next tick. A chore that fails is noted and comes again; it keeps no other one from its turn.
"""

import asyncio
import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from headway.base.durations import format_duration
from headway.base.errors import HeadwayError
from headway.drivers.git.bare import Bare
from headway.engine.janitor import retention
from headway.engine.janitor.log_packing import LogPacker
from headway.engine.runs.runs import Tools
from headway.engine.settings import Settings
from headway.engine.troubles import Trouble
from headway.pipeline.retention import Rules
from headway.store import arrivals, events, upkeep
from headway.store import retention as rows
from headway.store.database import Database, Transaction

log = logging.getLogger("headway.janitor")

#: How long all chores of one tick take at most, give or take one removal.
_BUDGET = timedelta(seconds=5)
#: When a chore that was cut short goes on; others have their turn in between.
_SOON = timedelta(seconds=2)
#: Rows that one statement deletes at most: it holds up other writers for some milliseconds.
_ROWS = 1000
#: When a chore that failed comes again for the first time; the pause doubles up to its usual one.
_RETRY = timedelta(minutes=1)
#: Failures in a row from which on somebody has to look.
_FAILING = 3
#: Loose objects and packs beyond which a repository is packed anew.
_LOOSE, _PACKS = 2000, 20
#: No git of ours works for so long: a lock file that is older was left by a power cut, and holds up every push.
_STALE = timedelta(hours=2)
#: Of the housekeeping thread, below the server and above jobs.
_NICENESS = 3


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """What stays how long."""

    rules: Rules = field(default_factory=Rules)
    #: A log is packed this long after its job ended.
    packed_after: timedelta = timedelta(minutes=1)
    events: timedelta = timedelta(days=14)
    #: Arrivals that were worked on.
    arrivals: timedelta = timedelta(days=30)
    #: Effects that were sent, or given up.
    effects: timedelta = timedelta(days=14)
    #: Objects of server repositories that no ref reaches any more.
    unreachable: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Did:
    """What a chore did, by name and number; `more` when it was cut short."""

    counts: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass
class Chore:
    name: str
    every: timedelta
    work: Callable[[datetime, retention.Enough], Did]
    due_at: datetime | None = None
    #: When it was last done to its end, what went since this process began, and why it failed the last time.
    done_at: datetime | None = None
    total: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    #: How often in a row it failed.
    failures: int = 0
    #: That was a fault of Headway itself.
    is_own: bool = False


def housekeeping_from(tools: Tools, disk_total: int) -> Housekeeping:
    """The rules of a server: logs may take a tenth of the disk (or 5 GiB) before they go for their size. Raises WrongUse."""
    rules = retention.rules_from(tools.settings)
    return Housekeeping(replace(rules, log_bytes=max(rules.log_bytes, disk_total // 10)))


class Janitor:
    """`tick` is the duty. Chores run one after the other in a thread of low priority."""

    def __init__(
        self,
        tools: Tools,
        keeping: Housekeeping | None = None,
        *,
        sweeps: Mapping[str, Callable[[datetime], Awaitable[int]]] | None = None,
    ) -> None:
        """`sweeps` are others' own: called each hour with `now`, they answer with how many rows went."""
        self._tools = tools
        self._keeping = keeping or Housekeeping(retention.rules_from(tools.settings))
        self._sweeps = dict(sweeps or {})
        self._swept_at: datetime | None = None
        self._packer = LogPacker(tools.database, tools.settings, self._keeping.packed_after)
        self._git = _GitUpkeep(tools, self._keeping.unreachable)
        self._thread = ThreadPoolExecutor(1, "headway-janitor", initializer=_step_back)
        self._stopping = False
        minute, hour = timedelta(minutes=1), timedelta(hours=1)
        self.chores = (
            Chore("logs to pack", minute, self._pack),
            Chore("old rows", 10 * minute, self._rows),
            Chore("job directories", 10 * minute, self._jobs),
            Chore("old logs", hour, self._logs),
            Chore("all logs to pack", hour, self._pack_all),
            Chore("releases and artifacts", hour, self._releases),
            Chore("objects of dirty trees", 6 * hour, self._trees),
            Chore("database", hour, self._database),
            Chore("repositories", 10 * minute, self._git.look),
        )

    async def tick(self, now: datetime) -> datetime:
        """Does what is due; answers when it wants to be called again."""
        clock = self._tools.clock
        until = clock.monotonic() + _BUDGET.total_seconds()

        def enough() -> bool:
            return self._stopping or clock.monotonic() > until

        loop = asyncio.get_running_loop()
        # Who waited longest comes first, so that a chore with much to do does not hold up the others for ever.
        for chore in sorted(self.chores, key=lambda chore: chore.due_at or now):
            if enough():
                break
            if chore.due_at is None or chore.due_at <= now:
                await loop.run_in_executor(self._thread, _do, chore, now, enough)
        if not enough():
            await self._sweep(now)
        return min(chore.due_at or now + _SOON for chore in self.chores)

    def troubles(self, now: datetime) -> list[Trouble]:
        """Of each chore that fails every time, or by a fault of Headway itself. The server does its work all the same,
        so only people are told."""
        return [
            Trouble(
                f"housekeeping: {chore.name} failed {_often(chore.failures)}: {chore.fault}",
                hint="Runs and deployments go on without it; it is tried again. The server's log says more.",
            )
            for chore in self.chores
            if chore.failures >= _FAILING or (chore.failures and chore.is_own)
        ]

    def stop(self) -> None:
        """The chore under way ends at its next pause; none is begun after it."""
        self._stopping = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _sweep(self, now: datetime) -> None:
        if self._swept_at is not None and self._swept_at <= now < self._swept_at + timedelta(hours=1):
            return
        self._swept_at = now
        for name, sweep in self._sweeps.items():
            try:
                if count := await sweep(now):
                    log.info("%s: %d rows went", name, count)
            except HeadwayError as error:
                log.warning("%s: %s", name, error.message)

    def _pack(self, now: datetime, enough: retention.Enough) -> Did:
        count, more = self._packer.pack_recent(now, enough)
        return Did({"logs packed": count}, more)

    def _pack_all(self, now: datetime, enough: retention.Enough) -> Did:
        count, more = self._packer.pack_all(now, enough)
        return Did({"logs packed": count}, more)

    def _rows(self, now: datetime, enough: retention.Enough) -> Did:
        keeping, counts = self._keeping, dict.fromkeys(("events", "arrivals", "effects"), 0)
        works: Sequence[tuple[str, Callable[[Transaction], int]]] = (
            ("events", lambda tx: events.forget_events(tx, before=now - keeping.events, limit=_ROWS)),
            ("arrivals", lambda tx: arrivals.forget_arrivals(tx, before=now - keeping.arrivals, limit=_ROWS)),
            ("effects", lambda tx: rows.forget_effects(tx, before=now - keeping.effects, limit=_ROWS)),
        )
        for name, work in works:
            while (count := self._tools.database.transact(work)) and not enough():
                counts[name] += count
            counts[name] += count
        return Did(counts, more=enough())

    def _jobs(self, now: datetime, enough: retention.Enough) -> Did:
        tidied = retention.tidy_jobs(*self._place(now), enough)
        return Did({"job directories": tidied.jobs}, tidied.more)

    def _logs(self, now: datetime, enough: retention.Enough) -> Did:
        tidied = retention.tidy_logs(*self._place(now), enough)
        return Did({"runs' logs": tidied.logs}, tidied.more)

    def _releases(self, now: datetime, enough: retention.Enough) -> Did:
        tidied = retention.tidy_releases(*self._place(now), enough)
        counts = {"releases": len(tidied.releases), "artifacts": tidied.artifacts}
        return Did(counts | {"artifacts' bytes": tidied.artifact_bytes}, tidied.more)

    def _trees(self, now: datetime, _: retention.Enough) -> Did:
        tidied = retention.tidy_trees(self._tools.settings, now, self._keeping.rules)
        return Did({"objects": tidied.objects})

    def _database(self, _: datetime, __: retention.Enough) -> Did:
        upkeep.tend(self._tools.database)
        return Did()

    def _place(self, now: datetime) -> tuple[Database, Settings, datetime, Rules]:
        return self._tools.database, self._tools.settings, now, self._keeping.rules


class _GitUpkeep:
    """Packs server repositories that have grown untidy, one at a time, beside everything else: it may take minutes."""

    def __init__(self, tools: Tools, unreachable: timedelta) -> None:
        self._tools = tools
        self._unreachable = unreachable
        self._under_way: threading.Thread | None = None
        self._packed = 0
        self._faults: list[str] = []
        #: The repository that was looked at last.
        self._cursor = ""

    def look(self, now: datetime, enough: retention.Enough) -> Did:
        if self._under_way is not None and self._under_way.is_alive():
            return Did()
        if self._faults:
            log.warning("a repository could not be packed: %s", self._faults.pop())
        packed, self._packed = self._packed, 0
        repositories = self._tools.settings.data / "repositories"
        ids = self._tools.database.read(rows.standing_repositories)
        start = next((place for place, id in enumerate(ids) if id > self._cursor), 0)
        for id in ids[start:] + ids[:start]:
            self._cursor = id
            bare = Bare(repositories / f"{id}.git", self._tools.settings.environment)
            bare.sweep(older_than=now - _STALE)
            if is_untidy(bare):
                # A daemon: git goes on alone when this process ends, and is safe to kill.
                work = functools.partial(self._tidy, bare, now - self._unreachable)
                self._under_way = threading.Thread(target=work, name="headway-git-upkeep", daemon=True)
                self._under_way.start()
                break
            if enough():
                return Did({"repositories packed": packed}, more=True)
        return Did({"repositories packed": packed})

    def _tidy(self, bare: Bare, older_than: datetime) -> None:
        _step_back()
        try:
            bare.tidy(older_than=older_than)
            self._packed += 1
        except HeadwayError as error:
            self._faults.append(error.message)


def is_untidy(bare: Bare) -> bool:
    """Whether it has many loose objects (as many as one folder of the 256 lets expect) or packs."""
    objects = bare.folder / "objects"
    try:
        loose = len(os.listdir(objects / "17")) * 256 if (objects / "17").is_dir() else 0
        packs = sum(name.endswith(".pack") for name in os.listdir(objects / "pack"))
    except OSError:
        # Not fetched yet, or just removed.
        return False
    return loose > _LOOSE or packs > _PACKS


def _do(chore: Chore, now: datetime, enough: retention.Enough) -> None:
    try:
        did = chore.work(now, enough)
    except Exception as error:
        chore.fault = error.message if isinstance(error, HeadwayError) else f"{type(error).__name__}: {error}"
        chore.is_own = not isinstance(error, HeadwayError | OSError)
        if chore.is_own:
            log.exception("%s", chore.name)
        chore.failures += 1
        pause = min(_RETRY * 2 ** min(chore.failures - 1, 10), chore.every)
        chore.due_at = now + pause
        log.warning("%s: %s; it is tried again in %s", chore.name, chore.fault, format_duration(pause))
        return
    chore.fault, chore.failures = "", 0
    chore.due_at = now + (_SOON if did.more else chore.every)
    if not did.more:
        chore.done_at = now
    told = []
    for name, count in did.counts.items():
        chore.total[name] = chore.total.get(name, 0) + count
        if count:
            told.append(f"{count} {name}")
    if told:
        log.info("%s: %s", chore.name, ", ".join(told))


def _often(times: int) -> str:
    return f"{times} times in a row" if times > 1 else "once"


def _step_back() -> None:
    """This thread and the programs it starts yield to the server. Jobs have a lower priority still, so a housekeeper
    that holds Python's lock never waits for a job.

    Counted from the server's own: one that was started under `nice` may not come up again. And only a wish: what is
    raised here would break the pool of threads for good.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(own + _NICENESS, 19))

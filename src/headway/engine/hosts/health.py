"""Whether what runs on a host is well: asked until it is, or until its time is over; watched while it is a canary."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headway.base.clock import Clock
from headway.base.durations import format_duration
from headway.base.patience import Patience
from headway.base.secret import Secret
from headway.deploy.layout import release_directory, settings_file
from headway.deploy.placeholders import Values, fill_command, fill_path, fill_url
from headway.deploy.plan import HostPlan, Plan, ReleaseOnHost
from headway.domain.contract import Expect, HealthCheck, HealthFrom, HealthKind
from headway.drivers.health import probe
from headway.engine.hosts.link import HostLink

#: While a canary is watched: this many bad answers in a row are a verdict, one is a hiccup.
_BAD_IN_A_ROW = 3
#: Seconds that a question may take beside its own limit before it is clear that we stood still.
_SLACK = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one check: of which process, whether it was good, and what was seen, as one line."""

    process: str
    good: bool
    line: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A check of one process, its placeholders filled in."""

    process: str
    check: HealthCheck
    target: str
    expect: Expect

    def seen(self, good: bool, why: str) -> Seen:
        process = "" if self.process == "main" else f" of {self.process}"
        return Seen(self.process, good, f"health{process} ({self.check.kind}): {why}")


@dataclass
class Health:
    plan: Plan
    host: HostPlan
    link: HostLink
    clock: Clock
    #: Masked in what is told of an answer.
    secrets: Sequence[Secret]

    async def settle(self, on_host: ReleaseOnHost) -> list[Seen]:
        """Asks all checks of that release's own file at once until each was good `successes` times in a row."""
        return await asyncio.gather(*(self._until_good(asked) for asked in self._checks(on_host)))

    async def watch(self, on_host: ReleaseOnHost, until: datetime) -> list[Seen]:
        """Goes on asking until `until`, and until an answer was good; bad after several bad answers in a row.

        Late (whoever watched was killed, and the time is over): one good answer is enough.
        """
        checks = self._checks(on_host)
        # From here on by the monotonic clock: a wall clock that jumps does not prolong the watch, whenever it does.
        whole = self.plan.environment.strategy.watch.total_seconds()
        left = min(whole, max(0.0, (until - self.clock.now()).total_seconds()))
        if not checks:
            await self.clock.sleep(left)
        end = self.clock.monotonic() + left
        return await asyncio.gather(*(self._while_good(asked, end) for asked in checks))

    def _checks(self, on_host: ReleaseOnHost) -> list[_Asked]:
        values = self.plan.values(self.host, on_host.release)
        return [
            _Asked(process.name, check, self._target(check, on_host), _filled(check.expect, values))
            for process in on_host.processes
            for check in process.health
        ]

    def _target(self, check: HealthCheck, on_host: ReleaseOnHost) -> str:
        values = self.plan.values(self.host, on_host.release)
        if check.kind is not HealthKind.COMMAND:
            return fill_url(check.target, values)
        command = fill_command(check.target, values)
        if check.source is HealthFrom.HERE:
            return command
        # As everything of the release: in its directory, with its settings.
        root = self.link.root
        return (
            f"cd {shlex.quote(f'{root}/{release_directory(on_host.release)}')} || exit 1\n"
            f"HEADWAY_ROOT={shlex.quote(root)}; export HEADWAY_ROOT\n"
            f"set -a; . {shlex.quote(f'{root}/{settings_file(on_host.deployment)}')}; set +a\n"
            f"sh -eu -c {shlex.quote(command)}"
        )

    async def _until_good(self, asked: _Asked) -> Seen:
        check = asked.check
        # Between two looks lie a question and a pause; more is no time that the host has had.
        tick = (check.timeout + check.interval).total_seconds() + _SLACK
        patience = Patience(self.clock.monotonic, check.within.total_seconds(), tick=tick)
        in_a_row, why = 0, "no answer"
        while True:
            good, why = await self._ask(asked)
            in_a_row = in_a_row + 1 if good else 0
            if in_a_row >= check.successes:
                return asked.seen(True, why)
            pause = min(check.interval.total_seconds(), patience.left())
            if pause <= 0:
                return asked.seen(False, f"{why} (for {format_duration(check.within)})")
            await self.clock.sleep(pause)

    async def _while_good(self, asked: _Asked, end: float) -> Seen:
        bad_in_a_row = 0
        while True:
            good, why = await self._ask(asked)
            bad_in_a_row = 0 if good else bad_in_a_row + 1
            left = end - self.clock.monotonic()
            if bad_in_a_row >= _BAD_IN_A_ROW:
                return asked.seen(False, f"{why} (while it was watched)")
            if good and left <= 0:
                return asked.seen(True, why)
            interval = asked.check.interval.total_seconds()
            await self.clock.sleep(min(interval, left) if left > 0 else interval)

    async def _ask(self, asked: _Asked) -> tuple[bool, str]:
        check = asked.check

        async def ask() -> tuple[bool, str]:
            way = None if check.source is HealthFrom.HERE else await self.link.session()
            timeout = check.timeout.total_seconds()
            return await probe(check.kind, asked.target, way, timeout, asked.expect, self.secrets)

        return await self.link.persist(ask)


def _filled(expect: Expect, values: Values) -> Expect:
    return replace(
        expect,
        body=None if expect.body is None else fill_path(expect.body, values),
        header=tuple((name, fill_path(text, values)) for name, text in expect.header),
    )

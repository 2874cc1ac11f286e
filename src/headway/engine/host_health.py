"""Whether what runs on a host is well: asked until it is, or until its time is over; watched while it is a canary."""

import asyncio
import shlex
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import Clock
from headway.base.durations import format_duration
from headway.deploy.host_states import Outcome
from headway.deploy.layout import release_directory, settings_file
from headway.deploy.placeholders import fill_command, fill_url
from headway.deploy.plan import HostPlan, Plan, Standing
from headway.domain.contract import HealthCheck, HealthFrom, HealthKind
from headway.drivers.health import probe
from headway.engine.host_link import HostLink

#: While a canary is watched: this many bad answers in a row are a verdict, one is a hiccup.
_BAD_IN_A_ROW = 3


@dataclass
class Health:
    plan: Plan
    host: HostPlan
    link: HostLink
    clock: Clock

    async def settle(self, standing: Standing) -> Outcome:
        """Asks all checks of that release's own file at once until each was good `successes` times in a row; the
        first that fails decides."""
        checks = self._checks(standing)
        found = await asyncio.gather(
            *(self._until_good(name, check, target) for name, check, target in checks)
        )
        bad = [outcome for outcome in found if not outcome.good]
        return bad[0] if bad else Outcome(True)

    async def watch(self, standing: Standing, until: datetime) -> Outcome:
        """Goes on asking until `until`, and until an answer was good; bad after several bad answers in a row.

        Late (whoever watched was killed, and the time is over): one good answer is enough.
        """
        checks = self._checks(standing)
        # From here on by the monotonic clock: a wall clock that jumps does not prolong the watch, whenever it does.
        whole = self.plan.environment.strategy.watch.total_seconds()
        left = min(whole, max(0.0, (until - self.clock.now()).total_seconds()))
        if not checks:
            await self.clock.sleep(left)
            return Outcome(True)
        end = self.clock.monotonic() + left
        found = await asyncio.gather(
            *(self._while_good(name, check, target, end) for name, check, target in checks)
        )
        bad = [outcome for outcome in found if not outcome.good]
        return bad[0] if bad else Outcome(True)

    def _checks(self, standing: Standing) -> list[tuple[str, HealthCheck, str]]:
        return [
            (process.name, check, self._target(check, standing))
            for process in standing.processes
            for check in process.health
        ]

    def _target(self, check: HealthCheck, standing: Standing) -> str:
        values = self.plan.values(self.host, standing.release)
        if check.kind is not HealthKind.COMMAND:
            return fill_url(check.target, values)
        command = fill_command(check.target, values)
        if check.source is HealthFrom.HERE:
            return command
        # As everything of the release: in its directory, with its settings.
        root = self.link.root
        return (
            f"cd {shlex.quote(f'{root}/{release_directory(standing.release)}')} || exit 1\n"
            f"HEADWAY_ROOT={shlex.quote(root)}; export HEADWAY_ROOT\n"
            f"set -a; . {shlex.quote(f'{root}/{settings_file(standing.deployment)}')}; set +a\n"
            f"sh -eu -c {shlex.quote(command)}"
        )

    async def _until_good(self, name: str, check: HealthCheck, target: str) -> Outcome:
        end = self.clock.monotonic() + check.within.total_seconds()
        in_a_row, why = 0, "no answer"
        while True:
            good, why = await self._ask(check, target)
            in_a_row = in_a_row + 1 if good else 0
            if in_a_row >= check.successes:
                return Outcome(True)
            pause = min(check.interval.total_seconds(), end - self.clock.monotonic())
            if pause <= 0:
                return Outcome(
                    False, self._unwell(name, check, f"{why} (for {format_duration(check.within)})")
                )
            await self.clock.sleep(pause)

    async def _while_good(self, name: str, check: HealthCheck, target: str, end: float) -> Outcome:
        bad_in_a_row = 0
        while True:
            good, why = await self._ask(check, target)
            bad_in_a_row = 0 if good else bad_in_a_row + 1
            left = end - self.clock.monotonic()
            if bad_in_a_row >= _BAD_IN_A_ROW:
                return Outcome(False, self._unwell(name, check, f"{why} (while it was watched)"))
            if good and left <= 0:
                return Outcome(True)
            interval = check.interval.total_seconds()
            await self.clock.sleep(min(interval, left) if left > 0 else interval)

    async def _ask(self, check: HealthCheck, target: str) -> tuple[bool, str]:
        async def ask() -> tuple[bool, str]:
            way = None if check.source is HealthFrom.HERE else await self.link.session()
            return await probe(check.kind, target, way, check.timeout.total_seconds())

        return await self.link.persist(ask)

    def _unwell(self, name: str, check: HealthCheck, why: str) -> str:
        process = "" if name == "main" else f" of {name}"
        return f"health{process} ({check.kind}): {why}"

"""The parts of one server process, put together and taken apart again."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from headway.base.clock import SteadyClock, SystemClock
from headway.base.errors import HeadwayError
from headway.domain.people import Actor, Role
from headway.domain.run import Run
from headway.drivers.git.received import listening
from headway.drivers.runner.ceiling import make_ceiling
from headway.drivers.runner.local import LocalRunner
from headway.engine.access.idempotency import Calls
from headway.engine.access.people import People
from headway.engine.duties import Duties, Tick
from headway.engine.intake.arrivals import Arrivals
from headway.engine.intake.duty import IntakeDuty
from headway.engine.intake.polling import LookDuty
from headway.engine.intake.release_triggers import ReleaseTriggers
from headway.engine.intake.schedules import ScheduleDuty
from headway.engine.intake.tries import sweep_tries
from headway.engine.janitor.janitor import Janitor, housekeeping_from
from headway.engine.keeping.disk import DiskWatch
from headway.engine.keeping.upgrade import copy_first
from headway.engine.outgoing.hub import Hub
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.repositories.commits import Reader
from headway.engine.repositories.org import OrgKeeper
from headway.engine.repositories.repositories import Repositories
from headway.engine.requests.deployments_duty import DeploymentsDuty
from headway.engine.requests.gate import team_of
from headway.engine.requests.hosts_duty import HostsDuty
from headway.engine.requests.tools import RequestTools
from headway.engine.runs.duty import RunsDuty
from headway.engine.runs.news import RunNews
from headway.engine.runs.runs import Tools, open_tools
from headway.engine.runs.slots import Slots
from headway.engine.secrets.lost_keys import forget_lost, open_fitting_vault
from headway.engine.secrets.vault import Vault, stored_secrets
from headway.engine.server.check import require_org
from headway.engine.server.server import Server
from headway.engine.server_place import BEAT, ServerPlace, alone_first
from headway.engine.server_settings import ServerSettings
from headway.engine.settings import Settings
from headway.engine.standing.stalled import StalledWatch
from headway.engine.troubles import Troubles
from headway.main.sending import Sending
from headway.store.rests import end_long_rests

log = logging.getLogger("headway.server")

#: Jobs yield to the server and to whoever works at the machine, and die before both when memory is short.
_NICENESS, _OOM_SCORE_ADJUST = 5, 500


@asynccontextmanager
async def build(settings: Settings, options: ServerSettings, url: str) -> AsyncIterator[Server]:
    """Everything but the loops, which `engine.duties` runs. Raises what opening the database and the settings raise."""
    clock = SteadyClock(SystemClock())
    before = alone_first(copy_first(settings), clock)
    tools = await asyncio.to_thread(open_tools, settings, clock=clock, before=before)
    place = ServerPlace(tools.database, clock, tools.owner, url)
    sending: Sending | None = None
    try:
        await place.take()
        await tools.database.perform(lambda tx: end_long_rests(tx, clock.now()))
        if options.new_key:
            actor = Actor(settings.user, Role.ADMINISTRATOR, by="command")
            await asyncio.to_thread(forget_lost, tools.database, settings, actor, clock.now())
        vault = await asyncio.to_thread(open_fitting_vault, settings, tools.database)
        # A server's own environment is no source of anybody's secrets.
        settings = replace(
            settings,
            stored_secrets=stored_secrets(vault, tools.database),
            job_variables=_job_variables(settings),
        )
        parts = Parts(replace(tools, settings=settings), options, url, vault, place)
        sending = parts.sending
        await parts.server.hub.start()
        with listening(settings.data, parts.looking.hint):
            yield parts.server
    finally:
        if sending is not None:
            await sending.close()
        # A database that is away at the end has whoever comes next wait for the lease.
        with contextlib.suppress(HeadwayError):
            await place.leave()
        await asyncio.to_thread(tools.database.close)


class Parts:
    """Made in the order in which they need each other; then wired, so that each wakes whoever waits for it."""

    def __init__(
        self, tools: Tools, options: ServerSettings, url: str, vault: Vault, place: ServerPlace
    ) -> None:
        database, clock, settings = tools.database, tools.clock, tools.settings
        self.tools, self.options, self.place = tools, options, place
        self.duties = Duties(clock)
        self.troubles = Troubles(self.duties.troubles)
        self.hub = Hub(database)
        self.org = OrgKeeper(options.org_file, clock, settings.data)
        if self.org.read_at is None:
            # Not even a last good one is there: a slip in its name would be a server without any rules.
            require_org(options)
        self.disk = DiskWatch(settings)
        self.news = RunNews()
        self.repositories = Repositories(database, vault, clock, settings)
        reader = Reader(
            self.repositories.folder, self.repositories.fetch, lambda: self.org.current, settings.environment
        )
        self.arrivals = Arrivals(database, clock)
        self.intake = IntakeDuty(database, clock, self.repositories, reader, self.news)
        self.looking = LookDuty(database, clock, self.repositories, reader)
        self.schedules = ScheduleDuty(database, reader, self.news)
        self.releases = ReleaseTriggers(database, reader, self.news)
        self.slots = Slots(options.slots, clock)
        self.runs = RunsDuty(tools, _runner(tools, options), self.hub, self.slots, self.news)
        self.people = People(database, clock, lambda: self.org.current)
        request_tools = RequestTools(
            database,
            settings,
            clock,
            tools.git,
            ReleaseProjects(
                settings.environment,
                lambda service: database.read(lambda tx: team_of(tx, service)),
                lambda: self.org.current,
            ),
            lambda: self.org.current,
        )
        self.deployments = DeploymentsDuty(request_tools)
        self.hosts = HostsDuty(request_tools)
        self.stalled = StalledWatch(database)
        self.sending = Sending(database, vault, self.repositories, url)
        self.news.followers.append(self.sending.follow_run)
        self.janitor = Janitor(
            tools,
            housekeeping_from(tools, self.disk.state.total),
            sweeps={
                "people": self.people.sweep,
                "calls": Calls(database, vault).sweep,
                "tries": self._sweep_tries,
            },
        )
        self.troubles.watch(self.janitor.troubles)
        self.troubles.watch(self.disk.troubles)
        self.troubles.watch(self.stalled.troubles)
        for work in (
            self.deployments,
            self.runs,
            self.intake,
            self.schedules,
            self.hosts,
            self.sending.statuses,
            self.sending.webhooks,
        ):
            self.troubles.watch(work.faults.troubles)
        self.server = Server(
            tools=tools,
            hub=self.hub,
            duties=self.duties,
            troubles=self.troubles,
            org=self.org,
            vault=vault,
            people=self.people,
            repositories=self.repositories,
            arrivals=self.arrivals,
            slots=self.slots,
            runs=self.runs,
            place=place,
            observer=self.news,
            looking=self.looking,
            disk=self.disk,
            deployments=self.deployments,
            stalled=self.stalled,
            base_url=url,
            started_at=clock.now(),
            stop=self._stop,
        )
        self._add_duties()
        self._wire()

    def _add_duties(self) -> None:
        every: Mapping[str, tuple[str, Tick, float]] = {
            "watch": ("web", self._watch, 5.0),
            "place": ("web", self.place.beat, BEAT),
            "intake": ("intake", self.intake.tick, 5.0),
            "look": ("intake", self.looking.tick, 5.0),
            "triggers": ("intake", self._triggers, 10.0),
            "runs": ("runs", self.runs.tick, 2.0),
            "deployments": ("deployments", self.deployments.tick, 5.0),
            "hosts": ("deployments", self.hosts.tick, 30.0),
            "stalled": ("web", self.stalled.tick, 15.0),
            "statuses": ("outbox", self.sending.statuses.tick, 5.0),
            "webhooks": ("outbox", self.sending.webhooks.tick, 5.0),
            "janitor": ("janitor", self.janitor.tick, 10.0),
        }
        for name, (duty, tick, seconds) in every.items():
            # These two go with every process: they tell that it lives, to people and to other servers.
            if name in ("watch", "place") or self.options.runs(duty):
                self.duties.add(name, tick, every=seconds)

    def _wire(self) -> None:
        wake = self.duties.wake
        self.arrivals.on_accepted = lambda: wake("intake")
        self.looking.on_accepted = lambda: wake("intake")
        self.intake.wake = lambda: wake("intake")
        self.looking.wake = lambda: wake("look")
        self.intake.on_runs = lambda runs: self._has_runs()
        self.schedules.on_runs = self._has_runs
        self.runs.wake = lambda: wake("runs")
        self.runs.on_end = self._ended
        self.deployments.wake = lambda: wake("deployments")

    async def _sweep_tries(self, now: datetime) -> int:
        settings = self.tools.settings
        folder = settings.data / "repositories"
        return await sweep_tries(self.tools.database, folder, settings.environment, now)

    def _has_runs(self) -> None:
        self.duties.wake("runs")
        self._has_effects()

    def _has_effects(self) -> None:
        self.duties.wake("statuses")
        self.duties.wake("webhooks")

    def _ended(self, run: Run) -> None:
        self._has_effects()
        if run.release is not None:
            self.duties.wake("deployments")
            self.duties.wake("triggers")

    async def _triggers(self, now: datetime) -> datetime | None:
        # The clock first: it waits for nobody's release.
        due_at = await self.schedules.tick(now)
        if await self.releases.tick(now):
            self._has_runs()
        return due_at

    async def _watch(self, now: datetime) -> datetime | None:
        """What every page has to know: room on the disk, and whether org.toml is in force as it stands."""
        state = self.disk.look()
        changed = state.paused != bool(self.runs.paused)
        self.runs.paused = self.intake.paused = state.sentence if state.paused else ""
        if changed:
            self.duties.wake("intake")
            self.duties.wake("runs")
        await asyncio.to_thread(self.org.reload)
        for cause, sentence in (("disk", state.sentence), ("org", self.org.fault)):
            if sentence:
                self.server.warnings[cause] = sentence
            else:
                self.server.warnings.pop(cause, None)
        return None

    async def _stop(self) -> None:
        """Begin nothing more; leave what runs to the next start."""
        self.duties.stop()
        self.janitor.stop()
        # Side by side: each may take some seconds, and who stops us waits for 30.
        await asyncio.gather(
            self.looking.stop(),
            self.intake.stop(),
            self.runs.stop(),
            self.deployments.stop(),
            self.hosts.stop(),
        )
        self.hub.close()


def _job_variables(settings: Settings) -> frozenset[str]:
    return frozenset(settings.environment.get("HEADWAY_JOB_VARIABLES", "").replace(",", " ").split())


def _runner(tools: Tools, options: ServerSettings) -> LocalRunner:
    name = f"headway-jobs-{hashlib.sha256(str(tools.settings.data).encode()).hexdigest()[:8]}"
    return LocalRunner(
        clock=tools.clock,
        niceness=_NICENESS,
        oom_score_adjust=_OOM_SCORE_ADJUST,
        ceiling=make_ceiling(options.jobs_memory, name),
    )

"""What an action of the rollout means on one host. Each may be begun again by whoever comes after a killed owner."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.clock import Clock
from headway.base.errors import HeadwayError
from headway.base.secret import Secret
from headway.deploy.commands import Group, commands, prepare_mark, settings_of, settings_text
from headway.deploy.host_states import ActionKind, Outcome
from headway.deploy.layout import own_file, settings_file, upload_path
from headway.deploy.own_files import own_file_text
from headway.deploy.plan import HostPlan, Plan, ReleaseOnHost
from headway.deploy.record import Job, finish_script
from headway.deploy.since import stands
from headway.deploy.steps import HostStep, StepName, Way
from headway.domain.contract import ProcessSpec
from headway.domain.deployment import Command, Deployment
from headway.domain.release import Artifact
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.runner.masking import mask_text
from headway.drivers.ssh.errors import HostUnreachable
from headway.engine.hosts.health import Health, Seen
from headway.engine.hosts.jobs import HostJobs, JobEnd, settle
from headway.engine.hosts.link import HostLink
from headway.engine.hosts.lock import HostsLock
from headway.engine.hosts.remote_commands import Stage, run_task
from headway.engine.hosts.service_logs import log_task

A = ActionKind
#: Of the log of a process that failed.
LOG_LINES = 30
#: What failed waits for it before it goes back.
_LOG_WITHIN = timedelta(seconds=10)
#: Actions that are a job and nothing else.
_GROUPS = {A.ONCE: Group.ONCE, A.UNDRAIN: Group.UNDRAIN, A.READMIT: Group.READMIT}


class Sources:
    """Where artifacts lie here: each is read and checked once, whatever the number of hosts, off the event loop."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._found: dict[str, asyncio.Future[Path]] = {}

    async def of(self, artifact: Artifact) -> Path:
        """Raises ArtifactGone, ArtifactCorrupt, ArtifactError."""
        if artifact.sha256 not in self._found:
            checking = asyncio.to_thread(self._store.verified, artifact)
            self._found[artifact.sha256] = asyncio.ensure_future(checking)
        return await asyncio.shield(self._found[artifact.sha256])


@dataclass
class HostWork:
    deployment: Deployment
    plan: Plan
    host: HostPlan
    link: HostLink
    lock: HostsLock
    jobs: HostJobs
    clock: Clock
    sources: Sources
    #: Values of the secrets that the environment names; asked for only when a file of settings is written.
    secrets: Callable[[], Sequence[Secret]]

    async def act(self, action: ActionKind, *, due_at: datetime | None = None) -> Outcome:
        """Does it, or goes on with it. Never raises for what a host or the user's commands do: that is the outcome."""
        if why := self.lock.out_of_reach(self.link.name):
            return Outcome(False, why, away=True)
        try:
            outcome = await self._act(action, due_at)
        except HostUnreachable as error:
            # Who owns it can as little be asked: that would only wait for it once more.
            return Outcome(False, mask_text(error.message, self.jobs.secrets), away=True)
        except HeadwayError as error:
            outcome = Outcome(False, error.message, switched=action is A.SWITCH and await self._is_ours_now())
        if not outcome.good and not await self.lock.is_ours(self.link):
            # Whatever failed, failed because we are no longer the owner; the drive stops by itself now.
            return Outcome(False, self.lock.lost_because)
        return replace(outcome, reason=mask_text(outcome.reason, self.jobs.secrets))

    async def _act(self, action: ActionKind, due_at: datetime | None) -> Outcome:
        if action in _GROUPS:
            return _outcome(await self._run(_GROUPS[action]))
        if action is A.WATCH:
            assert due_at is not None
            new = self.plan.new(self.host)
            return await self._well(StepName(HostStep.WATCH), new, self._health().watch(new, due_at))
        others: dict[ActionKind, Callable[[], Awaitable[Outcome]]] = {
            A.PREPARE: self._prepare,
            A.SWITCH: self._switch,
            A.CHECK: self._check,
            A.FINISH: self._finish,
            A.REVERT: self._revert,
            A.RECHECK: self._recheck,
        }
        return await others[action]()

    def _health(self) -> Health:
        return Health(self.plan, self.host, self.link, self.clock, self.jobs.secrets)

    async def _run(self, group: Group, *, switched: bool = True) -> JobEnd:
        return await self.jobs.run(group, commands(self.plan, self.host, group, switched=switched))

    async def _prepare(self) -> Outcome:
        # Where a job of it stands already, everything it needs was brought before.
        if not any(job.group == Group.PREPARE for job in self._known_jobs()):
            if self._counts():
                checked = await self._run(Group.VERIFY)
                if checked.state is not State.SUCCEEDED:
                    return _outcome(checked)
                # A folder that is not what it was has lost its marker by this.
                await self.link.look()
            await self._bring()
            if self._stands():
                # Unpacked and prepared before: what is left needs no job.
                quick = commands(self.plan, self.host, Group.PREPARE)
                for command in (command for command in quick if command.step == HostStep.SETTINGS):
                    end = await self.jobs.quick(command)
                    if end.state is not State.SUCCEEDED:
                        return _outcome(end)
                return Outcome(True)
        return _outcome(await self._run(Group.PREPARE))

    def _counts(self) -> bool:
        """The release's folder has its marker, and of what this plan would unpack, if it can."""
        artifact, source = self.plan.artifact, self.link.record.releases.get(self.plan.release)
        return source is not None and (artifact is None or source == artifact.sha256)

    def _stands(self) -> bool:
        """The release is on the host, whole, and this `prepare` was run in it to its end."""
        record, plan, deploy = self.link.record, self.plan, self.plan.new(self.host).deploy
        prepared = f"{plan.release} {prepare_mark(deploy)}" in record.prepared
        return self._counts() and (prepared or not deploy.prepare)

    async def _bring(self) -> None:
        """The archive, unless the release stands here; the settings, unless they are taken over from an older deployment."""
        record, plan, root = self.link.record, self.plan, self.link.root
        if plan.artifact is not None and not self._stands():
            artifact = plan.artifact
            source = await self.sources.of(artifact)
            destination = f"{root}/{upload_path(artifact.sha256, artifact.path)}"

            async def upload() -> bool:
                return await (await self.link.session()).upload(source, artifact.sha256, destination)

            await self.link.persist(upload)
        await self._upload(own_file_text(plan.new(self.host)).encode(), own_file(plan.deployment))
        if plan.settings_of is not None and f"{plan.settings_of}.env" in record.settings:
            return
        environment = {**plan.environment.env, **{secret.name: secret.reveal() for secret in self.secrets()}}
        text = settings_text(settings_of(plan, self.host, environment))
        await self._upload(text.encode(), settings_file(plan.deployment))

    async def _upload(self, data: bytes, path: str) -> None:
        async def upload() -> None:
            session = await self.link.session()
            await session.upload_bytes(data, f"{self.link.root}/{path}", mode=0o600)

        await self.link.persist(upload)

    async def _switch(self) -> Outcome:
        left = any(job.group == Group.SWITCH for job in self._known_jobs())
        end = await self._run(Group.SWITCH)
        if left and end.state is State.SUCCEEDED and (changed := await self._changed()):
            return Outcome(False, changed, switched=True)
        await self._tell_log_of_failed(Group.SWITCH, end, self.plan.new(self.host))
        return Outcome(end.state is State.SUCCEEDED, end.reason, switched=HostStep.SWITCH in end.done)

    async def _finish(self) -> Outcome:
        plan, host, deployment = self.plan, self.host, self.deployment
        once = plan.deploy.once
        extra = {
            "commit": plan.commit,
            "kind": str(deployment.kind),
            "number": deployment.number,
            "by": plan.requested_by,
            "passable": plan.rollback or once is None or once.rollback_compatible,
        }
        script = finish_script(plan, host, number=deployment.number, kind=str(deployment.kind))
        end = await self.jobs.quick(Command(host.spec.name, HostStep.FINISH, script), extra)
        if end.state is State.SUCCEEDED:
            return Outcome(True)
        if changed := await self._changed():
            return Outcome(False, changed, changed=True)
        return Outcome(False, f"its record could not be written: {end.reason}")

    async def _is_ours_now(self) -> bool:
        """Whether our switch was done, whatever became of our question about it. Unknown counts as not done."""
        try:
            return stands(await self.link.look(), self.plan.release, self.plan.deployment)
        except HeadwayError:
            return False

    async def _changed(self) -> str:
        """What somebody put here since our switch; empty where ours stands."""
        record, plan = await self.link.look(), self.plan
        if stands(record, plan.release, plan.deployment):
            return ""
        if record.live_release is None:
            return "somebody removed `current` there since it was switched"
        what = f"{record.live_release} with {record.current_settings or 'no settings'}"
        return f"somebody put {what} there since it was switched"

    async def _revert(self) -> Outcome:
        """What runs there ends first. Whether the switch was done is asked of the host, not of our rows."""
        if self._known_jobs():
            await self.link.look()
            await settle(self.link, self.clock)
        record = await self.link.look()
        begun = any(job.group == Group.BACK for job in self._known_jobs())
        own = f"{self.plan.deployment}.env"
        switched = begun or record.current_settings == own
        end = await self._run(Group.BACK, switched=switched)
        if (before := self.plan.old(self.host)) is not None:
            await self._tell_log_of_failed(Group.BACK, end, before)
        # Told here too: an owner who was killed in the switch has not stored that users met the release.
        return Outcome(end.state is State.SUCCEEDED, end.reason, switched=switched)

    async def _recheck(self) -> Outcome:
        before = self.plan.old(self.host)
        if before is None:
            return Outcome(True, "removed: there was nothing before")
        return await self._well(StepName(HostStep.HEALTH, Way.BACK), before, self._health().settle(before))

    async def _check(self) -> Outcome:
        new = self.plan.new(self.host)
        return await self._well(StepName(HostStep.HEALTH), new, self._health().settle(new))

    async def _well(
        self, step: StepName, on_host: ReleaseOnHost, asking: Awaitable[Sequence[Seen]]
    ) -> Outcome:
        """What was seen is kept as a step; of a process that is not well its own log, too."""
        began = self.clock.now()
        found = await asking
        bad = [one for one in found if not one.good]
        if found:
            state = State.FAILED if bad else State.SUCCEEDED
            self.jobs.note(str(step), state, began, "\n".join(one.line for one in found))
        if not bad:
            return Outcome(True)
        await self._tell_logs(on_host, {one.process for one in bad}, step.way)
        return Outcome(False, bad[0].line)

    async def _tell_log_of_failed(self, group: Group, end: JobEnd, on_host: ReleaseOnHost) -> None:
        """The log of the process that could not be activated."""
        if end.state is State.SUCCEEDED:
            return
        made = commands(self.plan, self.host, group)
        failed = next((command.step for command in made if command.step not in end.done), "")
        step = StepName.parse(failed)
        if step is not None and step.step is HostStep.ACTIVATE:
            await self._tell_logs(on_host, {step.process}, step.way)
        elif step is not None and step.step is HostStep.RUN:
            await self._tell_logs(on_host, {one.name for one in on_host.processes}, step.way)

    async def _tell_logs(self, on_host: ReleaseOnHost, processes: Collection[str], way: Way) -> None:
        """The last lines of the release's own log, where its file says how to read it."""
        for process in on_host.processes:
            if process.name in processes and process.logs is not None:
                began = self.clock.now()
                text = await self._log_of(process, on_host)
                self.jobs.note(str(StepName(HostStep.LOGS, way, process.name)), State.SUCCEEDED, began, text)

    async def _log_of(self, process: ProcessSpec, on_host: ReleaseOnHost) -> str:
        """Never raises for what the host or the command does: what failed before is what counts."""
        since = self.deployment.started_at or self.deployment.requested_at
        stage = Stage(
            self.link.connections, self.jobs.secrets, self.clock, lambda task, line: None, timeout=_LOG_WITHIN
        )
        try:
            task = log_task(
                process,
                self.host.spec,
                self.link.root,
                self.plan.values(self.host, on_host.release),
                {},
                since=since,
                lines=LOG_LINES,
                # Its own settings: those of another deployment may name another log.
                settings=settings_file(on_host.deployment),
            )
            found = await run_task(stage, task)
        except HeadwayError as error:
            return f"(its log: {error.message})"
        lines = found.output.decode("utf-8", "replace").splitlines()[-LOG_LINES:]
        if found.state is not State.SUCCEEDED:
            lines.append(f"(its log: {found.reason})")
        return "\n".join(lines) or "(its log says nothing)"

    def _known_jobs(self) -> tuple[Job, ...]:
        return self.link.record.jobs(self.plan.deployment, self.link.name)


def _outcome(end: JobEnd) -> Outcome:
    return Outcome(end.state is State.SUCCEEDED, end.reason)

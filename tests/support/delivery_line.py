"""A server's delivery line for tests: a bare repository, green runs with releases, people, and two environments on hosts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headway.base.clock import Clock, SystemClock
from headway.base.ids import new_id
from headway.domain.deployment import Deployment, DeploymentState
from headway.domain.intake import ForgeKind, Repository
from headway.domain.org import Org, OrgPerson, Team
from headway.domain.people import Actor, Person, Role
from headway.domain.release import Release, release_id
from headway.domain.request import Request
from headway.domain.run import Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git import Git
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.requests.deployments_duty import DeploymentsDuty
from headway.engine.requests.gate import team_of
from headway.engine.requests.requests import Requests
from headway.engine.requests.tools import RequestTools
from headway.engine.settings import Settings
from headway.store import deployments, people, repositories, requests, runs
from headway.store.commits import add_commit
from headway.store.counters import next_number
from headway.store.database import Database, Transaction
from headway.store.job_results import put_artifacts
from headway.store.jobs import add_jobs
from headway.store.releases import put_release
from tests.support.deploying import archive
from tests.support.repositories import ENVIRONMENT
from tests.support.repositories import Repository as WorkingTree
from tests.support.sshd import Sshd

CONTRACT = """\
contract = 1

[service]
name = "shop"
team = "storefront"

[deploy]
kind = "files"
artifact = "app.tar.gz"
root = "%(root)s/{environment}"
prepare = "./bin/prepare"
activate = "./bin/activate"
health = { command = "./bin/health", interval = "50ms", within = "%(within)s" }
timeout = "20s"
%(deploy)s

[environments.staging]
hosts = "%(staging_hosts)s"
when = "branch == 'main'"
%(staging)s

[environments.production]
after = "staging"
hosts = "web1"
production = true
%(production)s

[hosts.stage1]
address = "127.0.0.1"
port = %(stage_port)d
user = "%(user)s"

[hosts.web1]
address = "127.0.0.1"
port = %(web_port)d
user = "%(user)s"
"""

_PLAIN = {"bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"'}
#: bin/activate waits for as long as this file is on the host.
SLOW = {
    "bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; echo x >> "$HEADWAY_ROOT/activations"; '
    'while [ -e "$HEADWAY_ROOT/shared/wait" ]; do sleep 0.05; done'
}


def actor(name: str, role: Role = Role.DEVELOPER, **changes: object) -> Actor:
    return replace(Actor(name, role), **changes)  # type: ignore[arg-type]


ANA, BO, EVE = actor("ana"), actor("bo"), actor("eve", Role.OPERATOR)
LOU = actor("lou", Role.VIEWER)
ORG = Org(
    # Ana commits everything here.
    people={"ana": OrgPerson("ana", aliases=("Ana",))},
    teams={"storefront": Team("storefront", {"ana": Role.DEVELOPER, "bo": Role.DEVELOPER})},
)


@dataclass
class Line:
    folder: Path
    database: Database
    root: str = "apps/line"
    #: Empty: nothing can be deployed, which most tests of requests do not need.
    hosts: Sequence[Sshd] = ()
    staging: str = ""
    staging_hosts: str = "stage1"
    production: str = ""
    deploy: str = ""
    within: str = "1s"
    clock: Clock = field(default_factory=SystemClock)
    org: Org = ORG
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.tree = WorkingTree(self.folder / "tree")
        environment = {**ENVIRONMENT, "HOME": str(self.folder)}
        data = self.folder / "data"
        config = self.hosts[0].config if self.hosts else None
        self.settings = Settings(data, "", "headway@server", environment, ssh_config=config)
        (data / "repositories").mkdir(parents=True)
        self.bare = data / "repositories" / "repo-1.git"
        self.tree.git("clone", "--quiet", "--bare", ".", str(self.bare))
        if self.hosts:
            keys = "".join(f"[127.0.0.1]:{host.port} {host.host_key}\n" for host in self.hosts)
            self.hosts[0].known_hosts.write_text(keys)
        self.database.transact(self._people)

    def _people(self, tx: Transaction) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for one in (ANA, BO, EVE, LOU):
            people.add_person(tx, Person(one.name, one.name, f"{one.name}@example.org", one.role, now))
        repository = Repository("repo-1", "shop", ForgeKind.HEADWAY, "", "shop", "main", now, "ana")
        repositories.add_repository(tx, replace(repository, team="storefront"))

    @property
    def tools(self) -> RequestTools:
        return RequestTools(
            self.database,
            self.settings,
            self.clock,
            Git(self.settings.environment, self.settings.mirrors),
            ReleaseProjects(
                self.settings.environment,
                lambda service: self.database.read(lambda tx: team_of(tx, service)),
                lambda: self.org,
            ),
            lambda: self.org,
        )

    @property
    def requests(self) -> Requests:
        return Requests(self.tools)

    def duty(self, *, most: int = 8) -> DeploymentsDuty:
        """As after a start of the server: knows nothing but what stands in rows and on hosts."""
        return DeploymentsDuty(self.tools, most=most)

    @asynccontextmanager
    async def serving_duty(self) -> AsyncIterator[DeploymentsDuty]:
        duty = self.duty()
        try:
            yield duty
        finally:
            await duty.stop()

    def text(self) -> str:
        ports = [host.port for host in self.hosts] or [22, 22]
        user = self.hosts[0].host().user if self.hosts else "nobody"
        return CONTRACT % {
            "root": self.root,
            "within": self.within,
            "deploy": self.deploy,
            "staging": self.staging,
            "staging_hosts": self.staging_hosts,
            "production": self.production,
            "stage_port": ports[0],
            "web_port": ports[-1],
            "user": user,
        }

    def commit(self, version: str, *, branch: str = "main") -> str:
        self.tree.git("checkout", "--quiet", "-B", branch)
        sha = self.tree.commit({"headway.toml": self.text(), "VERSION": version}, version)
        self.tree.git("push", "--quiet", "--force", str(self.bare), f"{branch}:{branch}")
        return sha

    def green(
        self,
        version: str,
        *,
        event: TriggerEvent = TriggerEvent.PUSH,
        branch: str = "main",
        files: dict[str, str] | None = None,
        commit: str | None = None,
        **trigger: object,
    ) -> Release:
        """A green run of a new commit, with its release."""
        sha = commit or self.commit(version, branch=branch)
        file = self.folder / f"{version}.tar.gz"
        # Made once: gzip writes the time into it, and a release is named by its content.
        if not file.exists():
            file.write_bytes(archive(version, {**_PLAIN, **(files or {})}))
        artifact = replace(ArtifactStore(self.settings.artifacts).keep(file, "app.tar.gz"), executable=False)
        now = self.clock.now()
        run = Run(
            id=new_id("run", now),
            number=0,
            service="shop",
            repository=str(self.bare),
            commit=sha,
            tree=sha,
            dirty=False,
            branch=branch,
            state=State.SUCCEEDED,
            reason="all jobs succeeded",
            created_at=now,
            finished_at=now,
            trigger=replace(Trigger(event, f"{event} {version}", "repo-1"), **trigger),  # type: ignore[arg-type]
        )
        made = Release(
            release_id("shop", sha, [artifact]),
            "shop",
            str(self.bare),
            sha,
            (artifact,),
            now,
            "headway",
            run.id,
        )
        found = self.tools.git.commit(self.bare, sha)

        def work(tx: Transaction) -> Release:
            runs.add_run(tx, replace(run, number=next_number(tx, "shop", "run")), plan="{}", token=1)
            add_jobs(tx, [_build(run)])
            put_artifacts(tx, _build(run).id, made.artifacts)
            stored = put_release(tx, made, now=now)
            runs.note_release(tx, run.id, made.id)
            add_commit(tx, str(self.bare), found)
            return stored

        return self.database.transact(work)

    def standing(self, environment: str) -> Request | None:
        return self.database.read(lambda tx: requests.waiting_at(tx, "shop", environment))

    def asked(self, environment: str | None = None) -> list[Request]:
        """The oldest first."""
        found = self.database.read(lambda tx: requests.requests_of(tx, "shop"))
        return [one for one in reversed(found) if environment in (None, one.environment)]

    def history(self, environment: str) -> list[Deployment]:
        """Those that succeeded, the oldest first."""
        found = self.database.read(lambda tx: deployments.history(tx, "shop", environment))
        return [one for one in found if one.state is DeploymentState.SUCCEEDED]

    def place(self, environment: str) -> Path:
        host = self.hosts[0] if environment == "staging" else self.hosts[-1]
        return host.home / self.root / environment

    def serving(self, environment: str) -> str | None:
        file = self.place(environment) / "serving"
        return file.read_text().strip() if file.exists() else None

    async def settle(self, duty: DeploymentsDuty) -> None:
        """Ticks until nothing is under way and nothing is due."""
        for _ in range(1500):
            now, busy = self.clock.now(), duty.active
            due = await duty.tick(now)
            if not busy and not duty.active and (due is None or due > now + timedelta(seconds=30)):
                return
            await asyncio.sleep(0.01)
        raise AssertionError([(one.environment, one.state, one.reason) for one in self.asked()])


def _build(run: Run) -> Job:
    """The job that made the run's release."""
    return Job(
        id=f"{run.id}-build",
        run=run.id,
        name="build",
        definition="build",
        matrix={},
        needs=(),
        state=State.SUCCEEDED,
        reason="",
        attempt=1,
        allow_failure=False,
        queued_at=run.created_at,
        finished_at=run.created_at,
    )

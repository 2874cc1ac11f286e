"""A server as it looks after some weeks, told through the store's own functions: for looking at pages."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from headway.deploy.plan import HostPlan, Plan, Predecessor, to_json
from headway.domain.commit import Commit
from headway.domain.contract import (
    Amount,
    DeployKind,
    DeploySpec,
    EnvironmentSpec,
    HostSpec,
    ProcessSpec,
    Strategy,
    StrategyKind,
)
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, DeploymentStep, HostRow
from headway.domain.intake import ForgeKind, Repository
from headway.domain.people import Actor, Person, Role
from headway.domain.release import Artifact, Release
from headway.domain.request import Obstacle, Request, RequestOrigin, RequestState
from headway.domain.run import Job, Run, Trigger, TriggerEvent
from headway.domain.secrets import environment_scope, service_scope
from headway.domain.states import State
from headway.engine.standing.what_runs import note_beginning
from headway.store.commits import add_commit
from headway.store.counters import next_number
from headway.store.database import Transaction
from headway.store.deployment_commits import record_commits
from headway.store.deployments import insert_deployment, last_succeeded, save_step
from headway.store.job_results import put_artifacts
from headway.store.jobs import add_jobs
from headway.store.people import add_person
from headway.store.releases import put_release
from headway.store.repositories import add_repository, repository_by_id
from headway.store.requests import insert_request
from headway.store.runs import add_run

D, S = DeploymentState, State
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: As a service could be called where nobody checked: no slash, for it stands in addresses.
HOSTILE_NAME = '"><img src=x onerror=alert(3)>'
LONG_BRANCH = "feature/" + "a-branch-whose-name-nobody-should-have-chosen-" * 6 + "end"
HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)>'
ARABIC = "متجر-الكتب"
GRACE = "Grace Hopper <grace@example.org>"


def sha_of(*words: object) -> str:
    return hashlib.sha1("/".join(str(word) for word in words).encode()).hexdigest()


class Teller:
    """Tells one service's story into a transaction; everything is some time before `now`."""

    def __init__(
        self, tx: Transaction, service: str, now: datetime, *, team: str | None = "storefront"
    ) -> None:
        self.tx, self.service, self.now = tx, service, now
        self.repository = f"/data/repositories/repo-{service}.git"
        self.repository_id = f"repo-{service}"
        self.made: list[Release] = []
        if repository_by_id(tx, self.repository_id) is not None:
            return
        add_repository(
            tx,
            Repository(
                id=self.repository_id,
                name=f"team/{service}" if service.isascii() else service,
                forge=ForgeKind.GITHUB,
                url=f"https://github.com/team/{service}.git",
                web_url=f"https://github.com/team/{service}",
                service=service,
                team=team,
                default_branch="main",
                created_at=now - 60 * DAY,
                created_by="ada",
                due_at=now,
            ),
        )

    def commit(self, subject: str, before: timedelta, *words: object) -> Commit:
        at = self.now - before
        commit = Commit(
            sha_of(self.service, subject, before, *words), "f" * 40, (), GRACE, at, GRACE, at, subject
        )
        add_commit(self.tx, self.repository, commit)
        return commit

    def run(
        self,
        subject: str,
        before: timedelta,
        state: State = S.SUCCEEDED,
        *,
        branch: str = "main",
        took: timedelta = 3 * MINUTE,
        reason: str = "",
        held_for: str = "",
        event: TriggerEvent = TriggerEvent.PUSH,
    ) -> Run:
        commit, at = self.commit(subject, before + MINUTE), self.now - before
        number = next_number(self.tx, self.service, "run")
        run = Run(
            id=f"run-{self.service}-{number}",
            number=number,
            service=self.service,
            repository=self.repository,
            commit=commit.sha,
            tree=commit.tree,
            dirty=False,
            branch=branch,
            state=state,
            reason=reason or ("every job succeeded" if state is S.SUCCEEDED else ""),
            created_at=at,
            started_at=None if state is S.QUEUED else at + timedelta(seconds=1),
            finished_at=at + took if state.is_final else None,
            requested_by="grace",
            trigger=Trigger(
                event,
                f"{event} {self.service} {number}",
                self.repository_id,
                ref=f"refs/heads/{branch}",
                held_for=held_for,
            ),
        )
        add_run(self.tx, run, plan="{}", token=1)
        add_jobs(self.tx, self._jobs(run))
        return run

    def _jobs(self, run: Run) -> list[Job]:
        test = {S.FAILED: S.FAILED, S.ERRORED: S.ERRORED, S.RUNNING: S.RUNNING, S.QUEUED: S.QUEUED}.get(
            run.state, S.SUCCEEDED
        )
        later = S.SUCCEEDED if run.state is S.SUCCEEDED else S.SKIPPED if run.state.is_final else S.QUEUED
        end = run.finished_at
        return [
            Job(
                id=f"{run.id}-{name}",
                run=run.id,
                name=name,
                definition=name,
                matrix={},
                needs=() if position < 2 else ("test",),
                state=state,
                reason="",
                attempt=1,
                allow_failure=False,
                queued_at=run.created_at,
                started_at=run.started_at,
                finished_at=end if state.is_final else None,
            )
            for position, (name, state) in enumerate((("test", test), ("lint", test), ("build", later)))
        ]

    def release(self, run: Run) -> Release:
        at = run.finished_at or run.created_at
        release = Release(
            id=f"rel-{sha_of(run.id)[:32]}",
            service=self.service,
            repository=self.repository,
            commit=run.commit,
            artifacts=(
                Artifact(f"dist/{self.service}.tar.gz", sha_of("artifact", run.id) + "0" * 24, 3_482_112),
                Artifact("dist/checksums.txt", sha_of("sums", run.id) + "0" * 24, 812),
            ),
            created_at=at,
            created_by="headway",
            run=run.id,
        )
        put_artifacts(self.tx, f"{run.id}-build", release.artifacts)
        put_release(self.tx, release, now=at)
        self.tx.execute("UPDATE runs SET release_id = :release WHERE id = :id", release=release.id, id=run.id)
        self.made.append(release)
        return release

    def deploy(
        self,
        release: Release,
        environment: str,
        before: timedelta,
        state: DeploymentState = D.SUCCEEDED,
        *,
        hosts: int = 4,
        done: int | None = None,
        away: int = 0,
        previous: Release | None = None,
        kind: DeploymentKind = DeploymentKind.PLANNED,
        reason: str = "",
        env: dict[str, str] | None = None,
        commits: Sequence[Commit] = (),
        took: timedelta = 38 * timedelta(seconds=1),
        request: str | None = None,
    ) -> Deployment:
        at = self.now - before
        number = next_number(self.tx, self.service, "deployment")
        began = state is not D.HELD
        over = state.is_final
        deployment = Deployment(
            id=f"dep-{self.service}-{number}",
            number=number,
            service=self.service,
            repository=self.repository,
            environment=environment,
            production=environment == "production",
            release=release.id,
            commit=release.commit,
            previous_release=previous.id if previous else None,
            kind=kind,
            state=state,
            reason=reason or ("every host serves it" if state is D.SUCCEEDED else ""),
            requested_by="ada",
            requested_at=at,
            started_at=at + timedelta(seconds=2) if began else None,
            first_switched_at=at + timedelta(seconds=9) if began else None,
            verified_at=at + took if state is D.SUCCEEDED else None,
            finished_at=at + took if over else None,
            rolled_back_automatically=state is D.ROLLED_BACK,
            plan=to_json(self._plan(release, environment, hosts, env or {"LOG_LEVEL": "info"}, previous)),
            request=request,
        )
        rows = self._hosts(deployment, hosts - away, done, previous)
        rows += [_away(deployment, number, previous) for number in range(hosts - away, hosts)]
        insert_deployment(self.tx, deployment, rows, 1)
        note_beginning(self.tx, deployment, rows, deployment.verified_at or at)
        record_commits(self.tx, deployment.id, base=previous.commit if previous else None, commits=commits)
        self._steps(deployment, hosts, done)
        return deployment

    def _plan(
        self, release: Release, environment: str, hosts: int, env: dict[str, str], previous: Release | None
    ) -> Plan:
        before = last_succeeded(self.tx, self.service, environment) if previous else None
        had = Predecessor(before.release, before.commit, before.id) if before else None
        spec = EnvironmentSpec(
            name=environment,
            hosts=("group:web",),
            strategy=Strategy(StrategyKind.CANARY, Amount(50, percent=True), Amount(1), 2 * MINUTE),
            production=environment == "production",
            env=env,
        )
        process = ProcessSpec("main", f"sudo systemctl restart {self.service}")
        return Plan(
            service=self.service,
            environment=spec,
            release=release.id,
            commit=release.commit,
            deployment="",
            requested_by="ada",
            deploy=DeploySpec(DeployKind.FILES, (process,), artifact=release.artifacts[0].path),
            hosts=tuple(
                HostPlan(
                    HostSpec(f"web{n + 1}", f"10.0.0.{n + 1}"),
                    _batch(n, hosts),
                    ("main",),
                    f"headway/{self.service}",
                    had,
                )
                for n in range(hosts)
            ),
            fingerprints={name: sha_of(value)[:32] for name, value in env.items()},
        )

    def _hosts(
        self, deployment: Deployment, count: int, done: int | None, previous: Release | None
    ) -> list[HostRow]:
        finished = count if done is None else done
        rows = []
        for number in range(count):
            state = "finished" if number < finished else "switching" if number == finished else "waiting"
            reason = ""
            if deployment.state is D.ROLLED_BACK:
                state, reason = ("reverted", "") if number else ("reverted", "HTTP 500 from /health for 30 s")
            if deployment.state is D.FAILED:
                state, reason = (
                    ("stuck", "connection refused") if number == 1 else ("unprepared", "prepare: exit 1")
                )
            rows.append(
                HostRow(
                    deployment.id,
                    f"web{number + 1}",
                    _batch(number, count),
                    state,
                    reason,
                    previous.id if previous else None,
                    switched_at=deployment.first_switched_at if state != "waiting" else None,
                    verified_at=deployment.verified_at,
                )
            )
        return rows

    def _steps(self, deployment: Deployment, count: int, done: int | None) -> None:
        if deployment.started_at is None:
            return
        for number in range(min(count, 12) if done is None else done + 1):
            start = deployment.started_at + number * timedelta(seconds=4)
            for place, name in enumerate(("upload", "prepare", "switch", "activate", "health")):
                at = start + place * timedelta(milliseconds=700)
                bad = deployment.state is D.ROLLED_BACK and number == 0 and name == "health"
                running = done is not None and number == done and name == "activate"
                if done is not None and number == done and name == "health":
                    continue
                save_step(
                    self.tx,
                    DeploymentStep(
                        deployment.id,
                        f"web{number + 1}",
                        name,
                        1,
                        "running" if running else "failed" if bad else "succeeded",
                        None if running else 1 if bad else 0,
                        at,
                        None if running else at + timedelta(milliseconds=640),
                        "health (http): HTTP 500: prices: table has no column 'rounding' (for 30s)"
                        if bad
                        else "",
                    ),
                )
                if bad:
                    log = "10:00:01 listening on 8080\n10:00:02 ERROR prices: table has no column 'rounding'"
                    ended = at + timedelta(milliseconds=690)
                    save_step(
                        self.tx,
                        DeploymentStep(
                            deployment.id, f"web{number + 1}", "logs", 1, "succeeded", None, at, ended, log
                        ),
                    )

    def ask(
        self, release: Release, environment: str, before: timedelta, *, id: str, obstacles: Sequence[Obstacle]
    ) -> Request:
        at = self.now - before
        request = Request(
            id=id,
            service=self.service,
            environment=environment,
            release=release.id,
            commit=release.commit,
            repository=self.repository,
            kind=DeploymentKind.PLANNED,
            force=False,
            requested_by="grace",
            requested_at=at,
            origin=RequestOrigin.PERSON,
            cause=f"page {id}",
            state=RequestState.WAITING,
            reason=f"waits for {obstacles[0].reason}",
            expires_at=at + 7 * DAY,
            obstacles=tuple(obstacles),
            due_at=self.now + MINUTE,
        )
        insert_request(self.tx, request)
        return request


def _away(deployment: Deployment, number: int, previous: Release | None) -> HostRow:
    had = previous.id if previous else None
    return HostRow(deployment.id, f"web{number + 1}", 2, "left_out", "not reached: no route to host", had)


def _batch(number: int, count: int) -> int:
    return 0 if number == 0 else 1 if number <= count // 2 else 2


def fill_typical(server: Any) -> None:
    """Eight services, of which one is broken, one is being deployed and one waits for an approval."""
    now = server.now()
    server.database.transact(lambda tx: _typical(tx, server, now))


def _typical(tx: Transaction, server: Any, now: datetime) -> None:
    ada = Actor("ada", Role.ADMINISTRATOR, address="10.1.2.3")
    for name, role in (("grace", Role.DEVELOPER), ("katherine", Role.OPERATOR), ("jean", Role.VIEWER)):
        add_person(tx, Person(name, f"{name.title()} Example", f"{name}@example.org", role, now - 30 * DAY))
    _shop(tx, now)
    _billing(tx, now)
    for index, name in enumerate(("search", "accounts", "mail", "catalogue", "images")):
        teller = Teller(tx, name, now, team="platform" if index % 2 else "storefront")
        last = None
        for week in range(5, 0, -1):
            run = teller.run(f"Keep {name} up to date, week {week}", week * 5 * DAY + index * HOUR)
            release = teller.release(run)
            teller.deploy(
                release, "staging", week * 5 * DAY + index * HOUR - 10 * MINUTE, hosts=2, previous=last
            )
            teller.deploy(release, "production", week * 5 * DAY + index * HOUR - HOUR, hosts=6, previous=last)
            last = release
    _books(tx, now)
    vault = server.vault
    vault.put(
        tx, environment_scope("shop", "production"), "DATABASE_URL", "postgresql://secret", ada, now - 9 * DAY
    )
    vault.put(
        tx, environment_scope("shop", "staging"), "DATABASE_URL", "postgresql://other", ada, now - 9 * DAY
    )
    vault.put(tx, service_scope("shop"), "PAYMENT_KEY", "sk_live_0000", ada, now - 2 * DAY)


def _shop(tx: Transaction, now: datetime) -> None:
    shop = Teller(tx, "shop", now)
    last: Release | None = None
    subjects = (
        "Show the basket",
        "Take vouchers",
        "Cache the catalogue",
        "Sort by price",
        "Say when it arrives",
    )
    for index, subject in enumerate(subjects):
        before = (30 - 5 * index) * DAY
        run = shop.run(subject, before)
        release = shop.release(run)
        bad = index == 3
        commits = [shop.commit(f"{subject}, part {n}", before + n * HOUR) for n in range(1, 4)]
        shop.deploy(release, "staging", before - 10 * MINUTE, hosts=2, previous=last, commits=commits)
        shop.deploy(
            release,
            "production",
            before - 2 * HOUR,
            D.ROLLED_BACK if bad else D.SUCCEEDED,
            hosts=12,
            previous=last,
            commits=commits,
            reason="web1 is not healthy: HTTP 500 from /health for 30 s" if bad else "",
            env={"LOG_LEVEL": "info" if index < 4 else "debug", "REGION": "eu"},
        )
        last = last if bad else release
    assert last is not None
    good = shop.run("Price in two currencies", 26 * HOUR)
    newest = shop.release(good)
    shop.deploy(newest, "staging", 25 * HOUR, hosts=2, previous=last)
    shop.ask(
        newest,
        "production",
        24 * HOUR,
        id="req-shop1",
        obstacles=[
            Obstacle("approval", "an approval from team:storefront", "a member approves on this page")
        ],
    )
    shop.run(
        "Try the new checkout",
        5 * HOUR,
        branch="checkout",
        event=TriggerEvent.PULL_REQUEST,
        state=S.CANCELLED,
        reason="superseded by run 8",
    )
    shop.run("Round prices half-even", 4 * MINUTE, S.FAILED, reason="test failed: exit 1 in step 2 (pytest)")


def _billing(tx: Transaction, now: datetime) -> None:
    billing = Teller(tx, "billing", now)
    first = billing.release(billing.run("Send invoices by mail", 9 * DAY))
    billing.deploy(first, "staging", 9 * DAY - HOUR, hosts=2)
    billing.deploy(first, "production", 8 * DAY, hosts=12)
    run = billing.run("Invoices carry the order's number", HOUR)
    second = billing.release(run)
    billing.deploy(second, "staging", 50 * MINUTE, hosts=2, previous=first)
    commits = [
        billing.commit(text, (2 + n) * HOUR)
        for n, text in enumerate(
            ("Invoices carry the order's number", "Read orders in one query", "Name the tax")
        )
    ]
    billing.deploy(
        second,
        "production",
        2 * MINUTE,
        D.RUNNING,
        hosts=12,
        done=4,
        previous=first,
        commits=commits,
        reason="batch 2 of 3: switching web5",
        env={"LOG_LEVEL": "debug", "REGION": "eu"},
    )
    billing.run("Count what was paid twice", 30 * timedelta(seconds=1), S.RUNNING)


def _books(tx: Transaction, now: datetime) -> None:
    books = Teller(tx, ARABIC, now, team=None)
    release = books.release(books.run("صفحة البداية", 3 * DAY))
    books.deploy(release, "staging", 3 * DAY - HOUR, hosts=1)
    books.run(
        "Wait for somebody",
        20 * MINUTE,
        S.QUEUED,
        branch="stranger",
        held_for="a pull request from a fork waits for approval",
        event=TriggerEvent.PULL_REQUEST,
    )


def fill_overfull(server: Any) -> None:
    """What is too long, too many, hostile or in another script, on top of the typical."""
    fill_typical(server)
    now = server.now()
    server.database.transact(lambda tx: _overfull(tx, now))


def _overfull(tx: Transaction, now: datetime) -> None:
    hostile = Teller(tx, HOSTILE_NAME, now, team=HOSTILE)
    release = hostile.release(hostile.run(HOSTILE + " in the subject", 2 * DAY, S.SUCCEEDED, branch=HOSTILE))
    hostile.deploy(release, HOSTILE, 2 * DAY, D.FAILED, hosts=3, reason=HOSTILE)
    long = Teller(tx, "a-service-" + "whose-name-goes-on-" * 6 + "for-ever", now)
    many = long.release(long.run("Say " + "very " * 60 + "much", DAY, branch=LONG_BRANCH))
    long.deploy(many, "production", DAY, D.RUNNING, hosts=400, done=170, reason="batch 2 of 3")
    for environment in (
        "eu-west-1-staging",
        "eu-central-1",
        "us-east-1",
        "ap-south-1",
        "canary",
        "load-test",
    ):
        long.deploy(many, environment, 2 * DAY, hosts=3)
    for number in range(1000):
        quiet = Teller(tx, f"quiet-{number:04d}", now)
        quiet.run(f"Rest, take {number}", (number % 40 + 1) * DAY)

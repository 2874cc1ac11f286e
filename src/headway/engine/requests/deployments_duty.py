"""The deployments of a server: asks the gate for what waits, drives what may begin, goes on with what was left.

Everything stands in rows and on hosts. This process may be killed at any line: a request waits, or has begun together
with its deployment; a deployment that goes on is found unfinished with a dead owner, and is gone on with.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from headway.base.errors import HeadwayError, Held, WrongUse
from headway.deploy.gate import Verdict
from headway.domain.deployment import Deployment, DeploymentKind, Wishes
from headway.domain.request import Obstacle, Request, RequestState
from headway.drivers.ssh.connections import Connections
from headway.engine.deployments.begin import RequestOver
from headway.engine.deployments.deployments import Deployments, Result, Wish, go_on
from headway.engine.deployments.drive import Interruption, Watcher
from headway.engine.deployments.hold import World
from headway.engine.deployments.news import tell_deployment, tell_request
from headway.engine.deployments.rollback import rollback
from headway.engine.hosts.lock import TakenOver
from headway.engine.releases.releases import ReleaseGone, standing
from headway.engine.requests.gate import Asking, ask_gate, where_it_is_live
from headway.engine.requests.promotion import follow_all
from headway.engine.requests.requests import Requests
from headway.engine.requests.tools import RequestTools
from headway.engine.secrets.by_name import SecretsError
from headway.engine.standing.claims import who_is_at_work
from headway.engine.standing.what_runs import live_deployment
from headway.engine.work_faults import WorkFault, WorkFaults, own_fault
from headway.store import deployments, requests
from headway.store.database import Transaction
from headway.store.releases import get_release

log = logging.getLogger("headway.deployments")

#: Deployments under way at once, each to another environment.
MOST = 8
#: A request that waits is asked for again after this, also when nobody said that something changed.
_LOOK_AGAIN = timedelta(seconds=60)
_LOOK_AGAIN_FOR_LOCK = timedelta(seconds=5)
#: After what went wrong outside: a host, the network, the database.
_REST = timedelta(seconds=20)
#: What people ask of a deployment through another server is seen after this.
_HEED = timedelta(seconds=2)


class _Seen(Watcher):
    """Knows which deployment it is, once it has begun."""

    def __init__(self) -> None:
        self.last: Deployment | None = None

    def deployment(self, deployment: Deployment) -> None:
        self.last = deployment

    def note(self, text: str) -> None:
        log.info("%s", text)


@dataclass(eq=False)
class _Carried:
    """What is under way in one environment."""

    request: str | None
    watcher: _Seen = field(default_factory=_Seen)
    interruption: Interruption = field(default_factory=Interruption)
    task: "asyncio.Task[None] | None" = None

    @property
    def id(self) -> str:
        """Of the deployment; of its request as long as it has not begun."""
        return self.watcher.last.id if self.watcher.last is not None else self.request or ""


class DeploymentsDuty:
    """For the event loop's thread. `wake` is set by whoever adds it to the duties."""

    def __init__(self, tools: RequestTools, *, most: int = MOST) -> None:
        self.tools = tools
        self._most = most
        self._carried: dict[tuple[str, str], _Carried] = {}
        self._resting: dict[tuple[str, str], datetime] = {}
        #: The request of an environment that was compared with what is live there, and with which deployment.
        self._compared: dict[tuple[str, str], tuple[str, str]] = {}
        self._connections: Connections | None = None
        self._is_stopping = False
        self._has_begun = False
        #: How many have ended here: what was held by one of them meanwhile is looked at again at once.
        self._ended = 0
        #: Of deployments, requests, and what is to follow from runs and deployments, by their ids.
        self.faults = WorkFaults("a deployment cannot be driven")
        self.wake: Callable[[], None] = lambda: None

    @property
    def requests(self) -> Requests:
        return Requests(self.tools, self.wake)

    @property
    def active(self) -> int:
        return len(self._carried)

    async def tick(self, now: datetime) -> datetime | None:
        """Late is fine: what waits still waits, what was left is still there. When to be called next."""
        if self._is_stopping:
            return None
        if not self._has_begun:
            # The process before us may have been killed when it was about to begin one.
            await self.tools.database.perform(lambda tx: requests.look_at_all_soon(tx, now))
            self._has_begun = True
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        await follow_all(self.tools, now, self.faults)
        await self._heed()
        await self._go_on(now)
        for request in await self.tools.database.fetch(lambda tx: requests.due_requests(tx, now)):
            await self._look(request, now)
        due = await self.tools.database.fetch(requests.next_due)
        instants = [
            *self._resting.values(),
            *([due] if due else []),
            *([now + _HEED] if self._carried else []),
        ]
        return min(instants, default=None)

    async def stop(self) -> None:
        """Everything stays as it is: steps go on on their hosts, and the next start follows them."""
        self._is_stopping = True
        tasks = [one.task for one in self._carried.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

    # What goes on

    async def _heed(self) -> None:
        """What people ask of what is under way."""
        for carried in list(self._carried.values()):
            if (found := carried.watcher.last) is not None:
                carried.interruption.heed(await self._wishes_of(found.id))

    async def _wishes_of(self, deployment: str) -> Wishes:
        return await self.tools.database.fetch(lambda tx: deployments.wishes_of(tx, deployment))

    async def _go_on(self, now: datetime) -> None:
        """What nobody drives any more: its owner is dead, or gave no sign for longer than its lease."""

        def left(tx: Transaction) -> list[Deployment]:
            return [
                found
                for found in deployments.unfinished_anywhere(tx)
                if found.has_plan and not who_is_at_work(tx, found.service, found.environment, now)
            ]

        for found in await self.tools.database.fetch(left):
            key = (found.service, found.environment)
            if key in self._carried or key in self._resting or len(self._carried) >= self._most:
                continue
            carried = _Carried(found.request)
            carried.watcher.last = found
            world = self._world(found.requested_by, carried)
            self._start(key, carried, go_on(world, self.tools.database, found))

    # What waits

    async def _look(self, request: Request, now: datetime) -> None:
        """Asks the gate, and stores what it says or begins."""
        key = (request.service, request.environment)
        if request.expires_at <= now:
            days = (request.expires_at - request.requested_at).days
            await self._end(request, RequestState.EXPIRED, f"nobody let it pass within {days} days", now)
            return
        carried = self._carried.get(key)
        if carried is not None and carried.request == request.id:
            await self._wait(request, request.reason, request.obstacles, now + _LOOK_AGAIN, now)
            return
        ended = self._ended
        try:
            asking = await ask_gate(self.tools, request, now)
        except HeadwayError as error:
            await self._wait(request, *_cannot(error), now + _LOOK_AGAIN, now)
            return
        except Exception as error:
            # A fault of ours; the others at the gate are not to wait for it.
            log.exception("the gate cannot be asked for %s/%s", *key)
            self.faults.note(
                request.id,
                error,
                what=f"the gate cannot be asked for {request.service} to {request.environment}",
                href=f"/services/{request.service}/requests/{request.id}",
                began_at=now,
                now=now,
                rest=_LOOK_AGAIN,
            )
            await self._wait(request, *_cannot(error), now + _LOOK_AGAIN, now)
            return
        answer = asking.answer
        if answer.verdict is Verdict.REFUSED:
            reasons = [one.reason for one in answer.obstacles if one.final]
            await self._end(request, RequestState.REFUSED, "; ".join(reasons), now)
        elif answer.verdict is Verdict.HELD:
            again = _LOOK_AGAIN_FOR_LOCK if _only_lock(answer.obstacles) else _LOOK_AGAIN
            due = now if ended != self._ended else min(now + again, answer.until or now + again)
            await self._wait(request, answer.reason, answer.obstacles, due, now)
            if carried is None and len(self._carried) < self._most and await self._may_be_live(request):
                carried = _Carried(request.id)
                self._start(key, carried, self._end_if_live(request, asking, carried))
        elif key in self._resting:
            await self._wait(request, request.reason, request.obstacles, self._resting[key], now)
        elif carried is not None or len(self._carried) >= self._most:
            reason = f"{len(self._carried)} deployments are under way, it comes after them"
            await self._wait(request, reason, (Obstacle("lock", reason),), now + _LOOK_AGAIN_FOR_LOCK, now)
        else:
            # Until the secret is there it is what stands in the way, each time that it is tried; so is a host that is
            # away, and a fault of ours.
            begins = replace(request, reason="begins", obstacles=())
            stays = _only_tried(request.obstacles) or self.faults.of(request.id, now) is not None
            shown = request if stays else begins
            await self._wait(request, shown.reason, shown.obstacles, now + _LOOK_AGAIN_FOR_LOCK, now)
            carried = _Carried(request.id)
            self._start(key, carried, self._fulfil(request, asking, carried))

    async def _fulfil(self, request: Request, asking: Asking, carried: _Carried) -> Result | None:
        world = self._world(request.requested_by, carried)
        database = self.tools.database
        driver = Deployments(world, database, self.tools.git, asking.project)
        try:
            if request.kind is DeploymentKind.ROLLBACK:
                driver.project = await where_it_is_live(self.tools, request, asking.project)
                result = await rollback(
                    driver,
                    request.environment,
                    to=request.release,
                    force=request.force,
                    request=request.id,
                    without=request.without,
                )
            else:
                release = await database.fetch(lambda tx: get_release(tx, request.release))
                if release is None:
                    raise ReleaseGone(f"{request.release} is not known here", hint="deploy another one")
                wish = Wish(
                    request.environment,
                    standing(release),
                    request.kind,
                    force=request.force,
                    request=request.id,
                    permission=asking.permission,
                    without=request.without,
                )
                result = await driver.deploy(wish)
        except (RequestOver, TakenOver):
            return None
        except HeadwayError as error:
            await self._failed(request, error)
            return None
        except Exception as error:
            if carried.watcher.last is None:
                now = self.tools.clock.now()
                await self._wait(request, *_cannot(error), now + _REST, now)
            raise
        await self._done(request, result)
        return result

    async def _may_be_live(self, request: Request) -> bool:
        """A request that is held for what is live already, by the rows alone; told once of each live deployment."""
        live = await self.tools.database.fetch(
            lambda tx: live_deployment(tx, request.service, request.environment)
        )
        if live is None or live.release != request.release:
            return False
        key, pair = (request.service, request.environment), (request.id, live.id)
        if self._compared.get(key) == pair or request.force or request.kind is DeploymentKind.ROLLBACK:
            return False
        self._compared[key] = pair
        return True

    async def _end_if_live(self, request: Request, asking: Asking, carried: _Carried) -> None:
        """No gate for what changes nothing: where the hosts say so too, the request is done."""
        release = await self.tools.database.fetch(lambda tx: get_release(tx, request.release))
        world = self._world(request.requested_by, carried)
        driver = Deployments(world, self.tools.database, self.tools.git, asking.project)
        if release is None:
            return
        try:
            result = await driver.already_live(
                Wish(request.environment, release, request.kind, without=request.without)
            )
        except HeadwayError as error:
            log.info("%s/%s: %s", request.service, request.environment, error.message)
            return
        if result is not None:
            await self._done(request, result)

    async def _failed(self, request: Request, error: HeadwayError) -> None:
        """Before its deployment began: what cannot be is refused, for all else it waits. After: the row is gone on with."""
        now = self.tools.clock.now()
        if isinstance(error, SecretsError):
            # Nothing is wrong with the release: somebody sets the secret, and it goes on by itself.
            missing = (Obstacle("secret", error.message, error.hint or ""),)
            await self._wait(request, error.message, missing, now + _LOOK_AGAIN, now)
            return
        if isinstance(error, WrongUse):
            told = f"cannot begin: {error.message}" + (f" ({error.hint})" if error.hint else "")
            await self._end(request, RequestState.REFUSED, told, now)
            return
        rest = _LOOK_AGAIN_FOR_LOCK if isinstance(error, Held) else _REST
        await self._wait(request, *_cannot(error), now + rest, now)
        if not isinstance(error, Held):
            self._resting[request.service, request.environment] = now + rest

    async def _done(self, request: Request, result: Result) -> None:
        """Where no deployment of its own was begun: nothing had to be done, or one that was left was gone on with."""
        if result.already_live is not None:
            told = f"already live, since deployment {result.already_live.number}"
        elif result.deployment is not None:
            told = (
                f"deployment {result.deployment.number} {result.deployment.state}: {result.deployment.reason}"
            )
        else:
            told = "nothing had to be done"
        await self._end(request, RequestState.DONE, told, self.tools.clock.now())

    # Storing, starting

    async def _wait(
        self,
        request: Request,
        reason: str,
        obstacles: tuple[Obstacle, ...],
        due_at: datetime,
        now: datetime,
    ) -> None:
        def work(tx: Transaction) -> None:
            saved = requests.save_waiting(tx, request.id, reason, obstacles, due_at)
            if saved and (reason, obstacles) != (request.reason, request.obstacles):
                tell_request(tx, replace(request, reason=reason, obstacles=obstacles), now)

        await self.tools.database.perform(work)

    async def _end(self, request: Request, state: RequestState, reason: str, now: datetime) -> None:
        self.faults.over(request.id)

        def work(tx: Transaction) -> None:
            if requests.end_waiting(tx, request.id, state, reason, now):
                tell_request(tx, replace(request, state=state, reason=reason), now)

        await self.tools.database.perform(work)

    def _world(self, user: str, carried: _Carried) -> World:
        if self._connections is None:
            self._connections = Connections(self.tools.settings.ssh)
        carried.interruption.question = carried.interruption.until_told
        return World(
            # Who asked is who the hosts' journals and locks name.
            replace(self.tools.settings, user=user),
            self.tools.clock,
            self._connections,
            watcher=carried.watcher,
            interruption=carried.interruption,
            require_reach=self.tools.require_reach,
        )

    def _start(self, key: tuple[str, str], carried: _Carried, work: Coroutine[Any, Any, Any]) -> None:
        if self._is_stopping:
            # By a tick that was under way; nobody would end it before the database closes. The next start begins it.
            work.close()
            return
        self._carried[key] = carried
        carried.task = asyncio.create_task(self._carry(key, work), name=f"deploy {'/'.join(key)}")

    async def _carry(self, key: tuple[str, str], work: Coroutine[Any, Any, Any]) -> None:
        """To its end, whatever happens: this task never fails."""
        now, carried = self.tools.clock.now, self._carried[key]
        began_at, fault = now(), None
        try:
            await work
        except HeadwayError as error:
            log.warning("%s/%s: %s", *key, error.message)
            self._resting[key] = now() + _REST
            if not isinstance(error, Held):
                fault = await self._broke_off(key, carried, error, began_at)
        except Exception as error:
            log.exception("%s/%s cannot be driven", *key)
            self._resting[key] = now() + _REST
            fault = await self._broke_off(key, carried, error, began_at)
        else:
            self.faults.over(carried.id)
            self.faults.over(carried.request or "")
        finally:
            self._carried.pop(key, None)
            self._ended += 1
        # Whoever waits for this environment need not wait for its next look.
        with suppress(HeadwayError):
            at = now()
            await self.tools.database.perform(lambda tx: requests.look_soon(tx, *key, at))
            if fault is not None and fault.times == 1 and (last := carried.watcher.last) is not None:
                # Who looks on sees it at once.
                await self.tools.database.perform(lambda tx: _tell_anew(tx, last.id, at))
        self.wake()

    async def _broke_off(
        self, key: tuple[str, str], carried: _Carried, error: Exception, began_at: datetime
    ) -> WorkFault:
        service, environment = key
        if carried.watcher.last is None:
            # It may have begun, and said nothing yet.
            with suppress(HeadwayError):
                left = await self.tools.database.fetch(
                    lambda tx: deployments.unfinished(tx, service, environment)
                )
                carried.watcher.last = next((one for one in left if one.request == carried.request), None)
        if (last := carried.watcher.last) is not None:
            what = f"deployment {last.number} of {service} to {environment} cannot be driven"
            href = f"/services/{service}/deployments/{last.number}"
        else:
            what = f"a deployment of {service} to {environment} cannot begin"
            href = f"/services/{service}/requests/{carried.request}"
        now = self.tools.clock.now()
        return self.faults.note(
            carried.id, error, what=what, href=href, began_at=began_at, now=now, rest=_REST
        )


def _tell_anew(tx: Transaction, deployment_id: str, now: datetime) -> None:
    found = deployments.get_deployment(tx, deployment_id)
    if found is not None and not found.state.is_final:
        tell_deployment(tx, found, now)


def _only_lock(obstacles: tuple[Obstacle, ...]) -> bool:
    return all(one.kind == "lock" for one in obstacles)


def _only_tried(obstacles: tuple[Obstacle, ...]) -> bool:
    return bool(obstacles) and all(one.kind in ("secret", "fault") for one in obstacles)


def _cannot(error: Exception) -> tuple[str, tuple[Obstacle, ...]]:
    if not isinstance(error, HeadwayError):
        told = own_fault(error)
        return told, (Obstacle("fault", told),)
    kind = "lock" if isinstance(error, Held) else "fault"
    return error.message, (Obstacle(kind, error.message, error.hint or ""),)

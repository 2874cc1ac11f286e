"""Requests: what people and programs ask a server to deploy, approve, take back, stop. The duty does what comes of it.

UnknownRequest     2    no request is called so
CommentMissing     2    an approval there needs a comment
NotCounted         2    an approval of this person would count for no rule there
RequestIsOver      4    it does not wait any more
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headway.base.errors import Held, WrongUse
from headway.deploy.gate import Verdict
from headway.deploy.guards import Word, applying, stricter, why_not_counted
from headway.deploy.rollout import Asked
from headway.domain.contract import ApprovalSpec
from headway.domain.deployment import Deployment, DeploymentKind
from headway.domain.people import Actor
from headway.domain.release import Release
from headway.domain.request import Approval, Request, RequestOrigin, RequestState
from headway.engine.audit import record
from headway.engine.deployments.gate import GateRefused
from headway.engine.deployments.plan import host_plans
from headway.engine.deployments.rollback import target_of
from headway.engine.deployments.steer import ask_of_deployment, leave_hosts
from headway.engine.permissions import Action, require, to_steer
from headway.engine.releases.releases import ReleaseGone
from headway.engine.requests.gate import Asking, ask_gate, require_in, team_of, who_is
from headway.engine.requests.place import new_request, place, subject_of, told_anew
from headway.engine.requests.releases import release_for
from headway.engine.requests.tools import RequestTools
from headway.store import deployments, requests
from headway.store.database import Transaction
from headway.store.idempotency import effect_of, note_effect
from headway.store.releases import get_release

_LONGEST_COMMENT = 2000


class UnknownRequest(WrongUse):
    http_status = 404


class CommentMissing(WrongUse):
    pass


class NotCounted(WrongUse):
    http_status = 403


@dataclass(frozen=True, slots=True)
class Approving:
    needs_comment: bool
    #: Empty: a yes counts.
    why_not: str


class RequestIsOver(Held):
    http_status = 409


@dataclass(frozen=True, slots=True)
class GoingBack:
    """What came of asking to go back: a request for an older release, or the deployment under way that turns back."""

    request: Request | None = None
    deployment: Deployment | None = None


@dataclass(frozen=True, slots=True)
class Requests:
    """The use-cases of one server. Cheap to make; has no state of its own."""

    tools: RequestTools
    #: The duty looks at once instead of a moment later.
    wake: Callable[[], None] = lambda: None

    async def request_deployment(
        self,
        actor: Actor,
        *,
        service: str,
        environment: str,
        release: str,
        kind: DeploymentKind = DeploymentKind.PLANNED,
        force: bool = False,
        key: str | None = None,
        without: Sequence[str] = (),
    ) -> Request:
        """A wish that waits at the gate. `release` is an id or a beginning of it, a commit, a branch, a tag.

        `without` are hosts that are left out. `key`: asked again with the same one, it is the same request. The same
        wish as one that waits is that one; another release takes the place of the one that waits. Raises NotAllowed,
        UnknownService, UnknownEnvironment, NoSuchHost, the errors of releases, and GateRefused with all that waiting
        would not help.
        """
        await self._require(actor, Action.DEPLOYMENT_REQUEST, service)
        if (before := await self._came_of(key)) is not None and before.request is not None:
            return before.request
        found = await asyncio.to_thread(self._release, service, release, environment)
        made = self._new(actor, found, environment, kind, force=force)
        made = replace(made, without=tuple(dict.fromkeys(without)))
        return await self._place(actor, Action.DEPLOYMENT_REQUEST, made, key)

    async def request_rollback(
        self,
        actor: Actor,
        *,
        service: str,
        environment: str,
        to: str | None = None,
        force: bool = False,
        key: str | None = None,
        without: Sequence[str] = (),
    ) -> GoingBack:
        """Back to the last good release before the live one, or to one that is named by its whole id.

        What goes on there is taken back instead, unless `to` names another. `force` passes a `once` that is declared
        incompatible. Raises NotAllowed, and what `engine.deployments.rollback.choose` raises.
        """
        await require_in(self.tools, actor, Action.DEPLOYMENT_ROLLBACK, service, environment)
        if (before := await self._came_of(key)) is not None:
            return before
        going = await self.tools.database.fetch(lambda tx: deployments.unfinished(tx, service, environment))
        if going and to in (None, going[0].release):
            return GoingBack(deployment=await self._take_back(actor, going[0], key, without))

        def choose(tx: Transaction) -> tuple[str, Release | None]:
            target = target_of(tx, service, environment, to=to, force=force)
            return target.deployment, get_release(tx, target.release)

        settings_of, release = await self.tools.database.fetch(choose)
        if release is None:
            raise ReleaseGone(
                "the release to go back to is not known here any more", hint="deploy another one"
            )
        made = self._new(actor, release, environment, DeploymentKind.ROLLBACK, force=force)
        made = replace(made, settings_of=settings_of, without=tuple(dict.fromkeys(without)))
        return GoingBack(request=await self._place(actor, Action.DEPLOYMENT_ROLLBACK, made, key))

    async def approve(self, actor: Actor, request_id: str, *, yes: bool, comment: str = "") -> Request:
        """The actor's word; their last one counts. One no ends the request.

        The answer is the request as it stands after it. Raises NotAllowed, UnknownRequest, RequestIsOver, CommentMissing,
        NotCounted.
        """
        request = await self.find(request_id)
        await self._require(actor, Action.DEPLOYMENT_APPROVE, request.service)
        _require_waiting(request)
        now, comment = self.tools.clock.now(), comment.strip()[:_LONGEST_COMMENT]
        asking = await ask_gate(self.tools, request, now)
        rules = self._rules(request, asking)
        if yes and not comment and any(rule.comment for rule in rules):
            raise CommentMissing(
                f"an approval for {request.environment} needs a comment", hint="say what you have looked at"
            )
        if yes:
            await self._require_counted(actor, request, asking, rules, comment)
        expires = min((rule.expires for rule in rules), default=timedelta(hours=24))
        said = Approval(request.id, actor.name, yes, comment, now, now + expires)

        def work(tx: Transaction) -> Request:
            standing = _waiting(tx, request.id)
            requests.put_approval(tx, said)
            what = {"yes": yes, "comment": comment, "release": request.release}
            record(tx, actor, Action.DEPLOYMENT_APPROVE, subject_of(standing), None, what, now)
            if yes:
                requests.save_waiting(tx, request.id, standing.reason, standing.obstacles, now)
            else:
                reason = f"{actor.name} said no{': ' + comment if comment else ''}"
                requests.end_waiting(tx, request.id, RequestState.REFUSED, reason, now)
            return told_anew(tx, request.id, now)

        found = await self.tools.database.perform(work)
        if yes:
            found = await self._seen_anew(found, now)
        self.wake()
        return found

    async def withdraw(self, actor: Actor, request_id: str, reason: str = "") -> Request:
        """Whoever may ask for it may withdraw it. Raises NotAllowed, UnknownRequest, RequestIsOver (its deployment may
        have begun: stop that one)."""
        request = await self.find(request_id)
        await require_in(self.tools, actor, to_steer(request.kind), request.service, request.environment)
        now, why = self.tools.clock.now(), reason.strip()[:_LONGEST_COMMENT]

        def work(tx: Transaction) -> Request:
            standing = _waiting(tx, request.id)
            told = f"withdrawn by {actor.name}{': ' + why if why else ''}"
            requests.end_waiting(tx, request.id, RequestState.WITHDRAWN, told, now)
            record(tx, actor, "deployment.withdraw", subject_of(standing), None, {"reason": why}, now)
            return told_anew(tx, request.id, now)

        return await self._perform(work)

    async def pause(self, actor: Actor, deployment_id: str) -> Deployment:
        """The steps at hand end, no other begins, until it is asked to go on, to stay or to go back."""
        return await self._ask(actor, deployment_id, Asked.PAUSE)

    async def go_on(self, actor: Actor, deployment_id: str) -> Deployment:
        return await self._ask(actor, deployment_id, None)

    async def stop(self, actor: Actor, deployment_id: str) -> Deployment:
        """Hosts whose switch has begun are brought to serve, no other is begun."""
        return await self._ask(actor, deployment_id, Asked.STAY)

    async def go_back(self, actor: Actor, deployment_id: str) -> Deployment:
        """All that was switched goes back to what it had."""
        return await self._ask(actor, deployment_id, Asked.BACK)

    async def find(self, request_id: str) -> Request:
        """Raises UnknownRequest."""
        found = await self.tools.database.fetch(lambda tx: requests.get_request(tx, request_id))
        if found is None:
            raise UnknownRequest(f"there is no request {request_id}", hint="the service's page lists them")
        return found

    async def _take_back(
        self, actor: Actor, going: Deployment, key: str | None, without: Sequence[str]
    ) -> Deployment:
        """A rollback that goes on goes back already. Raises NotAllowed, NoSuchHost, DeploymentIsOver."""
        now = self.tools.clock.now()

        def work(tx: Transaction) -> Deployment:
            asked = leave_hosts(tx, actor, going, without, now)
            if going.kind is not DeploymentKind.ROLLBACK:
                asked = ask_of_deployment(tx, actor, going.id, Asked.BACK, now)
            if key is not None:
                note_effect(tx, key, f"deployment {going.id}", now)
            return asked

        fresh = await self.tools.database.perform(work)
        self.wake()
        return fresh

    async def _ask(self, actor: Actor, deployment_id: str, asked: Asked | None) -> Deployment:
        found = await self.tools.database.fetch(lambda tx: deployments.get_deployment(tx, deployment_id))
        if found is None:
            raise UnknownRequest(f"there is no deployment {deployment_id}", hint="headway status lists them")
        action = to_steer(found.kind, back=asked is Asked.BACK)
        await require_in(self.tools, actor, action, found.service, found.environment)
        now = self.tools.clock.now()
        fresh = await self.tools.database.perform(
            lambda tx: ask_of_deployment(tx, actor, deployment_id, asked, now)
        )
        self.wake()
        return fresh

    def _rules(self, request: Request, asking: Asking) -> Sequence[ApprovalSpec]:
        floors = applying(self.tools.org().floors, request.service, request.environment)
        return stricter(asking.environment, floors).approvals

    async def approving(self, actor: Actor, request: Request) -> Approving:
        """What an approval of the actor would have to be; for pages, before they say it."""
        asking = await ask_gate(self.tools, request, self.tools.clock.now())
        rules = self._rules(request, asking)
        needs_comment = any(rule.comment for rule in rules)
        try:
            await self._require_counted(actor, request, asking, rules, "as long as it is one")
        except NotCounted as error:
            return Approving(needs_comment, error.message)
        return Approving(needs_comment, "")

    async def _require_counted(
        self, actor: Actor, request: Request, asking: Asking, rules: Sequence[ApprovalSpec], comment: str
    ) -> None:
        """Raises NotCounted for a yes that would change nothing: whoever says it has to know at once."""
        now, org = asking.facts.now or self.tools.clock.now(), self.tools.org()
        who = await self.tools.database.fetch(
            lambda tx: who_is(tx, org, team_of(tx, request.service), actor.name)
        )
        word = Word(who, yes=True, at=now, comment=comment)
        reasons = [why_not_counted(word, rule, asking.facts.own, now) for rule in rules]
        if not all(reasons) or not reasons:
            return
        others = " and ".join(dict.fromkeys(" or ".join(rule.from_) for rule in rules if rule.from_))
        by_name = "an approval is a person's, who signed in: approve on its page, or with HEADWAY_TOKEN"
        raise NotCounted(
            f"an approval of {actor.name} does not count for {request.environment}: {reasons[0]}",
            hint=f"{by_name}; here of {others or 'somebody who may approve'}"
            if actor.by == "socket"
            else f"ask {others or 'somebody else who may approve'}",
        )

    async def _seen_anew(self, request: Request, now: datetime) -> Request:
        """As it stands at the gate now; the duty may have been faster."""
        answer = (await ask_gate(self.tools, request, now)).answer

        def work(tx: Transaction) -> Request:
            if requests.save_waiting(tx, request.id, answer.reason, answer.obstacles, now):
                return told_anew(tx, request.id, now)
            found = requests.get_request(tx, request.id)
            assert found is not None
            return found

        return await self.tools.database.perform(work)

    async def _require(self, actor: Actor, action: Action, service: str) -> None:
        team = await self.tools.database.fetch(lambda tx: team_of(tx, service))
        require(actor, action, team=team)

    async def _perform(self, work: Callable[[Transaction], Request]) -> Request:
        done = await self.tools.database.perform(work)
        self.wake()
        return done

    async def _place(self, actor: Actor, action: Action, made: Request, key: str | None) -> Request:
        """Asks the gate first, so that what cannot be is said at once and what it waits for is stored with it."""
        now = made.requested_at
        asking = await ask_gate(self.tools, made, now)
        answer = asking.answer
        # Whom to leave out is checked here, where who asked still sees it.
        host_plans(asking.project.contract, asking.environment, without=made.without)
        if answer.verdict is Verdict.REFUSED:
            others = [one.reason for one in answer.obstacles[1:] if one.final]
            raise GateRefused("; ".join([answer.reason, *others]), hint=answer.hint)
        made = replace(made, reason=answer.reason, obstacles=answer.obstacles)

        def work(tx: Transaction) -> Request:
            placed, is_new = place(tx, made, now)
            if is_new:
                what: dict[str, object] = {"kind": made.kind, "release": made.release, "force": made.force}
                if made.without:
                    what["without"] = list(made.without)
                record(tx, actor, action, subject_of(made), None, what, now)
            if key is not None:
                note_effect(tx, key, f"request {placed.id}", now)
            return placed

        return await self._perform(work)

    def _new(
        self,
        actor: Actor,
        release: Release,
        environment: str,
        kind: DeploymentKind,
        *,
        force: bool,
    ) -> Request:
        now = self.tools.clock.now()
        made = new_request(release, environment, actor.name, _origin(actor), "", now)
        return replace(made, kind=kind, force=force, cause=f"asked {made.id}")

    async def _came_of(self, key: str | None) -> GoingBack | None:
        """What an earlier call with this key has brought about. It is asked before the state is: that may have moved on,
        and the same words may mean another release by now."""
        if key is None:
            return None

        def look(tx: Transaction) -> GoingBack | None:
            kind, _, id = effect_of(tx, key).partition(" ")
            if kind == "request":
                return GoingBack(request=requests.get_request(tx, id))
            return GoingBack(deployment=deployments.get_deployment(tx, id)) if kind == "deployment" else None

        return await self.tools.database.fetch(look)

    def _release(self, service: str, text: str, environment: str) -> Release:
        """Raises UnknownService and the errors of releases. Blocks."""
        return release_for(self.tools, service=service, text=text, environment=environment).release


def _waiting(tx: Transaction, request_id: str) -> Request:
    found = requests.get_request(tx, request_id)
    assert found is not None
    _require_waiting(found)
    return found


def _require_waiting(request: Request) -> None:
    if request.state is not RequestState.WAITING:
        raise RequestIsOver(
            f"the request is {request.state}: {request.reason}", hint="ask for it anew, if it is wanted"
        )


def _origin(actor: Actor) -> RequestOrigin:
    return RequestOrigin.API if actor.by.startswith("token") else RequestOrigin.PERSON

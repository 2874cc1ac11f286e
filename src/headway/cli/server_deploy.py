"""`headway deploy` and `headway rollback` on a server: a request at the gate, then the deployment that comes of it."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headway.base.errors import Cancelled, Failed, Held
from headway.cli.deployment_result import finish
from headway.cli.deployment_screen import Lines, is_shown
from headway.cli.output import echo
from headway.client.decode import deployment_of, deployment_step_of, host_of, typed
from headway.client.http import HeadwayClient, segment
from headway.domain.request import RequestState
from headway.engine.deployments.deployments import Result
from headway.wire.shapes_delivery import PlanDocument

if TYPE_CHECKING:
    from headway.domain.deployment import Deployment

#: Seconds between two looks; how long a request may stand before it counts as held.
_LOOK_EVERY, _GATE_WITHIN = 0.25, 3.0


def deploy(
    server: HeadwayClient,
    *,
    service: str,
    environment: str,
    release: str,
    kind: str,
    force: bool,
    without: Sequence[str],
    wait: bool,
    as_json: bool,
) -> int:
    body = {
        "service": service,
        "environment": environment,
        "release": release,
        "kind": kind,
        "force": force,
        "without": list(without),
    }
    made = server.post("/api/requests", body)
    return _Follower(server, service, as_json=as_json, wait=wait).request(made)


def roll_back(
    server: HeadwayClient,
    *,
    service: str,
    environment: str,
    to: str | None,
    force: bool,
    without: Sequence[str],
    wait: bool,
    as_json: bool,
) -> int:
    if to is not None:
        to = server.get(f"/api/services/{segment(service)}/releases/find", name=to)["id"]
    body = {
        "service": service,
        "environment": environment,
        "to": to,
        "force": force,
        "without": list(without),
    }
    going = server.post("/api/rollbacks", body)
    follower = _Follower(server, service, as_json=as_json, wait=wait, going_back=True)
    if going["request"] is not None:
        return follower.request(going["request"])
    return follower.deployment(going["deployment"]["id"])


def dry_run(
    server: HeadwayClient, *, service: str, environment: str, release: str, kind: str, without: Sequence[str]
) -> PlanDocument:
    asked: dict[str, Any] = {"service": service, "environment": environment, "release": release, "kind": kind}
    if without:
        asked["without"] = ",".join(without)
    return typed(server.get("/api/plan", **asked), PlanDocument)


#: What can be answered to the question of Ctrl-C, and what it is called there.
_ASKED = {"b": "back", "s": "stop", "o": "go-on"}


class _Follower:
    """Shows what becomes of it, and answers with the exit code."""

    def __init__(
        self, server: HeadwayClient, service: str, *, as_json: bool, wait: bool, going_back: bool = False
    ) -> None:
        self._server = server
        self._service = service
        self._as_json = as_json
        self._wait = wait
        self._going_back = going_back
        self._lines = Lines(err=as_json)
        self._shown: dict[str, tuple[str, str]] = {}
        self._steps: set[tuple[str, str, int]] = set()
        #: Why the server could not drive it when it was looked at last.
        self._fault = ""

    def request(self, made: Any) -> int:
        """It stands at the gate until that opens. Raises Held, Failed, ServerUnreachable."""
        goes_on = f"the request {made['id']} waits on the server; headway status shows what comes of it"
        with self._server.watching(goes_on, self._lines.note):
            return self._request(made)

    def _request(self, made: Any) -> int:
        path, waited, said = f"/api/requests/{segment(made['id'])}", 0.0, ""
        try:
            while True:
                found = self._server.get(path)
                state = RequestState(found["state"])
                if found["deployment"] is not None:
                    return self.deployment(found["deployment"])
                if not state.is_open:
                    return self._without_deployment(found, state)
                stands = bool(found["obstacles"])
                if stands and not self._wait and waited > _GATE_WITHIN / 3:
                    raise self._held(found)
                if found["reason"] != said and (stands or waited > _GATE_WITHIN):
                    said = found["reason"]
                    self._lines.note(said)
                time.sleep(_LOOK_EVERY)
                waited += _LOOK_EVERY
        except KeyboardInterrupt:
            raise Cancelled(
                f"left at the gate: the request {made['id']} waits on the server",
                hint=f"headway status shows what comes of it; {self._server.name} takes it back",
            ) from None

    def deployment(self, id: str) -> int:
        goes_on = f"the deployment {id} goes on on the server; headway status shows it"
        with self._server.watching(goes_on, self._lines.note):
            return self._deployment(id)

    def _deployment(self, id: str) -> int:
        is_leaving = False
        while True:
            try:
                if is_leaving:
                    is_leaving = False
                    try:
                        code = self._ask(id)
                    except KeyboardInterrupt:
                        # Of a server that is away, too: whoever insists is let go.
                        raise Cancelled(
                            f"left: the deployment {id} is the server's",
                            hint="headway status shows how it stands",
                        ) from None
                    if code is not None:
                        return code
                found = self._look(id)
                if found is not None:
                    return finish(found, as_json=self._as_json, going_back=self._going_back)
                time.sleep(_LOOK_EVERY)
            except KeyboardInterrupt:
                is_leaving = True

    def _look(self, id: str) -> Result | None:
        """What is new is shown; the result, when it has ended."""
        document = self._server.get(f"/api/deployments/{segment(id)}")
        deployment = deployment_of(document["deployment"])
        hosts = tuple(host_of(row, deployment.id) for row in document["hosts"])
        self._lines.head(deployment)
        self._lines.deployment(deployment)
        fault = document.get("fault") or ""
        if fault and fault != self._fault:
            self._lines.note(f"it cannot be driven now: {fault}; it is tried again and again")
        self._fault = fault
        for row in hosts:
            if self._shown.get(row.host, ("waiting", "")) != (row.state, row.reason):
                self._shown[row.host] = (row.state, row.reason)
                self._lines.host(row)
        steps = [deployment_step_of(step, deployment.id) for step in document["steps"]]
        fresh = [step for step in steps if is_shown(step) and self._is_new(step)]
        self._lines.steps(fresh)
        return Result(deployment, hosts) if deployment.state.is_final else None

    def _is_new(self, step: Any) -> bool:
        key = (step.host, step.step, step.attempt)
        if key in self._steps:
            return False
        self._steps.add(key)
        return True

    def _without_deployment(self, found: Any, state: RequestState) -> int:
        if state is RequestState.DONE:
            return finish(Result(None, already_live=self._live(found)), as_json=self._as_json)
        message = f"the request was {state}: {found['reason']}"
        raise Failed(message, hint="ask anew, if it is wanted")

    def _live(self, found: Any) -> "Deployment | None":
        status = self._server.get(
            f"/api/services/{segment(self._service)}/status", environment=found["environment"]
        )
        live = status["environments"][0]["live"]
        return None if live is None else deployment_of(live)

    def _held(self, found: Any) -> Held:
        hints = [one["hint"] for one in found["obstacles"] if one["hint"]]
        next_step = hints[0] if hints else "--wait stays here until it opens"
        return Held(
            f"held at the gate of {found['environment']}: {found['reason']}",
            hint=f"{next_step}; the request {found['id']} waits there until then",
        )

    def _ask(self, id: str) -> int | None:
        """The question of Ctrl-C. None: looks on."""
        self._lines.say("\nfinishing the steps at hand …")
        path = f"/api/deployments/{segment(id)}"
        self._server.post(f"{path}/pause")
        answer = "b"
        if sys.stdin.isatty():
            try:
                answer = click.prompt(
                    "go [b]ack, [s]tay as it is, go [o]n without me",
                    type=click.Choice(["b", "s", "o"]),
                    show_choices=False,
                    err=True,
                )
            except click.Abort:
                answer = "b"
        else:
            self._lines.say("no terminal to ask at: going back")
        self._server.post(f"{path}/{_ASKED[answer]}")
        if answer == "o":
            echo("it goes on on the server; headway status shows it", err=True)
            return 0
        return None

"""What the acts with a server have in hand besides: pushes, what comes of them, and two people who speak to the server."""

import time
from collections.abc import Callable
from typing import Any

from headway.demo.layout import SERVICE
from headway.demo.parts import uptime
from headway.demo.repository import Change
from headway.demo.served import Person, Served
from headway.demo.stage import Otherwise, Stage
from headway.demo.teller import Teller
from headway.demo.watch import Watch
from headway.demo.world import World

#: Seconds for a run, for a deployment and for a request to come.
RUN_WITHIN, DEPLOYMENT_WITHIN, REQUEST_WITHIN = 60.0, 120.0, 30.0
_ENDED = ("succeeded", "rolled_back", "failed", "cancelled")


class ServedStage(Stage):
    def __init__(self, world: World, teller: Teller, watch: Watch) -> None:
        super().__init__(world, teller, watch)
        self.served = Served(world.layout)
        self.dana = Person("", "")
        self.olive = Person("", "")

    def people(self) -> None:
        """A repository that the server hosts, who may push there, and who lets things into production."""
        served = self.served
        self.headway("repository", "add", SERVICE, expect=0)
        self.dana = served.account("dana", "developer", "dana@shop.example", "push", "read", "deploy")
        self.olive = served.account("olive", "operator", "olive@shop.example", "read", "deploy")

    def connect(self) -> None:
        self.repository.connect(self.served.repository_url, self.dana.name, self.dana.token)
        self.teller.typed(f"git remote add headway {self.served.repository_url}")

    def commit(self, change: Change) -> str:
        commit = self.repository.apply(change)
        self.teller.typed(f'git commit --all --message "{change.subject}"')
        self.teller.changed(self.repository.diff(commit))
        return commit

    def revert(self, commit: str) -> None:
        self.teller.typed(f"git revert --no-edit {commit[:10]}")
        self.tale.commits[self.repository.revert(commit)] = "reverting"

    def push(self, commit: str, *, expect: str) -> dict[str, Any]:
        """Push, wait for its run to end, and hold it to its state; answers its summary."""
        self.teller.typed("git push headway main")
        began = uptime()
        for line in self.repository.push().splitlines():
            self.teller.output(line.rstrip())
        self._note("git push headway main", began)
        with self.teller.under_way("the server runs the pipeline"):
            run = self._wait_for_run(commit)
        self.tale.runs[run["number"]] = run["state"]
        took = uptime() - began
        told = f"run {run['number']} {run['state']} {took:.1f} s after the push"
        self.expect(run["state"] == expect, told, f"{run['state']}: {run['reason']}")
        summary: dict[str, Any] = self.read(f"/api/runs/{run['id']}")
        return summary

    def deployed(self, environment: str, release: str) -> dict[str, Any]:
        """The deployment of this release that the server does by itself, once it has ended."""
        with self.teller.under_way(f"the server deploys to {environment}"):
            found = self.wait(
                f"{release} is deployed to {environment}",
                lambda: self._deployment(environment, release, ended=True),
                DEPLOYMENT_WITHIN,
            )
        return self._kept(found)

    def under_way(self, environment: str, release: str) -> dict[str, Any]:
        """The deployment of this release, as soon as it has begun."""
        found: dict[str, Any] = self.wait(
            f"the deployment of {release} to {environment} begins",
            lambda: self._deployment(environment, release, ended=False),
            REQUEST_WITHIN,
        )
        return found

    def approve(self, release: str, comment: str) -> dict[str, Any]:
        """What waits at production's gate is told, and Olive lets it pass."""

        def waiting() -> dict[str, Any] | None:
            requests = self.read(f"/api/requests?service={SERVICE}")["items"]
            for request in requests:
                wanted = (request["environment"], request["release"], request["state"])
                if wanted == ("production", release, "waiting") and request["obstacles"]:
                    return dict(request)
            return None

        with self.teller.under_way("production is asked for"):
            request = self.wait(f"{release} is asked for in production", waiting, REQUEST_WITHIN)
        self.teller.say(f"  production is asked for by itself, and waits: {request['reason']}")
        path = f"/api/requests/{request['id']}/approve"
        self.act(self.olive, path, {"yes": True, "comment": comment}, f'approves it: "{comment}"')
        return dict(request)

    def act(self, person: Person, path: str, body: object, does: str) -> Any:
        """What somebody does in a page or a program."""
        began = uptime()
        answer = self.served.call(person, "POST", path, body)
        self.teller.typed(f"({person.name}) POST {path}")
        self.teller.say(f"  {person.name.title()} {does}")
        self._note(f"POST {path}", began)
        return answer

    def read(self, path: str) -> Any:
        return self.served.call(self.dana, "GET", path)

    def wait(self, told: str, look: Callable[[], Any], within: float) -> Any:
        return self.served.wait(told, look, within=within)

    def wait_closely(self, holds: Callable[[], bool], told: str, within: float) -> None:
        """As `wait`, looking all the while. Raises Otherwise."""
        until = uptime() + within
        while not holds():
            if uptime() > until:
                raise Otherwise(f"this did not come: {told}")
            time.sleep(0.01)

    def newest_request(self) -> str | None:
        """The release of the newest request for production."""
        for request in self.read(f"/api/requests?service={SERVICE}")["items"]:
            if request["environment"] == "production":
                return str(request["release"])
        return None

    def _wait_for_run(self, commit: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            for run in self.read(f"/api/runs?service={SERVICE}")["items"]:
                if run["commit"] == commit and run["finished_at"] is not None:
                    return dict(run)
            return None

        found: dict[str, Any] = self.wait(f"the run of {commit[:10]} ends", ended, RUN_WITHIN)
        return found

    def _deployment(self, environment: str, release: str, *, ended: bool) -> dict[str, Any] | None:
        known = self.tale.deployments
        for one in self.read(f"/api/deployments?service={SERVICE}&environment={environment}")["items"]:
            if one["release"] == release and one["number"] not in known:
                return dict(one) if (one["state"] in _ENDED) or not ended else None
        return None

    def _kept(self, found: dict[str, Any]) -> dict[str, Any]:
        self.tale.deployments[found["number"]] = found
        return found

    def _note(self, typed: str, began: float) -> None:
        self.tale.commands.append({"command": typed, "exit_code": 0, "seconds": round(uptime() - began, 2)})

    def expect_state(self, deployment: dict[str, Any], state: str) -> None:
        told = f"deployment {deployment['number']} to {deployment['environment']} {state.replace('_', ' ')}"
        if deployment["state"] != state:
            raise Otherwise(f"not so: {told}; it {deployment['state']}: {deployment['reason']}")
        self.teller.good(f"{told}: {deployment['reason']}" if state != "succeeded" else told)

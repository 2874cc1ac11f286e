"""What was decided when a run began, as one JSON text in its row: whoever takes it over needs no headway.toml.

The shape has a number; a Headway that reads an older one fills in what that one did not know.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from headway.domain.contract import Concurrency, JobDefinition, Retry, StepDefinition
from headway.domain.states import State
from headway.pipeline.graph import heights
from headway.pipeline.progress import Rules

_SHAPE = 1


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The definitions of the jobs that the run has, and the options it began with."""

    definitions: Mapping[str, JobDefinition] = field(default_factory=dict)
    fail_fast: bool = False
    #: Path of the artifact that makes the run's release; None when the service is not deployed by files.
    release_artifact: str | None = None
    #: Whether a release is to be made: the service has a [deploy] section.
    deployable: bool = False
    #: The service's team, whose secrets its jobs may name.
    team: str | None = None

    def rules(self, limit: int) -> Rules:
        return Rules(
            limit=limit,
            fail_fast=self.fail_fast,
            retries={
                name: definition.retry
                for name, definition in self.definitions.items()
                if definition.retry is not None
            },
            heights=heights({name: definition.needs for name, definition in self.definitions.items()}),
        )

    def secrets(self) -> tuple[str, ...]:
        """Names of all secrets that its jobs are given, each once."""
        return tuple(
            dict.fromkeys(name for definition in self.definitions.values() for name in definition.secrets)
        )


def to_json(plan: RunPlan) -> str:
    return json.dumps(
        {
            "shape": _SHAPE,
            "fail_fast": plan.fail_fast,
            "release_artifact": plan.release_artifact,
            "deployable": plan.deployable,
            "team": plan.team,
            "jobs": {name: _definition_to_json(definition) for name, definition in plan.definitions.items()},
        }
    )


def from_json(text: str) -> RunPlan:
    document = json.loads(text)
    return RunPlan(
        definitions={name: _definition_from_json(name, body) for name, body in document["jobs"].items()},
        fail_fast=document["fail_fast"],
        release_artifact=document["release_artifact"],
        deployable=document["deployable"],
        team=document.get("team"),
    )


def _definition_to_json(definition: JobDefinition) -> dict[str, Any]:
    return {
        "steps": [
            {
                "name": step.name,
                "run": step.run,
                "env": dict(step.env),
                "working_directory": step.working_directory,
                "shell": None if step.shell is None else list(step.shell),
            }
            for step in definition.steps
        ],
        "needs": list(definition.needs),
        "env": dict(definition.env),
        "pass_env": list(definition.pass_env),
        "secrets": list(definition.secrets),
        "timeout": definition.timeout.total_seconds(),
        "idle_timeout": None if definition.idle_timeout is None else definition.idle_timeout.total_seconds(),
        "retry": None
        if definition.retry is None
        else {"max": definition.retry.max, "on": sorted(definition.retry.on)},
        "allow_failure": definition.allow_failure,
        "artifacts": list(definition.artifacts),
        "junit": list(definition.junit),
        "working_directory": definition.working_directory,
        "shell": list(definition.shell),
        "output_limit": definition.output_limit,
        "concurrency": None
        if definition.concurrency is None
        else {"group": definition.concurrency.group, "limit": definition.concurrency.limit},
        "slots": definition.slots,
        "priority": definition.priority,
    }


def _definition_from_json(name: str, body: Mapping[str, Any]) -> JobDefinition:
    retry, idle = body["retry"], body["idle_timeout"]
    # Plans that were written before servers knew of these have no word about them.
    group = body.get("concurrency")
    return JobDefinition(
        name=name,
        steps=tuple(
            StepDefinition(
                name=step["name"],
                run=step["run"],
                env=step["env"],
                working_directory=step["working_directory"],
                shell=None if step["shell"] is None else tuple(step["shell"]),
            )
            for step in body["steps"]
        ),
        needs=tuple(body["needs"]),
        env=body["env"],
        pass_env=tuple(body.get("pass_env", ())),
        secrets=tuple(body["secrets"]),
        timeout=timedelta(seconds=body["timeout"]),
        idle_timeout=None if idle is None else timedelta(seconds=idle),
        retry=None
        if retry is None
        else Retry(retry["max"], frozenset(State(state) for state in retry["on"])),
        allow_failure=body["allow_failure"],
        artifacts=tuple(body["artifacts"]),
        junit=tuple(body["junit"]),
        working_directory=body["working_directory"],
        shell=tuple(body["shell"]),
        output_limit=body["output_limit"],
        concurrency=None if group is None else Concurrency(group["group"], group["limit"]),
        slots=body.get("slots", 1),
        priority=body.get("priority", 0),
    )

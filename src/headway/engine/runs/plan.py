"""What was decided when a run began, as one JSON text in its row: whoever takes it over needs no headway.toml.

The shape has a number; a Headway that reads an older one fills in what that one did not know.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.base.plain import from_plain, to_plain
from headway.domain.contract import JobDefinition
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
    jobs = {name: to_plain(definition) for name, definition in plan.definitions.items()}
    return json.dumps(
        {
            "shape": _SHAPE,
            "fail_fast": plan.fail_fast,
            "release_artifact": plan.release_artifact,
            "deployable": plan.deployable,
            "team": plan.team,
            "jobs": jobs,
        }
    )


def from_json(text: str) -> RunPlan:
    document = json.loads(text)
    return RunPlan(
        # The first plans that were written did not repeat the name of a job within it.
        definitions={
            name: from_plain(JobDefinition, {"name": name, **body}) for name, body in document["jobs"].items()
        },
        fail_fast=document["fail_fast"],
        release_artifact=document["release_artifact"],
        deployable=document["deployable"],
        team=document.get("team"),
    )

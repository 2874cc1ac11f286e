"""What the headway.toml of a pull request from another repository may say, and what is said for it."""

from datetime import UTC, datetime

import pytest

from headway.domain.contract import (
    Concurrency,
    Contract,
    JobDefinition,
    PipelineSpec,
    ServiceSpec,
    StepDefinition,
)
from headway.domain.intake import ForgeKind, Repository
from headway.pipeline.strangers import as_stranger

STEPS = (StepDefinition("true", "true"),)
THEIRS = Contract(
    1,
    ServiceSpec("billing", team="admins", runbook="https://example.org/run"),
    jobs={
        "test": JobDefinition("test", STEPS, priority=100, concurrency=Concurrency("gpu", 3)),
        "lint": JobDefinition("lint", STEPS, needs=("test",)),
    },
    pipeline=PipelineSpec(Concurrency("deploy", 2), priority=100, cancel_running=True),
)


def repository(service: str | None) -> Repository:
    return Repository(
        "r1", "shop", ForgeKind.GITHUB, "https://forge.example/shop", service, "main",
        datetime(2026, 3, 29, tzinfo=UTC), "ada", team="web",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("service", "number", "whose"),
    [
        ("shop", 7, "pull request 7 of shop"),
        ("shop", None, "pull request ? of shop"),
        # The repository's own file was never read: there is no service to speak for but the one named.
        (None, 7, "pull request 7 of billing"),
    ],
)
def test_a_stranger_gets_no_priority_and_no_group_or_service_of_ours(
    service: str | None, number: int | None, whose: str
) -> None:
    held = as_stranger(THEIRS, repository(service), number)
    name = service or "billing"
    assert held.service == ServiceSpec(name, team="web", runbook="https://example.org/run")
    assert held.pipeline == PipelineSpec(Concurrency(f"{whose}: deploy", 2), priority=0, cancel_running=True)
    assert held.jobs == {
        "test": JobDefinition("test", STEPS, priority=0, concurrency=Concurrency(f"{whose}: gpu", 3)),
        "lint": JobDefinition("lint", STEPS, needs=("test",)),
    }

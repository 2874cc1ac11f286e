from dataclasses import replace
from datetime import timedelta

import pytest

from headway.deploy.plan import HostPlan, Plan, to_json
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
from headway.engine.views.settings_difference import SettingChange, plan_of, settings_difference

ROLLING = Strategy(StrategyKind.ROLLING, Amount(25, percent=True))
PRODUCTION = EnvironmentSpec(
    "production", ("group:web",), ROLLING, True, env={"LEVEL": "info"}, secrets=("KEY",)
)
PLAN = Plan(
    service="shop",
    environment=PRODUCTION,
    release="rel-1",
    commit="c1",
    deployment="dep-1",
    requested_by="ada",
    deploy=DeploySpec(DeployKind.FILES, (ProcessSpec("main", "restart"),)),
    hosts=(HostPlan(HostSpec("web1", "10.0.0.1"), 0, ("main",), "headway/shop"),),
)


def changes(after: Plan, before: Plan = PLAN) -> list[SettingChange]:
    old, new = plan_of(to_json(before)), plan_of(to_json(after))
    assert old is not None and new is not None
    return list(settings_difference(old, new))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"env": {"LEVEL": "debug"}}, [SettingChange("changed", "LEVEL", "info", "debug")]),
        ({"env": {}}, [SettingChange("removed", "LEVEL", "info", None)]),
        ({"env": {"LEVEL": "info", "NEW": "1"}}, [SettingChange("added", "NEW", None, "1")]),
        ({"secrets": ()}, [SettingChange("removed", "secret KEY")]),
        ({"secrets": ("KEY", "OTHER")}, [SettingChange("added", "secret OTHER")]),
        (
            {"strategy": Strategy(StrategyKind.CANARY, Amount(2), Amount(1), timedelta(minutes=2))},
            [SettingChange("changed", "strategy", "25 % at a time", "canary 1, then 2 at a time")],
        ),
    ],
)
def test_what_an_environment_says_differently(
    environment: dict[str, object], expected: list[SettingChange]
) -> None:
    assert changes(replace(PLAN, environment=replace(PRODUCTION, **environment))) == expected  # type: ignore[arg-type]


def test_parts_of_the_file_and_hosts() -> None:
    after = replace(
        PLAN,
        deploy=replace(PLAN.deploy, keep=9),
        hosts=(HostPlan(HostSpec("web2", "10.0.0.2"), 0, ("main",), "headway/shop"),),
    )
    assert changes(after) == [
        SettingChange("changed", "[deploy] keep"),
        SettingChange("added", "host web2"),
        SettingChange("removed", "host web1"),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"service": 1}', "no json"])
def test_a_plan_that_cannot_be_read_is_none(text: str) -> None:
    assert plan_of(text) is None

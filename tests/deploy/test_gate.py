import pytest

from headway.deploy.gate import Frozen, GateFacts, Verdict, may_deploy, nothing_to_repair
from headway.domain.deployment import DeploymentKind, DeploymentState
from tests.deploy.examples import deployment, environment


@pytest.mark.parametrize(
    ("changes", "facts", "verdict", "reason"),
    [
        ({}, GateFacts(), Verdict.OPEN, "nothing stands in the way"),
        ({"when": "branch == 'main'"}, GateFacts(when=(True, "")), Verdict.OPEN, "nothing"),
        (
            {"when": "branch == 'main'"},
            GateFacts(when=(False, "branch is 'x'")),
            Verdict.REFUSED,
            "branch is 'x'",
        ),
        (
            {"after": "staging"},
            GateFacts(succeeded_before=False),
            Verdict.HELD,
            "has not succeeded in staging",
        ),
        ({"after": "staging"}, GateFacts(), Verdict.OPEN, "nothing"),
        ({"approval_from": "team:web"}, GateFacts(), Verdict.HELD, "an approval from team:web"),
        ({"approval_from": "team:web"}, GateFacts(approved_by="ana"), Verdict.OPEN, "nothing"),
        (
            {"approval_from": "team:web", "after": "staging", "when": "branch == 'main'"},
            GateFacts(succeeded_before=False, going_back=True),
            Verdict.OPEN,
            "going back",
        ),
    ],
)
def test_gate(changes: dict[str, object], facts: GateFacts, verdict: Verdict, reason: str) -> None:
    answer = may_deploy(environment(**changes), "rel-b", facts)
    assert answer.verdict is verdict
    assert reason in answer.reason
    assert bool(answer.hint) is (verdict is not Verdict.OPEN)


D, K = DeploymentState, DeploymentKind


@pytest.mark.parametrize(
    ("state", "kind", "passes"),
    [
        (D.FAILED, K.PLANNED, True),
        (D.ROLLED_BACK, K.PLANNED, True),
        (D.FAILED, K.HOTFIX, True),
        (D.SUCCEEDED, K.ROLLBACK, True),
        (D.SUCCEEDED, K.PLANNED, False),
        (D.SUCCEEDED, K.HOTFIX, False),
        (D.SUCCEEDED, K.REDEPLOY, False),
        (D.CANCELLED, K.PLANNED, False),
        (D.RUNNING, K.PLANNED, False),
        (None, None, False),
    ],
)
def test_only_the_repair_of_a_failed_deployment_passes_a_freeze(
    state: DeploymentState | None, kind: DeploymentKind | None, passes: bool
) -> None:
    last = deployment(state=state, kind=kind, number=7) if state else None
    feast = Frozen("feast", "nobody is here", None, hotfix=True)
    facts = GateFacts(hotfix=True, frozen=(feast,), nothing_to_repair=nothing_to_repair(last))
    answer = may_deploy(environment(), "rel-b", facts)
    assert answer.verdict is (Verdict.OPEN if passes else Verdict.HELD)
    if not passes:
        assert "nobody is here; a hotfix repairs a deployment that failed, and" in answer.reason
    assert may_deploy(environment(), "rel-b", GateFacts(frozen=(feast,))).verdict is Verdict.HELD

import pytest

from headway.deploy.gate import GateFacts, Verdict, may_deploy
from tests.deploy.examples import environment


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

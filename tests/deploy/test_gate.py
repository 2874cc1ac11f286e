from datetime import timedelta

import pytest

from headway.deploy.gate import Frozen, GateFacts, Verdict, may_deploy, nothing_to_repair
from headway.deploy.guards import Who, Word
from headway.domain.contract import ApprovalSpec
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.domain.org import ApprovalFloor, Floor
from headway.domain.people import Role
from headway.domain.request import Obstacle
from tests.deploy.examples import NOW, deployment, environment


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


ANA = Who("ana", Role.DEVELOPER, frozenset({"web"}))
BO = Who("bo", Role.DEVELOPER, frozenset({"web"}))
UNTIL = NOW + timedelta(hours=3)
TERMINAL = "call it in a terminal, which asks, or say who approved: --approved-by NAME (stored as unverified)"


def server(**changes: object) -> GateFacts:
    return GateFacts(now=NOW, **changes)  # type: ignore[arg-type]


def rule(**changes: object) -> dict[str, object]:
    return {"approval": ApprovalSpec(**changes)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "facts", "floor", "obstacle"),
    [
        (
            {"when": "branch == 'main'"},
            GateFacts(when=(False, "branch is 'x'")),
            None,
            Obstacle(
                "when",
                "production takes only releases where branch == 'main'; branch is 'x'",
                "deploy another release, or change `when` in headway.toml",
                final=True,
            ),
        ),
        (
            {},
            server(foreign="shop is of another repository"),
            None,
            Obstacle(
                "repository",
                "shop is of another repository",
                "rename the service in its headway.toml",
                final=True,
            ),
        ),
        (
            {},
            server(root_taken="/srv/shop on web1 is staging's"),
            None,
            Obstacle(
                "root",
                "/srv/shop on web1 is staging's",
                "give production a `root` of its own in headway.toml",
                final=True,
            ),
        ),
        (
            {},
            server(pull_request=7),
            None,
            Obstacle(
                "pull_request",
                "it was made for pull request 7, which is not merged",
                "merge it, and deploy the release of the merged commit",
                final=True,
            ),
        ),
        (
            {},
            server(branches=("fix", "try")),
            Floor("f", branches=("main", "release/*")),
            Obstacle(
                "branch",
                "org.toml lets only commits of main, release/* go to production; its branch is fix, try",
                "merge it there, and deploy the release of that branch",
                final=True,
            ),
        ),
        (
            {},
            server(),
            Floor("f", branches=("main",)),
            Obstacle(
                "branch",
                "org.toml lets only commits of main go to production; its branch is none that is known",
                "merge it there, and deploy the release of that branch",
                final=True,
            ),
        ),
        (
            {},
            server(built_elsewhere="another system built it"),
            Floor("f", built_here=True),
            Obstacle(
                "built",
                "org.toml lets only what this server built go to production; another system built it",
                "push the commit, and deploy the release of its run",
                final=True,
            ),
        ),
        (
            {},
            server(),
            Floor("f", objective=True),
            Obstacle(
                "objective",
                "org.toml asks for an objective before anything goes to production, and headway.toml has none",
                "write [objectives.NAME] in headway.toml",
                final=True,
            ),
        ),
        (
            {},
            server(asked_by=ANA),
            Floor("f", deployers=("bo", "role:operator")),
            Obstacle(
                "deployer",
                "org.toml lets only bo, role:operator deploy to production; ana asked",
                "let one of them ask for it",
                final=True,
            ),
        ),
        (
            {},
            server(),
            Floor("f", deployers=("bo",)),
            Obstacle(
                "deployer",
                "org.toml lets only bo deploy to production; nobody asked",
                "let one of them ask for it",
                final=True,
            ),
        ),
        (
            {"after": "staging"},
            server(succeeded_before=False),
            None,
            Obstacle(
                "after",
                "rel-b has not succeeded in staging, which comes before production",
                "headway deploy staging --release rel-b",
            ),
        ),
        (
            {"after": "staging"},
            server(succeeded_before=False, recorded_by="ci"),
            None,
            Obstacle(
                "after",
                "rel-b has not succeeded in staging, which comes before production; "
                "ci told of a deployment there, which counts with after_recorded = true",
                "headway deploy staging --release rel-b",
            ),
        ),
        (
            {},
            server(words=(Word(BO, False, NOW, " the index is missing "),)),
            None,
            Obstacle(
                "denied", "bo said no: the index is missing", "mend what they miss, and ask anew", final=True
            ),
        ),
        (
            {},
            server(words=(Word(BO, False, NOW, "  "),)),
            None,
            Obstacle("denied", "bo said no", "mend what they miss, and ask anew", final=True),
        ),
        (
            {},
            server(unknown_pusher="no webhook told"),
            Floor("f", approvals=ApprovalFloor(0, not_own=True)),
            Obstacle(
                "pusher",
                "org.toml lets nobody approve their own push to production, and it is not certain whose it is: "
                "no webhook told",
                "connect the repository's webhook and push again, or name them in org.toml: aliases",
            ),
        ),
        (
            {"approval_from": "team:web"},
            GateFacts(),
            None,
            Obstacle("approval", "production needs an approval from team:web", TERMINAL),
        ),
        (
            {},
            GateFacts(approved_by="ana"),
            Floor("f", approvals=ApprovalFloor(1, ("bo", "eve"))),
            Obstacle("approval", "production needs an approval from bo or eve", TERMINAL),
        ),
        (
            rule(),
            server(),
            None,
            Obstacle(
                "approval",
                "production needs an approval from somebody who may approve",
                "let somebody who may approve approve it on its page",
            ),
        ),
        (
            rule(comment=True, from_=("team:web",)),
            server(words=(Word(ANA, True, NOW), Word(BO, True, NOW))),
            None,
            Obstacle(
                "approval",
                "production needs an approval from team:web with a comment; "
                "not counted: ana's has no comment; bo's has no comment",
                "let team:web approve it on its page",
            ),
        ),
        (
            rule(count=3),
            server(words=(Word(ANA, True, NOW), Word(BO, True, NOW))),
            None,
            Obstacle(
                "approval",
                "production needs 3 approvals from somebody who may approve, has 2 (ana, bo)",
                "let somebody who may approve approve it on its page",
            ),
        ),
        (
            rule(count=2),
            server(),
            None,
            Obstacle(
                "approval",
                "production needs 2 approvals from somebody who may approve",
                "let somebody who may approve approve it on its page",
            ),
        ),
        (
            {},
            server(frozen=(Frozen("feast", "nobody is here", UNTIL, False),)),
            None,
            Obstacle(
                "freeze",
                "production is frozen until 2026-01-02 06:04 UTC: nobody is here",
                "it goes on by itself when the freeze feast ends",
                until=UNTIL,
            ),
        ),
        (
            {},
            server(frozen=(Frozen("feast", "", None, True),)),
            None,
            Obstacle(
                "freeze",
                "production is frozen: feast",
                "it goes on by itself when the freeze feast ends; "
                "a hotfix of a deployment that failed or was taken back may go",
            ),
        ),
        (
            {},
            server(locked="deployment 3 goes on"),
            None,
            Obstacle("lock", "deployment 3 goes on", "it goes on by itself when that ends"),
        ),
    ],
)
def test_each_thing_in_the_way_says_why_and_what_to_do(
    changes: dict[str, object], facts: GateFacts, floor: Floor | None, obstacle: Obstacle
) -> None:
    answer = may_deploy(environment(**changes), "rel-b", facts, [floor] if floor else [])
    assert answer.obstacles == (obstacle,)
    assert (answer.reason, answer.hint, answer.until) == (obstacle.reason, obstacle.hint, obstacle.until)
    assert answer.verdict is (Verdict.REFUSED if obstacle.final else Verdict.HELD)


def test_what_is_final_is_the_headline_and_the_first_end_that_is_known_is_told() -> None:
    frozen = (
        Frozen("long", "", UNTIL, False),
        Frozen("short", "", NOW + timedelta(hours=1), False),
        Frozen("endless", "", None, False),
    )
    answer = may_deploy(
        environment(after="staging"), "rel-b", server(succeeded_before=False, pull_request=7, frozen=frozen)
    )
    assert [one.kind for one in answer.obstacles] == ["pull_request", "after", "freeze", "freeze", "freeze"]
    assert answer.until == NOW + timedelta(hours=1)


def test_the_open_gate_says_so() -> None:
    answer = may_deploy(environment(), "rel-b", GateFacts())
    assert (answer.verdict, answer.reason, answer.hint) == (Verdict.OPEN, "nothing stands in the way", "")
    assert (answer.obstacles, answer.until) == ((), None)
    back = may_deploy(environment(), "rel-b", GateFacts(going_back=True))
    assert back.reason == "going back needs no permission: it was live before"


def test_a_hotfix_that_repairs_nothing_is_told_why() -> None:
    assert nothing_to_repair(None) == "a hotfix repairs a deployment that failed, and there was none there"
    assert nothing_to_repair(deployment(state=DeploymentState.SUCCEEDED)) == (
        "a hotfix repairs a deployment that failed, and the last one there, 2, did not"
    )
    assert not nothing_to_repair(deployment(state=DeploymentState.FAILED))


@pytest.mark.parametrize(
    ("mild", "hotfix", "nothing", "reason"),
    [
        (True, True, "", None),
        (True, True, "the last one went well", "production is frozen: feast; the last one went well"),
        (True, False, "the last one went well", "production is frozen: feast"),
        (False, True, "", "production is frozen: feast"),
        (False, True, "the last one went well", "production is frozen: feast"),
    ],
)
def test_only_a_hotfix_that_repairs_something_passes_a_freeze(
    mild: bool, hotfix: bool, nothing: str, reason: str | None
) -> None:
    told = server(frozen=(Frozen("feast", "", None, mild),), hotfix=hotfix, nothing_to_repair=nothing)
    answer = may_deploy(environment(), "rel-b", told)
    assert answer.reason == (reason or "nothing stands in the way")


def test_a_hotfix_that_passes_one_freeze_is_still_held_by_another() -> None:
    frozen = (Frozen("feast", "", None, True), Frozen("audit", "", None, False))
    for order in (frozen, frozen[::-1]):
        answer = may_deploy(environment(), "rel-b", server(frozen=order, hotfix=True))
        assert [one.reason for one in answer.obstacles] == ["production is frozen: audit"]

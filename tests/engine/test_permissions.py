"""Who may do what: by role, by team, by scope."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.org import Floor
from headway.domain.people import Actor, Role, Scope
from headway.engine.permissions import NEEDS, Action, NotAllowed, allows, require, require_there

R, A = Role, Action
actions, roles, scopes = st.sampled_from(Action), st.sampled_from(Role), st.frozensets(st.sampled_from(Scope))


def test_everything_that_can_be_done_needs_something() -> None:
    assert set(NEEDS) == set(Action)


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (R.VIEWER, [A.LOOK, A.TOKEN_CREATE, A.REPOSITORY_FETCH], [A.RUN_START, A.SECRET_LIST]),
        (
            R.DEVELOPER,
            [A.RUN_START, A.RUN_APPROVE, A.DEPLOYMENT_REQUEST, A.DEPLOYMENT_ROLLBACK, A.SERVICE_LOGS],
            [A.HOST_EXEC, A.SECRET_SET],
        ),
        (R.OPERATOR, [A.HOST_EXEC, A.SECRET_SET], [A.PEOPLE_MANAGE, A.REPOSITORY_ADD]),
        (R.ADMINISTRATOR, list(A), []),
    ],
)
def test_what_a_role_may(role: Role, may: list[Action], may_not: list[Action]) -> None:
    actor = Actor("ana", role)
    assert all(allows(actor, action, team=None) for action in may)
    assert not any(allows(actor, action, team=None) for action in may_not)


def test_a_team_gives_more_within_its_services_only() -> None:
    ana = Actor("ana", R.VIEWER, teams=(("storefront", R.OPERATOR),))
    require(ana, A.SECRET_SET, team="storefront")
    for team in ("billing", None):
        with pytest.raises(NotAllowed):
            require(ana, A.SECRET_SET, team=team)


@pytest.mark.parametrize("action", [A.DEPLOYMENT_ROLLBACK, A.SERVICE_LOGS])
def test_developers_roll_back_and_read_logs_of_their_teams_services_unless_a_floor_forbids(
    action: Action,
) -> None:
    ana = Actor("ana", R.VIEWER, teams=(("storefront", R.DEVELOPER),))
    require_there(ana, action, (), team="storefront")
    with pytest.raises(NotAllowed):
        require_there(ana, action, (), team="billing")
    floor = Floor("careful", rollback=("role:operator",), logs=("role:operator",))
    with pytest.raises(NotAllowed, match=f"the floor careful of org.toml keeps {action} to role:operator"):
        require_there(ana, action, (floor,), team="storefront")
    bo = Actor("bo", R.VIEWER, teams=(("storefront", R.OPERATOR),))
    require_there(bo, action, (floor,), team="storefront")


def test_the_message_names_the_role_that_is_missing() -> None:
    with pytest.raises(NotAllowed) as refused:
        require(Actor("ana", R.DEVELOPER), A.HOST_EXEC, team="storefront")
    assert refused.value.message == (
        "ana is a developer in the team storefront, and host.exec needs an operator"
    )
    assert (refused.value.http_status, refused.value.exit_code, refused.value.scope) == (403, 2, None)


def test_the_message_names_the_scope_that_is_missing() -> None:
    actor = Actor("ana", R.ADMINISTRATOR, scopes=frozenset({Scope.READ}), by="token ci")
    with pytest.raises(NotAllowed) as refused:
        require(actor, A.DEPLOYMENT_REQUEST, team=None)
    assert refused.value.message == "token ci has not the scope 'deploy', which deployment.request needs"
    assert refused.value.scope is Scope.DEPLOY


@given(actions, roles, roles, scopes)
def test_a_higher_role_may_all_that_a_lower_may(
    action: Action, one: Role, other: Role, held: frozenset[Scope]
) -> None:
    low, high = sorted((one, other), key=lambda role: role.rank)
    if allows(Actor("a", low, scopes=held), action, team=None):
        assert allows(Actor("a", high, scopes=held), action, team=None)


@given(actions, roles, scopes, scopes)
def test_more_scopes_never_allow_less(
    action: Action, role: Role, few: frozenset[Scope], more: frozenset[Scope]
) -> None:
    if allows(Actor("a", role, scopes=few), action, team=None):
        assert allows(Actor("a", role, scopes=few | more), action, team=None)


@given(actions, roles, roles, scopes)
def test_a_team_never_takes_away(action: Action, role: Role, within: Role, held: frozenset[Scope]) -> None:
    alone, member = (Actor("a", role, teams=teams, scopes=held) for teams in ((), (("t", within),)))
    if allows(alone, action, team="t"):
        assert allows(member, action, team="t")


@given(actions, roles, scopes)
def test_a_token_never_may_more_than_its_person(action: Action, role: Role, held: frozenset[Scope]) -> None:
    if allows(Actor("a", role, scopes=held), action, team=None):
        assert allows(Actor("a", role), action, team=None)


@given(actions, roles, scopes)
def test_asking_and_requiring_agree(action: Action, role: Role, held: frozenset[Scope]) -> None:
    actor = Actor("a", role, scopes=held)
    try:
        require(actor, action, team=None)
    except NotAllowed:
        assert not allows(actor, action, team=None)
    else:
        assert allows(actor, action, team=None)

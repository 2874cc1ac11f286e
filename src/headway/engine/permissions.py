"""What needs which role and which scope: one table, asked by every face and never repeated elsewhere.

NotAllowed    2    this actor may not; answered with 403, and the message names what is missing
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from headway.base.errors import WrongUse
from headway.deploy.guards import Who
from headway.domain.deployment import DeploymentKind
from headway.domain.org import Floor
from headway.domain.people import Actor, Role, Scope


class NotAllowed(WrongUse):
    http_status = 403

    def __init__(self, message: str, *, hint: str, scope: Scope | None = None) -> None:
        """`scope`: the one that the token lacks; None when it is the role that does not reach."""
        super().__init__(message, hint=hint)
        self.scope = scope


class Action(StrEnum):
    """What can be done, as the audit calls it where it is a change."""

    LOOK = "look"
    RUN_START = "run.start"
    RUN_CANCEL = "run.cancel"
    #: A run that waits for a person, such as that of a stranger's pull request.
    RUN_APPROVE = "run.approve"
    RELEASE_ADD = "release.add"
    DEPLOYMENT_REQUEST = "deployment.request"
    DEPLOYMENT_APPROVE = "deployment.approve"
    DEPLOYMENT_ROLLBACK = "deployment.rollback"
    SERVICE_LOGS = "service.logs"
    HOST_EXEC = "host.exec"
    REPOSITORY_FETCH = "repository.fetch"
    REPOSITORY_PUSH = "repository.push"
    REPOSITORY_ADD = "repository.add"
    REPOSITORY_REMOVE = "repository.remove"
    SECRET_LIST = "secret.list"  # noqa: S105
    SECRET_SET = "secret.set"  # noqa: S105
    PEOPLE_MANAGE = "people.manage"
    #: One's own; nobody makes one for somebody else.
    TOKEN_CREATE = "token.create"  # noqa: S105
    AUDIT_LOOK = "audit.look"
    SYSTEM_SETTINGS = "system.settings"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class Needs:
    role: Role
    scope: Scope


NEEDS = {
    Action.LOOK: Needs(Role.VIEWER, Scope.READ),
    Action.RUN_START: Needs(Role.DEVELOPER, Scope.RUN),
    Action.RUN_CANCEL: Needs(Role.DEVELOPER, Scope.RUN),
    Action.RUN_APPROVE: Needs(Role.DEVELOPER, Scope.RUN),
    Action.RELEASE_ADD: Needs(Role.DEVELOPER, Scope.RELEASE),
    Action.DEPLOYMENT_REQUEST: Needs(Role.DEVELOPER, Scope.DEPLOY),
    Action.DEPLOYMENT_APPROVE: Needs(Role.DEVELOPER, Scope.DEPLOY),
    Action.DEPLOYMENT_ROLLBACK: Needs(Role.DEVELOPER, Scope.DEPLOY),
    Action.SERVICE_LOGS: Needs(Role.DEVELOPER, Scope.HOSTS),
    Action.HOST_EXEC: Needs(Role.OPERATOR, Scope.HOSTS),
    Action.REPOSITORY_FETCH: Needs(Role.VIEWER, Scope.PUSH),
    Action.REPOSITORY_PUSH: Needs(Role.DEVELOPER, Scope.PUSH),
    Action.REPOSITORY_ADD: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
    Action.REPOSITORY_REMOVE: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
    Action.SECRET_LIST: Needs(Role.DEVELOPER, Scope.SECRETS),
    Action.SECRET_SET: Needs(Role.OPERATOR, Scope.SECRETS),
    Action.PEOPLE_MANAGE: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
    Action.TOKEN_CREATE: Needs(Role.VIEWER, Scope.ADMIN),
    Action.AUDIT_LOOK: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
    Action.SYSTEM_SETTINGS: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
    Action.BACKUP: Needs(Role.ADMINISTRATOR, Scope.ADMIN),
}


def require(actor: Actor, action: Action, *, team: str | None) -> None:
    """`team` is that of the service it is about; None: it is about all of Headway, where a team's role does not count.

    Raises NotAllowed.
    """
    needs = NEEDS[action]
    role = actor.role_in(team)
    if not role.covers(needs.role):
        where = f" in the team {team}" if team else ""
        raise NotAllowed(
            f"{actor.name} is {_article(role)}{where}, and {action} needs {_article(needs.role)}",
            hint="an administrator can give the role: on the page of people, or in org.toml for a team",
        )
    if not actor.has_scope(needs.scope):
        raise NotAllowed(
            f"{actor.by} has not the scope '{needs.scope}', which {action} needs",
            hint=f"make a token that has it: headway token create NAME --scope {needs.scope}",
            scope=needs.scope,
        )


def require_there(actor: Actor, action: Action, floors: Iterable[Floor], *, team: str | None) -> None:
    """`require`, and what the floors of org.toml that apply there (`guards.applying`) keep to fewer. Raises NotAllowed."""
    require(actor, action, team=team)
    who = Who(actor.name, actor.role_in(team), frozenset(name for name, _ in actor.teams))
    for floor in floors:
        kept = _kept_to(floor, action)
        if kept and not who.is_one_of(kept):
            raise NotAllowed(
                f"the floor {floor.name} of org.toml keeps {action} to {', '.join(kept)}, and {actor.name} is none of them",
                hint="ask one of them",
            )


def _kept_to(floor: Floor, action: Action) -> tuple[str, ...]:
    return {
        Action.DEPLOYMENT_REQUEST: floor.deployers,
        Action.DEPLOYMENT_ROLLBACK: floor.rollback,
        Action.SERVICE_LOGS: floor.logs,
    }.get(action, ())


def to_steer(kind: DeploymentKind, *, back: bool = False) -> Action:
    """What steering a deployment that goes on needs: what it takes to begin it, and to take it back what a way back takes."""
    is_way_back = back or kind is DeploymentKind.ROLLBACK
    return Action.DEPLOYMENT_ROLLBACK if is_way_back else Action.DEPLOYMENT_REQUEST


def allows(actor: Actor, action: Action, *, team: str | None) -> bool:
    """For a face that shows only what can be done."""
    needs = NEEDS[action]
    return actor.role_in(team).covers(needs.role) and actor.has_scope(needs.scope)


def _article(role: Role) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"

"""`headway deployment record`: what another system deployed, told to Headway, so that it is in the same history."""

from datetime import UTC, datetime
from pathlib import Path

import click

from headway.base.errors import WrongUse
from headway.cli.deployment_gone import command_for
from headway.cli.deployment_rename import command as rename
from headway.cli.deployment_steer import steering
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings
from headway.wire.shapes_delivery import DeploymentDocument, deployment_json

#: Of a deployment that has ended.
_STATES = ("succeeded", "failed", "rolled_back", "cancelled")
_KINDS = ("planned", "hotfix", "rollback")


@click.group()
def command() -> None:
    """What goes on: pause it, let it go on, stop it, take it back. And deployments that another system did."""


for _word, _help in (
    ("pause", "Begin no further step in ENVIRONMENT until somebody lets it go on; it outlives a restart."),
    ("go-on", "Let a paused deployment to ENVIRONMENT go on."),
    ("stop", "Begin no further host in ENVIRONMENT, and say what stands where."),
    ("back", "Take what goes on in ENVIRONMENT back, on every host that was switched."),
):
    command.add_command(steering(_word, _help))

command.add_command(
    command_for(
        "empty", "End what a HOST still has that ENVIRONMENT does not name any more, as its release says."
    )
)
command.add_command(
    command_for(
        "forget", "Tell no more of a HOST that ENVIRONMENT does not name any more; nothing is done there."
    )
)

command.add_command(rename)


@command.command("record")
@click.argument("environment")
@click.option("--commit", required=True, metavar="COMMIT", help="What was deployed: an id, a tag, HEAD.")
@click.option("--by", "source", required=True, metavar="NAME", help="Who deployed it: jenkins, deploy.sh.")
@click.option("--state", type=click.Choice(_STATES), default="succeeded", show_default=True)
@click.option("--kind", type=click.Choice(_KINDS), default="planned", show_default=True)
@click.option("--started", metavar="TIME", help="ISO 8601, in UTC unless it says otherwise.")
@click.option("--finished", metavar="TIME", help="Now, if not said.")
@click.option("--release", "version", metavar="TEXT", default="", help="What its own system calls it.")
@click.option("--url", metavar="URL", default="", help="Where its own system shows it.")
@click.option("--key", metavar="TEXT", help="Told again with the same key, it is the same deployment.")
@local_option
@json_option
@click.pass_obj
def record(
    settings: Settings,
    *,
    environment: str,
    commit: str,
    source: str,
    state: str,
    kind: str,
    started: str | None,
    finished: str | None,
    version: str,
    url: str,
    key: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Record a deployment to ENVIRONMENT that another system did.

    It stands in the history and counts in the metrics like Headway's own. Headway knows no way back from it.
    """
    from headway.base.clock import SystemClock
    from headway.cli.accounts import owner
    from headway.domain.deployment import DeploymentKind, DeploymentState
    from headway.drivers.git import Git
    from headway.engine.projects import find_project
    from headway.engine.requests.records import Record, store_record
    from headway.store.database import open_database

    project = find_project(Path.cwd())
    declared = project.contract.environments.get(environment)
    told = Record(
        service=project.contract.service.name,
        environment=environment,
        commit=commit,
        state=DeploymentState(state),
        source=source,
        started_at=_instant("--started", started),
        finished_at=_instant("--finished", finished),
        kind=DeploymentKind(kind),
        version=version,
        url=url,
        key=key,
        production=declared.production if declared else None,
        after=declared.after if declared else None,
    )
    git = Git(settings.environment, settings.mirrors)
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_record import record_there

        return _present(*record_there(server, git, project.root, told), as_json=as_json)
    with open_database(settings.database_url) as database:
        found = store_record(
            database,
            git,
            str(project.root),
            told,
            actor=owner(settings),
            now=SystemClock().now(),
        )
    return _present(deployment_json(found.deployment), found.is_new, as_json=as_json)


def _present(made: DeploymentDocument, is_new: bool, *, as_json: bool) -> int:
    if as_json:
        emit_json({"deployment": made, "is_new": is_new})
    else:
        before = "" if is_new else " (recorded before)"
        where = f"of {made['service']} to {made['environment']}"
        echo(f"deployment {made['number']} {where}: {made['state']}{before}")
    return 0


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{option}: '{text}' is no time", hint="write it like 2026-03-01T12:30:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

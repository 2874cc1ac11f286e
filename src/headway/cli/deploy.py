"""`headway deploy`: a release to an environment, host after host."""

import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import Cancelled, Held, WrongUse
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient
    from headway.domain.release import Release
    from headway.drivers.git import Git
    from headway.engine.deployments.deployments import Wish
    from headway.engine.deployments.gate import Approve, Permission
    from headway.engine.projects import Project
    from headway.store.database import Database
    from headway.wire.shapes_delivery import PlanDocument


@click.command()
@click.argument("environment")
@click.option(
    "--release",
    "wanted",
    metavar="R",
    help="A release's id or a beginning of it, a commit, a branch, a tag; HEAD's release if not said.",
)
@click.option("--dry-run", is_flag=True, help="Print every command for every host, and touch nothing.")
@click.option("--hotfix", is_flag=True, help="Mark it as the repair of a failed deployment.")
@click.option(
    "--approved-by", metavar="NAME", help="Who approved it, where one is needed; stored as unverified."
)
@click.option(
    "--wait/--no-wait", default=False, help="Wait for whoever holds the environment, or say so (exit 4)."
)
@click.option(
    "--without",
    multiple=True,
    metavar="HOST",
    help="Leave this host out, because it is away; may be repeated. status shows it until it has caught up.",
)
@click.option("--force", is_flag=True, help="Also when it is live already with the same settings.")
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    environment: str,
    wanted: str | None,
    dry_run: bool,
    hotfix: bool,
    approved_by: str | None,
    wait: bool,
    without: tuple[str, ...],
    force: bool,
    local: bool,
    as_json: bool,
) -> int:
    """Deploy a release to an environment, host after host.

    A host that fails takes all that were switched before back with it. One that is away is left out by --without. Called again for the same release, it goes on
    with a deployment whose process is gone; another release supersedes it.

    Ctrl-C finishes the step at hand, then asks whether to go back, to stay, or to go on without you (without a
    terminal: back). SIGTERM, SIGHUP and a closed terminal leave it as it is, and the next call goes on.

    With a server it is asked for there and stands at its gate: what holds it is said, and --wait stays until it opens.
    """
    if approved_by is not None and not approved_by.strip():
        raise WrongUse("--approved-by needs a name")
    asked = _Asked(
        environment=environment,
        wanted=wanted or "HEAD",
        dry_run=dry_run,
        hotfix=hotfix,
        approved_by=approved_by,
        wait=wait,
        without=without,
        force=force,
        as_json=as_json,
    )
    from headway.drivers.git import Git
    from headway.engine.deployments.plan import environment_of
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())
    environment_of(project.contract, environment)
    git = Git(settings.environment, settings.mirrors)
    if (server := server_for(settings, local=local)) is not None:
        return _on_server(server, git, project, asked)
    return _here(settings, git, project, asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks for."""

    environment: str
    #: A release or a commit, in any of their ways.
    wanted: str
    dry_run: bool
    hotfix: bool
    approved_by: str | None
    wait: bool
    without: tuple[str, ...]
    force: bool
    as_json: bool


def _on_server(server: "HeadwayClient", git: "Git", project: "Project", asked: _Asked) -> int:
    if asked.approved_by is not None:
        raise WrongUse(
            "on a server approvals are given by who is signed in, not stated",
            hint=f"headway request approve {asked.environment}",
        )
    from headway.cli import server_deploy, server_release

    service, environment = project.contract.service.name, asked.environment
    kind = "hotfix" if asked.hotfix else "planned"
    chosen = server_release.chosen_for(server, git, service, environment, project.root, asked.wanted)
    if chosen["chosen"]:
        echo(chosen["chosen"], err=True)
    if asked.dry_run:
        plan = server_deploy.dry_run(
            server,
            service=service,
            environment=environment,
            release=chosen["id"],
            kind=kind,
            without=asked.without,
        )
        return _show_plan(plan, as_json=asked.as_json)
    return server_deploy.deploy(
        server,
        service=service,
        environment=environment,
        release=chosen["id"],
        kind=kind,
        force=asked.force,
        without=asked.without,
        wait=asked.wait,
        as_json=asked.as_json,
    )


def _here(settings: Settings, git: "Git", project: "Project", asked: _Asked) -> int:
    from headway.cli.deploy_standing import at_the_gate
    from headway.domain.deployment import DeploymentKind
    from headway.engine.deployments.deployments import Wish
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database

    with open_database(settings.database_url, before=copy_first(settings)) as database:
        release = _release(database, git, project, asked)
        kind = DeploymentKind.HOTFIX if asked.hotfix else DeploymentKind.PLANNED
        standing = at_the_gate(database, release, asked.environment)
        wish = Wish(
            asked.environment,
            release,
            kind,
            force=asked.force,
            request=standing.request,
            without=asked.without,
        )
        if asked.dry_run:
            return _dry_run(database, git, project, wish, settings.user, as_json=asked.as_json)
        standing.tell(release)
        from headway.cli.deployment_session import play, without_options
        from headway.engine.deployments.deployments import Deployments, Result
        from headway.engine.deployments.hold import World

        approve = _approval(settings, asked.approved_by, standing.permission)

        async def work(world: World) -> Result:
            return await Deployments(world, database, git, project, approve).deploy(wish)

        again = ["deploy", asked.environment, "--release", release.id, *without_options(asked.without)]
        return play(
            settings,
            work,
            environment=asked.environment,
            again=again,
            wait=asked.wait,
            as_json=asked.as_json,
        )


def _release(database: "Database", git: "Git", project: "Project", asked: _Asked) -> "Release":
    from headway.engine.releases.releases import Aim, find_for

    after = project.contract.environments[asked.environment].after
    found = find_for(
        database,
        git,
        Aim(asked.environment, lambda _: after),
        service=project.contract.service.name,
        repository=project.root,
        text=asked.wanted,
    )
    if found.said:
        echo(found.said, err=True)
    return found.release


def _dry_run(
    database: "Database", git: "Git", project: "Project", wish: "Wish", user: str, *, as_json: bool
) -> int:
    from headway.engine.deployments.deployments import dry_run
    from headway.engine.views.documents import plan_document

    def note(text: str) -> None:
        echo(text, err=True)

    return _show_plan(plan_document(dry_run(database, git, project, wish, user, note=note)), as_json=as_json)


def _show_plan(plan: "PlanDocument", *, as_json: bool) -> int:
    from headway.cli.deployment_screen import show_plan

    if as_json:
        emit_json(plan)
    else:
        show_plan(plan)
    return 0


def _approval(settings: Settings, stated: str | None, given: "Permission | None") -> "Approve | None":
    """Who may say yes: the name on the command line, who approved the request that waits, the person at the terminal."""
    from headway.engine.deployments.gate import Permission

    if stated is not None:
        return lambda _: Permission(stated, verified=False)
    if given is not None:
        return lambda _: given
    if not sys.stdin.isatty():
        return None

    def ask(question: str) -> Permission:
        if not _yes(f"{question}. Approve?"):
            raise Held(
                f"{question}: not approved", hint="nothing was done; call it again once somebody approves"
            )
        return Permission(settings.user, verified=True)

    return ask


def _yes(question: str) -> bool:
    """Asks in the main thread, where nothing goes on yet. Raises Cancelled for Ctrl-C and a closed input.

    The event loop's handler of Ctrl-C runs only after the answer, so the plain one takes its place meanwhile. It is
    waited for with a pipe besides the input: a signal that comes just before a plain read would not end it.
    """
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    loops_own = signal.set_wakeup_fd(wake)
    try:
        echo(f"{question} [y/N]: ", err=True, nl=False)
        ready, _, _ = select.select([sys.stdin, awake], [], [])
        answer = "" if awake in ready else sys.stdin.readline()
        if not answer:
            raise KeyboardInterrupt
        return answer.strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        echo("", err=True)
        raise Cancelled("cancelled at the question; nothing was done") from None
    finally:
        signal.set_wakeup_fd(loops_own)
        signal.signal(signal.SIGINT, handler)
        os.close(awake)
        os.close(wake)

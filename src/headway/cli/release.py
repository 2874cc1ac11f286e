"""`headway release`: what can be deployed, and how to add what another system built."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.base.durations import format_duration, format_size
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.releases import ReleaseView


@click.group(invoke_without_command=True)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Show the newest this many."
)
@json_option
@click.pass_context
def command(context: click.Context, *, limit: int, as_json: bool) -> int | None:
    """List the releases of this service, newest first, with where each one is live.

    A release is a commit and the artifacts of its run. Its id follows from its content and never changes:
    the same commit with the same artifacts is the same release.
    """
    if context.invoked_subcommand is not None:
        return None
    from headway.base.clock import SystemClock
    from headway.engine.projects import service_name
    from headway.engine.releases import list_releases
    from headway.engine.upgrade import copy_first
    from headway.store.database import open_database

    settings: Settings = context.obj
    service = service_name(Path.cwd())
    with open_database(settings.database_url, before=copy_first(settings)) as database:
        views = list_releases(database, service, limit=limit)
    if as_json:
        emit_json({"service": service, "releases": [release_json(view) for view in views]})
    elif views:
        now = SystemClock().now()
        print_table(
            ("RELEASE", "COMMIT", "MADE", "BY", "LIVE IN", "SUBJECT"), [_line(view, now) for view in views]
        )
    else:
        echo(f"{service} has no release yet: headway run makes one of a clean commit that passes", err=True)
    return 0


@command.command("show")
@click.argument("name", metavar="RELEASE")
@json_option
@click.pass_obj
def show(settings: Settings, *, name: str, as_json: bool) -> int:
    """Show one release: its commit, its run and its artifacts.

    RELEASE is an id or its beginning, a commit, a branch, a tag, or HEAD.
    """
    from headway.drivers.git import Git
    from headway.engine.projects import find_repository, service_name
    from headway.engine.releases import find_release, view_releases
    from headway.engine.upgrade import copy_first
    from headway.store.database import open_database

    here = Path.cwd()
    service, root = service_name(here), find_repository(here)
    git = Git(settings.environment, settings.mirrors)
    with open_database(settings.database_url, before=copy_first(settings)) as database:
        release = find_release(database, git, service=service, repository=root, text=name)
        [view] = view_releases(database, service, [release])
    _present(view, as_json=as_json)
    return 0


@command.command("add")
@click.option(
    "--commit", required=True, metavar="COMMIT", help="What the files were built of: an id, a tag, HEAD."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@json_option
@click.pass_obj
def add(settings: Settings, *, commit: str, files: tuple[str, ...], as_json: bool) -> int:
    """Make a release of files that another system built.

    A FILE in the repository keeps its path there as the artifact's; PATH=FILE names another one. The artifact that
    headway.toml deploys must be among them.
    """
    from headway.base.clock import SystemClock
    from headway.engine.projects import find_project
    from headway.engine.releases import add_release, name_files, view_releases
    from headway.engine.upgrade import copy_first
    from headway.store.database import open_database

    here = Path.cwd()
    project = find_project(here)
    deploy, service = project.contract.deploy, project.contract.service.name
    named = name_files(files, here=here, root=project.root, artifact=deploy.artifact if deploy else None)
    with open_database(settings.database_url, before=copy_first(settings)) as database:
        release = add_release(
            database,
            settings,
            service=service,
            repository=project.root,
            commit=commit,
            files=named,
            now=SystemClock().now(),
        )
        [view] = view_releases(database, service, [release])
    _present(view, as_json=as_json)
    return 0


def release_json(view: "ReleaseView") -> dict[str, Any]:
    """The JSON of a release, as docs/json.md describes it."""
    release, commit = view.release, view.commit
    return {
        "id": release.id,
        "service": release.service,
        "repository": release.repository,
        "commit": release.commit,
        "subject": commit.subject if commit else None,
        "author": commit.author if commit else None,
        "committed_at": commit.committed_at if commit else None,
        "created_at": release.created_at,
        "created_by": release.created_by,
        "run": release.run,
        "run_number": view.run_number,
        "artifacts": [
            {
                "path": artifact.path,
                "sha256": artifact.sha256,
                "size": artifact.size,
                "executable": artifact.executable,
            }
            for artifact in release.artifacts
        ],
        "live_in": list(view.live_in),
    }


def _line(view: "ReleaseView", now: datetime) -> tuple[str, ...]:
    release = view.release
    return (
        release.id,
        release.commit[:8],
        f"{format_duration(max(now - release.created_at, timedelta()))} ago",
        f"run {view.run_number}" if view.run_number else release.created_by,
        ", ".join(view.live_in) or "-",
        _printable(view.commit.subject if view.commit else "")[:60],
    )


def _present(view: "ReleaseView", *, as_json: bool) -> None:
    if as_json:
        emit_json({"release": release_json(view)})
        return
    release, commit = view.release, view.commit
    source = f"run {view.run_number}" if view.run_number else "files that were added"
    lines = [
        ("release", release.id),
        ("service", release.service),
        ("commit", f"{release.commit[:12]}  {_printable(commit.subject)}" if commit else release.commit),
        ("author", _printable(commit.author) if commit else ""),
        ("made", f"{release.created_at:%Y-%m-%d %H:%M:%S} UTC by {release.created_by}, from {source}"),
        ("live in", ", ".join(view.live_in) or "nowhere"),
    ]
    for label, value in lines:
        if value:
            echo(f"{label:<9} {value}")
    for artifact in release.artifacts:
        echo(f"artifact  {artifact.path}  {format_size(artifact.size)}  sha256:{artifact.sha256}")


def _printable(text: str) -> str:
    """Text of a commit, which may hold anything, without what could drive the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

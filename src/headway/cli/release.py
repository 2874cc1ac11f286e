"""`headway release`: what can be deployed, and how to add what another system built."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from headway.base.durations import format_duration, format_size
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings
from headway.wire.shapes_delivery import ReleaseDocument


@click.group(invoke_without_command=True)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Show the newest this many."
)
@local_option
@json_option
@click.pass_context
def command(context: click.Context, *, limit: int, local: bool, as_json: bool) -> int | None:
    """List the releases of this service, newest first, with where each one is live.

    A release is a commit and the artifacts of its run. Its id follows from its content and never changes:
    the same commit with the same artifacts is the same release.
    """
    if context.invoked_subcommand is not None:
        return None
    from headway.base.clock import SystemClock
    from headway.engine.projects import service_name

    settings: Settings = context.obj
    service = service_name(Path.cwd())
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli import server_release

        releases = server_release.newest(server, service, limit)
    else:
        releases = _newest(settings, service, limit)
    if as_json:
        emit_json({"service": service, "releases": releases})
    elif releases:
        now = SystemClock().now()
        print_table(
            ("RELEASE", "COMMIT", "MADE", "BY", "LIVE IN", "SUBJECT"),
            [_line(release, now) for release in releases],
        )
    else:
        echo(
            f"{service} has no release yet: headway run makes one of a clean commit that passes, "
            "if its headway.toml has a [deploy]",
            err=True,
        )
    return 0


def _newest(settings: Settings, service: str, limit: int) -> list[ReleaseDocument]:
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.releases.releases import list_releases
    from headway.engine.views.documents import release_document
    from headway.store.database import open_database

    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        return [release_document(view) for view in list_releases(database, service, limit=limit)]


@command.command("show")
@click.argument("name", metavar="RELEASE")
@local_option
@json_option
@click.pass_obj
def show(settings: Settings, *, name: str, local: bool, as_json: bool) -> int:
    """Show one release: its commit, its run and its artifacts.

    RELEASE is an id or its beginning, a commit, a branch, a tag, or HEAD.
    """
    from headway.drivers.git import Git
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.projects import find_repository, service_name
    from headway.engine.releases.releases import find_release, view_releases
    from headway.engine.views.documents import release_document
    from headway.store.database import open_database

    here = Path.cwd()
    service, root = service_name(here), find_repository(here)
    git = Git(settings.environment, settings.mirrors)
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli import server_release

        return _present(server_release.named(server, git, service, root, name), as_json=as_json)
    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        release = find_release(database, git, service=service, repository=root, text=name)
        [view] = view_releases(database, service, [release])
    return _present(release_document(view), as_json=as_json)


@command.command("add")
@click.option(
    "--commit", required=True, metavar="COMMIT", help="What the files were built of: an id, a tag, HEAD."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@local_option
@json_option
@click.pass_obj
def add(settings: Settings, *, commit: str, files: tuple[str, ...], local: bool, as_json: bool) -> int:
    """Make a release of files that another system built.

    A FILE in the repository keeps its path there as the artifact's; PATH=FILE names another one. The artifact that
    headway.toml deploys must be among them.
    """
    from headway.base.clock import SystemClock
    from headway.drivers.git import Git
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.projects import find_project
    from headway.engine.releases.releases import add_release, name_files, view_releases
    from headway.engine.views.documents import release_document
    from headway.store.database import open_database

    here = Path.cwd()
    project = find_project(here)
    deploy, service = project.contract.deploy, project.contract.service.name
    named = name_files(files, here=here, root=project.root, artifact=deploy.artifact if deploy else None)
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli import server_release

        sha = Git(settings.environment, settings.mirrors).resolve(project.root, commit)
        made = server_release.add(server, service, sha, named)
        return _present(made, as_json=as_json)
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
    return _present(release_document(view), as_json=as_json)


def _line(release: ReleaseDocument, now: datetime) -> tuple[str, ...]:
    return (
        release["id"],
        release["commit"][:8],
        f"{format_duration(max(now - release['created_at'], timedelta()))} ago",
        f"run {release['run_number']}" if release["run_number"] else release["created_by"],
        ", ".join(release["live_in"]) or "-",
        _printable(release["subject"] or "")[:60],
    )


def _present(release: ReleaseDocument, *, as_json: bool) -> int:
    if as_json:
        emit_json({"release": release})
        return 0
    subject, author = release["subject"], release["author"]
    source = f"run {release['run_number']}" if release["run_number"] else "files that were added"
    made = f"{release['created_at']:%Y-%m-%d %H:%M:%S} UTC by {release['created_by']}, from {source}"
    lines = [
        ("release", release["id"]),
        ("service", release["service"]),
        (
            "commit",
            release["commit"] if subject is None else f"{release['commit'][:12]}  {_printable(subject)}",
        ),
        ("author", _printable(author or "")),
        ("made", made),
        ("live in", ", ".join(release["live_in"]) or "nowhere"),
    ]
    for label, value in lines:
        if value:
            echo(f"{label:<9} {value}")
    for artifact in release["artifacts"]:
        echo(f"artifact  {artifact['path']}  {format_size(artifact['size'])}  sha256:{artifact['sha256']}")
    return 0


def _printable(text: str) -> str:
    """Text of a commit, which may hold anything, without what could drive the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

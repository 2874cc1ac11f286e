"""`headway run` on a server: the commit's own run, or a try of the working tree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.base.errors import WrongUse
from headway.cli.output import echo
from headway.cli.server_watch import bridging, end_of, look_at, watch, where
from headway.client.decode import run_of
from headway.client.http import HeadwayClient, segment
from headway.domain.commit import Source
from headway.domain.run import Run
from headway.drivers.git import Git
from headway.drivers.git.proposals import candidates, make_proposal
from headway.engine.projects import Project, find_project
from headway.engine.settings import Settings

BUNDLE = "application/x-git-bundle"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run on a server is to be; None of it: all jobs of the commit, with the defaults."""

    only: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False
    fail_fast: bool = False


def run(server: HeadwayClient, settings: Settings, wanted: Wanted, *, as_json: bool) -> int:
    """The exit code is the run's own."""
    if wanted.repeats and wanted != Wanted(repeats=True):
        raise WrongUse(
            "--rerun repeats a run as it was; it goes with no --job, no --parameter and no --fail-fast"
        )
    project = find_project(Path.cwd())
    git = Git(settings.environment, settings.mirrors)
    source = git.inspect(project.root)
    begun, is_ours = _begin(server, git, project, source, wanted)
    found = run_of(begun)
    echo(f"run {found.number} of {found.service} ({where(found)}) on {server.name}", err=True)
    if not is_ours:
        echo("  it goes on already; this one looks on (Ctrl-C stops looking, the run goes on)", err=True)
    return _play(server, settings, found, project, is_ours=is_ours, as_json=as_json)


def cancel(
    server: HeadwayClient, settings: Settings, text: str, service: str | None, *, as_json: bool
) -> int:
    from headway.cli.server_logs import find_run

    found = find_run(server, text, service)
    if found.state.is_final:
        raise WrongUse(
            f"run {found.number} of {found.service} has ended already: {found.state}",
            hint=f"headway logs {found.number} shows it",
        )
    server.post(f"/api/runs/{segment(found.id)}/cancel")
    with bridging(server, found):
        watch(server, settings, look_at(server, found.id), quiet=True)
        code = end_of(server, found.id, None, as_json=as_json)
    # That it was cancelled is what was asked for.
    return 0 if code == 130 else code


def _begin(
    server: HeadwayClient, git: Git, project: Project, source: Source, wanted: Wanted
) -> tuple[Any, bool]:
    """The run's document, and whether it was begun by us. A clean commit of a branch there is run as it is there."""
    service = segment(project.contract.service.name)
    there = server.get(f"/api/services/{service}/commits/{source.commit.sha}")
    known = there["run"]
    if wanted.repeats:
        if source.dirty or known is None:
            what = "these changes were" if source.dirty else f"{source.commit.sha[:10]} was"
            raise WrongUse(f"{what} never run on {server.name}", hint="headway run, without --rerun, runs it")
        return server.post(f"/api/runs/{segment(known['id'])}/rerun"), True
    if source.dirty or wanted.fail_fast or not there["branches"]:
        return _try(server, git, project, source, wanted), True
    if known is not None and known["finished_at"] is None and wanted == Wanted():
        return known, False
    branch = source.branch if source.branch in there["branches"] else there["branches"][0]
    body = {
        "branch": branch,
        "commit": source.commit.sha,
        "only": list(wanted.only),
        "parameters": dict(wanted.given),
    }
    return server.post(f"/api/services/{service}/runs", body), True


def _try(server: HeadwayClient, git: Git, project: Project, source: Source, wanted: Wanted) -> Any:
    """What the server lacks of the tree goes there, and nothing else."""
    service = segment(project.contract.service.name)
    asked = candidates(git, Path(source.repository))
    known = server.post(f"/api/services/{service}/commits/known", {"commits": list(asked)})["known"]
    proposal = make_proposal(git, project.root, known)
    changes = "with its uncommitted changes" if proposal.dirty else "which the server has not"
    echo(f"sending {len(proposal.bundle):,} bytes: {source.commit.sha[:10]}, {changes}", err=True)
    return server.send(
        f"/api/services/{service}/tries",
        proposal.bundle,
        BUNDLE,
        branch=proposal.branch,
        dirty=proposal.dirty,
        only=list(wanted.only) or None,
        parameter=[f"{name}={value}" for name, value in wanted.given.items()] or None,
        fail_fast=wanted.fail_fast or None,
    )


def _play(
    server: HeadwayClient,
    settings: Settings,
    found: Run,
    project: Project,
    *,
    is_ours: bool,
    as_json: bool,
) -> int:
    is_cancelling = is_cancelled = False
    while True:
        try:
            with bridging(server, found):
                if is_cancelling and not is_cancelled:
                    server.post(f"/api/runs/{segment(found.id)}/cancel")
                    is_cancelled = True
                watch(server, settings, look_at(server, found.id), quiet=as_json or is_cancelled)
                return end_of(server, found.id, project, as_json=as_json)
        except KeyboardInterrupt:
            if is_cancelling or not is_ours:
                echo(f"\nrun {found.number} goes on on the server", err=True)
                echo(f"  next: headway logs {found.number} --follow looks on", err=True)
                return 130
            echo(f"\ncancelling run {found.number} …  (Ctrl-C again leaves it to itself)", err=True)
            is_cancelling = True

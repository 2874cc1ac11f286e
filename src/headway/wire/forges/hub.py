"""Webhooks of GitHub, and of Gitea and Forgejo, which took over their shape with differences of their own."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from headway.domain.intake import Arrival, ArrivalKind, ForgeKind, PullRequest
from headway.wire.forges.errors import MalformedWebhook
from headway.wire.forges.parts import (
    Commit,
    Person,
    Told,
    checked_ref,
    cut,
    moved_ref,
    paths_of,
    proposed,
    url,
    urls,
)

#: Commits of one push that GitHub lists at most.
_GITHUB_COMMITS = 2048
#: `synchronized` is what Gitea calls GitHub's `synchronize`.
_PROPOSING = ("opened", "reopened", "synchronize", "synchronized")


class _Repository(msgspec.Struct):
    full_name: str = ""
    id: int | None = None
    clone_url: str | None = None
    ssh_url: str | None = None


class _Push(msgspec.Struct):
    ref: str
    before: str
    after: str
    repository: _Repository
    created: bool | None = None
    forced: bool | None = None
    commits: list[Commit] | None = None
    head_commit: Commit | None = None
    sender: Person | None = None
    pusher: Person | None = None


class _Delete(msgspec.Struct):
    ref: str
    ref_type: str
    repository: _Repository
    sender: Person | None = None


class _Head(msgspec.Struct):
    ref: str
    sha: str
    repo: _Repository | None = None


class _PullRequest(msgspec.Struct):
    head: _Head
    base: _Head
    title: str | None = None
    html_url: str | None = None


class _Proposal(msgspec.Struct):
    action: str
    number: int
    pull_request: _PullRequest
    repository: _Repository
    before: str | None = None
    sender: Person | None = None


_push = msgspec.json.Decoder(_Push)
_delete = msgspec.json.Decoder(_Delete)
_proposal = msgspec.json.Decoder(_Proposal)


def read_hub(forge: ForgeKind, event: str, body: bytes) -> Told:
    """Raises MalformedWebhook and msgspec's errors for a body that is not what this event brings."""
    match event:
        case "push":
            return _read_push(forge, _push.decode(body))
        case "pull_request" | "pull_request_sync":
            return _read_proposal(_proposal.decode(body))
        case "delete" if forge is ForgeKind.GITEA:
            return _read_delete(_delete.decode(body))
        case "delete" | "create":
            return Told(note="the push that comes with it says more")
        case "ping":
            return Told(ping=True, note="hello")
        case _:
            return Told(note=f"'{cut(event, 60)}' is nothing that Headway acts on")


def _read_push(forge: ForgeKind, push: _Push) -> Told:
    told = moved_ref(
        push.ref,
        push.before,
        push.after,
        sender=(push.sender or push.pusher or Person()).handle,
        commit=push.head_commit or _newest(push),
        changed=_changed(push) if forge is ForgeKind.GITHUB else None,
    )
    return _with_repository(told, push.repository)


def _newest(push: _Push) -> Commit | None:
    """GitHub lists the newest last, Gitea first."""
    return next((commit for commit in push.commits or () if commit.id == push.after), None)


def _changed(push: _Push) -> Sequence[str] | None:
    """Only where the listed commits are all that lies between before and after: not for a new branch, nor for one
    that was turned back, whose dropped commits nobody lists. (Gitea lists five and hides force, so it tells nothing.)
    """
    commits = push.commits or []
    if push.created is not False or push.forced is not False or not 0 < len(commits) < _GITHUB_COMMITS:
        return None
    return paths_of(commits)


def _read_delete(deleted: _Delete) -> Told:
    """Gitea tells of a deleted branch in this way only, and without the commit it stood at."""
    folder = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(deleted.ref_type)
    if folder is None:
        return Told(note="neither a branch nor a tag was deleted")
    name = deleted.ref.removeprefix(folder)
    arrival = Arrival(
        ArrivalKind.DELETE, checked_ref(folder + name, "ref"), None, None, (deleted.sender or Person()).handle
    )
    return _with_repository(Told((arrival,)), deleted.repository)


def _read_proposal(proposal: _Proposal) -> Told:
    if proposal.action not in _PROPOSING:
        return _with_repository(
            Told(note=f"a pull request that is {cut(proposal.action, 60)} needs no run"), proposal.repository
        )
    if not 0 < proposal.number < 2**53:
        raise MalformedWebhook("'number' is not the number of a pull request")
    head, base = proposal.pull_request.head, proposal.pull_request.base
    told = proposed(
        f"refs/pull/{proposal.number}/head",
        proposal.before,
        head.sha,
        sender=(proposal.sender or Person()).handle,
        commit=None,
        pull_request=PullRequest(
            number=proposal.number,
            title=cut(proposal.pull_request.title or "", 200),
            base=_branch(base.ref),
            head=_branch(head.ref),
            head_url=url(head.repo.clone_url) if head.repo else "",
            fork=_is_fork(head, base),
            url=url(proposal.pull_request.html_url),
        ),
    )
    return _with_repository(told, proposal.repository)


def _is_fork(head: _Head, base: _Head) -> bool:
    """Whatever is not surely a branch of the repository itself is a stranger's: a deleted fork has no repository any
    more, and with Gitea's AGit anybody who may read makes a pull request of no branch in the same repository.
    """
    if head.repo is None or base.repo is None or head.repo.id is None:
        return True
    return head.repo.id != base.repo.id or not head.ref or head.ref.startswith("refs/")


def _branch(ref: str) -> str:
    checked_ref(ref if ref.startswith("refs/") else f"refs/heads/{ref}", "the pull request's branch")
    return ref


def _with_repository(told: Told, repository: _Repository) -> Told:
    return replace(
        told,
        repository=cut(repository.full_name, 300),
        clone_urls=urls(repository.clone_url, repository.ssh_url),
    )

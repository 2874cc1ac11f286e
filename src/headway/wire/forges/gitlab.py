"""Webhooks of GitLab. What kind it is stands in the body (`object_kind`), so hooks of groups and systems do as well."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from headway.domain.intake import PullRequest
from headway.wire.forges.errors import MalformedWebhook
from headway.wire.forges.parts import Commit, Person, Told, checked_ref, cut, moved_ref, proposed, url, urls


class _Project(msgspec.Struct):
    path_with_namespace: str = ""
    git_http_url: str | None = None
    git_ssh_url: str | None = None


class _Kind(msgspec.Struct):
    object_kind: str | None = None
    event_name: str | None = None


class _Push(msgspec.Struct):
    ref: str
    before: str
    after: str
    project: _Project
    checkout_sha: str | None = None
    user_username: str | None = None
    user_name: str | None = None
    commits: list[Commit] | None = None


class _Request(msgspec.Struct):
    iid: int
    source_branch: str
    target_branch: str
    last_commit: Commit | None = None
    title: str | None = None
    url: str | None = None
    action: str | None = None
    oldrev: str | None = None
    source_project_id: int | None = None
    target_project_id: int | None = None
    source: _Project | None = None


class _MergeRequest(msgspec.Struct):
    object_attributes: _Request
    project: _Project
    user: Person | None = None


_kind = msgspec.json.Decoder(_Kind)
_push = msgspec.json.Decoder(_Push)
_merge_request = msgspec.json.Decoder(_MergeRequest)


def gitlab_delivery(headers: Mapping[str, str]) -> str:
    """The first two stay the same when GitLab sends again; older versions have the last only."""
    for name in ("idempotency-key", "webhook-id", "x-gitlab-event-uuid"):
        if headers.get(name):
            return headers[name]
    return ""


def read_gitlab(body: bytes) -> Told:
    """Raises MalformedWebhook and msgspec's errors for a body that is not what GitLab sends."""
    kind = _kind.decode(body)
    name = kind.object_kind or kind.event_name or ""
    match name:
        case "push" | "tag_push":
            told = _read_push(_push.decode(body))
        case "merge_request":
            told = _read_merge_request(_merge_request.decode(body))
        case _:
            told = Told(note=f"'{cut(name, 60)}' is nothing that Headway acts on")
    return replace(told, event=cut(name, 60))


def _read_push(push: _Push) -> Told:
    """What changed is left to git: GitLab lists twenty commits, and does not say whether a branch was turned back."""
    newest = next(
        (commit for commit in push.commits or () if commit.id == (push.checkout_sha or push.after)), None
    )
    told = moved_ref(
        push.ref,
        push.before,
        push.after,
        sender=cut(push.user_username or push.user_name or "", 200),
        commit=newest,
        changed=None,
    )
    return _with_project(told, push.project)


def _read_merge_request(told: _MergeRequest) -> Told:
    request = told.object_attributes
    # An update without `oldrev` changed the title or a label; one with it brought new commits.
    if request.action not in ("open", "reopen") and not (request.action == "update" and request.oldrev):
        return _with_project(
            Told(note=f"a merge request's '{cut(request.action or '', 60)}' needs no run"), told.project
        )
    if not 0 < request.iid < 2**53:
        raise MalformedWebhook("'object_attributes.iid' is not the number of a merge request")
    for branch in (request.source_branch, request.target_branch):
        checked_ref(f"refs/heads/{branch}", "the merge request's branch")
    found = proposed(
        f"refs/merge-requests/{request.iid}/head",
        request.oldrev,
        request.last_commit.id if request.last_commit else None,
        sender=(told.user or Person()).handle,
        commit=request.last_commit,
        pull_request=PullRequest(
            number=request.iid,
            title=cut(request.title or "", 200),
            base=request.target_branch,
            head=request.source_branch,
            head_url=url(request.source.git_http_url) if request.source else "",
            # A fork that was deleted has no project any more; what is not surely ours is a stranger's.
            fork=request.source_project_id is None or request.source_project_id != request.target_project_id,
            url=url(request.url),
        ),
    )
    return _with_project(found, told.project)


def _with_project(told: Told, project: _Project) -> Told:
    return replace(
        told,
        repository=cut(project.path_with_namespace, 300),
        clone_urls=urls(project.git_http_url, project.git_ssh_url),
    )

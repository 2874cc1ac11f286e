"""Deliveries as the three forges send them, cut down to what their documentation always shows; and their signatures."""

import base64
import hashlib
import hmac
import json
from typing import Any

from headway.domain.intake import ForgeKind

A, B, ZERO = "a" * 40, "b" * 40, "0" * 40
SECRET = "correct horse battery staple"
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()

PERSON = {"login": "grace-h", "id": 7, "type": "User"}
COMMIT = {
    "id": B,
    "message": "Sell books\n\nAnd magazines.\n",
    "timestamp": "2026-05-04T03:02:01+02:00",
    "author": {"name": "Grace Hopper", "email": "grace@example.org", "username": "grace-h"},
    "added": ["shop/books.py"],
    "removed": [],
    "modified": ["README.md"],
}


def hex_signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def encoded(payload: object) -> bytes:
    return json.dumps(payload).encode()


def delivery(
    forge: ForgeKind, event: str, payload: object, *, secret: str = SECRET
) -> tuple[ForgeKind, dict[str, str], bytes]:
    """The forge, its headers and its body."""
    body = payload if isinstance(payload, bytes) else encoded(payload)
    headers = {"content-type": "application/json"}
    match forge:
        case ForgeKind.GITHUB:
            headers |= {
                "x-github-event": event,
                "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
                "x-hub-signature-256": f"sha256={hex_signature(body, secret)}",
            }
        case ForgeKind.GITEA:
            headers |= {
                "x-gitea-event": event,
                "x-gitea-delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
                "x-gitea-signature": hex_signature(body, secret),
                "x-hub-signature-256": f"sha256={hex_signature(body, secret)}",
                "x-github-event": event,
            }
        case _:
            headers |= {
                "x-gitlab-event": event,
                "x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e",
                "x-gitlab-token": secret,
            }
    return forge, headers, body


def github_repository(name: str = "team/shop", id: int = 1) -> dict[str, Any]:
    return {
        "id": id,
        "full_name": name,
        "clone_url": f"https://github.com/{name}.git",
        "ssh_url": f"git@github.com:{name}.git",
        "private": True,
    }


def github_push(**changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "before": A,
        "after": B,
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "repository": github_repository(),
        "pusher": {"name": "grace-h", "email": "grace@example.org"},
        "sender": PERSON,
        "commits": [COMMIT],
        "head_commit": COMMIT,
    } | changes


def github_pull_request(action: str, *, head: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "html_url": "https://github.com/team/shop/pull/7",
            "title": "Sell books",
            "head": {"ref": "books", "sha": B, "repo": head},
            "base": {"ref": "main", "sha": A, "repo": github_repository()},
        },
        "repository": github_repository(),
        "sender": PERSON,
    } | changes


def gitea_push(**changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "before": A,
        "after": B,
        "compare_url": f"https://codeberg.org/team/shop/compare/{A}...{B}",
        "commits": [COMMIT],
        "total_commits": 1,
        "head_commit": COMMIT,
        "repository": {
            "id": 1,
            "full_name": "team/shop",
            "clone_url": "https://codeberg.org/team/shop.git",
            "ssh_url": "ssh://git@codeberg.org/team/shop.git",
        },
        "pusher": {"login": "grace-h", "username": "grace-h"},
        "sender": {"login": "grace-h", "username": "grace-h"},
    } | changes


def gitea_pull_request(action: str, *, head: dict[str, Any]) -> dict[str, Any]:
    repository = gitea_push()["repository"]
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "html_url": "https://codeberg.org/team/shop/pulls/7",
            "title": "Sell books",
            "base": {"label": "main", "ref": "main", "sha": A, "repo_id": 1, "repo": repository},
            "head": {"label": "books", "ref": "books", "sha": B, "repo_id": 1, "repo": repository} | head,
        },
        "repository": repository,
        "sender": {"login": "grace-h"},
        "commit_id": "",
        "review": None,
    }


def gitlab_project() -> dict[str, Any]:
    return {
        "id": 15,
        "path_with_namespace": "group/team/shop",
        "git_http_url": "https://gitlab.com/group/team/shop.git",
        "git_ssh_url": "git@gitlab.com:group/team/shop.git",
    }


def gitlab_push(**changes: Any) -> dict[str, Any]:
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": A,
        "after": B,
        "ref": "refs/heads/main",
        "checkout_sha": B,
        "user_id": 4,
        "user_name": "Grace Hopper",
        "user_username": "grace-h",
        "project": gitlab_project(),
        "commits": [COMMIT | {"title": "Sell books"}],
        "total_commits_count": 1,
    } | changes


def gitlab_merge_request(action: str, **changes: Any) -> dict[str, Any]:
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 4, "name": "Grace Hopper", "username": "grace-h"},
        "project": gitlab_project(),
        "object_attributes": {
            "iid": 7,
            "title": "Sell books",
            "source_branch": "books",
            "target_branch": "main",
            "source_project_id": 15,
            "target_project_id": 15,
            "source": gitlab_project(),
            "target": gitlab_project(),
            "last_commit": COMMIT,
            "url": "https://gitlab.com/group/team/shop/-/merge_requests/7",
            "action": action,
        }
        | changes,
    }

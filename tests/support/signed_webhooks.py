"""Webhooks as GitHub sends and signs them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

NOTHING = "0" * 40


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    headers: Mapping[str, str]
    body: bytes


def signed_push(
    secret: str, delivery: str, ref: str, before: str | None, after: str, message: str = "change"
) -> SignedWebhook:
    """One commit pushed by octocat."""
    commit = {
        "id": after,
        "message": message,
        "timestamp": "2025-06-02T12:00:00Z",
        "author": {"name": "Octo Cat", "email": "octo@example.org", "username": "octocat"},
        "added": [],
        "modified": ["count.txt"],
        "removed": [],
    }
    document = {
        "ref": ref,
        "before": before or NOTHING,
        "after": after,
        "created": before is None,
        "deleted": False,
        "forced": False,
        "commits": [commit],
        "head_commit": commit,
        "repository": {"id": 1, "full_name": "octo/told", "clone_url": "https://github.test/octo/told.git"},
        "pusher": {"name": "octocat", "email": "octo@example.org"},
        "sender": {"login": "octocat", "id": 1},
    }
    body = json.dumps(document).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/test",
        "x-github-event": "push",
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={signature}",
    }
    return SignedWebhook(headers, body)

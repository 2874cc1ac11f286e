"""The webhook at the forge that tells Headway of pushes and pull requests: made once, renewed when it is there."""

from collections.abc import Mapping
from typing import Any

import httpx

from headway.domain.intake import ForgeKind
from headway.drivers.forge.calls import Repository, call
from headway.drivers.forge.errors import ForgeRefused

#: Hooks of one repository that are looked through, a hundred a page.
_PAGES = 5


async def create_webhook(
    client: httpx.AsyncClient, repository: Repository, *, hook_url: str, secret: str
) -> str:
    """The forge's id of the hook. One that leads to `hook_url` already gets the new secret in place of a second hook.

    Raises the errors of `drivers.forge.errors`; TokenRefused and NotAtForge when the token may not make hooks.
    """
    wanted = _wanted(repository.forge, hook_url, secret)
    there = await _find(client, repository, hook_url)
    if there is None:
        answer = await call(client, repository, "POST", "/hooks", wanted)
    else:
        method = "PUT" if repository.forge is ForgeKind.GITLAB else "PATCH"
        # A hook's type can't be changed.
        changes = {name: value for name, value in wanted.items() if name not in ("type", "name")}
        answer = await call(client, repository, method, f"/hooks/{there}", changes)
    made = _id(answer.json)
    if made is None:
        raise ForgeRefused("the forge did not say which webhook it made")
    return made


async def _find(client: httpx.AsyncClient, repository: Repository, hook_url: str) -> str | None:
    # `limit` is Gitea's word for `per_page`.
    for page in range(1, _PAGES + 1):
        answer = await call(client, repository, "GET", f"/hooks?per_page=100&limit=100&page={page}")
        hooks = answer.json
        if not isinstance(hooks, list) or not hooks:
            return None
        for hook in hooks:
            if _url(hook) == hook_url and (found := _id(hook)):
                return found
    return None


def _wanted(forge: ForgeKind, hook_url: str, secret: str) -> dict[str, object]:
    if forge is ForgeKind.GITLAB:
        return {
            "url": hook_url,
            "token": secret,
            "push_events": True,
            "tag_push_events": True,
            "merge_requests_events": True,
            "enable_ssl_verification": True,
        }
    config = {"url": hook_url, "content_type": "json", "secret": secret}
    if forge is ForgeKind.GITHUB:
        # A deletion comes as a push there.
        return {"name": "web", "active": True, "events": ["push", "pull_request"], "config": config}
    # Newer versions tell of new commits in a pull request by `pull_request_sync`; older ones know no such word.
    events = ["push", "delete", "pull_request", "pull_request_sync"]
    return {"type": "gitea", "active": True, "events": events, "config": config}


def _url(hook: Any) -> str | None:
    if not isinstance(hook, Mapping):
        return None
    config = hook.get("config")
    return config.get("url") if isinstance(config, Mapping) else hook.get("url")


def _id(hook: Any) -> str | None:
    found = hook.get("id") if isinstance(hook, Mapping) else None
    return str(found) if isinstance(found, int) else None

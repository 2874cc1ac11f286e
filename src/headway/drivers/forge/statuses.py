"""Commit statuses: the mark beside a commit at its forge, with a link to the run."""

from enum import StrEnum

import httpx

from headway.domain.intake import ForgeKind
from headway.drivers.forge.calls import TIMEOUT, Repository, call
from headway.drivers.forge.errors import ForgeRefused

#: Characters; GitHub refuses more than 140, GitLab and Gitea more than 255.
DESCRIPTION_LIMIT = 140
_CONTEXT_LIMIT = 200


class CommitState(StrEnum):
    """What we say; each forge has fewer or other words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    CANCELLED = "cancelled"


#: GitHub and Gitea know no cancelled one; what did not come to its end is no success, so it is an error there.
_HUB_WORDS = {CommitState.RUNNING: "pending", CommitState.CANCELLED: "error"}
_GITLAB_WORDS = {
    CommitState.FAILURE: "failed",
    CommitState.ERROR: "failed",
    CommitState.CANCELLED: "canceled",
}


async def send_status(
    client: httpx.AsyncClient,
    repository: Repository,
    sha: str,
    state: CommitState,
    *,
    context: str,
    description: str,
    target_url: str,
    timeout: float = TIMEOUT,
) -> None:
    """The same status twice is the same status. Raises the errors of `drivers.forge.errors`."""
    said = _shortened(description, DESCRIPTION_LIMIT)
    name = _shortened(context, _CONTEXT_LIMIT)
    if repository.forge is ForgeKind.GITLAB:
        body = {"state": _GITLAB_WORDS.get(state, str(state)), "name": name}
    else:
        body = {"state": _HUB_WORDS.get(state, str(state)), "context": name}
    body |= {"description": said, "target_url": target_url}
    try:
        await call(client, repository, "POST", f"/statuses/{sha}", body, timeout=timeout)
    except ForgeRefused as error:
        # GitLab refuses to be told what it shows already ("Cannot transition status via :run from :running").
        if repository.forge is not ForgeKind.GITLAB or "Cannot transition status" not in error.message:
            raise


def _shortened(text: str, limit: int) -> str:
    line = "".join(character if character.isprintable() else " " for character in text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"

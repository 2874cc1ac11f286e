"""What comes in from repositories: pushes, tags, pull requests, deleted refs; and the repositories themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ForgeKind(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    #: Gitea and Forgejo speak the same.
    GITEA = "gitea"
    #: A bare repository that Headway hosts itself.
    HEADWAY = "headway"
    #: Any other address that git can fetch from: it is asked for news.
    GIT = "git"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that the server knows. Its secrets (webhook secret, forge token) stand in the vault, not here."""

    id: str
    #: Unique, what people type and what stands in addresses: `shop`, `team/shop`.
    name: str
    forge: ForgeKind
    #: Where it is fetched from; empty for one that Headway hosts.
    url: str
    #: The service of its headway.toml as last read on the default branch; None until one was read.
    service: str | None
    default_branch: str | None
    created_at: datetime
    created_by: str
    #: The team whose people may see and do things here; None until headway.toml named one.
    team: str | None = None
    #: How often it is asked for news, in seconds; 0: never (webhooks alone).
    poll_every: int = 60
    due_at: datetime | None = None
    #: When it was last reached.
    checked_at: datetime | None = None
    #: Why it could not be reached the last time, and how often in a row.
    fault: str = ""
    faults: int = 0
    #: The forge's own address for people, such as `https://github.com/team/shop`; empty where there is none.
    web_url: str = ""


class ArrivalKind(StrEnum):
    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull_request"
    #: A branch or tag that was deleted.
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull or merge request as its forge told of it."""

    number: int
    title: str
    #: The branch that it is to be merged into.
    base: str
    #: The branch that it comes from, and the repository that this branch lies in.
    head: str
    head_url: str
    #: It comes from another repository: its code is a stranger's until somebody approves.
    fork: bool
    url: str = ""

    @property
    def branch(self) -> str:
        """The branch of its runs. A stranger's `main` is not ours: it is `mallory:main`, which is no name of a branch."""
        if not self.fork:
            return self.head
        path = self.head_url.rpartition("://")[2].removesuffix("/").rpartition("/")[0]
        owner = path.rpartition("/")[2].rpartition(":")[2]
        return f"{owner or 'fork'}:{self.head}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing that a repository told of, whoever told it: a webhook, a look, a push to us."""

    kind: ArrivalKind
    #: The whole name: `refs/heads/main`, `refs/tags/v1`; of a pull request its head as the forge offers it
    #: (`refs/pull/7/head`, `refs/merge-requests/7/head`).
    ref: str
    #: None for a new ref; for a pull request the head before this push, where the forge tells.
    before: str | None
    #: None for a deleted ref.
    after: str | None
    #: Who did it, as the forge or the token knows them.
    sender: str
    #: Of the newest commit, where told; at most 200 characters. `message` is at most 8 KiB (for `[skip ci]`).
    subject: str = ""
    message: str = ""
    author: str = ""
    committed_at: datetime | None = None
    pull_request: PullRequest | None = None
    #: Paths that the push touched, where the forge tells all of them; None: unknown.
    changed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One cron trigger of a service's default branch."""

    repository: str
    service: str
    name: str
    cron: str
    zone: str
    branch: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    due_at: datetime | None = None


def arrival_key(arrival: Arrival) -> str:
    """What makes it the same thing, whoever tells of it and however often: a webhook sent again, a look, both.

    What a ref pointed to before is part of it: a branch that is set back to an older commit is a new thing.
    """
    before, after = arrival.before or "", arrival.after or ""
    if arrival.kind is ArrivalKind.PULL_REQUEST and arrival.pull_request is not None:
        # Forges do not all tell the head before; a pull request's head comes once.
        return f"{arrival.kind}:{arrival.pull_request.number}:{after}"
    return f"{arrival.kind}:{arrival.ref}:{before}:{after}"

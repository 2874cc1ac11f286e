"""The repositories that a server knows: added, found, reached, removed.

RepositoryError           2
├── RepositoryNameTaken   2   one of this name is there
├── RepositoryNameWrong   2   a name that could not stand in an address
└── UnknownRepository     2   none is called so
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from headway.base.clock import Clock
from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.intake import ForgeKind, Repository
from headway.domain.people import Actor
from headway.domain.secrets import repository_scope
from headway.drivers.git.bare import create_bare
from headway.drivers.git.remote import Credentials, check_url, fetch
from headway.engine.audit import record
from headway.engine.permissions import Action, require
from headway.engine.secrets.by_name import set_files_aside
from headway.engine.secrets.vault import Vault
from headway.engine.settings import Settings
from headway.store import repositories as rows
from headway.store.database import Database, Transaction
from headway.store.events import add_event
from headway.store.runs import cancel_all_of

log = logging.getLogger("headway.repositories")

#: Names of what the vault has for a repository.
HOOK_SECRET, FORGE_TOKEN, SSH_KEY = "WEBHOOK_SECRET", "FORGE_TOKEN", "SSH_KEY"
#: Seconds for which a repository is not read again; another server may have changed it.
_TRUSTED_FOR = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")
_POLL_EVERY = 60


class RepositoryError(WrongUse):
    pass


class RepositoryNameTaken(RepositoryError):
    http_status = 409


class RepositoryNameWrong(RepositoryError):
    pass


class UnknownRepository(RepositoryError):
    http_status = 404


@dataclass(frozen=True, slots=True)
class Added:
    """A new repository, and what its owner sets at the forge. The secret is shown this once."""

    repository: Repository
    hook_secret: str


@dataclass(slots=True)
class _Known:
    until: float
    repository: Repository | None
    secrets: tuple[str, ...] | None = None


class Repositories:
    """For the event loop's thread, but for `fetch`, which blocks and is called in others."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._settings = settings
        self._known: dict[str, _Known] = {}

    def folder(self, repository_id: str) -> Path:
        """Of its bare repository."""
        return self._settings.data / "repositories" / f"{repository_id}.git"

    # Finding

    async def by_id(self, repository_id: str) -> Repository | None:
        return (await self._entry(repository_id)).repository

    async def _entry(self, repository_id: str) -> _Known:
        known = self._known.get(repository_id)
        if known is not None and known.until > self._clock.monotonic():
            return known
        found = await self._database.fetch(lambda tx: rows.repository_by_id(tx, repository_id))
        if found is None:
            # Not kept: anybody may ask for any id.
            return _Known(0.0, None)
        known = self._known[repository_id] = _Known(self._clock.monotonic() + _TRUSTED_FOR, found)
        return known

    def forget(self, repository_id: str) -> None:
        """It has changed."""
        self._known.pop(repository_id, None)

    async def by_name(self, name: str) -> Repository:
        """Raises UnknownRepository."""
        found = await self._database.fetch(lambda tx: rows.repository_by_name(tx, name))
        if found is None:
            raise UnknownRepository(f"there is no repository '{name}'", hint="see: headway repository list")
        return found

    async def all(self) -> Sequence[Repository]:
        return await self._database.fetch(rows.repositories)

    async def hook_secrets(self, repository: Repository) -> tuple[str, ...]:
        """Any of them may have signed a webhook."""
        entry = await self._entry(repository.id)
        if entry.secrets is None:
            scope = repository_scope(repository.id)
            found = await self._database.fetch(lambda tx: self._vault.get(tx, scope, HOOK_SECRET))
            entry.secrets = () if found is None else (found,)
        return entry.secrets

    # Changing

    async def add(
        self,
        actor: Actor,
        *,
        name: str,
        url: str = "",
        forge: ForgeKind | None = None,
        token: str | None = None,
        ssh_key: str | None = None,
        poll_every: int | None = None,
        default_branch: str | None = None,
    ) -> Added:
        """Without a `url` Headway hosts it. `poll_every` in seconds, 0 for webhooks alone.

        Raises NotAllowed, RepositoryNameWrong, RepositoryNameTaken, and what `check_url` says of the address.
        """
        require(actor, Action.REPOSITORY_ADD, team=None)
        if not _NAME.fullmatch(name) or name.endswith(".git"):
            raise RepositoryNameWrong(
                f"'{name[:100]}' cannot be a repository's name",
                hint="letters, digits, . _ -, at most one slash: shop or team/shop",
            )
        if url:
            # A folder of this machine is for whoever owns the data folder, not for anybody who signs in.
            check_url(url, allow_files=actor.by == "socket")
        now = self._clock.now()
        kind = forge or (guess_forge(url) if url else ForgeKind.HEADWAY)
        repository = Repository(
            id=new_id("repo", now),
            name=name,
            forge=kind,
            url=url,
            service=None,
            default_branch=default_branch,
            created_at=now,
            created_by=actor.name,
            poll_every=_POLL_EVERY if poll_every is None else poll_every,
            due_at=now,
            web_url=web_url(url),
        )
        hook_secret = secrets.token_urlsafe(32)
        folder = self.folder(repository.id)
        await asyncio.to_thread(create_bare, folder, default_branch or "main", self._settings.environment)

        def work(tx: Transaction) -> None:
            if not rows.add_repository(tx, repository):
                raise RepositoryNameTaken(
                    f"there is a repository '{name}' already", hint="see: headway repository list"
                )
            scope = repository_scope(repository.id)
            self._vault.put(tx, scope, HOOK_SECRET, hook_secret, actor, now)
            for key, value in ((FORGE_TOKEN, token), (SSH_KEY, ssh_key)):
                if value:
                    self._vault.put(tx, scope, key, value, actor, now)
            record(tx, actor, "repository.add", name, None, {"url": url, "forge": kind}, now)
            _tell(tx, repository, now)

        await self._database.perform(work)
        return Added(repository, hook_secret)

    async def remove(self, actor: Actor, repository: Repository) -> None:
        """It is not looked at any more; its releases and runs stay, those that have not
        ended are cancelled; its services' secrets go. Raises NotAllowed."""
        require(actor, Action.REPOSITORY_REMOVE, team=None)
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            known = rows.repository_by_id(tx, repository.id)
            rows.remove_repository(tx, repository.id, now)
            cancel_all_of(tx, repository.id, f"{actor.name} removed its repository")
            if known is not None:
                self.leave_service(tx, actor, known, now)
            self._vault.remove_bound(tx, repository.id, actor, now)
            self._vault.remove_all(tx, repository_scope(repository.id), actor, now)
            record(tx, actor, "repository.remove", repository.name, {"url": repository.url}, None, now)
            _tell(tx, repository, now)

        await self._database.perform(work)
        self.forget(repository.id)

    def leave_service(self, tx: Transaction, actor: Actor, repository: Repository, now: datetime) -> None:
        """It declares its service no more: the files with that one's secrets are no next one's. They are renamed before
        anything is stored: a server that dies here leaves the service without them, and nobody with them."""
        if repository.service is None:
            return
        mark = f"{repository.id}-{now:%Y%m%dT%H%M%S%f}"
        if files := set_files_aside(repository.service, self._settings, mark):
            log.warning("set aside in %s: %s", self._settings.secrets, ", ".join(files))
            record(tx, actor, "secret.set_aside", repository.service, None, {"files": files}, now)

    async def give_to(self, actor: Actor, repository: Repository, team: str | None) -> Repository:
        """The team whose roles and secrets count there; None: of no team, whatever is pushed.

        Raises NotAllowed.
        """
        require(actor, Action.REPOSITORY_ADD, team=None)
        now, given = self._clock.now(), replace(repository, team=team)

        def work(tx: Transaction) -> None:
            rows.describe(tx, repository.id, service=None, team=team, default_branch=None)
            before, after = {"team": repository.team}, {"team": team}
            record(tx, actor, "repository.give_to", repository.name, before, after, now)
            _tell(tx, given, now)

        await self._database.perform(work)
        self.forget(repository.id)
        return given

    async def renew_hook_secret(self, actor: Actor, repository: Repository) -> str:
        """A new one in place of the old, shown this once. Raises NotAllowed."""
        require(actor, Action.REPOSITORY_ADD, team=None)
        now, fresh = self._clock.now(), secrets.token_urlsafe(32)
        scope = repository_scope(repository.id)
        await self._database.perform(lambda tx: self._vault.put(tx, scope, HOOK_SECRET, fresh, actor, now))
        self.forget(repository.id)
        return fresh

    async def look_soon(self, repository_id: str) -> None:
        """Somebody pushed, or asks for a look at once."""
        now = self._clock.now()
        await self._database.perform(lambda tx: rows.look_soon(tx, repository_id, now))

    # Reaching

    def credentials(self, repository: Repository) -> Credentials:
        """How git signs in there. Blocks."""
        scope = repository_scope(repository.id)

        def work(tx: Transaction) -> Credentials:
            return Credentials(
                token=self._vault.get(tx, scope, FORGE_TOKEN), ssh_key=self._vault.get(tx, scope, SSH_KEY)
            )

        return self._database.read(work)

    def fetch(
        self, repository: Repository, folder: Path, refs: Sequence[str], most: int | None = None
    ) -> None:
        """Bring these refs here, at most so many bytes of objects. Blocks. Raises the errors of `drivers.git.remote`."""
        credentials = self.credentials(repository)
        fetch(folder, repository.url, refs, credentials, self._settings.environment, most=most)

    def token(self, repository_id: str) -> str | None:
        """The forge's token. Blocks."""
        scope = repository_scope(repository_id)
        return self._database.read(lambda tx: self._vault.get(tx, scope, FORGE_TOKEN))


def _tell(tx: Transaction, repository: Repository, now: datetime) -> None:
    add_event(
        tx,
        "repository.changed",
        service=repository.service or "",
        subject=repository.id,
        data={"name": repository.name},
        now=now,
    )


def guess_forge(url: str) -> ForgeKind:
    """By the host's name; a forge of one's own is named by whoever adds it."""
    host = re.sub(r"^(\w+://)?([^@/]*@)?", "", url).partition("/")[0].partition(":")[0].lower()
    for word, kind in (
        ("github", ForgeKind.GITHUB),
        ("gitlab", ForgeKind.GITLAB),
        ("gitea", ForgeKind.GITEA),
        ("forgejo", ForgeKind.GITEA),
        ("codeberg", ForgeKind.GITEA),
    ):
        if word in host:
            return kind
    return ForgeKind.GIT


def web_url(url: str) -> str:
    """Where people look at it; empty where that cannot be told."""
    if url.startswith(("http://", "https://")):
        bare = re.sub(r"^(https?://)[^@/]*@", r"\1", url)
        return bare.removesuffix("/").removesuffix(".git")
    if found := re.fullmatch(r"(?:ssh://)?[^@/]+@([^:/]+)(?::\d+/|[:/])(.+?)(?:\.git)?/?", url):
        return f"https://{found[1]}/{found[2]}"
    return ""

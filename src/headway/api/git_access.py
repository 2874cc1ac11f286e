"""Who may fetch from and push to the repositories that Headway hosts."""

from collections.abc import Mapping

from headway.api.git_http import Found, Response, sign_in_first, token_of
from headway.domain.intake import ForgeKind
from headway.engine.permissions import Action, NotAllowed, require
from headway.engine.repositories.repositories import UnknownRepository
from headway.engine.server.server import Server


class GitAccess:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def find(self, name: str) -> Found | None:
        try:
            repository = await self._server.repositories.by_name(name)
        except UnknownRepository:
            return None
        hosted = repository.forge is ForgeKind.HEADWAY
        return Found(
            repository.id,
            self._server.repositories.folder(repository.id),
            elsewhere="" if hosted else repository.url,
        )

    async def authenticate(self, headers: Mapping[str, str], name: str, is_push: bool) -> str | Response:
        """The sender's handle. Who may not even look learns nothing of the repository."""
        token = token_of(headers)
        if token is None:
            return sign_in_first()
        actor = await self._server.people.actor_of_token(token)
        if actor is None:
            return sign_in_first("this token is not known, has run out, or was revoked")
        try:
            team = (await self._server.repositories.by_name(name)).team
        except UnknownRepository:
            team = None
        try:
            require(actor, Action.REPOSITORY_PUSH if is_push else Action.REPOSITORY_FETCH, team=team)
        except NotAllowed as error:
            return Response(403, error.message)
        return actor.name

    def pushed(self, repository_id: str) -> None:
        """Its journal has something new."""
        self._server.looking.hint(repository_id)

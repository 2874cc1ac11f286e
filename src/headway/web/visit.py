"""One request for a page: who asks, when, and what every page shows around its own part."""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from jinja2 import Environment
from litestar import Request, Response

from headway.base.errors import Held, WrongUse
from headway.deploy.guards import applying
from headway.domain.people import Actor
from headway.engine.access.csrf import csrf_token
from headway.engine.access.sessions import COOKIE
from headway.engine.permissions import Action, NotAllowed, allows, require, require_there
from headway.engine.views.world import World, read_world
from headway.store.database import Transaction
from headway.store.repositories import repository_of_service
from headway.web.security import form_word

if TYPE_CHECKING:
    from headway.engine.server.server import Server
    from headway.web.asking import Consequence

T = TypeVar("T")
#: The request of every page. Litestar reads the annotations of handlers when it starts.
PageRequest = Request[Any, Any, Any]
PageResponse = Response[bytes]

#: What stands under the bar: key, name, address.
WAYS = (
    ("services", "Services", "/"),
    ("runs", "Runs", "/runs"),
    ("deployments", "Deployments", "/deployments"),
    ("hosts", "Hosts", "/hosts"),
    ("delivery", "Delivery", "/delivery"),
    ("queue", "Queue", "/queue"),
    ("settings", "Settings", "/settings"),
    ("audit", "Audit", "/audit"),
)
_SMALLEST_TO_COMPRESS = 1024


class NotSignedIn(Exception):
    """The page is for people we know; `where` is where they wanted to go."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class NothingThere(Exception):
    """No such thing: a sentence for the page."""


@dataclass
class Visit:
    request: PageRequest
    actor: Actor
    now: datetime
    #: The session's value: what its forms are signed with.
    session: str
    _world: World | None = field(default=None, repr=False)

    @property
    def server(self) -> "Server":
        return self.request.app.state.server  # type: ignore[no-any-return]

    @cached_property
    def csrf(self) -> str:
        return form_word(self.request.app.state.form_key, self.session)

    @cached_property
    def query(self) -> Mapping[str, str]:
        """What the address asks for, each name once."""
        return dict(self.request.query_params)

    @property
    def path(self) -> Mapping[str, Any]:
        """The names and numbers within the address: `visit.path["service"]`."""
        return self.request.path_params

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """What the page shows, and the state of the world, from one picture of the database."""

        def both(tx: Transaction) -> tuple[T, World]:
            return work(tx), read_world(tx, self.server, self.now)

        found, self._world = await self.server.database.fetch(both)
        return found

    async def page(
        self, template: str, *, title: str, here: str = "", status: int = 200, **values: Any
    ) -> PageResponse:
        """The page, within the frame. `here` is the key of its way."""
        if self._world is None:
            await self.read(lambda tx: None)
        content = render(
            self.request,
            template,
            title=title,
            here=here,
            ways=WAYS,
            visit=self,
            actor=self.actor,
            now=self.now,
            world=self._world,
            query=self.query,
            **values,
        )
        return html(self.request, content, status=status)

    async def ask(
        self, consequence: "Consequence", *, leave: str, status: int = 200, refused: "Refused | None" = None
    ) -> PageResponse:
        """The page before a deed: what will happen, and a button that is named after it. It is sent to this address."""
        return await self.page(
            "ask.html",
            title=consequence.title,
            what=consequence,
            leave=leave,
            status=status,
            refused=refused,
        )

    async def answer(
        self,
        deed: Callable[[], Awaitable[PageResponse]],
        sheet: Callable[[], Awaitable[tuple["Consequence", str]]],
    ) -> PageResponse:
        """Does what the form of a sheet asks for. Where it is refused, the sheet comes back as it was filled, and why
        stands on it."""
        try:
            return await deed()
        except NotAllowed:
            raise
        except (WrongUse, Held) as error:
            refused = refusal(error)
            consequence, leave = await sheet()
            filled = consequence.filled(await self.form())
            return await self.ask(filled, leave=leave, status=refused.status, refused=refused)

    def done(self, path: str, said: str = "") -> PageResponse:
        """After a form: there, with a sentence about what was done. Reloading does not send the form again."""
        if said:
            mark = "&" if "?" in path else "?"
            path = f"{path}{mark}said={quote(said, safe='')}&by={self._signed(said)}"
        return go(path)

    @property
    def note(self) -> str:
        """What was done just now. Only our own words: nobody puts a sentence into a page by a link."""
        said = self.query.get("said", "")
        return said if said and compare_digest(self._signed(said), self.query.get("by", "")) else ""

    def _signed(self, said: str) -> str:
        return csrf_token(self.request.app.state.form_key, f"{self.session} {said}")[:22]

    async def world(self) -> World:
        if self._world is None:
            await self.read(lambda tx: None)
        assert self._world is not None
        return self._world

    def may(self, action: Action, team: str | None = None) -> bool:
        """For buttons: a page shows only what can be done."""
        return allows(self.actor, action, team=team)

    async def may_there(self, action: Action, service: str, environment: str) -> bool:
        """By role, and by the floors of org.toml there."""
        try:
            await self.need_there(action, service, environment)
        except NotAllowed:
            return False
        return True

    async def need_there(self, action: Action, service: str, environment: str) -> None:
        """Raises NotAllowed."""
        floors = applying(self.server.org.current.floors, service, environment)
        require_there(self.actor, action, floors, team=await self.team_of(service))

    def need(self, action: Action, team: str | None = None) -> None:
        """Raises NotAllowed, which names the role that is missing."""
        require(self.actor, action, team=team)

    @property
    def may_add_repository(self) -> bool:
        return self.may(Action.REPOSITORY_ADD)

    async def team_of(self, service: str) -> str | None:
        """Whose service it is: where a team's role counts."""

        def work(tx: Transaction) -> str | None:
            repository = repository_of_service(tx, service)
            return None if repository is None else repository.team

        return await self.server.database.fetch(work)

    async def form(self) -> Mapping[str, str]:
        """The fields of a form that was sent; it was checked to be ours before."""
        sent = await self.request.form()
        found: dict[str, str] = {}
        for name, value in sent.multi_items():
            # What is ticked comes several times.
            found[name] = f"{found[name]} {value}" if name in found else str(value)
        found.pop("csrf", None)
        return found


@dataclass(frozen=True, slots=True)
class Refused:
    """What the engine refuses, as a page says it."""

    status: int
    title: str
    message: str
    hint: str


def refusal(error: WrongUse | Held) -> Refused:
    if isinstance(error, WrongUse):
        status, title = getattr(error, "http_status", 400), "That cannot be done"
    else:
        status, title = 409, "That has to wait"
    return Refused(status, title, sentence(error.message), sentence(error.hint or ""))


def sentence(text: str) -> str:
    """The engine's words begin small and have no stop: they stand after a colon elsewhere."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!", "”")) else ".")


async def enter(request: PageRequest) -> Visit:
    """Who asks for this page. Raises NotSignedIn."""
    session = request.cookies.get(COOKIE, "")
    server: Server = request.app.state.server
    address = request.client.host if request.client else ""
    actor = await server.people.actor_of_session(session, address=address) if session else None
    if actor is None:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise NotSignedIn(path if request.method == "GET" else "/")
    return Visit(request, actor, server.now(), session)


def render(request: PageRequest, template: str, **values: Any) -> str:
    environment: Environment = request.app.state.templates
    return environment.get_template(template).render(values)


def html(
    request: PageRequest, content: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> PageResponse:
    """Compressed where it pays. A page shows what only this person may see, so that nobody keeps it."""
    body = content.encode("utf-8", errors="replace")
    sent = {"Cache-Control": "no-store, private", "Vary": "Accept-Encoding, Cookie", **(headers or {})}
    if len(body) > _SMALLEST_TO_COMPRESS and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 4, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, status_code=status, headers=sent, media_type="text/html; charset=utf-8")


#: What stays as it is in an address that is to be one already.
_ASCII = "".join(map(chr, range(33, 127)))


def go(path: str) -> PageResponse:
    return Response(
        b"",
        # Headers are ASCII; what others wrote may be in any letters, and was decoded on its way here.
        status_code=303,
        headers={"Location": quote(path, safe=_ASCII, errors="replace"), "Cache-Control": "no-store"},
        media_type="text/html",
    )

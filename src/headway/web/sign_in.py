"""Coming in and going: by password, or by a link that works once. Looking at a link does not use it up."""

import secrets
from typing import TYPE_CHECKING

from litestar import Response, get, post
from litestar.datastructures import Cookie

from headway.base.errors import HeadwayError
from headway.domain.access import SignInLink
from headway.engine.access.sessions import COOKIE, LONGEST, SignedIn
from headway.web.security import LARGEST_VISITORS_FORM, VISITOR_COOKIE, form_word, own_path
from headway.web.visit import PageRequest, PageResponse, enter, go, html, render

if TYPE_CHECKING:
    from headway.engine.access.people import People

_VISIT = 3600


@get("/sign-in")
async def sign_in_page(request: PageRequest) -> PageResponse:
    if request.cookies.get(COOKIE) and await _people(request).actor_of_session(request.cookies[COOKIE]):
        return go(own_path(request.query_params.get("next")))
    return _show(request, "sign_in.html", next=own_path(request.query_params.get("next")))


@post("/sign-in", request_max_body_size=LARGEST_VISITORS_FORM)
async def sign_in(request: PageRequest) -> PageResponse:
    form = await request.form()
    leads_to = own_path(str(form.get("next") or ""))
    handle = str(form.get("handle") or "")[:200]
    try:
        signed_in = await _people(request).sign_in(
            handle,
            str(form.get("password") or "")[:1000],
            address=_address(request),
            user_agent=request.headers.get("user-agent", ""),
        )
    except HeadwayError as error:
        return _show(request, "sign_in.html", error=error, next=leads_to, handle=handle)
    return _enter_by(request, signed_in, leads_to)


@get("/sign-in/{link:str}")
async def link_page(request: PageRequest) -> PageResponse:
    link = await _people(request).link(request.path_params["link"])
    return _show_link(request, link)


@post("/sign-in/{link:str}", request_max_body_size=LARGEST_VISITORS_FORM)
async def use_link(request: PageRequest) -> PageResponse:
    form = await request.form()
    text, people = request.path_params["link"], _people(request)
    try:
        signed_in = await people.sign_in_by_link(
            text,
            address=_address(request),
            user_agent=request.headers.get("user-agent", ""),
            handle=str(form.get("handle") or "admin")[:100],
            display_name=str(form.get("display_name") or "")[:200],
            password=str(form.get("password") or "")[:1000] or None,
        )
    except HeadwayError as error:
        return _show_link(request, await people.link(text), error)
    return _enter_by(request, signed_in, "/")


@post("/sign-out")
async def sign_out(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    await visit.server.people.sign_out(visit.session, visit.actor)
    answer = go("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


def _show_link(
    request: PageRequest, link: SignInLink | None, error: HeadwayError | None = None
) -> PageResponse:
    if link is None:
        return _show(request, "sign_in.html", next="/", used_up=True, status=404 if error is None else 400)
    return _show(request, "sign_in_link.html", link=link, error=error)


def _show(
    request: PageRequest,
    template: str,
    *,
    error: HeadwayError | None = None,
    status: int = 0,
    **values: object,
) -> PageResponse:
    """With a word for its form, tied to a cookie that this browser gets now."""
    visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(24)
    content = render(
        request,
        template,
        title="Sign in",
        word=form_word(request.app.state.form_key, visitor),
        error=error,
        **({"handle": "", "used_up": False} | values),
    )
    answer = html(request, content, status=status or (getattr(error, "http_status", 400) if error else 200))
    _give(request, answer, VISITOR_COOKIE, visitor, _VISIT)
    return answer


def _enter_by(request: PageRequest, signed_in: SignedIn, leads_to: str) -> PageResponse:
    answer = go(leads_to)
    _give(request, answer, COOKIE, signed_in.value, int(LONGEST.total_seconds()))
    answer.delete_cookie(VISITOR_COOKIE)
    return answer


def _give(request: PageRequest, answer: Response[bytes], name: str, value: str, seconds: int) -> None:
    https = request.app.state.server.base_url.startswith("https:")
    answer.set_cookie(
        Cookie(name, value=value, max_age=seconds, path="/", secure=https, httponly=True, samesite="lax")
    )


def _people(request: PageRequest) -> "People":
    return request.app.state.server.people  # type: ignore[no-any-return]


def _address(request: PageRequest) -> str:
    return request.client.host if request.client else ""


ROUTES = [sign_in_page, sign_in, link_page, use_link, sign_out]

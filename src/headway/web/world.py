"""The state of the world as a part of its own: what live pages fetch anew."""

from litestar import get

from headway.web.visit import PageRequest, PageResponse, enter, html, render


@get("/world")
async def world(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    content = render(request, "world.html", world=await visit.world(), now=visit.now)
    return html(request, content)


ROUTES = [world]

"""What holds for every page: headers, sessions, forms, static files, errors."""

import asyncio
import gzip
import logging
import re
from typing import Any

import pytest
from litestar import Request

from headway.web import security
from headway.web.security import own_path
from headway.web.static_files import files
from tests.support.pages import Browser, browsing, make_server, sign_in

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.mark.parametrize("path", ["/world", "/static/base.css", "/nothing-here", "/sign-in"])
async def test_every_answer_has_the_security_headers(browser: Browser, path: str) -> None:
    headers = (await browser.client.get(path)).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers


async def test_over_https_browsers_are_told_to_stay_with_it(tmp_path: Any) -> None:
    server = make_server(tmp_path, base_url="https://headway.test")
    async with browsing(server, sign_in(server)) as browser:
        headers = (await browser.client.get("/world")).headers
    server.database.close()
    assert headers["strict-transport-security"] == "max-age=31536000"


async def test_pages_are_kept_by_nobody(browser: Browser) -> None:
    assert (await browser.client.get("/world")).headers["cache-control"] == "no-store, private"


@pytest.mark.parametrize("session", [None, "somebody-else"])
async def test_whoever_is_not_signed_in_is_led_to_the_door_and_back(server: Any, session: str | None) -> None:
    async with browsing(server, session) as browser:
        answer = await browser.client.get("/world?q=a%20b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fworld%3Fq%3Da%2520b"


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("/services/shop?kind=run", "/services/shop?kind=run"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nSet-Cookie: x", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_nobody_is_led_to_another_site(text: str | None, leads_to: str) -> None:
    assert own_path(text) == leads_to


@pytest.mark.parametrize(
    ("fields", "headers", "says"),
    [
        ({}, {}, "older than your session"),
        ({"csrf": "x"}, {}, "older than your session"),
        ({"csrf": "RIGHT"}, {"origin": "https://evil.example"}, "sent from another site"),
        ({"csrf": "RIGHT"}, {"sec-fetch-site": "cross-site"}, "sent from another site"),
    ],
)
async def test_a_form_of_another_site_changes_nothing(
    browser: Browser, fields: dict[str, str], headers: dict[str, str], says: str
) -> None:
    page = await browser.get("/sign-out-form-does-not-exist", status=404)
    assert "csrf" not in page
    word = re.search(r'name="csrf" value="([^"]+)"', await browser.get("/"))
    assert word is not None
    sent = {name: word[1] if value == "RIGHT" else value for name, value in fields.items()}
    answer = await browser.client.post("/sign-out", data=sent, headers=headers)
    assert answer.status_code == 403
    assert says in answer.text


async def test_a_huge_form_is_refused(browser: Browser) -> None:
    answer = await browser.client.post("/sign-out", data={"csrf": "x" * 1_100_000})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "of_parts", "status"),
    [
        (b"a=1&" * 3000, False, 413),  # On the loop that serves everybody, a field costs more than its bytes.
        (b"a=" + b"1" * 17_000, False, 413),
        (b"--x\r\n", True, 415),
        (b"a=1&" * 100, False, 403),
    ],
)
async def test_a_form_of_nobody_known_is_taken_apart_only_while_that_is_cheap(
    server: Any, monkeypatch: pytest.MonkeyPatch, body: bytes, of_parts: bool, status: int
) -> None:
    if status != 403:
        monkeypatch.setattr(Request, "form", None)
    kind = "multipart/form-data; boundary=x" if of_parts else "application/x-www-form-urlencoded"
    async with browsing(server, None) as browser:
        answer = await browser.client.post("/sign-in", content=body, headers={"content-type": kind})
    assert answer.status_code == status


async def test_static_files_are_kept_for_ever_under_the_address_of_their_content(browser: Browser) -> None:
    page = await browser.get("/")
    address = re.search(r'href="(/static/base\.css\?v=\w+)"', page)
    assert address is not None
    answer = await browser.client.get(address[1], headers={"accept-encoding": "gzip"})
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    again = await browser.client.get(address[1], headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = await browser.client.get("/static/base.css", headers={"accept-encoding": "identity"})
    assert plain.headers["cache-control"] == "no-cache"
    assert plain.content == files()["base.css"].content == gzip.decompress(files()["base.css"].compressed)


@pytest.mark.parametrize("name", ["..%2Fapp.py", "%2e%2e/app.py", "app.py", "tokens.css%00"])
async def test_nothing_but_the_static_files_is_served(browser: Browser, name: str) -> None:
    assert (await browser.client.get(f"/static/{name}")).status_code == 404


async def test_what_fails_within_says_a_reference_and_no_trace(
    server: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr("headway.web.visit.read_world", broken)
    with caplog.at_level(logging.ERROR):
        page = await browser.get("/world", status=500)
    assert "a secret of ours" not in page and "Traceback" not in page
    reference = re.search(r"Reference <code>(\w+)</code>", page)
    assert reference is not None and reference[1] in caplog.text


async def test_an_unknown_address_is_a_page_too(browser: Browser) -> None:
    assert "There is nothing here" in await browser.get("/no/such/page", status=404)


async def test_no_page_refers_to_another_origin(browser: Browser) -> None:
    for path in ("/", "/sign-in", "/deployments", "/hosts", "/delivery", "/queue", "/settings", "/audit"):
        page = (await browser.client.get(path, follow_redirects=True)).text
        found = re.findall(r"""(?:src|href|action|srcset|poster|data)=["'](?:https?:)?//[^"']+""", page)
        assert found == [], path
    for name, file in files().items():
        text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text), name


async def test_no_page_holds_script_or_style_of_its_own(browser: Browser) -> None:
    for path in ("/", "/sign-in", "/deployments", "/hosts", "/delivery", "/queue", "/settings", "/audit"):
        answer = await browser.client.get(path, follow_redirects=True)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text), path


async def test_a_form_that_comes_too_slowly_is_not_waited_for(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to be signed in to send one."""
    monkeypatch.setattr(security, "FORM_WITHIN", 0.02)

    async def slowly() -> Any:
        yield b"handle=ada&"
        await asyncio.sleep(30)

    form = {"content-type": "application/x-www-form-urlencoded"}
    async with browsing(server, None) as browser:
        answer = await browser.client.post("/sign-in", content=slowly(), headers=form)
    assert answer.status_code == 408
    assert "took more than" in answer.text

"""One Chromium and one server with live pages for each module."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.browser.serving import LivePages

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Of one module: Playwright's loop would be in the way of asyncio tests that come after it."""
    if not Path(CHROMIUM).exists() and not os.environ.get("HEADWAY_TESTS_SKIP_NOTHING"):
        pytest.skip(f"{CHROMIUM} is not there: pages are not looked at in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePages]:
    pages = LivePages(tmp_path_factory.mktemp("pages"))
    pages.start()
    yield pages
    pages.close()


@pytest.fixture
def visit(chromium: Any, pages: LivePages) -> Iterator[Callable[..., Any]]:
    """`visit(path)` opens it, signed in; tabs of one test share their browser. What goes wrong in a page fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_page(path: str, **options: Any) -> Any:
        if not contexts or options:
            contexts.append(chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options)))
            cookie = {"name": "headway_session", "value": pages.session, "url": pages.address}
            contexts[-1].add_cookies([cookie])
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.goto(pages.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong

"""Every page in a real browser: no violation of accessibility, nothing wider than a phone, keys, sheets."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from headway.engine.troubles import Trouble, Troubles
from tests.support.gallery_data import HOSTILE_NAME
from tests.web.gallery import Served, tell

PATHS = [
    "/",
    "/services/shop",
    "/services/shop/releases",
    "/services/shop/releases/{release}",
    "/services/shop/releases/{release}/deploy",
    "/services/shop/deployments/8",
    "/services/billing/deployments/4",
    "/services/billing/deployments/4/back",
    "/services/shop/requests/req-shop1",
    "/services/shop/delivery?explain=lead-time",
    "/deployments",
    "/hosts",
    "/hosts/web1",
    "/queue",
    "/audit",
    "/c/{commit}",
    "/settings/you",
    "/settings/tokens",
    "/settings/repositories",
    "/settings/repositories/repo-shop",
    "/settings/people",
    "/settings/secrets",
    "/settings/organisation",
    "/settings/system",
]
#: Where everything is too long at once.
OVERFULL = [
    "/",
    "/deployments",
    "/hosts",
    "/queue",
    "/runs",
    "/audit",
    "/services/{long}",
    "/services/{long}/deployments/1",
]
Open = Callable[..., Any]


class Gallery:
    def __init__(self, folder: Any, story: str) -> None:
        self.server, self.session = tell(folder, story)
        self.served = Served(self.server)
        self._thread = threading.Thread(target=self.served.run_until_stopped, daemon=True)
        self._thread.start()
        row = self.server.database.read(lambda tx: tx.one("SELECT release_id, commit_sha FROM requests"))
        long = self.server.database.read(
            lambda tx: tx.one("SELECT service FROM runs WHERE service LIKE 'a-service-%'")
        )
        self.names = {
            "release": row["release_id"] if row else "",
            "commit": row["commit_sha"] if row else "",
            "long": long["service"] if long else "",
            "hostile": quote(HOSTILE_NAME, safe=""),
        }

    def address(self, path: str) -> str:
        return self.served.address + path.format(**self.names)

    def close(self) -> None:
        self.served.stop()
        self._thread.join(10)
        self.server.database.close()


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path_factory.mktemp("typical"), "typical")
    yield gallery
    gallery.close()


@pytest.fixture(scope="module")
def overfull(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path_factory.mktemp("overfull"), "overfull")
    yield gallery
    gallery.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Open]:
    """A tab, signed in. A page that breaks the policy or throws fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_tab(gallery: Gallery, **options: Any) -> Any:
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        contexts.append(context)
        context.add_cookies(
            [{"name": "headway_session", "value": gallery.session, "url": gallery.served.address}]
        )
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert wrong == []


def violations(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {json.dumps([c['message'] for c in node['any']])[:300]}"
        for one in found
        for node in one["nodes"][:3]
    ]


#: In the dark and on a phone only colours and the order of things differ.
SOME = ["/", "/services/shop", "/deployments", "/services/billing/deployments/4", "/settings/people"]
LOOKS = [
    pytest.param(PATHS, {"color_scheme": "light"}, id="light"),
    pytest.param(
        [*SOME, "/services/shop/delivery", "/services/shop/requests/req-shop1"],
        {"color_scheme": "dark"},
        id="dark",
        marks=pytest.mark.slow,
    ),
    pytest.param(SOME, {"viewport": {"width": 390, "height": 844}}, id="phone", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("paths", "look"), LOOKS)
def test_no_page_keeps_anybody_out(
    typical: Gallery, tab: Open, paths: list[str], look: dict[str, Any]
) -> None:
    page = tab(typical, **look)
    found = {}
    for path in paths:
        page.goto(typical.address(path))
        if faults := violations(page):
            found[path] = faults
    assert found == {}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/sign-in", "/no/such/page"])
def test_the_pages_before_the_door_keep_nobody_out(chromium: Any, typical: Gallery, path: str) -> None:
    page = chromium.new_page()
    page.goto(typical.address(path))
    assert violations(page) == []
    page.close()


@pytest.mark.slow
def test_on_a_phone_all_ways_can_be_seen(typical: Gallery, tab: Open) -> None:
    page = tab(typical, viewport={"width": 390, "height": 740})
    page.goto(typical.address("/queue"))
    ways = [way.bounding_box() for way in page.locator(".ways a").all()]
    assert len(ways) >= 8
    assert [way for way in ways if way["x"] < 0 or way["x"] + way["width"] > 390] == []


def test_on_a_phone_what_runs_where_comes_before_what_happened(typical: Gallery, tab: Open) -> None:
    page = tab(typical, viewport={"width": 390, "height": 740})
    page.goto(typical.address("/services/shop"))
    stands = page.get_by_role("heading", name="What runs where").bounding_box()
    assert stands["y"] < page.locator("#timeline").bounding_box()["y"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_texts_of_one_line_keep_their_distance(overfull: Gallery, tab: Open, width: int) -> None:
    page = tab(overfull, viewport={"width": width, "height": 740})
    page.goto(overfull.address("/"))
    close = page.evaluate(
        """() => [...document.querySelectorAll(".line.one")].flatMap(line => {
            const boxes = [...line.children].map(child => child.getBoundingClientRect());
            return boxes.slice(1).filter((box, at) => box.top < boxes[at].bottom && box.left < boxes[at].right + 4)
                .map(() => line.textContent);
        })"""
    )
    assert close == []


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.slow
def test_several_things_that_are_wrong_take_one_line_until_they_are_asked_for(
    typical: Gallery, tab: Open, width: int
) -> None:
    said = [f"housekeeping: chore {number} failed: " + "the disk is gone " * 6 for number in range(5)]
    typical.server.troubles = Troubles(lambda now: [Trouble(sentence) for sentence in said])
    try:
        page = tab(typical, viewport={"width": width, "height": 740})
        page.goto(typical.address("/deployments"))
        assert page.locator("#search").bounding_box()["width"] > 200
        summary = page.locator("#world summary")
        assert "5 things are wrong" in summary.inner_text()
        assert summary.bounding_box()["height"] < 40
        summary.click()
        rows = [row.bounding_box() for row in page.locator("#world .wrong li").all()]
        assert len(rows) == 5
        assert all(row["x"] >= 0 and row["x"] + row["width"] <= width for row in rows)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        typical.server.troubles = Troubles(typical.server.duties.troubles)


@pytest.mark.parametrize("width", [360, pytest.param(1440, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_no_page_is_wider_than_the_window(typical: Gallery, overfull: Gallery, tab: Open, width: int) -> None:
    wide = {}
    for gallery, paths in ((typical, PATHS if width == 360 else SOME), (overfull, OVERFULL)):
        page = tab(gallery, viewport={"width": width, "height": 740})
        for path in paths:
            page.goto(gallery.address(path))
            measured = page.evaluate("document.documentElement.scrollWidth")
            if measured > width:
                wide[path] = measured
    assert wide == {}


@pytest.mark.slow
def test_hostile_words_run_nothing(overfull: Gallery, tab: Open) -> None:
    page = tab(overfull)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for path in ("/", "/deployments", "/services/{hostile}"):
        page.goto(overfull.address(path))
    assert dialogs == []
    assert page.locator("main img").count() == 0


def test_pages_are_whole_without_javascript(typical: Gallery, tab: Open) -> None:
    page = tab(typical, java_script_enabled=False)
    page.goto(typical.address("/services/billing/deployments/4"))
    page.click("text=Pause")
    assert "/services/billing/deployments/4/pause" in page.url
    assert page.locator("h1").inner_text() == "Pause?"
    assert page.locator("button.first").inner_text() == "Pause"
    page.click("text=Leave it as it is")
    assert page.url.endswith("/services/billing/deployments/4")


def test_a_deed_is_asked_for_over_the_page(typical: Gallery, tab: Open) -> None:
    page = tab(typical)
    page.goto(typical.address("/services/billing/deployments/4"))
    page.click("text=Take it back")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert "Every host that was switched goes back" in dialog.inner_text()
    dialog.locator("text=Leave it as it is").click()
    assert page.locator("dialog[open]").count() == 0
    assert page.url.endswith("/services/billing/deployments/4")


def test_enter_twice_takes_nothing_back(typical: Gallery, tab: Open) -> None:
    page = tab(typical)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(typical.address("/services/billing/deployments/4"))
    page.locator("text=Take it back").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert "Back to" in dialog.inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert sent == []
    assert page.evaluate("document.activeElement.matches('dialog h1')")


def test_the_sheet_of_a_deployment_follows_the_environment_that_is_chosen(
    typical: Gallery, tab: Open
) -> None:
    page = tab(typical)
    page.goto(typical.address("/services/shop/releases/{release}"))
    page.click("main a:text-is('Deploy')")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    for environment in ("production", "staging"):
        dialog.locator(".choices a", has_text=environment).click()
        page.locator(f"dialog[open] button:text-is('Ask to deploy to {environment}')").wait_for()
        assert page.locator("dialog[open]").count() == 1
        assert f"Live in {environment}" in dialog.inner_text()


def test_enter_on_a_row_opens_what_the_row_is(typical: Gallery, tab: Open) -> None:
    page = tab(typical)
    page.goto(typical.address("/deployments?state=failed"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/*/deployments/*")


@pytest.mark.slow
def test_keys_lead_through_the_pages(typical: Gallery, tab: Open) -> None:
    page = tab(typical)
    page.goto(typical.address("/"))
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("shop")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/shop")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/deployments")
    page.keyboard.press("j")
    page.keyboard.press("j")
    row = page.evaluate("[...document.querySelectorAll('main tbody tr')].indexOf(document.activeElement)")
    assert row == 1
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/shop/requests/req-shop1")
    page.keyboard.press("?")
    assert "next and previous row" in page.locator("dialog[open]").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_everything_that_can_be_pressed_shows_its_focus(typical: Gallery, tab: Open) -> None:
    page = tab(typical)
    page.goto(typical.address("/services/shop"))
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(() => { const it = getComputedStyle(document.activeElement); return it.outlineStyle; })()"
        )
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")


def test_reduced_motion_moves_nothing(typical: Gallery, tab: Open) -> None:
    page = tab(typical, reduced_motion="reduce")
    page.goto(typical.address("/"))
    assert page.evaluate("document.getAnimations().length") == 0

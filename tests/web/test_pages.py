"""Every page with nothing, with what is usual, and with what is hostile; and that looking changes nothing."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headway.domain.people import Role
from headway.engine.keeping.backup import KEYS, SECRETS
from headway.store.database import Database, Transaction
from tests.support.gallery_data import ARABIC, HOSTILE, HOSTILE_NAME, LONG_BRANCH, fill_overfull, fill_typical
from tests.support.pages import Browser, browsing, make_server, sign_in

HOSTILE_PAGE = f"/services/{quote(HOSTILE_NAME, safe='')}"
ALWAYS = [
    "/",
    "/deployments",
    "/hosts",
    "/delivery",
    "/queue",
    "/audit",
    "/settings/you",
    "/settings/tokens",
    "/settings/repositories",
    "/settings/people",
    "/settings/secrets",
    "/settings/organisation",
    "/settings/system",
]
TYPICAL = [
    *ALWAYS,
    "/?q=sho",
    "/services/shop",
    "/services/shop?kind=deployment",
    "/services/shop/releases",
    "/services/shop/releases/{release}",
    "/services/shop/releases/{release}/deploy",
    "/services/shop/deployments/8",
    "/services/shop/deployments/10/roll-back",
    "/services/billing/deployments/4",
    "/services/billing/deployments/4/pause",
    "/services/shop/requests/req-shop1",
    "/services/shop/requests/req-shop1/approve",
    "/services/shop/delivery?explain=lead-time",
    "/deployments?state=failed",
    "/deployments?service=shop&environment=staging",
    "/hosts/web1",
    "/c/{commit}",
    "/settings/repositories/repo-shop",
    "/settings/repositories/repo-shop/remove",
    "/settings/people/grace/role",
    "/audit?action=secret&since=30d",
]


class Told:
    """A server with a story that no test of this file changes."""

    def __init__(self, folder: Path, fill: Any) -> None:
        self.server = make_server(folder)
        self.session = sign_in(self.server)
        fill(self.server)
        row = self.server.database.read(
            lambda tx: tx.one("SELECT release_id, commit_sha FROM requests LIMIT 1")
        )
        self.names = {"release": row["release_id"], "commit": row["commit_sha"]} if row else {}


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    told = Told(tmp_path_factory.mktemp("typical"), fill_typical)
    yield told
    told.server.database.close()


@pytest.fixture(scope="module")
def overfull(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    told = Told(tmp_path_factory.mktemp("overfull"), fill_overfull)
    yield told
    told.server.database.close()


@pytest.fixture(params=["typical", "overfull"])
def told(request: pytest.FixtureRequest) -> Told:
    found: Told = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def visitor(told: Told) -> AsyncIterator[Browser]:
    async with browsing(told.server, told.session) as browser:
        yield browser


class Reader(HTMLParser):
    """What a browser would make of a page: its tags, and those that were never closed."""

    VOID = frozenset({"input", "meta", "link", "br", "img", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in ("option",):
            self.wrong.append(f"</{tag}> closes {self.open[-1:]}")


def rows(database: Database) -> dict[str, list[Any]]:
    tables = (
        "runs",
        "deployments",
        "requests",
        "approvals",
        "audit",
        "secrets",
        "people",
        "tokens",
        "repositories",
    )
    return database.read(
        lambda tx: {
            table: [tuple(row.values()) for row in tx.all(f"SELECT * FROM {table}")] for table in tables
        }
    )


@pytest.mark.parametrize("path", ALWAYS)
async def test_an_empty_server_says_what_each_page_is_for(browser: Browser, path: str) -> None:
    page = await browser.get(path)
    assert Reader(page).wrong == []
    assert "<h1>" in page or "<h2>" in page


@pytest.mark.parametrize("path", ["/", "/deployments", "/hosts", "/queue", "/settings/repositories"])
async def test_an_empty_page_is_live_and_fills_by_itself(browser: Browser, path: str) -> None:
    assert any(attributes.get("data-live") for _, attributes in Reader(await browser.get(path)).tags)


async def test_looking_at_every_page_changes_nothing(told: Told, visitor: Browser) -> None:
    before = rows(told.server.database)
    for path in TYPICAL:
        page = await visitor.get(path.format(**told.names))
        reader = Reader(page)
        assert (path, reader.wrong, reader.open) == (path, [], [])
        assert page.count("<h1") == 1, path
        ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
    assert rows(told.server.database) == before


async def test_no_address_that_changes_something_answers_a_link(visitor: Browser) -> None:
    for path in ("/sign-out", "/settings/you/password", "/settings/repositories/repo-shop/look"):
        answer = await visitor.client.get(path)
        assert answer.status_code in (404, 405), path


@pytest.mark.parametrize("path", ["/", HOSTILE_PAGE, "/deployments", "/hosts", "/runs"])
async def test_hostile_words_stay_words(overfull: Told, path: str) -> None:
    async with browsing(overfull.server, overfull.session) as browser:
        page = await browser.get(path)
    assert "<script>alert" not in page and "<img" not in page
    for tag, attributes in Reader(page).tags:
        assert tag not in ("img", "script") or attributes.get("src", "").startswith("/static/")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "action"):
            assert not (attributes.get(name) or "").lower().startswith(("javascript:", "data:", "//"))


async def test_hostile_words_are_shown_whole_where_they_belong(overfull: Told) -> None:
    async with browsing(overfull.server, overfull.session) as browser:
        page = await browser.get(HOSTILE_PAGE)
        listed = await browser.get("/")
    assert html.escape(HOSTILE_NAME, quote=False).replace('"', "&#34;") in page
    assert html.escape(HOSTILE, quote=False).replace('"', "&#34;") in page
    assert f'<bdi class="clip" title="{ARABIC}">{ARABIC}</bdi>' in listed
    assert LONG_BRANCH in listed


async def test_those_that_need_somebody_come_first_and_the_rest_folds(overfull: Told) -> None:
    async with browsing(overfull.server, overfull.session) as browser:
        page, everything = await browser.get("/"), await browser.get("/?all=1")
    names = re.findall(r'<th scope="row"><a href="[^"]+"><bdi class="clip" title="([^"]+)"', page)
    assert len(names) == 50
    assert [html.unescape(name) for name in names[:3]] == [HOSTILE_NAME, "shop", ARABIC]
    assert names[3:] == sorted(names[3:])
    assert "Show 960 more" in page
    assert everything.count('<th scope="row">') == 1010


async def test_the_bar_says_what_moves_and_waits_and_is_quiet_else(
    server: Any, browser: Browser, told: Told, visitor: Browser
) -> None:
    busy, quiet = await visitor.get("/world"), await browser.get("/world")
    assert "1 deployment waits at a gate" in busy
    assert "1 run waits for approval" in busy
    assert "all quiet" in quiet


async def test_the_page_of_the_system_says_what_a_backup_lacks(server: Any, browser: Browser) -> None:
    page = (await browser.get("/settings/system")).partition("<h2>Backup</h2>")[2]
    has, lacks = page.partition("Not in it")[::2]
    for name in (KEYS[0], SECRETS):
        assert f"<code>{name}</code>" not in has
        assert f"<code>{name}</code>" in lacks
    assert "--with-key" in lacks


async def test_the_bar_says_loudly_what_is_wrong(server: Any, browser: Browser) -> None:
    duty = server.duties.add("runs", None, every=5)
    duty.ended_at = server.now()
    server.tools.clock.instant = server.now().replace(hour=13)
    server.warnings["disk"] = "only 3 MiB are free where /data lies"
    page = await browser.get("/deployments")
    assert "the loop &#39;runs&#39; has not looked for 3600 s" in page
    assert '<div class="banner" role="alert">only 3 MiB are free' in page
    assert "all quiet" not in page


async def test_a_deployment_that_failed_shows_what_its_health_saw_and_the_releases_own_log(
    typical: Told,
) -> None:
    def failed(tx: Transaction) -> tuple[str, int]:
        (row,) = tx.all(
            "SELECT service, number FROM deployments WHERE state = 'rolled_back' ORDER BY number LIMIT 1"
        )
        return str(row["service"]), int(row["number"])

    service, number = typical.server.database.read(failed)
    session = sign_in(typical.server, "vera", Role.VIEWER)
    async with browsing(typical.server, session) as browser:
        page = await browser.get(f"/services/{service}/deployments/{number}")
    assert '<details class="steps" open>' in page
    assert "health (http): HTTP 500: prices: table has no column" in page
    assert "the release's own log, its last lines" in page
    assert "10:00:02 ERROR prices: table has no column" in page


async def test_a_viewer_sees_no_button_that_they_may_not_press(typical: Told) -> None:
    session = sign_in(typical.server, "vera", Role.VIEWER)
    async with browsing(typical.server, session) as browser:
        pages = {
            path: await browser.get(path)
            for path in (
                "/services/billing/deployments/4",
                "/services/shop/requests/req-shop1",
                "/settings/repositories",
                "/settings/people",
                "/settings/secrets",
            )
        }
        for path in (
            "/audit",
            "/services/billing/deployments/4/back",
            "/services/shop/requests/req-shop1/approve",
            "/settings/people/grace/disable",
        ):
            refused = await browser.get(path, status=403)
            assert re.search(r"vera is a viewer.*needs an? (administrator|operator|developer)", refused), path
    for path, page in pages.items():
        assert "Take it back" not in page, path
        assert "Approve<" not in page, path
        assert "Add the repository" not in page, path
        assert "Disable<" not in page, path
        assert "DATABASE_URL</bdi>" not in page, path


@pytest.mark.parametrize(
    ("words", "leads_to"),
    [
        ("shop", "/services/shop"),
        ("billing run 2", "/services/billing/runs/2"),
        ("billing 2", "/services/billing/runs/2"),
        ("{release}", "/services/shop/releases/{release}"),
        ("{commit}", "/c/{commit}"),
        ("sho", "/?q=sho"),
        ("", "/"),
    ],
)
async def test_the_search_leads_to_what_is_called_so(
    told: Told, visitor: Browser, words: str, leads_to: str
) -> None:
    answer = await visitor.client.get("/find", params={"q": words.format(**told.names)})
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to.format(**told.names))


async def test_nobody_puts_a_sentence_into_a_page_by_a_link(visitor: Browser) -> None:
    page = await visitor.get("/?said=Your+password+has+run+out&by=0123456789")
    assert "password has run out" not in page


async def test_the_timeline_is_whole_page_by_page(told: Told, visitor: Browser) -> None:
    seen: list[str] = []
    path: str | None = "/services/shop"
    while path:
        page = await visitor.get(path)
        seen += re.findall(r'<li class="entry">.*?</li>', page, re.DOTALL)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(older[1]) if older else None
    kinds = [len(await _rows(told, table)) for table in ("runs", "releases", "deployments")]
    requests = 1
    secrets = 3
    assert len(seen) == sum(kinds) + requests + secrets


async def _rows(told: Told, table: str) -> list[Any]:
    found: list[Any] = told.server.database.read(
        lambda tx: tx.all(f"SELECT 1 FROM {table} WHERE service = 'shop'")
    )
    return found

"""What people send by the forms that stand on the pages, and what comes of it."""

import html
import re
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from headway.base.errors import Held, WrongUse
from headway.domain.people import Role
from headway.engine.access.passwords import Passwords
from headway.engine.access.people import People
from headway.engine.requests.requests import Approving
from headway.engine.work_faults import WorkFaults
from headway.store.audit import entries
from tests.support.gallery_data import fill_typical
from tests.support.pages import NOW, Browser, browsing, sign_in

PASSWORD = "a long way to the harbour"


@pytest.fixture
def quick(server: Any) -> Any:
    """Passwords are hashed at the least cost that argon2 takes."""
    cheap = Passwords(time_cost=1, memory_cost=8)
    server.people = People(server.database, server.tools.clock, passwords=cheap)
    return server


def actions(server: Any) -> list[tuple[str, str, str]]:
    """(who, what, to what), oldest first."""
    found = server.database.read(lambda tx: entries(tx, limit=500))
    return [(one.actor, one.action, one.subject) for one in reversed(found)]


async def word_of(browser: Browser, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', await browser.get(path))
    assert found is not None
    return found[1]


def cookie_of(answer: Any, name: str) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}="))


# Coming in


async def test_the_first_link_makes_the_first_administrator_and_works_once(quick: Any) -> None:
    link = await quick.people.ensure_first_link(quick.now())
    async with browsing(quick) as browser:
        path = f"/sign-in/{link}"
        assert "Become the first administrator" in await browser.get(path)
        # Looking does not use it up: mail programs and messengers look at links, too.
        fields = {"csrf": await word_of(browser, path), "handle": "ada", "password": PASSWORD}
        answer = await browser.client.post(path, data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = cookie_of(answer, "headway_session")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "Signed in as ada (administrator)" in await browser.get("/")
    async with browsing(quick) as other:
        assert "no longer lets anybody in" in await other.get(path, status=404)


async def test_a_cookie_over_https_is_for_https_alone(quick: Any) -> None:
    quick.base_url = "https://headway.test"
    link = await quick.people.ensure_first_link(quick.now())
    async with browsing(quick) as browser:
        path = f"/sign-in/{link}"
        fields = {"csrf": await word_of(browser, path), "handle": "ada", "password": PASSWORD}
        answer = await browser.client.post(path, data=fields)
    assert "Secure" in cookie_of(answer, "headway_session")


@pytest.mark.parametrize(
    ("password", "leads_to", "status", "says"),
    [
        (PASSWORD, "/services/shop", 303, "/services/shop"),
        (PASSWORD, "https://evil.example/", 303, "/"),
        (
            PASSWORD,
            "/services/köln?q=кот&a=%20b#\u0085",
            303,
            "/services/k%C3%B6ln?q=%D0%BA%D0%BE%D1%82&a=%20b#%C2%85",
        ),
        ("something else entirely", "/", 401, "do not fit"),
    ],
)
async def test_signing_in_by_password(
    quick: Any, password: str, leads_to: str, status: int, says: str
) -> None:
    link = await quick.people.ensure_first_link(quick.now())
    await quick.people.sign_in_by_link(link, address="", user_agent="", handle="ada", password=PASSWORD)
    async with browsing(quick) as browser:
        fields = {"csrf": await word_of(browser, "/sign-in"), "handle": "ada", "password": password}
        answer = await browser.client.post("/sign-in", data=fields | {"next": leads_to})
    assert answer.status_code == status
    assert says == answer.headers["location"] if status == 303 else says in answer.text


async def test_signing_in_needs_a_word_of_the_same_browser(quick: Any) -> None:
    async with browsing(quick) as one, browsing(quick) as other:
        word = await word_of(one, "/sign-in")
        await other.get("/sign-in")
        answer = await other.client.post(
            "/sign-in", data={"csrf": word, "handle": "ada", "password": PASSWORD}
        )
    assert answer.status_code == 403


async def test_signing_out_ends_the_session(server: Any, browser: Browser) -> None:
    answer = await browser.send("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert ("ada", "session.end", "ada") in actions(server)
    assert (await browser.client.get("/")).status_code == 303


async def test_a_changed_password_ends_the_other_sessions(quick: Any) -> None:
    session = sign_in(quick)
    async with browsing(quick, session) as browser, browsing(quick, session) as again:
        answer = await browser.send("/settings/you/password", page="/settings/you", password="short")
        assert answer.status_code == 400
        answer = await browser.send("/settings/you/password", page="/settings/you", password=PASSWORD)
        assert answer.status_code == 303
        assert "Your password is changed" in await browser.get(answer.headers["location"])
        await again.get("/")


# Tokens, people, secrets, repositories


async def test_a_token_is_shown_once(server: Any, browser: Browser) -> None:
    answer = await browser.send(
        "/settings/tokens", page="/settings/tokens", name="ci-upload", ends="30", **{"scope-release": "yes"}
    )
    assert answer.status_code == 200
    text = re.search(r'data-copy="(hw[^"]+)"', answer.text)
    assert text is not None
    actor = await server.people.actor_of_token(text[1])
    assert actor is not None and actor.scopes == {"release"}
    page = await browser.get("/settings/tokens")
    assert text[1] not in page and "ci-upload" in page
    id = re.search(r"/settings/tokens/([^/]+)/revoke", page)
    assert id is not None
    sheet = await browser.get(f"/settings/tokens/{id[1]}/revoke")
    assert "Revoke ci-upload" in sheet
    await browser.send(f"/settings/tokens/{id[1]}/revoke", page="/settings/tokens")
    assert await server.people.actor_of_token(text[1]) is None


async def test_a_token_without_a_scope_is_refused_in_words(browser: Browser) -> None:
    answer = await browser.send("/settings/tokens", page="/settings/tokens", name="x", ends="30")
    assert answer.status_code == 400
    assert "good for nothing" in answer.text


async def test_a_person_is_added_with_a_link_and_disabled(server: Any, browser: Browser) -> None:
    answer = await browser.send(
        "/settings/people", page="/settings/people", handle="Grace", display_name="Grace", role="operator"
    )
    link = re.search(r'data-copy="http://headway.test(/sign-in/[^"]+)"', answer.text)
    assert answer.status_code == 200 and link is not None
    async with browsing(server) as other:
        assert "Sign in as grace" in await other.get(link[1])
    assert "Role everywhere" in await browser.get("/settings/people")
    await browser.send("/settings/people/grace/disable", page="/settings/people")
    assert "disabled" in await browser.get("/settings/people")
    async with browsing(server) as other:
        await other.get(link[1], status=404)


async def test_the_last_administrator_cannot_disable_themselves(browser: Browser) -> None:
    answer = await browser.send("/settings/people/ada/disable", page="/settings/people")
    assert answer.status_code == 409
    assert "last administrator" in answer.text


async def test_the_value_of_a_secret_is_never_shown(server: Any, browser: Browser) -> None:
    fill_typical(server)
    answer = await browser.send(
        "/settings/secrets",
        page="/settings/secrets",
        of="service",
        owner="shop",
        environment="production",
        name="API_KEY",
        value="line one\r\nvalue-of-two",
    )
    assert answer.status_code == 303
    for path in (answer.headers["location"], "/settings/secrets", "/audit", "/services/shop?kind=change"):
        page = await browser.get(path)
        assert "value-of-two" not in page
        assert "API_KEY" in page, path
    scope = "shop/production"
    stored = server.database.read(
        lambda tx: server.vault.values(
            tx, SimpleNamespace(service="shop", environment="production", team=None, names=("API_KEY",))
        )
    )
    assert stored == {"API_KEY": "line one\nvalue-of-two"}
    remove = f"/settings/secrets/remove?of=environment&owner={scope}&name=API_KEY"
    assert "Remove API_KEY" in await browser.get(remove)
    await browser.send("/settings/secrets/remove", page=remove, of="environment", owner=scope, name="API_KEY")
    assert ("ada", "secret.remove", "shop/production API_KEY") in actions(server)


async def test_who_may_not_set_secrets_is_refused(server: Any) -> None:
    fill_typical(server)
    async with browsing(server, sign_in(server, "vera", Role.DEVELOPER)) as browser:
        answer = await browser.send(
            "/settings/secrets", of="service", owner="shop", name="API_KEY", value="0123456789"
        )
    assert answer.status_code == 403
    assert "secret.set needs an operator" in answer.text


async def test_a_repository_is_added_with_its_webhook(server: Any, browser: Browser) -> None:
    answer = await browser.send(
        "/settings/repositories",
        page="/settings/repositories",
        url="https://github.com/team/shop.git",
        name="team/shop",
        token="ghp_0123456789",
    )
    assert answer.status_code == 200, answer.text
    hook = re.search(r'data-copy="http://headway.test/hooks/([^"]+)"', answer.text)
    secret = re.search(r'<dt>Secret</dt><dd><button[^>]*data-copy="([^"]+)"', answer.text)
    assert hook is not None and secret is not None
    repository = await server.repositories.by_id(hook[1])
    assert repository.forge == "github"
    assert await server.repositories.hook_secrets(repository) == (secret[1],)
    path = f"/settings/repositories/{hook[1]}"
    page = await browser.get(path)
    assert secret[1] not in page and "ghp_0123456789" not in page
    answer = await browser.send(f"{path}/renew-secret", page=path)
    assert answer.status_code == 200 and secret[1] not in answer.text
    answer = await browser.send(f"{path}/look", page=path)
    assert "asked for news now" in await browser.get(answer.headers["location"])
    await browser.send(f"{path}/remove", page=path)
    assert "No repository is connected" in await browser.get("/settings/repositories")


async def test_a_hosted_repository_says_how_to_push(browser: Browser) -> None:
    answer = await browser.send(
        "/settings/repositories", page="/settings/repositories", forge="headway", name="team/shop"
    )
    assert "git remote add headway http://headway.test/git/team/shop.git" in answer.text


async def test_an_address_that_git_must_not_fetch_is_refused_in_words(browser: Browser) -> None:
    answer = await browser.send(
        "/settings/repositories", page="/settings/repositories", url="ext::sh -c id", name="evil"
    )
    assert answer.status_code == 400
    assert "That cannot be done" in answer.text


# Deployments: what is asked of them


@dataclass
class Recorder:
    """Stands where the requests' use-cases stand, and writes down what the forms ask of them."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    counts: Approving = field(default_factory=lambda: Approving(needs_comment=False, why_not=""))
    #: Where the environments of a release are read.
    tools: Any = None
    #: What the next use-case raises.
    refuses: Exception | None = None

    async def approve(self, actor: Any, id: str, *, yes: bool, comment: str) -> None:
        if self.refuses:
            raise self.refuses
        self.asked.append(("approve", actor.name, id, yes, comment))

    async def approving(self, actor: Any, request: Any) -> Approving:
        return self.counts

    async def withdraw(self, actor: Any, id: str, comment: str) -> None:
        self.asked.append(("withdraw", actor.name, id, comment))

    async def request_rollback(self, actor: Any, **what: Any) -> Any:
        if self.refuses:
            raise self.refuses
        self.asked.append(("rollback", actor.name, what))
        return SimpleNamespace(request=SimpleNamespace(id="req-new"), deployment=None)

    async def request_deployment(self, actor: Any, **what: Any) -> Any:
        if self.refuses:
            raise self.refuses
        self.asked.append(("deploy", actor.name, what))
        return SimpleNamespace(id="req-new")

    async def _steer(self, word: str, actor: Any, id: str) -> None:
        self.asked.append((word, actor.name, id))

    async def pause(self, actor: Any, id: str) -> None:
        await self._steer("pause", actor, id)

    async def go_on(self, actor: Any, id: str) -> None:
        await self._steer("go_on", actor, id)

    async def stop(self, actor: Any, id: str) -> None:
        await self._steer("stop", actor, id)

    async def go_back(self, actor: Any, id: str) -> None:
        await self._steer("go_back", actor, id)


@pytest.fixture
def recorder(server: Any) -> Recorder:
    fill_typical(server)
    recorder = Recorder(tools=server.deployments.requests.tools)
    server.deployments = SimpleNamespace(
        requests=recorder, faults=WorkFaults("a deployment cannot be driven")
    )
    return recorder


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("approve", ("approve", "ada", "req-shop1", True, "looked at staging")),
        ("refuse", ("approve", "ada", "req-shop1", False, "looked at staging")),
        ("withdraw", ("withdraw", "ada", "req-shop1", "looked at staging")),
    ],
)
async def test_a_word_to_a_request(
    recorder: Recorder, browser: Browser, word: str, asked: tuple[Any, ...]
) -> None:
    path = f"/services/shop/requests/req-shop1/{word}"
    answer = await browser.send(path, page=path, comment="looked at staging")
    assert answer.status_code == 303
    assert recorder.asked == [asked]


@pytest.mark.parametrize(
    ("word", "asked"), [("pause", "pause"), ("go-on", "go_on"), ("stop", "stop"), ("back", "go_back")]
)
async def test_a_deployment_that_goes_on_is_steered(
    recorder: Recorder, browser: Browser, word: str, asked: str
) -> None:
    path = f"/services/billing/deployments/4/{word}"
    answer = await browser.send(path, page=path)
    assert answer.headers["location"].startswith("/services/billing/deployments/4")
    assert recorder.asked == [(asked, "ada", "dep-billing-4")]


async def test_a_deployment_that_cannot_be_driven_says_so_and_that_a_wish_is_not_heeded_yet(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    fault = KeyError("a bug")
    where = "/services/billing/deployments/4"
    server.deployments.faults.note(
        "dep-billing-4", fault, what="it", href=where, began_at=NOW, now=NOW, rest=timedelta(seconds=20)
    )
    page = await browser.get(where)
    assert "cannot be driven now" in page
    assert "Headway&#39;s own error: KeyError; the server&#39;s log says more" in page
    sheet = await browser.get(f"{where}/back")
    assert "it cannot be driven: Headway" in sheet
    answer = await browser.send(f"{where}/back", page=f"{where}/back")
    said = await browser.get(answer.headers["location"])
    assert "Asked: take it back. It cannot be heeded now" in said
    server.deployments.faults.over("dep-billing-4")
    assert "cannot be driven" not in await browser.get(where)


async def test_the_way_back_says_from_what_to_what_and_goes_there(
    recorder: Recorder, browser: Browser
) -> None:
    path = "/services/shop/deployments/10/roll-back"
    page = await browser.get(path)
    said = " ".join(re.sub(r"<[^>]+>", " ", html.unescape(page)).split())
    assert "Roll back shop in production?" in said
    assert re.search(r"From rel-\w{32} \(\w{7}\) To rel-\w{32} \(\w{7}\), the last good one before it", said)
    assert "On 12 hosts, half of them at a time Last time deployment 10 took 36 s" in said
    to = re.search(r'name="to" value="(rel-\w+)"', page)
    button = re.search(r"<button[^>]*>Roll back to (rel-\w+)</button>", page)
    assert to is not None and button is not None and to[1] == button[1]
    answer = await browser.send(path, page=path, to=to[1], without="web3")
    assert answer.headers["location"] == "/services/shop/requests/req-new"
    assert recorder.asked == [
        (
            "rollback",
            "ada",
            {"service": "shop", "environment": "production", "to": to[1], "without": ["web3"]},
        )
    ]


async def test_a_release_is_asked_for(server: Any, recorder: Recorder, browser: Browser) -> None:
    row = server.database.read(lambda tx: tx.one("SELECT release_id FROM requests"))
    path = f"/services/shop/releases/{row['release_id']}/deploy"
    answer = await browser.send(path, environment="staging", kind="hotfix", without="web1, web2")
    assert answer.headers["location"] == "/services/shop/requests/req-new"
    assert recorder.asked == [
        (
            "deploy",
            "ada",
            {
                "service": "shop",
                "environment": "staging",
                "release": row["release_id"],
                "kind": "hotfix",
                "force": False,
                "without": ["web1", "web2"],
            },
        )
    ]


def said(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(page)).split())


async def test_a_form_that_is_refused_comes_back_filled_and_says_why(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    row = server.database.read(lambda tx: tx.one("SELECT release_id FROM requests"))
    path = f"/services/shop/releases/{row['release_id']}/deploy"
    recorder.refuses = WrongUse("production has no host web9", hint="it has web1 to web12")
    answer = await browser.send(path, page=path, environment="production", kind="hotfix", without="web2 web9")
    assert answer.status_code == 400
    assert "That cannot be done Production has no host web9. It has web1 to web12." in said(answer.text)
    assert 'aria-label="Main"' in answer.text
    assert '<option value="hotfix" selected>' in answer.text
    assert 'name="environment" value="production"' in answer.text
    assert re.search(r'value="web2" checked', answer.text)
    path = "/services/shop/requests/req-shop1/approve"
    recorder.refuses = WrongUse("an approval of ada does not count")
    answer = await browser.send(path, page=path, comment="looked at <staging>")
    assert "An approval of ada does not count." in said(answer.text)
    assert "looked at &lt;staging&gt;</textarea>" in answer.text


async def test_a_way_back_that_is_refused_still_leads_where_it_was_to_lead(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    path = "/services/shop/deployments/10/roll-back"
    usual = re.search(r'name="to" value="(rel-\w+)"', await browser.get(path))
    assert usual is not None
    question = (
        "SELECT release_id FROM deployments WHERE service = 'shop' AND environment = 'production' "
        "AND state = 'succeeded' AND release_id != :usual ORDER BY number LIMIT 1"
    )
    older = server.database.read(lambda tx: tx.one(question, usual=usual[1]))["release_id"]
    page = f"{path}?to={older}"
    assert f"Roll back to {older}" in await browser.get(page)
    recorder.refuses = Held("web3 is away")
    answer = await browser.send(path, page=page, to=older, without="web9")
    assert "That has to wait Web3 is away." in said(answer.text)
    assert f'name="to" value="{older}"' in answer.text
    assert f"Roll back to {older}" in answer.text
    assert re.search(r'value="web9" checked', answer.text)


async def test_an_approval_that_cannot_count_is_not_offered_and_a_needed_comment_is_marked(
    recorder: Recorder, browser: Browser
) -> None:
    recorder.counts = Approving(needs_comment=True, why_not="")
    sheet = await browser.get("/services/shop/requests/req-shop1/approve")
    assert re.search(r'<textarea id="f-comment"[^>]* required', sheet)
    assert "/req-shop1/approve" in await browser.get("/services/shop/requests/req-shop1")
    recorder.counts = Approving(needs_comment=False, why_not="an approval of ada does not count: she asked")
    page = await browser.get("/services/shop/requests/req-shop1")
    assert "/req-shop1/approve" not in page
    assert "An approval of ada does not count: she asked." in page


async def test_the_sheet_of_a_deployment_speaks_of_the_chosen_environment_alone(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    row = server.database.read(lambda tx: tx.one("SELECT release_id FROM requests"))
    path = f"/services/shop/releases/{row['release_id']}/deploy"
    first, other = await browser.get(path), await browser.get(f"{path}?environment=production")
    assert "Live in staging" in first or "Live in production" in first
    assert "Live in staging" not in other
    assert "Ask to deploy to production" in other
    assert 'name="environment" value="production"' in other
    assert f"{path}?environment=staging" in html.unescape(other)


async def test_a_release_that_names_no_environment_says_so(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    row = server.database.read(lambda tx: tx.one("SELECT release_id FROM requests"))
    nowhere = SimpleNamespace(contract=SimpleNamespace(environments={}))
    recorder.tools = SimpleNamespace(projects=SimpleNamespace(of=lambda *_: nowhere))
    page = await browser.get(f"/services/shop/releases/{row['release_id']}/deploy", status=404)
    assert "names no environment to deploy to: add one, and make a release." in said(page)


async def test_the_way_back_speaks_of_what_is_live_whichever_page_led_there(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    live = re.search(r"From (rel-\w+)", said(await browser.get("/services/shop/deployments/10/roll-back")))
    old = said(await browser.get("/services/shop/deployments/2/roll-back"))
    assert live is not None
    assert f"From {live[1]}" in old
    assert "deployment 10, and not deployment 2" in old


async def test_a_host_is_left_out_of_what_is_taken_back(recorder: Recorder, browser: Browser) -> None:
    path = "/services/billing/deployments/4"
    sheet = await browser.get(f"{path}/back")
    assert re.search(r'type="checkbox" name="without" value="web12"', sheet)
    assert "Back to rel-" in said(sheet)
    assert "deployments/4/without" not in await browser.get(path)
    answer = await browser.send(f"{path}/back", page=f"{path}/back", without="web12")
    assert answer.status_code == 303
    what = {"service": "billing", "environment": "production", "to": None, "without": ["web12"]}
    assert recorder.asked == [("rollback", "ada", what)]
    answer = await browser.send(f"{path}/without", page=f"{path}/without")
    assert "No host was named." in said(answer.text)


async def test_what_goes_back_can_go_on_without_a_host(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    server.database.transact(
        lambda tx: tx.execute("UPDATE deployments SET state = 'rolling_back' WHERE id = 'dep-billing-4'")
    )
    assert "/services/billing/deployments/4/without" in await browser.get("/services/billing/deployments/4")


async def test_a_request_that_a_host_holds_up_can_be_asked_for_without_it(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    page = "/services/shop/requests/req-shop1"
    assert "Go on without a host" not in await browser.get(page)
    obstacles = (
        '[{"kind": "fault", "reason": "web3: no route to host", "hint": "", "final": false, "until": null}]'
    )
    server.database.transact(lambda tx: tx.execute("UPDATE requests SET obstacles = :it", it=obstacles))
    link = re.search(r'href="([^"]+)" data-sheet>Go on without a host', await browser.get(page))
    assert link is not None
    sheet = await browser.get(html.unescape(link[1]))
    assert "Ask to deploy to production" in sheet
    assert 'type="checkbox" name="without" value="web3"' in sheet


async def test_a_secret_that_is_missing_leads_to_the_page_of_secrets_once(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    obstacles = (
        '[{"kind": "secret", "reason": "TOKEN is not set", "hint": "", "final": false, "until": null}]'
    )
    server.database.transact(lambda tx: tx.execute("UPDATE requests SET obstacles = :it", it=obstacles))
    page = await browser.get("/services/shop/requests/req-shop1")
    assert page.count("The page of secrets") == 1


async def test_hosts_that_are_left_out_stand_on_the_page_of_the_request(
    server: Any, recorder: Recorder, browser: Browser
) -> None:
    server.database.transact(lambda tx: tx.execute("UPDATE requests SET left_out = :it", it='["web3"]'))
    assert "Without web3" in said(await browser.get("/services/shop/requests/req-shop1"))
    assert "Without web3 On 11 hosts" in said(await browser.get("/services/shop/requests/req-shop1/approve"))


async def test_a_file_of_a_release_is_a_download(server: Any, browser: Browser) -> None:
    fill_typical(server)
    row = server.database.read(lambda tx: tx.one("SELECT release_id FROM requests"))
    base = f"/services/shop/releases/{row['release_id']}/files"
    gone = await browser.get(f"{base}/0", status=404)
    assert "no longer here" in gone
    file = server.settings.data / "page.html"
    file.write_text("<script>alert(1)</script>" * 1000)
    artifact = server.tools.artifacts.keep(file, "dist/../evil.html")

    def put(tx: Any) -> None:
        tx.execute(
            "UPDATE release_artifacts SET sha256 = :sha, size = :size WHERE release_id = :id",
            sha=artifact.sha256,
            size=artifact.size,
            id=row["release_id"],
        )

    server.database.transact(put)
    answer = await browser.client.get(f"{base}/0")
    assert answer.status_code == 200
    assert answer.content == file.read_bytes()
    assert answer.headers["content-disposition"].startswith('attachment; filename="checksums.txt"')
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for number in ("7", "-1", "..%2F0"):
        await browser.get(f"{base}/{number}", status=404)

"""`repository`, `people`, `token`, `secret` and `backup` on a server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from headway.domain.people import Scope
from tests.docs.shapes import PAGE, same, tables
from tests.support.served_shop import ServedShop, served_shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    with served_shop(tmp_path_factory.mktemp("shop")) as found:
        found.push("first")
        yield found


@pytest.mark.slow
def test_a_repository_that_headway_hosts(shop: ServedShop) -> None:
    added = shop.call("repository", "add", "team/docs")
    assert added.code == 0, added
    assert f"git remote add headway {shop.server.url}/git/team/docs.git" in added.text
    assert shop.call("repository", "add", "team/docs").code == 2
    removed = shop.json("repository", "remove", "team/docs")
    assert removed["removed"]["name"] == "team/docs"
    assert shop.call("repository", "show", "team/docs").code == 2


@pytest.mark.slow
def test_a_repository_at_a_forge_tells_what_to_set_there(shop: ServedShop) -> None:
    added = shop.call("repository", "add", "https://github.com/acme/web.git", "--poll", "0")
    assert added.code == 0, added
    assert f"address  {shop.server.url}/hooks/repo-" in added.text
    assert "secret   " in added.text
    listed = shop.call("repository", "list").text
    assert "acme/web" in listed and "github" in listed
    document = shop.json("repository", "show", "acme/web")
    assert document["repository"]["webhook_url"] in added.text
    shop.call("repository", "remove", "acme/web")


def test_a_token_that_the_forge_refuses_keeps_nothing_from_being_added(shop: ServedShop) -> None:
    words = ("repository", "add", "https://127.0.0.1:9/acme/api.git", "--forge", "gitea", "--token-stdin")
    added = shop.call(*words, typed=b"forge-token\n")
    assert added.code == 0, added
    assert "the webhook was not made" in added.complaint
    assert "forge-token" not in added.text + added.complaint
    shop.call("repository", "remove", "acme/api")
    assert shop.call(*words, typed=b"").code == 2


def test_what_a_repository_told(shop: ServedShop) -> None:
    document = shop.json("repository", "show", "shop")
    assert document["arrivals"][0]["ref"] == "refs/heads/main"
    shown = shop.call("repository", "show", "shop").text
    assert "service   shop" in shown and "refs/heads/main" in shown


@pytest.mark.slow
def test_people_and_tokens(shop: ServedShop) -> None:
    added = shop.json("people", "add", "ana", "--role", "viewer")["person"]
    same(added, tables(PAGE["headway people"])["PERSON"])
    assert shop.call("people", "role", "ana", "operator").text == "ana is operator now\n"
    link = shop.call("people", "invite", "ana").text
    assert link.startswith(f"{shop.server.url}/sign-in/")
    assert shop.call("people", "disable", "ana").text == "ana is disabled\n"
    assert "ana" in shop.call("people", "list").text

    made = shop.json("token", "create", "ci", "--scope", "run")["token"]
    assert made["person"] == "test-administrator"
    assert set(made) == set(tables(PAGE["headway token"])["TOKEN"])
    assert shop.call("token", "revoke", made["id"]).text == "revoked ci of test-administrator\n"
    assert "ci" in shop.call("token", "list").text
    assert shop.call("token", "create", "x", "--scope", "run", "--for", "ana").code == 2
    # Whoever sits at the server may make one for somebody.
    here = {"HEADWAY_SERVER": "", "HEADWAY_TOKEN": "", "HEADWAY_DATA": str(shop.server.data)}
    ours = shop.call("token", "create", "x", "--scope", "run", "--for", "test-administrator", **here)
    assert ours.code == 0, ours


@pytest.mark.slow
def test_secrets(shop: ServedShop) -> None:
    made = shop.call("secret", "set", "TOKEN", typed=b"hunter2-hunter2\n")
    assert (made.code, made.text) == (0, "set TOKEN of service shop\n")
    team = shop.call("secret", "set", "TOKEN", "--team", "storefront", typed=b"hunter3-hunter3\n")
    assert team.code == 0, team
    for secret in shop.json("secret", "list")["secrets"]:
        same(secret, tables(PAGE["headway secret"])["SECRET"])
    assert shop.call("secret", "remove", "TOKEN", "--team", "storefront").code == 0
    assert shop.call("secret", "remove", "NONE").code == 2
    assert shop.call("secret", "set", "TOKEN", typed=b"x\n").code == 2


@pytest.mark.slow
def test_a_backup_comes_over_the_line(shop: ServedShop, tmp_path: Path) -> None:
    document = shop.json("backup", str(tmp_path / "backup.tar.gz"))
    same(document, tables(PAGE["headway backup"])[""])
    assert document["rows"]["runs"] >= 1
    into = ("--into", str(tmp_path / "new"), "--database", f"sqlite:///{tmp_path}/new/headway.db")
    assert shop.call("restore", document["file"], *into).code == 0
    assert shop.call("backup", str(tmp_path / "backup.tar.gz")).code == 2
    assert shop.call("backup", "--with-key", str(tmp_path / "other")).code == 2


@pytest.mark.slow
def test_webhooks_are_added_tried_and_removed(shop: ServedShop) -> None:
    taken: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        administrator = {"HEADWAY_TOKEN": shop.server.token(Scope.ADMIN, role="administrator")}
        made = shop.json("webhook", "add", url, "--event", "deployment.changed", **administrator)
        assert made["secret"]
        [listed] = shop.json("webhook", "list", **administrator)["webhooks"]
        assert listed == made["webhook"]
        tried = shop.call("webhook", "test", listed["id"], **administrator)
        assert (tried.code, tried.text.strip()) == (0, f"{url}: sent, answered 204"), tried
        [delivery] = shop.json("webhook", "deliveries", listed["id"], **administrator)["deliveries"]
        assert (delivery["event"], delivery["state"]) == ("webhook.test", "sent")
        assert json.loads(taken[0])["type"] == "webhook.test"
        receiver.shutdown()
    failed = shop.call("webhook", "test", listed["id"], **administrator)
    assert failed.code == 1 and "not reached" in failed.text
    assert shop.call("webhook", "remove", listed["id"], **administrator).code == 0
    assert shop.json("webhook", "list", **administrator)["webhooks"] == []


def test_a_link_leads_to_where_the_server_really_is(shop: ServedShop) -> None:
    here = {"HEADWAY_DATA": str(shop.server.data), "HEADWAY_SERVER": "", "HEADWAY_TOKEN": ""}
    made = shop.call("people", "link", **here)
    assert made.text.startswith(f"{shop.server.url}/sign-in/"), made
    stated = shop.call("people", "link", "--url", "https://ci.example/", **here)
    assert stated.text.startswith("https://ci.example/sign-in/")

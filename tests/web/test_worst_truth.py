"""Every page tells the worst that is true of an environment, and all of them the same."""

import re
from datetime import timedelta
from typing import Any

import pytest

from headway.domain.deployment import DeploymentState
from headway.engine.standing.status import read_status
from headway.engine.views.documents import status_document
from headway.store.database import Transaction
from tests.support.gallery_data import Teller
from tests.support.pages import Browser

HOUR = timedelta(hours=1)
D = DeploymentState


class Shop:
    """A service whose production has two releases to choose from."""

    def __init__(self, server: Any) -> None:
        self.server = server
        server.database.transact(self._begin)

    def _begin(self, tx: Transaction) -> None:
        teller = Teller(tx, "shop", self.server.now())
        self.old = teller.release(teller.run("Show the basket", 9 * HOUR))
        self.new = teller.release(teller.run("Take vouchers", 8 * HOUR))
        self.made = 8
        teller.deploy(self.old, "production", self.made * HOUR, hosts=3)

    def deploy(self, state: DeploymentState = D.SUCCEEDED, **more: Any) -> None:
        self.made -= 1

        def work(tx: Transaction) -> None:
            teller = Teller(tx, "shop", self.server.now())
            teller.deploy(self.new, "production", self.made * HOUR, state, previous=self.old, **more)

        self.server.database.transact(work)

    @property
    def status(self) -> Any:
        (found,) = status_document(read_status(self.server.database, "shop"))["environments"]
        return found


@pytest.fixture
def shop(server: Any) -> Shop:
    return Shop(server)


async def everywhere(browser: Browser, shop: Shop, sentence: str) -> None:
    """The bar, the page of services, the service's page and `headway status` say it."""
    bar, home, page = [await browser.get(path) for path in ("/world", "/", "/services/shop")]
    assert f"shop production: {sentence}" in bar
    assert "all quiet" not in bar + home
    assert re.search(rf'<tr class="needs">.*title="[^"]*{re.escape(sentence)}', home, re.DOTALL)
    assert sentence in page
    assert shop.status["troubles"][0]["sentence"] == sentence


async def test_what_serves_as_it_should_is_quiet(shop: Shop, browser: Browser) -> None:
    assert "all quiet" in await browser.get("/world")
    assert shop.status["troubles"] == []
    assert '<tr class="needs">' not in await browser.get("/")


async def test_a_failed_deployment_is_told_until_a_better_one_has_ended(shop: Shop, browser: Browser) -> None:
    shop.deploy(D.FAILED, hosts=3)
    await everywhere(browser, shop, "deployment 2 failed")
    shop.deploy(D.RUNNING, hosts=3, done=1)
    await everywhere(browser, shop, "deployment 2 failed")
    shop.deploy(hosts=3)
    assert shop.status["troubles"] == []


async def test_a_failed_deployment_is_told_although_the_next_one_was_called_off(
    shop: Shop, browser: Browser
) -> None:
    shop.deploy(D.FAILED, hosts=3)
    shop.deploy(D.CANCELLED, hosts=3, done=0)
    await everywhere(browser, shop, "deployment 2 failed")


async def test_a_host_that_was_gone_on_without_keeps_two_releases_live(shop: Shop, browser: Browser) -> None:
    shop.deploy(hosts=3, away=1)
    await everywhere(browser, shop, "2 releases are live")
    page = await browser.get("/services/shop/deployments/2")
    assert "Every host verified" not in page
    assert "2 of 3 hosts verified" in page
    assert "2 of 3 hosts, asked by" in await browser.get("/services/shop")
    assert shop.status["troubles"][1]["sentence"] == "web3 not reached"


async def test_a_host_that_left_the_file_stands_on_the_pages_with_both_ways_out(
    shop: Shop, browser: Browser
) -> None:
    shop.deploy(hosts=2)
    await everywhere(browser, shop, "web3, no longer of it, still has a release")
    hosts, host, page = [await browser.get(path) for path in ("/hosts", "/hosts/web3", "/services/shop")]
    assert re.search(r'<tr class="needs">\s*<th scope="row"><a href="/hosts/web3">', hosts)
    for found in (host, page):
        assert "headway deployment empty production web3" in found
        assert "headway deployment forget production web3" in found
    assert shop.old.id in host


async def test_several_environments_in_trouble_are_counted(shop: Shop, browser: Browser, server: Any) -> None:
    shop.deploy(D.FAILED, hosts=3)

    def also(tx: Transaction) -> None:
        mail = Teller(tx, "mail", server.now())
        mail.deploy(mail.release(mail.run("Rest", 3 * HOUR)), "production", HOUR, D.ROLLED_BACK, hosts=2)

    server.database.transact(also)
    bar = await browser.get("/world")
    assert '<a href="/" class="loud">2 environments in trouble</a>' in bar


async def test_what_could_not_be_taken_back_is_told_at_the_host(shop: Shop, browser: Browser) -> None:
    shop.deploy(D.FAILED, hosts=3)
    assert re.search(
        r'<tr class="needs">\s*<th scope="row"><a href="/hosts/web2">', await browser.get("/hosts")
    )
    assert "connection refused" in await browser.get("/hosts/web2")


async def test_an_older_release_says_which_commit_it_takes_away(
    shop: Shop, browser: Browser, server: Any
) -> None:
    shop.deploy(hosts=3)

    def back(tx: Transaction) -> None:
        Teller(tx, "shop", server.now()).deploy(shop.old, "production", HOUR, hosts=3, previous=shop.new)

    server.database.transact(back)
    page = await browser.get("/services/shop/deployments/3")
    assert "the same commit as before" not in page
    assert re.search(
        rf"it goes back, and takes away <a [^>]*>{shop.new.commit[:7]}</a> and what came between", page
    )


async def test_the_service_offers_the_way_back_and_no_release_that_is_live_everywhere(
    shop: Shop, browser: Browser
) -> None:
    page = await browser.get("/services/shop")
    assert f"Deploy {shop.new.id[4:11]}" in page
    shop.deploy(hosts=3)
    page = await browser.get("/services/shop")
    assert 'href="/services/shop/deployments/2/roll-back" data-sheet>Roll back production' in page
    assert '/deploy"' not in page

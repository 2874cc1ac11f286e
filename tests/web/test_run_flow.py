"""From the button to the finished run: pages on a server's real parts, git and jobs included."""

import re

import pytest

from tests.support.pages import browsing, sign_in
from tests.support.serving import Serving, contract, pushed

CONTRACT = """
[jobs.test]
run = "echo level $PARAMETER_LEVEL; test ! -e broken"
[parameters.level]
type = "choice"
choices = ["quick", "full"]
default = "quick"
[parameters.count]
type = "number"
required = true
"""
TYPO = """
[jobs.test]
rnu = "true"
"""


@pytest.fixture
def serving(tmp_path):
    serving = Serving(tmp_path, f"sqlite:///{tmp_path}/headway.db")
    yield serving
    serving.close()


@pytest.fixture
async def browser(serving):
    async with browsing(serving.server, sign_in(serving.server)) as browser:
        yield browser


async def push(serving, text, **files):
    working = serving.working("shop")
    sha = working.commit(contract(text, "shop") | files, "Change it")
    known = await serving.server.repositories.all()
    repository = known[0] if known else await serving.add("shop")
    await serving.tell(repository, pushed(None, sha, "main"), delivery=sha)
    await serving.take_in()


async def test_run_now_asks_for_the_typed_parameters(serving, browser):
    await push(serving, CONTRACT)
    await serving.drive()
    form = await browser.get("/services/shop/start")
    assert "“Change it” on main begins" in form
    assert re.search(r'<select[^>]*name="p-level">.*<option value="quick" selected>', form)
    assert re.search(r'name="p-count" value=""[^>]*inputmode="decimal" required', form)
    assert "PARAMETER_LEVEL" in form
    wrong = await browser.send(
        "/services/shop/start", page="/services/shop/start", **{"p-level": "full", "p-count": "many"}
    )
    assert wrong.status_code == 422
    assert "count cannot be &#39;many&#39;" in wrong.text
    assert '<option value="full" selected>' in wrong.text, "what was typed stays"
    fields = {"p-level": "full", "p-count": "3", "key": "form-abc123"}
    for _ in range(2):
        answer = await browser.send("/services/shop/start", page="/services/shop/start", **fields)
        assert answer.headers["location"].startswith("/services/shop/runs/2?"), "sent twice is asked for once"
    await serving.drive()
    page = await browser.get("/services/shop/runs/2")
    assert "level full" in page
    assert "<code>count</code> = <bdi>3</bdi>" in page


async def test_a_file_with_a_fault_shows_the_line_and_its_surroundings(serving, browser):
    await push(serving, CONTRACT)
    await push(serving, TYPO)
    page = await browser.get("/services/shop/runs/2")
    line = (
        serving.working("shop").folder.joinpath("headway.toml").read_text().splitlines().index('rnu = "true"')
        + 1
    )
    assert f"headway.toml:{line}:1" in page
    assert f'<span class="log-no" aria-hidden="true">{line}</span>rnu = &#34;true&#34;' in page
    assert "[jobs.test]" in page
    assert "Re-run failed" not in page, "no job failed: there is none"


async def test_what_failed_is_run_again(serving, browser):
    await push(serving, '[jobs.test]\nrun = "echo oops; exit 3"\n[jobs.lint]\nrun = "true"\n')
    await serving.drive()
    page = await browser.get("/services/shop/runs/1")
    assert "1 job failed" in page
    assert "oops" in page
    sheet = "/services/shop/runs/1/rerun?only=failed"
    answer = await browser.send("/services/shop/runs/1/rerun", page=sheet, only="failed")
    location = answer.headers["location"]
    assert location.startswith("/services/shop/runs/2?")
    assert "Run 2 repeats run 1." in await browser.get(location)
    await serving.drive()
    page = await browser.get("/services/shop/runs/2")
    assert "Repeats" in page
    assert "lint" not in page.split('class="graph"')[1].split("</svg>")[0]

"""The pages of runs, asked over HTTP on a real database."""

from datetime import timedelta

import pytest

from headway.domain.release import Artifact, Release
from headway.domain.run import FileFault
from headway.domain.states import State
from headway.engine.runs.slots import Slots
from headway.store import runs
from headway.store.releases import put_release
from tests.support.clocks import HandClock
from tests.support.stored_runs import NOON, StoredJob, StoredStep, case, failed_run, past_case, store_run


@pytest.fixture
def server(server):
    server.slots = Slots(4, HandClock())
    return server


async def test_a_failed_run_says_what_failed_and_since_when(server, browser):
    for number in range(298, 318):
        flips = number % 7 == 0
        store_run(server, number, past_case("test_timeout", flips), at=NOON - timedelta(hours=400 - number))
    store_run(
        server, 318, failed_run(), state=State.FAILED, reason="'test (python=3.11)' failed", seconds=192
    )
    page = await browser.get("/services/shop/runs/318")
    assert "Round prices half-even" in page
    assert "in 3 m 12 s" in page
    assert "usually 3 m 00 s" in page
    assert "3 tests failed" in page
    assert page.index("test_half_even") < page.index("test_timeout"), "what this commit broke comes first"
    assert "in this commit" in page
    assert "failed in 4 of the last 21" in page
    assert "AssertionError: assert Decimal" in page
    # The log opens at the first error, with its colours, and is complete without JavaScript.
    assert '<span class="a-red a-bold">E       assert' in page
    assert 'id="L76"' in page
    assert "Earlier lines" in page
    assert "Re-run failed" in page
    assert "Cancel" not in page


async def test_what_a_job_has_to_say_though_it_succeeded_is_told(server, browser):
    told = "of 9 test cases 3 are counted and not kept"
    steps = [StoredStep("test", b"all is well\n", State.SUCCEEDED)]
    store_run(server, 1, [StoredJob("unit", State.SUCCEEDED, told, steps=steps)], state=State.SUCCEEDED)
    page = await browser.get("/services/shop/runs/1?job=unit")
    assert "all is well" in page and told in page


async def test_markup_in_names_and_logs_stays_text(server, browser):
    evil = "<script>alert(1)</script>"
    step = StoredStep(
        evil, f"{evil}\n\x1b]0;{evil}\x07\x1b[31m{evil}\n\xff\n".encode("latin-1"), State.FAILED
    )
    job = StoredJob(f"job {evil}", State.FAILED, evil, steps=[step], cases=[case(evil, message=evil)])
    store_run(server, 1, [job], state=State.FAILED, reason=evil, subject=evil, branch=evil, service="<b>evil")
    for path in ("", "/tests"):
        page = await browser.get(f"/services/%3Cb%3Eevil/runs/1{path}")
        assert evil not in page
        assert "<b>evil" not in page
        assert "&lt;script&gt;" in page
    assert evil not in await browser.get("/runs")


async def test_a_file_that_cannot_be_read_shows_its_faults(server, browser):
    fault = FileFault("headway.toml", "jobs.test.rnu", 7, 1, "unknown key; did you mean 'run'?")
    store_run(server, 1, state=State.FAILED, reason="headway.toml cannot be read", faults=(fault,))
    server.repositories = type("Known", (), {"folder": lambda self, id: server.settings.data / "none"})()
    page = await browser.get("/services/shop/runs/1")
    assert "headway.toml:7:1" in page
    assert "did you mean &#39;run&#39;?" in page


async def test_what_waits_says_for_what(server, browser):
    jobs = [
        StoredJob("test (1)", State.SUCCEEDED),
        StoredJob("test (2)", State.RUNNING),
        StoredJob("build", State.QUEUED, needs=["test"]),
    ]
    store_run(server, 1, jobs, state=State.RUNNING)
    page = await browser.get("/services/shop/runs/1")
    assert "waits for <bdi>test (1 of 2 done)</bdi>" in page
    assert "/services/shop/runs/1/cancel" in page


async def test_a_held_run_can_be_approved(server, browser):
    store_run(
        server,
        1,
        [StoredJob("test", State.QUEUED)],
        state=State.QUEUED,
        held_for="it comes from a fork",
        fork=True,
    )
    page = await browser.get("/services/shop/runs/1")
    assert "It waits for a person" in page
    assert "/services/shop/runs/1/approve" in page
    sheet = await browser.get("/services/shop/runs/1/approve")
    assert "It waits because it comes from a fork" in sheet
    assert "given no secret, but its code runs as the user that Headway runs as" in sheet


async def test_the_fragments_of_a_page_are_its_inner_parts(server, browser):
    store_run(server, 1, [StoredJob("test")])
    top = await browser.get("/services/shop/runs/1?fragment=top")
    assert "<html" not in top
    assert "Round prices half-even" in top
    assert "About this run" in await browser.get("/services/shop/runs/1?fragment=rest")
    assert "<table" in (await browser.get("/runs?fragment=rows"))


async def test_a_large_matrix_is_one_box_that_opens(server, browser):
    jobs = [StoredJob(f"test (n={n})", State.FAILED if n == 200 else State.SUCCEEDED) for n in range(256)]
    store_run(server, 1, jobs, state=State.FAILED)
    page = await browser.get("/services/shop/runs/1?matrix=test")
    assert "test × 256" in page
    assert page.count('class="box ') == 1
    assert page.index("test (n=200)</bdi>") < page.index("test (n=0)</bdi>")


async def test_the_list_keeps_its_filter_from_page_to_page(server, browser):
    for number in range(1, 121):
        state = State.FAILED if number % 2 else State.SUCCEEDED
        store_run(server, number, state=state, at=NOON + timedelta(seconds=number))
    first = await browser.get("/runs?state=failed&service=shop")
    assert "shop</bdi> 119<" in first
    assert "shop</bdi> 118<" not in first
    assert first.count("<tr id=") == 50
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "state=failed" in older
    second = await browser.get(older)
    assert second.count("<tr id=") == 10
    assert "Newest" in second
    assert "No run is like this" in await browser.get("/runs?service=nobody")


@pytest.mark.parametrize(
    "query", ["state=nonsense", "after=%FF%00x", "after=AAAA", "event=x&branch=%00", "state="]
)
async def test_an_address_that_makes_no_sense_shows_the_list(server, browser, query):
    store_run(server, 1)
    assert "<table" in await browser.get(f"/runs?{query}") or "No run is like this" in await browser.get(
        f"/runs?{query}"
    )


async def test_an_artifact_comes_as_a_download_and_nothing_else_does(server, browser, tmp_path):
    made = tmp_path / "made"
    made.write_bytes(b"<script>alert(1)</script>")
    kept = server.tools.artifacts.keep(made, 'dist/re"port.html')
    gone = Artifact("dist/gone.txt", "0" * 64, 3)
    run = store_run(server, 1, [StoredJob("build", artifacts=[kept, gone])])
    page = await browser.get("/services/shop/runs/1")
    address = page.split("/services/shop/runs/1/artifacts/")[2].split('"')[0]
    job = address.split("/")[0]
    answer = await browser.client.get(f"/services/shop/runs/1/artifacts/{address}")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith('attachment; filename="re_port.html"')
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "are gone" in await browser.get(f"/services/shop/runs/1/artifacts/{job}/dist/gone.txt", 404)
    for path in (
        "../../headway.db",
        "..%2f..%2fheadway.db",
        "dist/",
        "/etc/passwd",
        "dist%2f..%2fheadway.db",
    ):
        await browser.get(f"/services/shop/runs/1/artifacts/{job}/{path}", 404)
    assert run.number == 1


async def test_runs_that_are_not_there(server, browser):
    await browser.get("/services/shop/runs/99", 404)
    await browser.get("/services/shop/runs/99/tests", 404)
    await browser.get("/services/shop/runs/99/cancel", 404)
    await browser.get("/services/shop/runs/99999999999999999999999", 404)


@pytest.mark.parametrize("attempt", ["0", "-1", "99", "x", "000000001" + "9" * 5000])
async def test_an_attempt_that_there_is_not_shows_the_last(server, browser, attempt):
    store_run(server, 318, failed_run(), state=State.FAILED)
    page = await browser.get(f"/services/shop/runs/318?attempt={attempt}")
    assert '<span class="a-red a-bold">E       assert' in page


async def test_a_release_can_be_deployed_from_its_run_while_its_files_stand(server, browser):
    release = Release(
        id="rel-0123456789ab",
        service="shop",
        repository="/r",
        commit="a" * 40,
        artifacts=(),
        created_at=NOON,
        created_by="ada",
    )
    run = store_run(server, 1, [StoredJob("build")])
    server.database.transact(lambda tx: put_release(tx, release, now=NOON))
    server.database.transact(lambda tx: runs.note_release(tx, run.id, release.id))
    assert 'href="/services/shop/releases/rel-0123456789ab/deploy" data-sheet' in await browser.get(
        "/services/shop/runs/1"
    )
    server.database.transact(
        lambda tx: tx.execute("UPDATE releases SET removed_at = :at", at=int(NOON.timestamp() * 1000))
    )
    page = await browser.get("/services/shop/runs/1")
    assert "Deploy this release" not in page
    assert "its files are gone" in page

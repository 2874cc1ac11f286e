"""The run page in a real browser: its log is live, of any length, and loses nothing."""

import itertools
import re
from datetime import timedelta

import pytest

from headway.domain.states import State
from tests.support.stored_runs import StoredJob, StoredStep, case, failed_run, store_run

numbers = itertools.count(1)

VISIBLE = """
() => {
  const box = document.querySelector('.log-box'), frame = box.getBoundingClientRect();
  return [...box.querySelectorAll('.log-line')].filter(line => {
    const place = line.getBoundingClientRect();
    return place.bottom > frame.top + 1 && place.top < frame.bottom - 1;
  }).map(line => line.querySelector('.log-text').textContent);
}
"""


def ready(page):
    page.wait_for_selector("#log[data-ready]")
    return page


def lines_seen(page):
    return page.evaluate(VISIBLE)


def wait_for_line(page, text, timeout=60000):
    page.wait_for_function(
        f"text => ({VISIBLE})().some(line => line.includes(text))", arg=text, timeout=timeout
    )


def numbers_seen(page):
    return [
        int(text)
        for text in page.eval_on_selector_all(".log-box .log-no", "all => all.map(one => one.textContent)")
    ]


@pytest.fixture
def stored(pages):
    """A run with these jobs; answers with its address and its jobs by name."""

    def store(*jobs, state=State.SUCCEEDED, **more):
        run = store_run(
            pages.server,
            next(numbers),
            jobs,
            state=state,
            at=pages.server.now() - timedelta(minutes=4),
            **more,
        )
        return f"/services/shop/runs/{run.number}", pages.jobs(run.id)

    return store


@pytest.fixture
def running(stored):
    """A running job that has printed this so far."""

    def store(text="first\n"):
        step = StoredStep("work", text, State.RUNNING)
        path, jobs = stored(StoredJob("test", State.RUNNING, steps=[step]), state=State.RUNNING)
        return path, jobs["test"]

    return store


@pytest.mark.slow
def test_a_failed_log_opens_at_its_first_error_with_its_colours(stored, visit):
    path, _ = stored(*failed_run(), state=State.FAILED)
    page = ready(visit(path))
    wait_for_line(page, "E       assert Decimal('2.50') == Decimal('2.52')")
    error = page.locator(".log-line", has_text="E       assert").first
    assert error.locator(".a-red.a-bold").count() == 1
    colour = error.locator(".a-red").evaluate("one => getComputedStyle(one).color")
    assert colour != page.locator(".log-line .log-text").first.evaluate("one => getComputedStyle(one).color")
    page.locator(".log-box").focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => document.querySelector('.log-box').scrollTop === 0")
    page.get_by_role("button", name="First error").click()
    wait_for_line(page, "E       assert Decimal('2.50')")


def test_steps_fold_and_unfold(stored, visit):
    path, _ = stored(*failed_run(), state=State.FAILED)
    page = ready(visit(path))
    page.locator(".log-box").focus()
    page.keyboard.press("Home")
    checkout = page.get_by_role("button", name=re.compile("checkout"))
    assert checkout.get_attribute("aria-expanded") == "false", (
        "what went well is folded where something failed"
    )
    assert not any("Cloning" in line for line in lines_seen(page))
    checkout.click()
    wait_for_line(page, "Cloning a1b2c3d")
    assert page.evaluate("document.activeElement.textContent").startswith("▾checkout") is True
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => !({VISIBLE})().some(line => line.includes('Cloning'))")


@pytest.mark.slow
def test_it_follows_live_and_stops_where_one_reads(pages, running, visit):
    path, job = running("".join(f"line {number}\n" for number in range(1, 301)))
    page = ready(visit(path))
    wait_for_line(page, "line 300")
    pages.print(job.id, "and more\n")
    wait_for_line(page, "and more")
    page.locator(".log-box").hover()
    page.mouse.wheel(0, -1200)
    page.wait_for_function(
        "() => document.querySelector('[data-log=follow]').getAttribute('aria-pressed') === 'false'"
    )
    page.wait_for_timeout(300)
    before = lines_seen(page)
    for number in range(20):
        pages.print(job.id, f"later {number}\n")
    page.wait_for_function("() => document.querySelector('[data-log=status]').textContent.includes('321')")
    assert lines_seen(page) == before, "what one reads stays where it is"
    page.get_by_role("button", name="Follow").click()
    wait_for_line(page, "later 19")
    pages.end(job)
    page.wait_for_function("() => document.querySelector('#run h1 + .sub').textContent.includes('succeeded')")
    page.wait_for_selector("[data-log=follow]", state="hidden")


@pytest.mark.slow
def test_each_printed_line_comes_to_the_screen_by_itself(pages, running, visit):
    """How quickly is measured by the benchmarks."""
    path, job = running()
    page = ready(visit(path))
    wait_for_line(page, "first")
    for number in range(10):
        pages.print(job.id, f"tick {number}\n")
        wait_for_line(page, f"tick {number}")


def test_find_goes_from_match_to_match_in_all_of_the_log(stored, visit):
    text = "".join(f"line {number}{' needle' if number % 1000 == 0 else ''}\n" for number in range(1, 5001))
    path, _ = stored(StoredJob("test", steps=[StoredStep("work", text)]))
    page = ready(visit(path))
    page.get_by_label("Find in this log").fill("NEEDLE")
    page.keyboard.press("Enter")
    wait_for_line(page, "line 1000 needle")
    assert page.locator(".log-line.hit mark").text_content() == "needle"
    assert page.locator(".log-find output").text_content() == "1 of 5 lines"
    page.keyboard.press("Enter")
    wait_for_line(page, "line 2000 needle")
    page.get_by_role("button", name="Previous match").click()
    page.get_by_role("button", name="Previous match").click()
    wait_for_line(page, "line 5000 needle")
    page.get_by_label("Find in this log").fill("not there")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.log-find output').textContent === 'not found'")


@pytest.mark.slow
def test_an_address_leads_to_its_lines_and_a_click_makes_one(stored, visit):
    text = "".join(f"line {number}\n" for number in range(1, 3001))
    path, _ = stored(StoredJob("test", steps=[StoredStep("work", text)]))
    page = ready(visit(f"{path}?job=test#L1118-L1124"))
    wait_for_line(page, "line 1118")
    chosen = page.locator(".log-line.selected .log-no").all_text_contents()
    assert chosen == [str(number) for number in range(1118, 1125)]
    page.locator('.log-no[href="#L1120"]').click()
    page.locator('.log-no[href="#L1122"]').click(modifiers=["Shift"])
    assert page.url.endswith("#L1120-L1122")
    page.evaluate("location.hash = '#L7'")
    wait_for_line(page, "line 7")


@pytest.mark.slow
def test_a_million_lines_do_not_freeze_the_page(pages, stored, visit):
    path, jobs = stored(StoredJob("test", steps=[StoredStep("work", "")]))
    text = "".join(f"line {number} of a rather ordinary build log\n" for number in range(1, 1_000_001))
    pages.lay(jobs["test"], [StoredStep("work", text)])
    page = ready(visit(path))
    wait_for_line(page, "line 1 of")
    for share, name in ((0.5, "middle"), (1, "end"), (0.25, "quarter")):
        page.evaluate(
            """share => { const box = document.querySelector('.log-box');
            box.scrollTop = (box.scrollHeight - box.clientHeight) * share; }""",
            share,
        )
        page.wait_for_timeout(30)
        page.wait_for_function(
            f"() => {{ const lines = ({VISIBLE})(); return lines.length > 5 && lines.every(Boolean); }}"
        )
        seen = lines_seen(page)
        first = int(seen[0].split()[1])
        assert [int(line.split()[1]) for line in seen] == list(range(first, first + len(seen)))
        assert abs(first / 1_000_000 - share) < 0.01, (name, first)
        assert page.locator(".log-box *").count() < 1500, "a window of the log, never all of it"
    box = page.locator(".log-box")
    box.hover()
    at = int(lines_seen(page)[0].split()[1])
    for _ in range(30):
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(16)
    page.wait_for_timeout(400)
    moved = int(lines_seen(page)[0].split()[1]) - at
    assert 550 < moved < 650, "30 turns of 400 pixels are 600 lines, also where the scrollbar stands for more"
    box.focus()
    page.keyboard.press("End")
    wait_for_line(page, "line 1000000 of")


@pytest.mark.slow
def test_long_lines_wrap_and_nothing_jumps(stored, visit):
    text = "".join(f"line {number} {'word ' * (number * 37 % 300)}\n" for number in range(1, 2001))
    path, _ = stored(StoredJob("test", steps=[StoredStep("work", text)]))
    page = ready(visit(f"{path}#L1000"))
    wait_for_line(page, "line 1000")
    page.locator(".log-box").hover()
    at = page.locator('.log-no[href="#L1000"]').bounding_box()["y"]
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(500)
    assert page.locator('.log-no[href="#L1000"]').bounding_box()["y"] == pytest.approx(at - 100, abs=2)
    assert page.evaluate(
        "(() => { const b = document.querySelector('.log-box'); return b.scrollWidth <= b.clientWidth; })()"
    )
    seen = numbers_seen(page)
    assert seen == sorted(set(seen))


@pytest.mark.slow
def test_a_broken_connection_loses_and_doubles_no_line(pages, running, visit):
    path, job = running()
    page = ready(visit(path))
    wait_for_line(page, "first")
    expected = ["first"]

    def print_more(count):
        for _ in range(count):
            line = f"line {len(expected)}"
            pages.print(job.id, f"{line}\n")
            expected.append(line)

    print_more(10)
    pages.print(job.id, "half a line")
    wait_for_line(page, "half a line")
    pages.stop()
    page.wait_for_selector("#world .lost", timeout=15_000)
    assert "connection lost" in page.locator("#world .lost").text_content()
    pages.print(job.id, " and its end\n")
    expected.append("half a line and its end")
    print_more(25)
    pages.start()
    wait_for_line(page, expected[-1], timeout=15_000)
    page.wait_for_selector("#world .lost", state="detached")
    print_more(10)
    wait_for_line(page, expected[-1])
    page.locator(".log-box").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    shown = page.eval_on_selector_all(".log-box .log-text", "all => all.map(one => one.textContent)")
    assert shown == expected


@pytest.mark.slow
def test_who_follows_an_attempt_follows_the_next_one(pages, running, visit):
    path, job = running("of the first\n")
    page = ready(visit(path))
    wait_for_line(page, "of the first")
    pages.retry(job)
    pages.print(job.id, "of the second\n")
    wait_for_line(page, "of the second")
    assert lines_seen(page) == ["of the second"]
    assert "attempt 2 of 2" in page.locator("[data-log=status]").text_content()
    page.goto(f"{page.url}?job=test&attempt=1")
    ready(page)
    wait_for_line(page, "of the first")


@pytest.mark.slow
def test_tabs_share_one_connection_and_all_are_live(pages, running, visit):
    path, job = running()
    tabs = [ready(visit(path)) for _ in range(3)]
    for _ in range(50):
        # Tabs of tests before this one are on their way out.
        tabs[0].wait_for_timeout(100)
        if pages.server.hub.readers <= 1:
            break
    assert pages.server.hub.readers == 1
    pages.print(job.id, "heard by all\n")
    for tab in tabs:
        wait_for_line(tab, "heard by all")


@pytest.mark.slow
def test_a_page_without_shared_workers_has_its_own_stream(pages, running, chromium):
    path, job = running()
    context = chromium.new_context()
    context.add_cookies([{"name": "headway_session", "value": pages.session, "url": pages.address}])
    context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    page.goto(pages.address + path)
    ready(page)
    page.wait_for_timeout(300)
    pages.print(job.id, "heard directly\n")
    wait_for_line(page, "heard directly")
    context.close()


@pytest.mark.slow
def test_hostile_bytes_do_nothing(pages, stored, visit):
    evil = b'<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    text = (
        evil
        + b"\n\x1b]0;title\x07\x1b[2J\x1b[31m"
        + evil
        + b"\xff\xfe\x00\x1b[999;999H\n"
        + "\u202eevil\n".encode()
    )
    job = StoredJob(
        f"job {evil.decode()}",
        State.FAILED,
        evil.decode(),
        steps=[StoredStep(evil.decode(), text, State.FAILED)],
        cases=[case(evil.decode(), message=evil.decode())],
    )
    path, _ = stored(
        job, state=State.FAILED, reason=evil.decode(), subject=evil.decode(), branch=evil.decode()
    )
    page = ready(visit(path))
    wait_for_line(page, "<script>")
    page.get_by_label("Find in this log").fill("<img")
    page.keyboard.press("Enter")
    page.wait_for_selector("mark")
    page.wait_for_timeout(200)
    assert page.evaluate("window.owned") is None
    assert page.locator("main img, main script").count() == 0
    assert "title" not in page.title()


@pytest.mark.slow
def test_a_part_that_changes_keeps_focus_and_what_is_unfolded(pages, stored, visit):
    path, jobs = stored(
        *failed_run()[:1],
        StoredJob("build", State.RUNNING, steps=[StoredStep("work", "x\n", State.RUNNING)]),
        state=State.RUNNING,
    )
    page = ready(visit(path))
    details = page.locator(".tests details").nth(1)
    details.locator("summary").click()
    page.locator(".test-name").first.focus()
    pages.end(jobs["build"], State.FAILED)
    page.wait_for_function("() => document.querySelector('#run h1 + .sub').textContent.includes('failed')")
    assert details.get_attribute("open") is not None
    assert page.evaluate("document.activeElement.classList.contains('test-name')")


@pytest.mark.slow
def test_the_page_is_whole_without_javascript(stored, chromium, pages):
    path, _ = stored(*failed_run(), state=State.FAILED)
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "headway_session", "value": pages.session, "url": pages.address}])
    page = context.new_page()
    page.goto(pages.address + path)
    assert page.locator(".log-page .log-line", has_text="E       assert").first.is_visible()
    page.get_by_text("Steps").click()
    page.get_by_role("link", name="uv sync").click()
    assert page.locator(".log-page .log-line", has_text="Downloaded package-0").is_visible()
    page.get_by_label("Find in this log").fill("half-even")
    page.keyboard.press("Enter")
    assert "1 line" in page.locator(".log-none").text_content()
    page.get_by_role("link", name="Re-run failed").click()
    assert page.get_by_role("button", name="Re-run what failed").is_visible()
    context.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), pytest.param(1440, "light", marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_nothing_to_say_for_axe_and_nothing_wider_than_the_screen(stored, visit, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    long = "topic/" + "very-long-name-" * 20
    path, _ = stored(*failed_run(), state=State.FAILED, subject="W" * 300, branch=long)
    page = ready(visit(path, viewport={"width": width, "height": 800}, color_scheme=scheme))
    wait_for_line(page, "E       assert")
    for address in (None, "/runs", f"{path}/rerun?only=failed", f"{path}/tests"):
        if address:
            page.goto(page.url.split("/services")[0].split("/runs")[0] + address)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, (address, overflow)


def step(index, first, end, **more):
    return {"index": index, "name": f"step {index}", "first": first, "end": end, "open": False} | more


ROWS = [
    (0, [], (), []),
    (3, [], (), [1, 2, 3]),
    (4, [step(1, 1, 3), step(2, 3, 5)], (), ["step 1", 1, 2, "step 2", 3, 4]),
    (4, [step(1, 1, 3), step(2, 3, 5)], (1,), ["step 1", "step 2", 3, 4]),
    # Lines before, between and after steps belong to none.
    (6, [step(1, 2, 3), step(2, 4, 6)], (1, 2), [1, "step 1", 3, "step 2", 6]),
    # One that goes on has all to the end, also what came after its end was told.
    (5, [step(1, 1, 2), step(2, 2, 3, open=True)], (), ["step 1", 1, "step 2", 2, 3, 4, 5]),
    # One without lines, and one that is told to begin beyond what is known.
    (2, [step(1, 1, 3), step(2, 3, 3), step(3, 9, 12)], (), ["step 1", 1, 2, "step 2", "step 3"]),
]


def test_every_line_of_a_folded_log_has_a_row(visit):
    page = visit("/runs")
    for total, steps, folded, expected in ROWS:
        found = page.evaluate(
            """async ([total, steps, folded]) => {
              const { Rows } = await import('/static/log-rows.js');
              const rows = new Rows();
              for (const index of folded) rows.folded.add(index);
              rows.set(total, steps);
              const all = Array.from({ length: rows.count }, (_, row) => rows.at(row));
              return {
                all: all.map((what) => what.line ?? what.step.name),
                back: Array.from({ length: total }, (_, line) => rows.rowOf(line + 1)),
                beyond: rows.at(rows.count),
              };
            }""",
            [total, steps, list(folded)],
        )
        assert found["all"] == expected, found
        assert found["beyond"] is None
        for line, row in enumerate(found["back"], start=1):
            assert found["all"][row] == line or str(found["all"][row]).startswith("step"), found

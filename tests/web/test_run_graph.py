"""The picture of a run's jobs: columns by need, large matrices as one box, the longest chain marked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headway.domain.run import Job
from headway.domain.states import State
from headway.web.run_graph import MOST_SINGLE, draw

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def job(name, *, needs=(), seconds=None, state=State.SUCCEEDED):
    began = None if seconds is None else NOON
    return Job(
        id=f"job-{name}",
        run="run-1",
        name=name,
        definition=name.split(" ", maxsplit=1)[0],
        matrix={},
        needs=tuple(needs),
        state=state,
        reason="",
        attempt=1,
        allow_failure=False,
        queued_at=NOON,
        started_at=began,
        finished_at=None if seconds is None or state is State.RUNNING else NOON + timedelta(seconds=seconds),
    )


def boxes(graph):
    return {box.name: box for box in graph.boxes}


def test_each_job_stands_right_of_what_it_needs():
    graph = draw(
        [job("lint"), job("test (3.11)"), job("test (3.12)"), job("build", needs=["lint", "test"])], NOON
    )
    found = boxes(graph)
    assert found["lint"].x == found["test (3.11)"].x < found["build"].x
    assert found["lint"].y < found["test (3.11)"].y < found["test (3.12)"].y
    assert len(graph.lines) == 2
    assert graph.width >= found["build"].x + found["build"].width


def test_no_two_boxes_overlap():
    jobs = [job(f"a{number}") for number in range(5)]
    jobs += [job(f"b{number}", needs=[f"a{number}"]) for number in range(5)]
    graph = draw(jobs, NOON)
    places = {(box.x, box.y) for box in graph.boxes}
    assert len(places) == 10
    assert all(box.y + 32 <= graph.height for box in graph.boxes)


def test_a_large_matrix_is_one_box_that_counts():
    jobs = [
        job(f"test ({number})", seconds=number + 1, state=State.FAILED if number == 3 else State.SUCCEEDED)
        for number in range(MOST_SINGLE + 1)
    ]
    (box,) = draw(jobs, NOON).boxes
    assert (box.name, box.label, box.state) == ("test", "test × 13", State.FAILED)
    assert box.counts == "1 failed, 12 succeeded"
    assert box.took == timedelta(seconds=13)
    assert len(draw(jobs[:MOST_SINGLE], NOON).boxes) == MOST_SINGLE


def test_the_longest_chain_is_strong():
    graph = draw(
        [
            job("lint", seconds=5),
            job("test", seconds=60),
            job("build", needs=["lint", "test"], seconds=10),
            job("docs", needs=["lint"], seconds=20),
        ],
        NOON,
    )
    assert {name for name, box in boxes(graph).items() if box.strong} == {"test", "build"}
    assert sum(line.strong for line in graph.lines) == 1


def test_what_runs_counts_from_its_start():
    graph = draw([job("test", seconds=0, state=State.RUNNING)], NOON + timedelta(seconds=42))
    (box,) = graph.boxes
    assert (box.took, box.since) == (timedelta(seconds=42), NOON)


def test_a_long_name_is_cut_in_its_box_only():
    name = "test (" + "x" * 300 + ")"
    (box,) = draw([job(name)], NOON).boxes
    assert box.name == name
    assert len(box.label) < 40
    assert box.label.endswith("…")


def test_a_run_without_jobs_has_an_empty_picture():
    assert draw([], NOON).boxes == ()


def test_a_need_that_was_not_chosen_draws_no_line():
    assert draw([replace(job("build"), needs=("test",))], NOON).lines == ()

"""Which runs begin, and what the others wait for, as people read it."""

from dataclasses import replace

import pytest

from headway.domain.run import Run
from headway.domain.states import State
from headway.pipeline.run_queue import next_runs
from tests.pipeline.test_run_actions import run as a_run


def run(text: str) -> Run:
    """`shop 3 running group=deploy held`: the service, which is its repository's name as well, number and state."""
    service, number, state, *words = text.split()
    fields = dict(word.split("=") for word in words if "=" in word)
    found = a_run(
        State(state),
        group=fields.get("group"),
        group_limit=int(fields.get("limit", 1)),
        held_for="a stranger's" if "held" in words else "",
    )
    trigger = replace(found.trigger, repository=service)
    return replace(found, id=f"{service}-{number}", number=int(number), service=service, trigger=trigger)


@pytest.mark.parametrize(
    ("runs", "driven", "begun", "reasons"),
    [
        (["shop 1 queued", "shop 2 queued"], (), ["shop-1", "shop-2"], {}),
        # One that is driven here already is not begun again.
        (["shop 1 running", "shop 2 queued"], ["shop-1"], ["shop-2"], {}),
        # One that went on while no server was there is taken up first.
        (["shop 1 queued", "cart 9 running"], (), ["cart-9", "shop-1"], {}),
        # One group, one run; the next one waits for it by name.
        (
            ["shop 1 queued group=d", "shop 2 queued group=d", "shop 3 queued"],
            (),
            ["shop-1", "shop-3"],
            {"shop-2": "group d: run 1 of shop has it"},
        ),
        (
            ["shop 1 running group=d", "shop 2 queued group=d"],
            ["shop-1"],
            [],
            {"shop-2": "group d: run 1 of shop has it"},
        ),
        (["shop 1 queued group=d limit=2", "shop 2 queued group=d limit=2"], (), ["shop-1", "shop-2"], {}),
        # What was cancelled while it was held has only its end to be written.
        (["shop 1 running group=d", "shop 2 queued group=d held"], ["shop-1"], ["shop-2"], {}),
        # Four places: a repository that pushed much leaves one to the others.
        (
            ["shop 1 queued", "shop 2 queued", "shop 3 queued", "shop 4 queued", "cart 1 queued"],
            (),
            ["shop-1", "cart-1", "shop-2"],
            {
                "shop-3": "3 runs are under way, it comes after them",
                "shop-4": "3 runs are under way, it comes after them",
            },
        ),
    ],
)
def test_who_begins_and_what_the_others_wait_for(runs, driven, begun, reasons):
    queue = next_runs([run(text) for text in runs], driven, resting={}, paused="", most=4)
    assert [each.id for each in queue.begin] == begun
    assert queue.reasons == reasons


def test_a_pause_lets_go_on_what_goes_on_and_begins_nothing():
    runs = [run("shop 1 running"), run("shop 2 queued"), run("shop 3 queued held")]
    queue = next_runs(runs, (), resting={}, paused="the disk is nearly full", most=4)
    assert [each.id for each in queue.begin] == ["shop-1", "shop-3"]
    assert queue.reasons == {"shop-2": "the disk is nearly full"}


def test_one_that_rests_says_why_and_takes_no_place():
    runs = [run("shop 1 queued group=d"), run("shop 2 queued group=d")]
    queue = next_runs(runs, (), resting={"shop-1": "the disk is full"}, paused="", most=1)
    assert [each.id for each in queue.begin] == ["shop-2"]
    assert queue.reasons == {"shop-1": "the disk is full"}

"""Work that broke off is in trouble at once, until it ends well or is under way again."""

from datetime import timedelta

from headway.base.errors import WrongUse
from headway.engine.work_faults import WorkFaults
from tests.support.clocks import NOON

REST = timedelta(seconds=20)
SECOND = timedelta(seconds=1)


def note(faults: WorkFaults, error: Exception, *, now=NOON, took=SECOND) -> None:  # type: ignore[no-untyped-def]
    faults.note("dep-1", error, what="deployment 1", href="/1", began_at=now - took, now=now, rest=REST)


def test_a_fault_of_ours_is_a_trouble_at_once_and_tells_strangers_nothing() -> None:
    faults = WorkFaults("a deployment cannot be driven")
    note(faults, KeyError("hunter2"))
    [trouble] = faults.troubles(NOON)
    assert trouble.sentence == "deployment 1: Headway's own error: KeyError; the server's log says more"
    assert trouble.public == "a deployment cannot be driven: Headway's own error; the server's log says why"
    assert trouble.href == "/1"


def test_what_somebody_can_mend_is_told_to_people_with_the_way() -> None:
    faults = WorkFaults("a deployment cannot be driven")
    note(faults, WrongUse("web1 refuses the key", hint="put it into authorized_keys"))
    [trouble] = faults.troubles(NOON)
    assert (trouble.sentence, trouble.public) == ("deployment 1: web1 refuses the key", "")
    assert trouble.hint == "put it into authorized_keys"


def test_it_is_over_when_it_ends_well() -> None:
    faults = WorkFaults("x")
    note(faults, KeyError())
    faults.over("dep-1")
    assert (faults.of("dep-1", NOON), faults.troubles(NOON)) == (None, [])


def test_one_that_breaks_off_at_each_try_is_told_without_a_gap() -> None:
    faults, now = WorkFaults("x"), NOON
    for times in range(1, 6):
        note(faults, KeyError(), now=now, took=timedelta(minutes=2))
        found = faults.of("dep-1", now)
        assert found is not None
        assert (found.times, found.again_at) == (times, now + REST)
        # The next try takes as long as the one before it, and somewhat longer.
        next_end = now + REST + timedelta(minutes=3)
        assert faults.troubles(next_end)
        now = next_end


def test_one_that_is_under_way_again_is_told_no_more() -> None:
    faults = WorkFaults("x")
    note(faults, KeyError())
    assert faults.troubles(NOON + REST + 29 * SECOND)
    assert not faults.troubles(NOON + REST + 31 * SECOND)

"""What the history of a failed test says: since when it fails, and whether it comes and goes by itself."""

from collections.abc import Sequence
from itertools import groupby

from headway.domain.run_history import Outcome, Verdict
from headway.domain.states import State

#: So many short spells of failure, each ended by itself, are no longer laid to the code.
_SPELLS = 3
_LONGEST_SPELL = 2


def judge(now: Outcome, before: Sequence[Outcome]) -> Verdict:
    """`now` is the failure that is asked about; `before` what became of the same test earlier, newest first.

    A test is flaky when it passed and failed on one commit, or when it failed in three or more separate spells of at
    most two runs: a real break stays until somebody mends it, and seldom breaks thrice. Skipped runs say nothing.
    """
    known = [outcome for outcome in before if outcome.state is not State.SKIPPED]
    streak = 0
    while streak < len(known) and known[streak].is_bad:
        streak += 1
    both_ways = _both_ways([now, *known])
    return Verdict(
        since=known[streak - 1].run if streak else None,
        or_earlier=streak > 0 and streak == len(known),
        failed=1 + sum(outcome.is_bad for outcome in known),
        seen=1 + len(known),
        both_ways=both_ways,
        flaky=both_ways or _short_spells([now, *known]) >= _SPELLS,
    )


def _both_ways(outcomes: Sequence[Outcome]) -> bool:
    bad = {outcome.commit for outcome in outcomes if outcome.is_bad}
    good = {outcome.commit for outcome in outcomes if not outcome.is_bad}
    return bool(bad & good)


def _short_spells(outcomes: Sequence[Outcome]) -> int:
    lengths = [len(list(spell)) for is_bad, spell in groupby(outcomes, lambda one: one.is_bad) if is_bad]
    return sum(length <= _LONGEST_SPELL for length in lengths)

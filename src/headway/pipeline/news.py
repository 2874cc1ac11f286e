"""What becomes of the arrivals of one ref that lie here together: which are news, which begin a run, which the newest overtakes.

In this order: what is known already is dropped; what begins no run (`[skip ci]`, outside of `paths`) is dropped; of the
rest the newest begins a run, and by its word the others are overtaken by it or run as well. So neither a thing told
twice nor a commit that runs nothing takes the place of a real one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headway.domain.intake import ArrivalKind

KNOWN = "known already"


@dataclass(frozen=True, slots=True)
class Told:
    """One arrival, as far as the choice needs it. `after` of a tag is the commit that it points to."""

    kind: ArrivalKind
    before: str | None
    after: str | None
    #: What makes it the same thing, whoever tells of it: `domain.intake.arrival_key`.
    content: str
    #: An earlier one of this content was worked on, and something came of it.
    was_taken: bool = False
    #: A look was faster than whoever told: the ref is known to be further on than this.
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """What a headway.toml says of one arrival."""

    #: Why it begins no run; empty: it does.
    ignored: str = ""
    #: Of queued runs of one branch only the newest is wanted.
    collapses: bool = True


class Fate(StrEnum):
    IGNORED = "ignored"
    RUN = "run"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Choice:
    fate: Fate
    #: Why nothing is run.
    reason: str = ""
    #: Whose headway.toml it was judged by; None: nobody's, it was known.
    by: int | None = None
    #: For one that begins a run: those that it overtakes, oldest first.
    overtakes: tuple[int, ...] = ()


def news(told: Sequence[Told], at: str | None) -> tuple[bool, ...]:
    """Which of these, in their order, tell something new of a ref that is known to be `at`.

    Of a pull request the head before is not always told, so what counts is whether this head was told before.
    """
    found: list[bool] = []
    contents: set[str] = set()
    for one in told:
        repeats = one.was_taken or one.content in contents
        if one.kind is ArrivalKind.PULL_REQUEST:
            is_new = not repeats
        else:
            is_new = at != one.after and (at == one.before or not repeats)
        if is_new:
            contents.add(one.content)
            if one.kind is not ArrivalKind.PULL_REQUEST and not one.is_behind:
                at = one.after
        found.append(is_new)
    return tuple(found)


def choose(told: Sequence[Told], at: str | None, ask: Callable[[int, int], Word]) -> tuple[Choice, ...]:
    """What becomes of each. `ask(one, by)` is what the headway.toml of `by` says of `one`; it is asked for few.

    All but the newest that runs are judged by the newest's file, where that collapses: hundreds of pushes may lie here,
    and reading a file of each would take as long as running them.
    """
    are_new = news(told, at)
    choices = [Choice(Fate.IGNORED, KNOWN)] * len(told)
    newest: int | None = None
    overtaken: list[int] = []
    collapses = False
    for number in reversed(range(len(told))):
        if not are_new[number]:
            continue
        by = newest if newest is not None and collapses else number
        word = ask(number, by)
        if word.ignored:
            choices[number] = Choice(Fate.IGNORED, word.ignored, by)
        elif newest is not None and collapses:
            choices[number] = Choice(Fate.OVERTAKEN, by=by)
            overtaken.append(number)
        else:
            choices[number] = Choice(Fate.RUN, by=by)
            # One that came late is old news: it has its run and takes nobody's place.
            if newest is None and not told[number].is_behind:
                newest, collapses = number, word.collapses
    if newest is not None:
        choices[newest] = Choice(Fate.RUN, by=newest, overtakes=tuple(reversed(overtaken)))
    return tuple(choices)


def moved_refs(
    known: Mapping[str, str], found: Mapping[str, str], on_their_way: Collection[str]
) -> list[tuple[str, str | None, str | None]]:
    """(ref, before, after) of what differs, but for refs of which news is being worked on."""
    changes: list[tuple[str, str | None, str | None]] = []
    for ref, sha in found.items():
        if ref not in on_their_way and known.get(ref) != sha:
            changes.append((ref, known.get(ref), sha))
    changes += [
        (ref, sha, None) for ref, sha in known.items() if ref not in found and ref not in on_their_way
    ]
    return changes

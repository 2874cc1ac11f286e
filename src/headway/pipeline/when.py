"""Whether a `when` holds, and why. The language itself stands in `domain.when`; globs mean what git's ignore files mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from headway.base.globs import first_taken_in
from headway.domain.when import (
    Changed,
    Comparison,
    Expression,
    Flag,
    Joined,
    Matches,
    Name,
    Not,
    Text,
    WhenInvalid,
    parse_when,
)

__all__ = ["Verdict", "WhenFacts", "WhenInvalid", "evaluate", "parse_when"]


#: Pairs of a path and a glob that conditions may ask about, and the characters of all paths times those of all conditions:
#: for a matcher that is linear some seconds' work, at the very worst half a minute's.
_MOST_PAIRS, _MOST_CHARACTERS = 1_000_000, 500_000_000


@dataclass(frozen=True, slots=True)
class WhenFacts:
    """What a condition may ask about one commit."""

    #: None where there is none: a detached HEAD, a commit without a tag.
    branch: str | None = None
    tag: str | None = None
    dirty: bool = False
    #: Paths that the commit changed; None when that cannot be known (first commit, shallow clone).
    changed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is one clause for a person: `branch is 'feature', not 'main'`."""

    value: bool
    reason: str


def evaluate(expression: Expression, facts: WhenFacts) -> Verdict:
    """Whether the condition holds for these facts. Never raises for what `parse_when` returned."""
    match expression:
        case Not(operand):
            inner = evaluate(operand, facts)
            verdict = Verdict(not inner.value, inner.reason)
        case Joined():
            verdict = _joined(expression, facts)
        case Comparison():
            verdict = _comparison(expression, facts)
        case Changed(globs):
            verdict = _changed(globs, facts.changed)
        case Matches(text, globs):
            verdict = _matches(text, globs, facts)
        case Flag(value):
            verdict = Verdict(value, f"the condition says {value}")
        case Name("dirty"):
            verdict = Verdict(facts.dirty, f"the tree is {'dirty' if facts.dirty else 'clean'}")
        case Name() | Text():
            raise AssertionError("parse_when lets no text stand where a condition is asked for")
    return verdict


def _joined(expression: Joined, facts: WhenFacts) -> Verdict:
    """`and` stops at the first that fails, `or` at the first that holds; that one is the reason."""
    stop_at = expression.operator == "or"
    reasons: list[str] = []
    for operand in expression.operands:
        verdict = evaluate(operand, facts)
        if verdict.value is stop_at:
            return verdict
        reasons.append(verdict.reason)
    return Verdict(not stop_at, " and ".join(dict.fromkeys(reasons)))


def _value(expression: Expression, facts: WhenFacts) -> str | bool:
    """A text, or the truth of a condition."""
    match expression:
        case Text(value):
            return value
        case Name("branch"):
            return facts.branch or ""
        case Name("tag"):
            return facts.tag or ""
    return evaluate(expression, facts).value


def _comparison(expression: Comparison, facts: WhenFacts) -> Verdict:
    left = _value(expression.left, facts)
    if isinstance(expression.right, tuple):
        members = [_value(member, facts) for member in expression.right]
        inside = left in members
        against = "one of " + (", ".join(_shown(member) for member in members) or "none")
    else:
        right = _value(expression.right, facts)
        against = _shown(right)
        if expression.operator in ("in", "not in"):
            inside = str(left) in str(right)
            against = f"a part of {against}"
        else:
            inside = left == right
    value = inside if expression.operator in ("==", "in") else not inside
    return Verdict(value, _reason(expression.left, left, against, inside))


def _reason(side: Expression, left: str | bool, against: str, inside: bool) -> str:
    subject = _subject(side)
    if subject is None:
        return f"{_shown(left)} is {against}" if inside else f"{_shown(left)} is not {against}"
    if subject in ("branch", "tag") and left == "":
        return f"there is no {subject}"
    if inside and not against.startswith(("one of", "a part of")):
        return f"{subject} is {_shown(left)}"
    return f"{subject} is {_shown(left)}, {'' if inside else 'not '}{against}"


def _subject(side: Expression) -> str | None:
    return side.name if isinstance(side, Name) else None


def _shown(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def _matches(text: Expression, globs: tuple[str, ...], facts: WhenFacts) -> Verdict:
    value = str(_value(text, facts))
    listed = ", ".join(f"'{glob}'" for glob in globs)
    if not value:
        return Verdict(False, f"there is no {_subject(text) or 'text'} to match {listed}")
    good = first_taken_in(globs, [value]) is not None
    return Verdict(
        good, f"{_subject(text) or 'text'} '{value}' {'matches' if good else 'does not match'} {listed}"
    )


def _changed(globs: tuple[str, ...], changed: tuple[str, ...] | None) -> Verdict:
    """Where nobody knows what changed, everything may have: a job too many is better than one too few."""
    listed = ", ".join(f"'{glob}'" for glob in globs)
    if changed is None:
        return Verdict(True, f"it is not known what changed, so {listed} counts as changed")
    found = first_taken_in(globs, changed)
    if found is None:
        return Verdict(False, f"nothing changed in {listed}")
    return Verdict(True, f"'{found}' changed")


def few_enough(
    paths: tuple[str, ...], conditions: Sequence[str], globs: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """The paths that changed, as these conditions and globs may ask about them; None (unknown, so all count) where that
    would take long: a job too many is better than a server that others wait for."""
    count = len(globs) + sum((text.count("'") + text.count('"')) // 2 for text in conditions)
    characters = sum(map(len, globs)) + sum(map(len, conditions))
    is_much = len(paths) * count > _MOST_PAIRS or sum(map(len, paths)) * characters > _MOST_CHARACTERS
    return None if is_much else paths

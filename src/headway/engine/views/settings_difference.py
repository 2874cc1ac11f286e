"""What two deployments' plans say differently: settings, parts of headway.toml, hosts. Secrets by their names alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headway.base.plain import to_plain
from headway.deploy.plan import Plan, from_json
from headway.domain.contract import Amount, StrategyKind

#: Values on a page; a longer one is cut.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class SettingChange:
    #: added, removed, changed
    kind: str
    name: str
    #: None where they are not to be shown (secrets, whole parts).
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class KnownPlan:
    plan: Plan

    @property
    def strategy(self) -> str:
        """`canary 1, then 50 %`; of a way back, half at once."""
        strategy = self.plan.environment.strategy
        if self.plan.rollback:
            return "half of them at a time"
        if strategy.kind is StrategyKind.CANARY and strategy.first is not None:
            return f"canary {_amount(strategy.first)}, then {_amount(strategy.batch)} at a time"
        return f"{_amount(strategy.batch)} at a time"


def plan_of(text: str) -> KnownPlan | None:
    """None for what another system deployed, and for a plan that this version cannot read."""
    if text in ("", "{}"):
        return None
    try:
        return KnownPlan(from_json(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def settings_difference(before: KnownPlan, after: KnownPlan) -> tuple[SettingChange, ...]:
    return tuple(_changes(before.plan, after.plan))


def _changes(old: Plan, new: Plan) -> Iterator[SettingChange]:
    yield from _values(dict(old.environment.env), dict(new.environment.env))
    # Fingerprints are salted anew each time: of secrets it can be told that they came or went, not that they changed.
    for name in sorted(_secrets(new) - _secrets(old)):
        yield SettingChange("added", f"secret {name}")
    for name in sorted(_secrets(old) - _secrets(new)):
        yield SettingChange("removed", f"secret {name}")
    was, now = _plain(old.deploy), _plain(new.deploy)
    for key in now:
        if was.get(key) != now[key]:
            yield SettingChange("changed", f"[deploy] {key}")
    if old.environment.strategy != new.environment.strategy and not (old.rollback or new.rollback):
        yield SettingChange("changed", "strategy", KnownPlan(old).strategy, KnownPlan(new).strategy)
    here, there = ({host.spec.name for host in plan.hosts} for plan in (new, old))
    for name in sorted(here - there):
        yield SettingChange("added", f"host {name}")
    for name in sorted(there - here):
        yield SettingChange("removed", f"host {name}")


def _values(was: dict[str, str], now: dict[str, str]) -> Iterator[SettingChange]:
    for name in sorted({*was, *now}):
        if name not in was:
            yield SettingChange("added", name, None, now[name][:_LONGEST])
        elif name not in now:
            yield SettingChange("removed", name, was[name][:_LONGEST], None)
        elif was[name] != now[name]:
            yield SettingChange("changed", name, was[name][:_LONGEST], now[name][:_LONGEST])


def _secrets(plan: Plan) -> set[str]:
    return set(plan.environment.secrets)


def _plain(value: object) -> dict[str, Any]:
    plain = to_plain(value)
    assert isinstance(plain, dict)
    return plain


def _amount(amount: Amount) -> str:
    return f"{amount.value} %" if amount.percent else str(amount.value)

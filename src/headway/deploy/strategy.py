"""In which order and how many at once the hosts of a deployment are switched."""

from collections.abc import Sequence

from headway.domain.contract import Amount, Strategy, StrategyKind


def count(amount: Amount, total: int) -> int:
    """How many of `total` hosts `amount` means: at least one, at most all; a percentage is rounded up."""
    wanted = -(-amount.value * total // 100) if amount.percent else amount.value
    return max(1, min(wanted, total))


def batches(hosts: Sequence[str], strategy: Strategy) -> tuple[tuple[str, ...], ...]:
    """`hosts` in their order, cut into batches. Percentages are of all hosts, not of those still to come."""
    remaining, cut = list(hosts), []
    if strategy.kind is StrategyKind.CANARY and strategy.first is not None and remaining:
        first = count(strategy.first, len(hosts))
        cut.append(tuple(remaining[:first]))
        remaining = remaining[first:]
    size = count(strategy.batch, len(hosts))
    cut.extend(tuple(remaining[start : start + size]) for start in range(0, len(remaining), size))
    return tuple(cut)


def width_back(total: int) -> int:
    """How many hosts are taken back at once: half of them (rounded up), so that the others go on serving."""
    return max(1, -(-total // 2))


def has_majority(taken: int, total: int) -> bool:
    """Going back needs more than half of the hosts' locks, so that two who go back exclude each other."""
    return 2 * taken > total

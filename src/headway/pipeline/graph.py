"""The graph of job definitions: who needs whom. Names only; it knows nothing of states.

Everywhere `needs` maps a name to the names it needs; names that are needed but not listed are ignored here
(`plan` reports them).
"""

from collections.abc import Iterable, Mapping, Sequence

Needs = Mapping[str, Sequence[str]]


def find_cycle(needs: Needs) -> tuple[str, ...] | None:
    """One cycle as it is to be read, `('a', 'b', 'a')`: a needs b, b needs a. None when there is none.

    It begins at the earliest listed name on it, so that the message stays the same from call to call.
    """
    done: set[str] = set()
    for start in needs:
        # Depth first with an explicit stack: a chain of a thousand jobs is deeper than Python's own.
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
                continue
            if name in on_path:
                return _begin_at_the_earliest(path[path.index(name) :], list(needs))
            if name in done:
                continue
            path.append(name)
            on_path.add(name)
            stack.append((name, True))
            stack.extend((need, False) for need in reversed(needs[name]) if need in needs)
    return None


def _begin_at_the_earliest(cycle: list[str], order: list[str]) -> tuple[str, ...]:
    first = min(range(len(cycle)), key=lambda index: order.index(cycle[index]))
    turned = cycle[first:] + cycle[:first]
    return (*turned, turned[0])


def in_order(needs: Needs) -> tuple[str, ...]:
    """Every name after all that it needs, otherwise in the order of the file. Raises ValueError for a cycle."""
    cycle = find_cycle(needs)
    if cycle is not None:
        raise ValueError(f"cycle: {' → '.join(cycle)}")
    placed: dict[str, None] = {}
    for start in needs:
        stack = [start]
        while stack:
            name = stack[-1]
            missing = [need for need in needs[name] if need in needs and need not in placed]
            if missing:
                stack.extend(reversed(missing))
            else:
                placed.setdefault(name)
                stack.pop()
    return tuple(placed)


def with_needs(chosen: Iterable[str], needs: Needs) -> frozenset[str]:
    """The chosen names and all that they need, directly or not."""
    found: set[str] = set()
    waiting = list(chosen)
    while waiting:
        name = waiting.pop()
        if name not in found and name in needs:
            found.add(name)
            waiting.extend(needs[name])
    return frozenset(found)


def heights(needs: Needs) -> dict[str, int]:
    """For each name the length of the longest chain that waits for it; 0 when nobody does."""
    height = dict.fromkeys(needs, 0)
    for name in reversed(in_order(needs)):
        for need in needs[name]:
            if need in height:
                height[need] = max(height[need], height[name] + 1)
    return height

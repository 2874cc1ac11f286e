import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.deploy.strategy import batches, count, has_majority, width_back
from headway.domain.contract import Amount, Strategy, StrategyKind

ROLLING, CANARY = StrategyKind.ROLLING, StrategyKind.CANARY


@pytest.mark.parametrize(
    ("amount", "total", "expected"),
    [
        (Amount(1), 5, 1),
        (Amount(9), 5, 5),
        (Amount(50, percent=True), 5, 3),
        (Amount(1, percent=True), 5, 1),
        (Amount(100, percent=True), 5, 5),
        (Amount(34, percent=True), 3, 2),
        (Amount(100, percent=True), 200, 200),
        (Amount(1), 0, 1),
    ],
)
def test_count(amount: Amount, total: int, expected: int) -> None:
    assert count(amount, total) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy(ROLLING, Amount(2)), [2, 2, 1]),
        (Strategy(ROLLING, Amount(100, percent=True)), [5]),
        (Strategy(CANARY, Amount(50, percent=True), first=Amount(1)), [1, 3, 1]),
        (Strategy(CANARY, Amount(1), first=Amount(9)), [5]),
    ],
)
def test_batches(strategy: Strategy, expected: list[int]) -> None:
    hosts = ["a", "b", "c", "d", "e"]
    cut = batches(hosts, strategy)
    assert [len(batch) for batch in cut] == expected
    assert [host for batch in cut for host in batch] == hosts


@settings(max_examples=60)
@given(
    st.integers(0, 40),
    st.sampled_from([ROLLING, CANARY]),
    st.builds(Amount, st.integers(1, 100), st.booleans()),
    st.builds(Amount, st.integers(1, 100), st.booleans()),
)
def test_every_host_is_in_exactly_one_batch(
    total: int, kind: StrategyKind, size: Amount, first: Amount
) -> None:
    hosts = [f"host{number}" for number in range(total)]
    cut = batches(hosts, Strategy(kind, size, first=first))
    assert [host for batch in cut for host in batch] == hosts
    assert all(cut)


def test_going_back_leaves_the_other_half_serving() -> None:
    assert [width_back(total) for total in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]


@given(st.integers(1, 30))
@settings(max_examples=30)
def test_two_majorities_share_a_host(total: int) -> None:
    smallest = next(taken for taken in range(total + 1) if has_majority(taken, total))
    assert 2 * smallest > total

from concurrent.futures import ThreadPoolExecutor

from headway.store.counters import next_number
from headway.store.database import Database, open_database


def test_numbers_count_from_one_within_service_and_noun(database: Database) -> None:
    def take(service: str, noun: str) -> int:
        return database.transact(lambda tx: next_number(tx, service, noun))

    assert [take("shop", "run"), take("shop", "run"), take("shop", "deployment"), take("blog", "run")] == [
        1,
        2,
        1,
        1,
    ]


def test_a_number_of_a_transaction_that_failed_is_given_again(database: Database) -> None:
    def work(tx):  # type: ignore[no-untyped-def]
        next_number(tx, "shop", "run")
        raise ValueError

    try:
        database.transact(work)
    except ValueError:
        pass
    assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1


def test_many_writers_never_share_a_number(database_url: str) -> None:
    def writer(_: int) -> list[int]:
        with open_database(database_url) as mine:
            return [mine.transact(lambda tx: next_number(tx, "shop", "run")) for _ in range(25)]

    with ThreadPoolExecutor(6) as threads:
        numbers = sorted(number for found in threads.map(writer, range(6)) for number in found)
    assert numbers == list(range(1, 151))

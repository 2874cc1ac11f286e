from headway.store.database import Database
from headway.store.deployment_commits import record_commits
from headway.store.reports import past_commits, past_deployments
from tests.support.deliveries import Story
from tests.support.stored_deliveries import store


def test_the_first_record_counts(database: Database) -> None:
    story = Story()
    story.add(0)
    store(database, story.facts, record=False)
    [only] = story.facts
    assert database.transact(lambda tx: record_commits(tx, only.id, base="x", unknown="the clone is shallow"))
    assert not database.transact(lambda tx: record_commits(tx, only.id, base="y"))
    [found] = database.read(lambda tx: past_deployments(tx, None, None))
    assert (found.recorded, found.base, found.unknown) == (True, "x", "the clone is shallow")


def test_thousands_of_commits_of_one_deployment_are_stored(database: Database) -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[number / 1000 for number in range(5000)])
    store(database, story.facts)
    assert len(database.read(lambda tx: past_commits(tx, None, None))) == 5000

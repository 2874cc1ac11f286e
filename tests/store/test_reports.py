from headway.dora.facts import DeploymentFact
from headway.store.database import Database
from headway.store.reports import known_places, newest_releases, past_commits, past_deployments, watched_since
from tests.support.deliveries import S, Story, at
from tests.support.stored_deliveries import add_release, store


def told() -> Story:
    story = Story()
    story.add(0)
    story.add(10, commits=[1, 2])
    story.add(20, state=S.ROLLED_BACK, commits=[15])
    return story


def numbers(facts: list[DeploymentFact]) -> list[int]:
    return [fact.number for fact in facts]


def test_a_history_comes_back_as_it_was(database: Database) -> None:
    store(database, told().facts)
    first, second, third = database.read(lambda tx: past_deployments(tx, "shop", None))
    assert (first.previous_release, first.base, first.recorded) == (None, None, True)
    assert (second.previous_release, second.previous_commit, second.base) == ("r1", "c-r1", "c-r1")
    assert (second.first_switched_at, second.verified_at) == (at(10), at(10.2))
    assert second.restored_at is None
    assert (third.state, third.automatic, third.restored_at) == (S.ROLLED_BACK, True, at(20.2))
    commits = database.read(lambda tx: past_commits(tx, "shop", None))
    assert [(c.deployment, c.sha, c.committed_at) for c in commits] == [
        (second.id, "r2-1", at(2)),
        (second.id, "r2-0", at(1)),
        (third.id, "r3-0", at(15)),
    ]


def test_services_and_environments_are_kept_apart(database: Database) -> None:
    staging, blog = Story(environment="staging", numbers_after=3), Story(service="blog")
    blog.add(1, release="b1")
    store(database, told().facts)
    store(database, [staging.add(2, release="s2")], production=False)
    store(database, blog.facts)

    def found(service: str | None, environment: str | None) -> list[str]:
        return [d.id for d in database.read(lambda tx: past_deployments(tx, service, environment))]

    shop = ["shop-production-1", "shop-production-2", "shop-production-3"]
    assert found("shop", None) == shop
    assert found("shop", "staging") == ["shop-staging-4"]
    assert found(None, None) == [shop[0], "blog-production-1", *shop[1:]]
    assert database.read(known_places) == [
        ("blog", "production"),
        ("shop", "production"),
        ("shop", "staging"),
    ]


def test_what_was_not_recorded_is_told_apart_from_what_brought_nothing(database: Database) -> None:
    story = told()
    store(database, story.facts, record=False)
    assert [d.recorded for d in database.read(lambda tx: past_deployments(tx, None, None))] == [False] * 3


def test_watching_began_with_the_first_request(database: Database) -> None:
    assert database.read(lambda tx: watched_since(tx, None)) is None
    store(database, told().facts)
    assert database.read(lambda tx: watched_since(tx, "shop")) == at(-0.2)
    assert database.read(lambda tx: watched_since(tx, "blog")) is None


def test_the_newest_release_of_each_service(database: Database) -> None:
    def work(tx):  # type: ignore[no-untyped-def]
        add_release(tx, "shop", "rel-a", "/repo", "a", at(1))
        add_release(tx, "shop", "rel-b", "/repo", "b", at(2))
        add_release(tx, "blog", "rel-c", "/other", "c", at(0))

    database.transact(work)
    assert database.read(lambda tx: newest_releases(tx, None)) == {
        "shop": ("rel-b", "/repo", "b"),
        "blog": ("rel-c", "/other", "c"),
    }
    assert set(database.read(lambda tx: newest_releases(tx, "blog"))) == {"blog"}

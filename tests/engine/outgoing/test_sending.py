"""What is put into the outbox when a run changes."""

from headway.domain.intake import ForgeKind
from headway.domain.outbox import EffectKind
from tests.support.serving import ADA, Serving, contract, pushed


async def told(serving: Serving, token: str | None) -> int:
    """Effects of one run, of a repository whose forge Headway has this token for."""
    sha = serving.working().commit(contract())
    url = str(serving.folder / "elsewhere" / "shop")
    added = await serving.server.repositories.add(
        ADA, name="shop", url=url, forge=ForgeKind.GITHUB, token=token
    )
    await serving.tell(added.repository, pushed(None, sha))
    await serving.take_in()
    await serving.drive()
    assert serving.states() == [(1, "succeeded")]
    rows = serving.database.read(
        lambda tx: tx.all("SELECT 1 FROM outbox WHERE kind = :kind", kind=EffectKind.COMMIT_STATUS)
    )
    return len(rows)


async def test_a_forge_is_told_of_each_state_of_a_run(serving: Serving) -> None:
    assert await told(serving, "a-token") == 3


async def test_a_forge_that_nobody_could_tell_costs_nothing(serving: Serving) -> None:
    assert await told(serving, None) == 0

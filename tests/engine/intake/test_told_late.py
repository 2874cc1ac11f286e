"""News that come late, out of order, or not at all: each push is one run, and no branch goes back."""

import asyncio

from headway.domain.intake import ForgeKind, Repository
from headway.drivers.git.received import FOLDER
from headway.engine.intake.duty import groups_of
from headway.engine.intake.store import Taken, store_group
from headway.store import repositories
from headway.store.arrivals import due_arrivals
from headway.store.database import Transaction
from tests.support.repositories import Repository as Working
from tests.support.serving import ADA, Serving, contract, pushed

KEEP = '[jobs.test]\nrun = "true"\n[pipeline]\nsuperseded = "keep"\n'


async def hosted(serving: Serving) -> tuple[Repository, Working]:
    """A repository that the server hosts, and a working copy that pushes to its folder."""
    added = await serving.server.repositories.add(ADA, name="shop")
    return added.repository, Working(serving.folder / "working")


def push(serving: Serving, repository: Repository, working: Working, *, noted: bool = True) -> None:
    folder = serving.server.repositories.folder(repository.id)
    before = set((folder / FOLDER).iterdir())
    working.git("push", "--quiet", str(folder), "main")
    for note in set((folder / FOLDER).iterdir()) - before:
        if not noted:
            # As after a kill between the refs and the hook.
            note.unlink()


async def take_pushes(serving: Serving, repository: Repository) -> None:
    serving.parts.looking.hint(repository.id)
    await serving.parts.looking.tick(serving.server.now())
    await serving.parts.looking.settle()
    await serving.take_in()


def at(serving: Serving, repository: Repository) -> str | None:
    def work(tx: Transaction) -> str | None:
        return repositories.ref_of(tx, repository.id, "refs/heads/main")

    found: str | None = serving.database.read(work)
    return found


async def test_a_push_without_a_note_is_found_by_the_next_one(serving: Serving) -> None:
    repository, working = await hosted(serving)
    commits = []
    for number, noted in enumerate([True, False, True]):
        commits.append(working.commit({**contract(KEEP), "count": str(number)}))
        push(serving, repository, working, noted=noted)
        if noted:
            await take_pushes(serving, repository)
    assert [run.commit for run in serving.runs()] == commits


async def test_a_push_without_a_note_is_found_by_the_next_start(serving: Serving) -> None:
    repository, working = await hosted(serving)
    await take_pushes(serving, repository)
    sha = working.commit(contract())
    push(serving, repository, working, noted=False)
    serving.again()
    await serving.parts.looking.tick(serving.server.now())
    await serving.parts.looking.settle()
    await serving.take_in()
    assert [run.commit for run in serving.runs()] == [sha]


async def test_notes_in_the_wrong_order_are_one_run_each(serving: Serving) -> None:
    repository, working = await hosted(serving)
    folder = serving.server.repositories.folder(repository.id) / FOLDER
    commits = [working.commit(contract(KEEP))]
    push(serving, repository, working)
    await take_pushes(serving, repository)
    for number in range(2):
        commits.append(working.commit({"count": str(number)}))
        push(serving, repository, working)
    first, second = sorted(folder.glob("*-*"))
    first.rename(second.with_name("9" + second.name))
    await take_pushes(serving, repository)
    assert sorted(run.commit for run in serving.runs()) == sorted(commits)
    assert at(serving, repository) == commits[-1]
    await serving.look()
    assert len(serving.runs()) == 3


async def test_a_forge_that_tells_after_a_look_moves_nothing_back(serving: Serving) -> None:
    working = serving.working()
    first = working.commit(contract(KEEP))
    shop = await serving.add(forge=ForgeKind.GITHUB)
    await serving.look()
    second, third = working.commit({"count": "2"}), working.commit({"count": "3"})
    await serving.look()
    assert [run.commit for run in serving.runs()] == [first, third]
    await serving.tell(shop, pushed(first, second), delivery="d1")
    await serving.take_in()
    assert at(serving, shop) == third
    await serving.tell(shop, pushed(second, third), delivery="d2")
    await serving.take_in()
    await serving.look()
    assert [run.commit for run in serving.runs()] == [first, third, second]
    assert at(serving, shop) == third


async def test_a_look_that_was_overtaken_tells_nothing(serving: Serving) -> None:
    """A webhook is taken in while the forge's answer to a look is still on its way."""
    working = serving.working()
    first = working.commit(contract(KEEP))
    shop = await serving.add(forge=ForgeKind.GITHUB)
    await serving.look()
    second = working.commit({"count": "2"})
    looking, seen = serving.parts.looking, asyncio.Event()
    refs, loop = looking._refs, asyncio.get_running_loop()

    def slow(*arguments: object) -> object:
        found = refs(*arguments)  # type: ignore[arg-type]
        found[0]["refs/heads/main"] = first
        loop.call_soon_threadsafe(seen.set)
        told = asyncio.run_coroutine_threadsafe(taken(), loop)
        told.result(20)
        return found

    async def taken() -> None:
        await seen.wait()
        await serving.tell(shop, pushed(first, second), delivery="d1")
        await serving.take_in()

    looking._refs = slow  # type: ignore[assignment,method-assign]
    await serving.look()
    assert [run.commit for run in serving.runs()] == [first, second]
    assert at(serving, shop) == second


async def test_what_another_server_has_worked_on_meanwhile_moves_nothing_back(serving: Serving) -> None:
    """Two servers read the same arrivals; the slower one comes when the branch has gone on."""
    repository, working = await hosted(serving)
    commits = []
    for number in range(2):
        commits.append(working.commit({**contract(KEEP), "count": str(number)}))
        push(serving, repository, working)
    one, two = commits
    intake = serving.parts.intake
    [first] = await serving.tell(repository, pushed(None, one), delivery="d1")
    arrivals = serving.database.read(lambda tx: due_arrivals(tx, repository.id))
    [group] = groups_of(arrivals)
    slow = intake._judge(repository, group, {})
    await serving.take_in()
    await serving.tell(repository, pushed(one, two), delivery="d2")
    await serving.take_in()

    def store(tx: Transaction) -> Taken | None:
        return store_group(
            tx,
            repository,
            slow,
            serving.server.now(),
            serving.server.observer,
            serving.server.repositories.leave_service,
        )

    assert serving.database.transact(store) is None
    assert at(serving, repository) == two
    assert [run.commit for run in serving.runs()] == commits
    assert first == arrivals[0].number

"""Tries hold their commits as long as they can be run again, and no longer."""

import asyncio
from datetime import timedelta
from pathlib import Path

from headway.drivers.git import Git
from headway.drivers.git.bare import Bare
from headway.drivers.git.proposals import make_proposal
from headway.engine.intake.tries import KEPT_FOR, sweep_tries
from tests.support.called_api import CalledApi
from tests.support.repositories import ENVIRONMENT


async def test_a_try_is_let_go_of_long_after_its_end(api: CalledApi, tmp_path: Path) -> None:
    sha = await api.shop('[jobs.test]\nrun = "true"\n')
    working = api.working()
    working.write({"new": "file"})
    git = Git(dict(ENVIRONMENT), tmp_path / "mirrors")
    proposal = await asyncio.to_thread(make_proposal, git, working.folder, [sha])
    made = await api.owner.client.post("/api/services/shop/tries?dirty=true", content=proposal.bundle)
    run = made.json()
    folder = api.settings.data / "repositories"
    [place] = folder.glob("*.git")
    bare = Bare(place, dict(ENVIRONMENT))
    now = api.server.now()

    async def sweep(after: timedelta) -> int:
        return await sweep_tries(api.database, folder, dict(ENVIRONMENT), now + after)

    assert await sweep(KEPT_FOR * 2) == 0, "it has not ended"
    await api.drive()
    assert await sweep(KEPT_FOR / 2) == 0
    assert bare.refs("refs/headway/tries")
    bare.tidy(older_than=now - timedelta(days=1))  # git packs the ref
    assert bare.has_commit(run["commit"])
    assert await sweep(KEPT_FOR * 2) == 1
    assert not bare.refs("refs/headway/tries")
    assert await sweep(KEPT_FOR * 2) == 0

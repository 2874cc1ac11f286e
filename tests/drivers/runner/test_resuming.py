"""A follower that is killed again and again: every byte of the log stands once, every mark at its place."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from headway.base.secret import Secret
from headway.drivers.runner.local import LocalRunner
from tests.support.jobs import follow, job

FOLLOWER = """
import asyncio, json, os, sys
from pathlib import Path
from headway.base.secret import Secret
from headway.drivers.runner.local import LocalRunner
from headway.drivers.runner.masking import LogKeeper

place = Path(sys.argv[1])

async def main():
    stored = json.loads((place / "stored").read_text()) if (place / "stored").exists() else [0, 0]
    runner = LocalRunner()
    with LogKeeper(place / "log", [Secret("A", "hunter2")], taken=stored[0], kept=stored[1]) as keeper:
        offset = keeper.taken
        while True:
            piece = await runner.follow(str(place / "job"), offset, wait=5)
            offset = piece.offset
            keeper.keep(piece)
            (place / "stored.new").write_text(json.dumps([keeper.taken, keeper.kept]))
            os.rename(place / "stored.new", place / "stored")
            if piece.result is not None:
                return

asyncio.run(main())
"""


@pytest.mark.slow
async def test_no_byte_is_lost_or_doubled(tmp_path: Path) -> None:
    # The pauses make it last a second at least: no follower can be through before the first one is killed.
    script = (
        "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo line $i; printf hun; echo ter2; "
        "[ $((i % 400)) -ne 0 ] || sleep 0.05; done"
    )
    await LocalRunner().start(job(tmp_path, script, script))
    chance = random.Random(7)
    kills = 0
    while True:
        follower = subprocess.Popen([sys.executable, "-c", FOLLOWER, str(tmp_path)])
        try:
            assert follower.wait(0.12 + 0.1 * chance.random() + 0.05 * kills) == 0
            break
        except subprocess.TimeoutExpired:
            follower.kill()
            follower.wait()
            kills += 1
    lines = [f"line {number}\n[secret]\n" for number in range(1, 4001)]
    assert (tmp_path / "log").read_text() == "".join(lines * 2)
    assert kills >= 1
    whole = await follow(LocalRunner(), str(tmp_path / "job"))
    assert whole.output.replace(b"hunter2", b"[secret]") == (tmp_path / "log").read_bytes()
    assert Secret("A", "hunter2").reveal().encode() in whole.output


async def test_several_followers_see_the_same(tmp_path: Path) -> None:
    runner = LocalRunner()
    await runner.start(job(tmp_path, "for i in 1 2 3 4 5; do echo $i; sleep 0.02; done"))
    seen = await asyncio.gather(*(follow(runner, str(tmp_path / "job")) for _ in range(3)))
    assert {one.output for one in seen} == {b"1\n2\n3\n4\n5\n"}

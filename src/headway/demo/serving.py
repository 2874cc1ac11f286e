"""The machine that Headway's server stands on: keeps `headway up` running as systemd would. `python -m headway.demo.serving`.

A server that dies is started again. The process is the machine: it lives as long as its standard input is open, and when
it goes, the server and all jobs that were started there go too.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from headway.demo.layout import DEMO_VARIABLE, load_layout
from headway.demo.lifeline import until_released
from headway.demo.processes import end_carriers

#: Seconds: what a start may take, between a death and the next start, what a stop may take.
START_WITHIN, REST, STOP_WITHIN = 20.0, 0.3, 12.0
#: What stands here is {"pid", "url", "sign_in", "starts"} of the server that runs.
STATE = "server.json"


class Machine:
    def __init__(self, folder: Path) -> None:
        self._layout = load_layout(folder)
        self._process: asyncio.subprocess.Process | None = None
        self._starts = 0

    async def start(self) -> None:
        """Until its address answers. Raises RuntimeError or TimeoutError; what it said is in server.log."""
        layout = self._layout
        with (layout.folder / "server.log").open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-P", "-m", "headway", "up", "--json"],
                *["--listen", f"127.0.0.1:{layout.server_port}", "--slots", "4"],
                cwd=layout.folder,
                env=layout.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(START_WITHIN):
            told = await _first_document(process)
        self._starts += 1
        # Each start voids the link of the one before, while nobody has signed in.
        state = {
            "pid": process.pid,
            "url": told["url"],
            "sign_in": told["sign_in"],
            "starts": self._starts,
        }
        place = layout.folder / STATE
        place.with_suffix(".new").write_text(json.dumps(state))
        place.with_suffix(".new").rename(place)

    async def keep(self) -> None:
        while True:
            assert self._process is not None
            await self._process.wait()
            await asyncio.sleep(REST)
            with contextlib.suppress(RuntimeError, TimeoutError):
                await self.start()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await asyncio.to_thread(end_carriers, DEMO_VARIABLE, str(self._layout.folder))


async def _first_document(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    told = b""
    while piece := await process.stdout.read(4096):
        told += piece
        with contextlib.suppress(ValueError):
            document: dict[str, Any] = json.loads(told)
            return document
    raise RuntimeError("headway up did not start")


async def live(folder: Path) -> None:
    machine = Machine(folder)
    try:
        await machine.start()
        keeping = asyncio.create_task(machine.keep())
        await until_released()
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
    finally:
        await machine.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headway.demo.serving", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the world's")
    arguments = parser.parse_args()
    try:
        asyncio.run(live(arguments.folder))
    except (RuntimeError, TimeoutError) as error:
        log = arguments.folder / "server.log"
        lines = log.read_text(errors="replace").strip().splitlines()
        print(lines[-1] if lines else repr(error), file=sys.stderr)
        os._exit(1)


if __name__ == "__main__":
    main()

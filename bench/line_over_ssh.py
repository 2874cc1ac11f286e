"""A job on a host prints its clock; how long until each line is read here. Host and reader share one clock: loopback.

line_over_ssh.py SSH_CONFIG PORT USER
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from headway.domain.contract import HostSpec
from headway.domain.job import JobSpec, StepSpec
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.settings import SshSettings

CLOCK = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do date +%s.%N; sleep 0.25; done"


async def measure(config: str, port: str, user: str) -> list[float]:
    host = HostSpec(name="web-1", address="127.0.0.1", port=int(port), user=user)
    latencies: list[float] = []
    async with Connections(SshSettings(home=Path.home(), config=Path(config))) as connections:
        session = await connections.session(host)
        home = (await session.call('printf %s "$HOME"', timeout=10)).output.decode()
        spec = JobSpec(directory=f"{home}/clock", working_directory=home, steps=(StepSpec("clock", CLOCK),))
        runner, offset = SessionRunner(session), 0
        await runner.start(spec)
        while True:
            piece = await runner.follow(spec.directory, offset, wait=5)
            now, offset = time.time(), piece.offset
            text = b"".join(item for item in piece.items if isinstance(item, bytes)).decode()
            latencies += [(now - float(line)) * 1000 for line in text.splitlines()]
            if piece.result:
                return latencies


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(*sys.argv[1:]))))

"""No-op jobs through the runner's own verbs, without checkout or database; prints milliseconds as JSON.

runner_alone.py FOLDER
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from headway.domain.job import JobSpec, StepSpec
from headway.drivers.runner.local import LocalRunner

TIMES = 50


async def measure(folder: Path) -> list[float]:
    folder.mkdir(parents=True, exist_ok=True)
    runner, samples = LocalRunner(), []
    for number in range(TIMES + 1):
        begin = time.perf_counter()
        spec = JobSpec(
            directory=str(folder / f"job{number}"),
            working_directory=str(folder),
            steps=(StepSpec("true", "true"),),
        )
        await runner.start(spec)
        offset = 0
        while True:
            piece = await runner.follow(spec.directory, offset, wait=1)
            offset = piece.offset
            if piece.result:
                break
        samples.append((time.perf_counter() - begin) * 1000)
    return samples[1:]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1])))))

"""A run under fire: its jobs write their own record, outside of anything that Headway keeps."""

import random
from collections import Counter
from pathlib import Path

from tests.chaos.world import Tally, Workshop, after_a_while, at_each_boundary, kill_until_done

JOBS = {"first": [], "left": ["first"], "right": ["first"], "last": ["left", "right"]}
STEPS = 3
LINES = 40
#: Seconds that a run takes when nobody kills it, roughly: kills fall anywhere in it, and a little after.
A_RUN = 1.5


def contract(record: Path) -> str:
    text = 'contract = 1\n[service]\nname = "chaos"\n'
    for job, needs in JOBS.items():
        steps = ",\n".join(f'"""{step(record, job, number)}"""' for number in range(1, STEPS + 1))
        text += f"[jobs.{job}]\nneeds = {needs}\nrun = [\n{steps}\n]\n"
    return text


def step(record: Path, job: str, number: int) -> str:
    """Prints numbered lines slowly; its begin and end stand in the record."""
    note = f'echo "$HEADWAY_RUN {job} {number}'
    return (
        f'{note} begin" >> {record}\n'
        f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo {job}-{number}-line-$i; "
        f"[ $((i % 20)) -ne 0 ] || sleep 0.05; done\n"
        f'{note} end" >> {record}\n'
    )


def attack(folder: Path, kills: int, seed: int, tally: Tally) -> None:
    workshop = Workshop(folder)
    record = folder / "record"
    workshop.begin({"headway.toml": contract(record), "count.txt": "0\n"})
    record.touch()
    chance = random.Random(seed)
    turn = 0
    while kills > 0:
        turn += 1
        workshop.commit({"count.txt": f"{turn}\n"})
        before = tally.kills
        kill_until_done(workshop, ("run",), after_a_while(chance, A_RUN, min(kills, 3)), tally)
        # A kill that would have come after the end was none, and is made up for.
        kills -= tally.kills - before
    print(f"  runs: random points done, {tally.line()}", flush=True)
    workshop.commit({"count.txt": "boundaries\n"})
    boundaries = at_each_boundary(lambda: record.read_bytes().count(b"\n"))
    kill_until_done(workshop, ("run",), boundaries, tally)
    print(f"  runs: step boundaries done, {tally.line()}", flush=True)
    judge(workshop, record, tally)


def judge(workshop: Workshop, record: Path, tally: Tally) -> None:
    lines = record.read_text().splitlines()
    for line, times in Counter(lines).items():
        if times > 1:
            tally.fault("repeated", f"a job's step ran {times} times: {line}")
    runs = sorted({int(line.split()[0]) for line in lines})
    done = set(lines)
    for run in runs:
        for job in JOBS:
            for number in range(1, STEPS + 1):
                if f"{run} {job} {number} end" not in done:
                    tally.fault("lost", f"run {run}: step {number} of {job} never ended")
            judge_log(workshop, run, job, tally)


def judge_log(workshop: Workshop, run: int, job: str, tally: Tally) -> None:
    """Every line exactly once, in order."""
    expected = [
        f"{job}-{number}-line-{line}" for number in range(1, STEPS + 1) for line in range(1, LINES + 1)
    ]
    log = workshop.call("logs", str(run), job)
    seen = [line for line in log.splitlines() if line.startswith(f"{job}-")]
    if seen == expected:
        return
    counted = Counter(seen)
    missing = [line for line in expected if line not in counted]
    doubled = [line for line, times in counted.items() if times > 1]
    if missing:
        tally.fault("lost", f"run {run}, {job}: {len(missing)} lines, such as {missing[0]}")
    if doubled:
        tally.fault("repeated", f"run {run}, {job}: {len(doubled)} lines, such as {doubled[0]}")
    if not missing and not doubled:
        tally.fault("lost", f"run {run}, {job}: the order of lines")

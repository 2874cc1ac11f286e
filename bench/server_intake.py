"""Pushes and webhooks: how fast one is answered, how many a second, how long until the first line of the first job."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.buildbot_rival import Buildbot, running_buildbot
from bench.load import Answer, at_rate, post, without_pause
from bench.parts import Row, percentile, rival_environment, wait_for
from bench.served import Served, add_branches, serving

CONTRACT = {
    "headway.toml": 'contract = 1\n[service]\nname = "bench"\n[jobs.test]\nrun = "echo first line"\n',
    "README.md": "bench\n",
}
MATRIX = {
    "headway.toml": 'contract = 1\n[service]\nname = "many"\n[jobs.noop]\nrun = "true"\n'
    f"matrix = {{ n = {json.dumps([str(n) for n in range(256)])} }}\n"
}
RATE, SECONDS = 200, 10
MOST = 20_000
TIMES = 20


def measure(folder: Path) -> list[Row]:
    ours, theirs = _Ours(folder / "ours"), _Theirs(folder)
    their_paced, their_rate = theirs.webhooks()
    their_line, their_many = theirs.jobs()
    paced, rate = ours.webhooks()
    lines = ours.lines()
    answered = [answer.seconds * 1000 for answer in paced]
    rival = "Buildbot"
    return [
        Row(
            f"a webhook answered, {RATE} a second for {SECONDS} s",
            "ms",
            answered,
            [answer.seconds * 1000 for answer in their_paced],
            rival,
        ),
        Row(
            "the same, p99",
            "ms",
            [percentile(answered, 0.99)],
            [percentile([answer.seconds * 1000 for answer in their_paced], 0.99)],
            rival,
            "≤ 50",
        ),
        Row(
            "webhooks a second, one after the other on 32 connections; each became a run",
            "/s",
            [rate],
            [their_rate],
            rival,
            "≥ 500",
            higher_is_better=True,
        ),
        Row("`git push` to the first line of the first job stored", "ms", lines["push"], target="p95 ≤ 500"),
        Row("webhook to the first line of the first job stored", "ms", lines["webhook"], their_line, rival),
        Row(
            "256 jobs of `true` in one run, pushed to finished", "s", ours.many(), [their_many], rival, "≤ 15"
        ),
    ]


class _Ours:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def webhooks(self) -> tuple[list[Answer], float]:
        paced = self._load("paced", RATE * SECONDS)
        rate = self._load("unpaced", MOST, paced=False)
        assert isinstance(paced, list)
        assert isinstance(rate, float)
        return paced, rate

    def _load(self, name: str, count: int, *, paced: bool = True) -> list[Answer] | float:
        branches = 40
        with serving(self.folder / name) as served:
            elsewhere, path, secret = served.fetched(self.folder / f"{name}-elsewhere", CONTRACT)
            history = add_branches(elsewhere, branches, count // branches)
            requests = list(_requests(path, served.host, secret, history))
            if paced:
                answers = asyncio.run(at_rate(served.host, served.port, requests, RATE))
                rate = 0.0
            else:
                answers, seconds = asyncio.run(
                    without_pause(served.host, served.port, iter(requests), SECONDS)
                )
                rate = len(answers) / seconds
            _nothing_lost(served, answers)
            return answers if paced else rate

    def lines(self) -> dict[str, list[float]]:
        """Milliseconds; the log file is looked for each millisecond."""
        with serving(self.folder / "lines") as served:
            working = served.hosted("bench", CONTRACT)
            found = {"push": [self._line(served, working.change, working.push) for _ in range(TIMES + 1)][1:]}
            served.wait_for_rest(seconds=20)
        with serving(self.folder / "told") as served:
            elsewhere, path, secret = served.fetched(self.folder / "told-elsewhere", CONTRACT)
            history = add_branches(elsewhere, 1, TIMES + 2)
            requests = _requests(path, served.host, secret, history)
            found["webhook"] = [
                self._line(served, lambda: None, lambda: self._post(served, next(requests)))
                for _ in range(TIMES + 1)
            ][1:]
        return found

    def _post(self, served: Served, request: bytes) -> None:
        answers, _ = asyncio.run(without_pause(served.host, served.port, iter([request]), 5, 1))
        assert answers[0].status == 202, answers

    def _line(self, served: Served, prepare, send) -> float:  # type: ignore[no-untyped-def]
        prepare()
        logs = served.data / "logs"
        known = set(logs.iterdir()) if logs.exists() else set()
        begin = time.perf_counter()
        send()
        while True:
            for run in set(logs.iterdir() if logs.exists() else ()) - known:
                if any(log.stat().st_size for log in run.glob("*.log")):
                    taken = (time.perf_counter() - begin) * 1000
                    # The next one finds a quiet server.
                    served.wait_for_rest(seconds=20)
                    return taken
            if time.perf_counter() - begin > 30:
                raise TimeoutError("no line came")
            time.sleep(0.001)

    def many(self) -> list[float]:
        with serving(self.folder / "many") as served:
            working = served.hosted("many", MATRIX)
            found = []
            for number in range(1, 4):
                working.change()
                begin = time.perf_counter()
                working.push()
                ended = "SELECT 1 FROM runs WHERE number = :number AND state = 'succeeded'"
                wait_for(lambda: served.rows(ended, number=number), seconds=120)  # noqa: B023
                found.append(time.perf_counter() - begin)
            return found


class _Theirs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def webhooks(self) -> tuple[list[Answer], float]:
        """Without jobs: each change begins a build of a builder that takes a newer one in place of those that wait."""
        with running_buildbot(rival_environment(), self.folder / "buildbot-hooks") as buildbot:
            host, port = buildbot.address
            requests = list(_changes(host, RATE * SECONDS))
            paced = asyncio.run(at_rate(host, port, requests, RATE))
        with running_buildbot(rival_environment(), self.folder / "buildbot-rate") as buildbot:
            host, port = buildbot.address
            answers, seconds = asyncio.run(without_pause(host, port, _changes(host, MOST), SECONDS))
        return paced, len([answer for answer in answers if answer.status == 200]) / seconds

    def jobs(self) -> tuple[list[float], float]:
        with running_buildbot(rival_environment(), self.folder / "buildbot-jobs") as buildbot:
            host, _ = buildbot.address
            changes = _changes(host, TIMES + 1)
            lines = [self._line(buildbot, next(changes)) for _ in range(TIMES + 1)][1:]
            return lines, 256 / buildbot.throughput(256)

    def _line(self, buildbot: Buildbot, request: bytes) -> float:
        host, port = buildbot.address
        known = {build["buildid"] for build in buildbot.get("builds")["builds"]}
        begin = time.perf_counter()
        asyncio.run(without_pause(host, port, iter([request]), 5, 1))
        while True:
            for build in buildbot.get("builds")["builds"]:
                if build["buildid"] not in known and "first line" in buildbot.log_of_build(build["buildid"]):
                    taken = (time.perf_counter() - begin) * 1000
                    wait_for(
                        lambda: buildbot.get(f"builds/{build['buildid']}")["builds"][0]["complete"],  # noqa: B023
                        seconds=20,
                    )
                    return taken
            time.sleep(0.02)


def _nothing_lost(served: Served, answers: list[Answer]) -> None:
    """Every 2xx became a run."""
    accepted = sum(200 <= answer.status < 300 for answer in answers)
    if accepted != len(answers):
        raise RuntimeError(f"{len(answers) - accepted} of {len(answers)} webhooks were not accepted")
    served.wait_for_rest(seconds=300)
    [row] = served.rows("SELECT COUNT(*) AS number FROM runs WHERE ref LIKE 'refs/heads/topic-%'")
    if row["number"] != accepted:
        raise RuntimeError(f"{accepted} webhooks were accepted and became {row['number']} runs")


def _requests(path: str, host: str, secret: str, history: Mapping[str, list[str]]) -> Iterator[bytes]:
    """The branches in turn, each in its order."""
    numbers = itertools.count(1)
    for position in range(max(map(len, history.values()))):
        for ref, ids in history.items():
            if position < len(ids):
                before = ids[position - 1] if position else None
                yield _webhook(path, host, secret, f"delivery-{next(numbers)}", ref, before, ids[position])


def _changes(host: str, count: int) -> Iterator[bytes]:
    path = "/change_hook/github"
    for number in range(1, count + 1):
        ref = f"refs/heads/topic-{number % 40}"
        yield _webhook(path, host, "", f"delivery-{number}", ref, f"{number:040x}", f"{number + 1:040x}")


def _webhook(
    path: str, host: str, secret: str, delivery: str, ref: str, before: str | None, after: str
) -> bytes:
    """As large as GitHub's for one commit: about 7 kB."""
    people = {"name": "Octo Cat", "email": "octo@example.org", "username": "octocat"}
    commit = {
        "id": after,
        "tree_id": after,
        "distinct": True,
        "message": "change",
        "timestamp": "2025-06-02T12:00:00Z",
        "url": f"https://github.test/octo/bench/commit/{after}",
        "author": people,
        "committer": people,
        "added": [],
        "removed": [],
        "modified": ["count.txt"],
    }
    urls = {
        f"address_{number}_url": f"https://api.github.test/repos/octo/bench/{number}" for number in range(75)
    }
    document = {
        "ref": ref,
        "before": before or "0" * 40,
        "after": after,
        "created": before is None,
        "deleted": False,
        "forced": False,
        "compare": "https://github.test/octo/bench/compare",
        "commits": [commit],
        "head_commit": commit,
        "repository": {
            "id": 1,
            "name": "bench",
            "full_name": "octo/bench",
            "html_url": "https://github.test/octo/bench",
            "url": "https://github.test/octo/bench",
            "clone_url": "https://github.test/octo/bench.git",
            **urls,
        },
        "pusher": {"name": "octocat", "email": "octo@example.org"},
        "sender": {"login": "octocat", "id": 1},
    }
    body = json.dumps(document).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }
    return post(path, host, headers, body)

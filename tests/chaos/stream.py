"""A stream of real pushes to a server under fire: by git over HTTP, and as GitHub tells of them. Each is tried until
it was accepted, as people and forges do; what was accepted stands in the book."""

import random
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.chaos.world import STUCK_AFTER
from tests.support.repositories import Repository
from tests.support.signed_webhooks import signed_push

JOBS = {"first": [], "second": ["first"]}
STEPS = 2
LINES = 20


def contract(service: str, superseded: str, record: Path) -> str:
    text = (
        f'contract = 1\n[service]\nname = "{service}"\n'
        f'[pipeline]\nsuperseded = "{superseded}"\n[triggers]\ncron = []\n'
    )
    for job, needs in JOBS.items():
        steps = ",\n".join(f'"""{_step(record, job, number)}"""' for number in range(1, STEPS + 1))
        # When its builder dies, a job is tried once more.
        text += f"[jobs.{job}]\nneeds = {needs}\nretry = 1\nrun = [\n{steps}\n]\n"
    return text


def _step(record: Path, job: str, number: int) -> str:
    """Prints numbered lines slowly; its begin and end stand in the record."""
    note = f'echo "$HEADWAY_SERVICE $HEADWAY_RUN $HEADWAY_JOB $HEADWAY_ATTEMPT {number}'
    return (
        f'{note} begin" >> {record}\n'
        f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo {job}-{number}-line-$i; "
        f"[ $((i % 10)) -ne 0 ] || sleep 0.05; done\n"
        f'{note} end" >> {record}\n'
    )


def expected_lines(job: str) -> list[str]:
    return [f"{job}-{number}-line-{line}" for number in range(1, STEPS + 1) for line in range(1, LINES + 1)]


@dataclass(frozen=True, slots=True)
class Accepted:
    service: str
    ref: str
    sha: str


@dataclass
class Book:
    """For several threads."""

    accepted: list[Accepted] = field(default_factory=list)
    #: What could not be delivered at all.
    refused: list[str] = field(default_factory=list)


class Sender(threading.Thread):
    """Commits and sends, again and again, until told to stop; each one until it is accepted."""

    def __init__(self, name: str, chance: random.Random, book: Book, longest_pause: float = 1.5) -> None:
        super().__init__(name=name, daemon=True)
        self._chance = chance
        self._longest_pause = longest_pause
        self._book = book
        self._is_over = threading.Event()
        self._fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._deliver(self._commit())
                self._is_over.wait(self._chance.uniform(0.2, self._longest_pause))
        except BaseException as error:
            self._fault = error

    def stop(self) -> None:
        """The one under way is sent to its end."""
        self._is_over.set()

    def finish(self) -> None:
        self.join(STUCK_AFTER)
        if self._fault is not None:
            raise self._fault
        if self.is_alive():
            self._book.refused.append(f"{self.name} is still trying")

    def _deliver(self, push: Accepted) -> None:
        until = time.monotonic() + STUCK_AFTER
        while not self._try(push):
            if time.monotonic() > until:
                self._book.refused.append(f"{push} was never accepted")
                return
            time.sleep(0.1)
        self._book.accepted.append(push)

    def _commit(self) -> Accepted:
        raise NotImplementedError

    def _try(self, push: Accepted) -> bool:
        raise NotImplementedError


class Pusher(Sender):
    """One branch of a repository that the server hosts, pushed by git over HTTP."""

    def __init__(
        self,
        folder: Path,
        address: str,
        service: str,
        branch: str,
        files: Callable[[int], dict[str, str]],
        chance: random.Random,
        book: Book,
        longest_pause: float = 1.5,
    ) -> None:
        """`files` are those of its first, second … commit."""
        super().__init__(f"push {branch}", chance, book, longest_pause)
        self._working = Repository(folder)
        self._address = address
        self._service, self._branch = service, branch
        self._files = files
        self._count = 0

    def _commit(self) -> Accepted:
        self._count += 1
        changed = {"count.txt": f"{self._branch} {self._count}\n"}
        sha = self._working.commit({**self._files(self._count), **changed})
        return Accepted(self._service, f"refs/heads/{self._branch}", sha)

    def _try(self, push: Accepted) -> bool:
        try:
            self._working.git("push", "--quiet", self._address, f"HEAD:{push.ref}")
        except AssertionError:
            # Not here, in the middle of it gone, or stopped for a while: what `git push` then says.
            return False
        except subprocess.TimeoutExpired:
            return False
        return True


class Teller(Sender):
    """One branch of a repository elsewhere, told of by webhooks as GitHub signs them."""

    def __init__(
        self,
        working: Repository,
        address: str,
        secret: str,
        branch: str,
        files: dict[str, str],
        chance: random.Random,
        book: Book,
    ) -> None:
        super().__init__(f"tell {branch}", chance, book)
        self._working = working
        self._address, self._secret = address, secret
        self._branch, self._files = branch, files
        self._count = 0
        self._before: str | None = None
        self._told: str | None = None
        self._delivery = ""

    def _commit(self) -> Accepted:
        self._count += 1
        self._before, self._delivery = self._told, str(uuid.uuid4())
        self._told = self._working.commit({**self._files, "count.txt": f"{self._branch} {self._count}\n"})
        return Accepted("told", f"refs/heads/{self._branch}", self._told)

    def _try(self, push: Accepted) -> bool:
        """The same delivery each time, as when somebody presses *redeliver*."""
        webhook = signed_push(self._secret, self._delivery, push.ref, self._before, push.sha)
        try:
            answer = httpx.post(
                self._address, content=webhook.body, headers=dict(webhook.headers), timeout=10
            )
        except httpx.HTTPError:
            return False
        if answer.status_code < 500 and not answer.is_success:
            raise AssertionError(f"a webhook was refused: {answer.status_code} {answer.text}")
        return answer.is_success

"""A real `headway up` to be measured: its own process, its account, repositories it hosts or fetches, its memory."""

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.parts import wait_for
from headway.store.database import Database, open_database
from tests.support.repositories import Repository
from tests.support.running_server import RunningServer
from tests.support.serving_account import Account, make_account


class Served:
    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.server = RunningServer(folder, None, *options)
        self.data = self.server.data
        self.account: Account = make_account(self.data, None)

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def pid(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    def database(self) -> Database:
        """For looking on; the server writes."""
        return open_database(f"sqlite:///{self.data / 'headway.db'}")

    def hosted(self, name: str, files: Mapping[str, str]) -> "Working":
        self.server.add_repository(name)
        address = f"http://x:{self.account.token}@{self.host}:{self.port}/git/{name}.git"
        return Working(self.folder / f"working-{name}", address, files)

    def fetched(self, folder: Path, files: Mapping[str, str]) -> tuple[Repository, str, str]:
        """A repository elsewhere, known to the server: itself, where webhooks for it go, and what signs them."""
        elsewhere = Repository(folder)
        elsewhere.commit(files)
        added = self.server.add_repository("bench", url=str(folder), forge="github", poll_every=0)
        wait_for(lambda: self.rows("SELECT 1 FROM runs WHERE finished_at IS NOT NULL"), seconds=20)
        return elsewhere, f"/hooks/{added['repository']['id']}", added["webhook_secret"]

    def rows(self, sql: str, **parameters: object) -> list[Mapping[str, object]]:
        with self.database() as database:
            return list(database.read(lambda tx: tx.all(sql, **parameters)))

    def wait_for_rest(self, *, seconds: float) -> None:
        """Nothing is under way or waiting."""
        names = ("headway_arrivals_waiting", "headway_runs_unfinished", "headway_jobs_running")

        def rests() -> bool:
            numbers = self.server.metrics()
            return not any(numbers[name] for name in names)

        wait_for(rests, seconds=seconds)

    def first_byte(self, path: str, connection: http.client.HTTPConnection | None = None) -> float:
        """Seconds until the answer's head is here; its status has to be 200."""
        own = connection or http.client.HTTPConnection(self.host, self.port, timeout=60)
        begin = time.perf_counter()
        own.request("GET", path, headers={"cookie": f"headway_session={self.account.session}"})
        answer = own.getresponse()
        seconds = time.perf_counter() - begin
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        if connection is None:
            own.close()
        return seconds

    def transferred(self, path: str) -> tuple[bytes, int]:
        """The page as it is sent to a browser: its bytes on the wire, and how many."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        headers = {"cookie": f"headway_session={self.account.session}", "accept-encoding": "gzip"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        if answer.getheader("content-encoding") == "gzip":
            import gzip

            return gzip.decompress(body), len(body)
        return body, len(body)


class Working(Repository):
    """A working copy whose pushes go to `address`."""

    def __init__(self, folder: Path, address: str, files: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.address = address
        self._files = files
        self._count = 0

    def change(self) -> str:
        self._count += 1
        return self.commit({**self._files, "count.txt": f"{self._count}\n"})

    def push(self) -> None:
        self.git("push", "--quiet", self.address, "HEAD:refs/heads/main")


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    served = Served(folder, *options)
    try:
        served.server.start()
        yield served
    finally:
        served.server.close()


def resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


class Memory(threading.Thread):
    """The highest resident memory of a process while it is watched."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._is_over = threading.Event()
        self.highest = 0.0

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        while not self._is_over.wait(0.1):
            self.highest = max(self.highest, resident_megabytes(self._pid))


def add_branches(repository: Repository, branches: int, length: int) -> dict[str, list[str]]:
    """So many branches of so many commits each, upon what is there; ref -> ids, oldest first."""
    base = repository.git("rev-parse", "HEAD")
    stream, mark = [], 0
    for branch in range(branches):
        for number in range(length):
            mark += 1
            parent = f":{mark - 1}" if number else base
            text = f"{branch} {number}\n"
            stream.append(
                f"commit refs/heads/topic-{branch}\nmark :{mark}\n"
                f"committer Bench <bench@example.org> {1_700_000_000 + number} +0000\n"
                f"data 6\nchange\nfrom {parent}\nM 100644 inline count.txt\ndata {len(text)}\n{text}\n"
            )
    marks = repository.folder.with_name(f"{repository.folder.name}.marks")
    subprocess.run(
        ["git", "fast-import", "--quiet", f"--export-marks={marks}"],
        input="".join(stream).encode(),
        cwd=repository.folder,
        check=True,
    )
    ids = dict(line.split() for line in marks.read_text().splitlines())
    return {
        f"refs/heads/topic-{branch}": [ids[f":{branch * length + number + 1}"] for number in range(length)]
        for branch in range(branches)
    }

"""Pages of a server that was used for years, the weight of two of them, and how soon and how small a server stands."""

import http.client
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.fill_server import fill
from bench.parts import Row, wait_for
from bench.served import Served, resident_megabytes, serving

RUNS, DEPLOYMENTS, SERVICES = 100_000, 20_000, 1_000
TIMES = 20
_LINKED = re.compile(rb'(?:href|src)="(/static/[^"]+)"')
_IMPORTED = re.compile(rb'(?:from|import)\s*"(\./[^"]+|/static/[^"]+)"|URL\("(\./[^"]+)"|Worker\("([^"]+)"')
#: What each page may take, in milliseconds; the others are shown.
TARGETS = {"services": "p95 ≤ 100", "a run": "p95 ≤ 60"}


def measure(folder: Path) -> list[Row]:
    rows = [_start(folder / "empty")]
    served = Served(folder / "years")
    with served.database() as database:
        fill(database, runs=RUNS, deployments=DEPLOYMENTS, services=SERVICES, now=datetime.now(UTC))
    try:
        served.server.start()
        pages = _pages(served)
        # What a start looks after: what is to be kept of all that was found here.
        time.sleep(20)
        rows += [
            Row(f"time to the first byte: {name}", "ms", _times(served, path), target=TARGETS.get(name, ""))
            for name, path in pages.items()
        ]
        rows += [
            Row(
                f"weight on the wire with styles and scripts: {name}",
                "kB",
                [_weight(served, pages[name])],
                target="≤ 100",
            )
            for name in ("services", "a run")
        ]
    finally:
        served.server.close()
    with serving(folder / "rest") as resting:
        _times(resting, "/", 5)
        time.sleep(3)
        rows.append(
            Row("memory of a server at rest", "MB", [resident_megabytes(resting.pid)], target="≤ 150")
        )
    return rows


def _start(folder: Path) -> Row:
    """From the command to `/readyz` answering 200."""
    found = []
    for number in range(5):
        served = Served(folder / str(number))
        # Nothing is there yet: not even a database.
        for file in served.data.iterdir():
            file.unlink()
        begin = time.perf_counter()
        try:
            served.server.start()
            wait_for(lambda: served.first_byte("/readyz"), seconds=20)  # noqa: B023
            found.append(time.perf_counter() - begin)
        finally:
            served.server.close()
    return Row("`headway up` in an empty folder until it is ready", "s", found, target="≤ 3")


def _pages(served: Served) -> dict[str, str]:
    """Of the service with the most of everything, and in its middle."""
    [run] = served.rows(
        "SELECT service, MAX(number) AS number FROM runs GROUP BY service ORDER BY number DESC LIMIT 1"
    )
    service = run["service"]
    [deployment] = served.rows(
        "SELECT MAX(number) AS number FROM deployments WHERE service = :service", service=service
    )
    [release] = served.rows("SELECT id FROM releases WHERE service = :service LIMIT 1", service=service)
    return {
        "services": "/",
        "a run": f"/services/{service}/runs/{int(str(run['number'])) // 2}",
        "a service's timeline": f"/services/{service}",
        "a deployment": f"/services/{service}/deployments/{deployment['number']}",
        "a release": f"/services/{service}/releases/{release['id']}",
        "all runs": "/runs",
        "all deployments": "/deployments",
        "delivery, all services": "/delivery",
        "delivery of one": f"/services/{service}/delivery",
        "queue": "/queue",
        "hosts": "/hosts",
        "audit": "/audit",
    }


def _times(served: Served, path: str, times: int = TIMES) -> list[float]:
    """Milliseconds, on one connection; the first answer, which warms everything up, does not count."""
    connection = http.client.HTTPConnection(served.host, served.port, timeout=120)
    found = [served.first_byte(path, connection) * 1000 for _ in range(times + 1)]
    connection.close()
    return found[1:]


def _weight(served: Served, path: str) -> float:
    """The page and all that it links to or imports, each as it is sent; in kB."""
    body, total = served.transferred(path)
    seen: set[str] = set()
    waiting = [found.decode() for found in _LINKED.findall(body)]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        text, size = served.transferred(address)
        total += size
        if address.partition("?")[0].endswith(".js"):
            for groups in _IMPORTED.findall(text):
                name = next(filter(None, groups)).decode()
                base = address.rpartition("/")[0]
                waiting.append(name if name.startswith("/") else f"{base}/{name.removeprefix('./')}")
    return total / 1000

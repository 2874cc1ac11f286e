"""Take the pictures of the documentation anew: `make pictures`. Needs Chromium.

Most are of a story told to a server whose clock stands still, so that pictures of two days are alike. The run with a
failed test is a real one: the demo's shop, pushed to a real server.
"""

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from headway.demo.repository import SHORTER_PRICES, source  # noqa: E402
from headway.domain.people import Scope  # noqa: E402
from tests.support.running_server import Pusher, RunningServer  # noqa: E402
from tests.support.visitor import visiting  # noqa: E402
from tests.web.gallery import Served, tell  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
WIDE, PHONE = {"width": 1440, "height": 800}, {"width": 390, "height": 800}
#: Bytes: a page with four of them is still quick to open.
LARGEST = 150_000
#: Name -> path, size, colour scheme.
STORY = {
    "services": ("/", WIDE, "light"),
    "service": ("/services/shop", WIDE, "light"),
    "deployment": ("/services/billing/deployments/4", WIDE, "light"),
    "delivery": ("/delivery", WIDE, "light"),
    "phone": ("/services/shop", PHONE, "dark"),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="headway-") as temporary:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        with story_told(Path(temporary) / "story") as (address, session):
            for name, (path, size, scheme) in STORY.items():
                # Without JavaScript nothing moves, and the clocks stand.
                take(browser, name, address, path, session, size, scheme, javascript=False)
        with run_failed(Path(temporary) / "run") as (address, session, path):
            take(browser, "run", address, path, session, WIDE, "light", javascript=True)
        browser.close()


def take(  # noqa: PLR0917  (a picture of what, where, how large, how bright)
    browser: Browser,
    name: str,
    address: str,
    path: str,
    session: str,
    size: Any,
    scheme: Any,
    *,
    javascript: bool,
) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme, java_script_enabled=javascript)
    page.context.add_cookies([{"name": "headway_session", "value": session, "url": address}])
    page.goto(address + path)
    if javascript:
        page.wait_for_timeout(1500)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    page.close()
    taken = file.stat().st_size
    assert taken <= LARGEST, f"{file} has {taken} bytes"
    print(f"{file.relative_to(ROOT)}  {taken // 1000} kB")


@contextmanager
def story_told(folder: Path) -> Iterator[tuple[str, str]]:
    folder.mkdir()
    server, session = tell(folder, "typical")
    served = Served(server)
    thread = threading.Thread(target=served.run_until_stopped, daemon=True)
    thread.start()
    yield served.address, session
    served.stop()
    thread.join(10)
    server.database.close()


@contextmanager
def run_failed(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The demo's shop on a real server: a run that went well, then the commit whose tests fail."""
    server = RunningServer(folder)
    # Jobs find the system's Python: its paths stand in the picture.
    server.environment["PATH"] = "/usr/bin:/bin"
    try:
        server.start()
        with visiting(server) as client:
            session = client.cookies["headway_session"]
        server.add_repository()
        pusher = Pusher(folder / "work", server, token=server.token(Scope.PUSH))
        shutil.copytree(source(), pusher.folder, dirs_exist_ok=True)
        contract = pusher.folder / "headway.toml"
        contract.write_text(contract.read_text().partition("[deploy]")[0])
        pusher.commit({}, "A shop that shows what is for sale")
        pusher.push("HEAD:main")
        server.wait_for_runs(1)
        for edit in SHORTER_PRICES.edits:
            file = pusher.folder / edit.path
            file.write_text(file.read_text().replace(edit.before, edit.after))
        pusher.commit({}, SHORTER_PRICES.subject)
        pusher.push("HEAD:main")
        server.wait_for_runs(2)
        yield server.url, session, "/services/shop/runs/2"
    finally:
        server.close()


if __name__ == "__main__":
    main()

"""A person with a browser at a running server: comes in by the first link or by password, then looks at pages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.running_server import RunningServer

PASSWORD = "lanterns over quiet harbour"


@contextmanager
def visiting(server: RunningServer, handle: str = "ada") -> Iterator[httpx.Client]:
    """Signed in; the first one who comes makes the administrator's account."""
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=30) as client:
        enter = server.sign_in or f"{server.url}/sign-in"
        word = re.search(r'name="csrf" value="([^"]+)"', client.get(enter).text)
        assert word is not None
        fields = {"csrf": word[1], "handle": handle, "password": PASSWORD}
        answer = client.post(enter, data=fields, headers={"origin": server.url})
        assert answer.status_code == 200, answer.text
        server.sign_in = None
        yield client


def page(server: RunningServer, path: str) -> str:
    """One page as the first administrator sees it."""
    with visiting(server) as client:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

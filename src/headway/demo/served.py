"""The demo's server as people and programs see it from outside: its address, its API, and how it is killed."""

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headway.base.errors import Errored, Failed
from headway.demo.calls import ask
from headway.demo.layout import SERVICE, Layout
from headway.demo.parts import uptime
from headway.demo.serving import STATE

#: Seconds for one answer, between two looks, and for a server that died to be there again.
PATIENCE, LOOK_EVERY, BACK_WITHIN = 30.0, 0.1, 30.0


class Refused(Failed):
    """The server answered, and not as it was told."""


class Silent(Errored):
    """The server does not answer, or what was waited for did not come."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account and a token."""

    name: str
    token: str


class Served:
    """What runs at `layout.server_port`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.layout.folder / STATE).read_text())
        return document

    @property
    def sign_in(self) -> str | None:
        """The link of the first administrator, as the server that runs printed it; None when it printed none."""
        link: str | None = self.state["sign_in"]
        return link

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.layout.server_port}"

    @property
    def repository_url(self) -> str:
        return f"{self.url}/git/{SERVICE}.git"

    def variables(self, person: Person) -> dict[str, str]:
        """With these in the environment commands speak to the server, as this person."""
        return {"HEADWAY_SERVER": self.url, "HEADWAY_TOKEN": person.token}

    def account(self, name: str, role: str, email: str, *scopes: str) -> Person:
        """Made by whoever owns the data folder, with the commands for it."""
        ask(self.layout, "people", "add", name, "--role", role, "--email", email)
        words = [word for scope in scopes for word in ("--scope", scope)]
        made = ask(self.layout, "token", "create", f"{name} in the demo", "--for", name, *words)
        return Person(name, made["token"]["text"])

    def call(self, person: Person, method: str, path: str, body: object = None) -> Any:
        """Its document. Raises Refused with the problem that it told, OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.layout.server_port, timeout=PATIENCE)
        return _exchange(connection, method, path, body, {"Authorization": f"Bearer {person.token}"})

    def wait(self, told: str, look: Callable[[], Any], *, within: float) -> Any:
        """What `look` answers once it is true. A server that is away for a moment is waited for. Raises Silent."""
        until = uptime() + within
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if found := look():
                    return found
            if uptime() > until:
                raise Silent(f"this did not come within {within:g} s: {told}", hint=f"see {self.log}")
            time.sleep(LOOK_EVERY)

    @property
    def log(self) -> str:
        return str(self.layout.folder / "server.log")

    def kill(self) -> int:
        """As `kill -9`; answers whom. Its machine starts it again."""
        pid = int(self.state["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_back(self, before: int) -> int:
        """The pid of the server that was started after the one with pid `before`."""

        def back() -> int:
            pid = int(self.state["pid"])
            connection = http.client.HTTPConnection("127.0.0.1", self.layout.server_port, timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", "/readyz")
                return pid if pid != before and connection.getresponse().status == 200 else 0

        return int(self.wait("the server is back", back, within=BACK_WITHIN))


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: dict[str, str]
) -> Any:
    headers = headers | {"Content-Type": "application/json"}
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    if answer.status >= 400:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            raise Refused(f"{method} {path}: {json.loads(text)['detail']}")
        raise Refused(f"{method} {path}: answered with {answer.status}")
    return json.loads(text) if text else None

"""A TCP line to a server that breaks: after so many bytes of an answer, or before any of it."""

import socket
import threading
from collections.abc import Callable


class BreakingLine:
    """Listens at `port`; each connection is passed on to `there`. `allows(n)` is asked for the n-th connection how many
    bytes may come back over it; None: all."""

    def __init__(self, there: int, allows: Callable[[int], int | None]) -> None:
        self._there = there
        self._allows = allows
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listening.close()

    def __enter__(self) -> "BreakingLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            most = self._allows(self.connections)
            threading.Thread(target=self._pass_on, args=(caller, most), daemon=True).start()

    def _pass_on(self, caller: socket.socket, most: int | None) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._there), timeout=60)
        except OSError:
            caller.close()
            return
        with caller, server:
            asking = threading.Thread(target=_pour, args=(caller, server, None), daemon=True)
            asking.start()
            _pour(server, caller, most)
            for end in (caller, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            asking.join(5)


def _pour(source: socket.socket, target: socket.socket, most: int | None) -> None:
    passed = 0
    try:
        while most is None or passed < most:
            data = source.recv(4096 if most is None else min(4096, most - passed))
            if not data:
                return
            target.sendall(data)
            passed += len(data)
    except OSError:
        return

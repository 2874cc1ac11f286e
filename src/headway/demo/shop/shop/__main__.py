"""The shop's server: `python3 -m shop --port 8080 --catalogue host/catalogue.json`.

On TERM it stops as most programs do: at once, and whoever waits for an answer gets none.
"""

import argparse
import json
import os
import random
import socketserver
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shop import catalogue, pages

RELEASE = os.environ.get("HEADWAY_RELEASE", "no release")


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, port: int, catalogue_path: Path) -> None:
        self.catalogue_path = catalogue_path
        #: Why the last page could not be shown.
        self.trouble = ""
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        # HTTPServer would ask the name service for our name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "shop", self.server_address[1]

    def front_page(self) -> str:
        try:
            page = pages.front_page(catalogue.load(self.catalogue_path), RELEASE)
        except (OSError, ValueError, KeyError) as error:
            self.trouble = f"cannot show the page: {error}"
            raise
        self.trouble = ""
        return page


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.health()
            return
        if self.path != "/":
            self.answer(404, "text/plain", "no such page\n")
            return
        # A page takes a while, as if a database were asked: there is always somebody waiting.
        time.sleep(random.uniform(0.005, 0.06))
        try:
            self.answer(200, "text/html", self.server.front_page())
        except (OSError, ValueError, KeyError) as error:
            self.log_error("GET / failed: %s", error)
            self.answer(500, "text/plain", f"{error}\n")

    def health(self) -> None:
        trouble = self.server.trouble
        document = {"status": trouble or "ok", "release": RELEASE}
        self.answer(500 if trouble else 200, "application/json", json.dumps(document) + "\n")

    def answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", RELEASE)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Answers are counted by the balancer; the log is for what goes wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="shop")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--catalogue", type=Path, required=True)
    arguments = parser.parse_args()
    server = Server(arguments.port, arguments.catalogue)
    print(f"shop {RELEASE} listens on port {arguments.port}", flush=True)
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()

"""The document of the API, the page made of it, and schemathesis against both."""

import asyncio
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from headway.api.app import routes
from headway.api.document import document
from headway.api.tries import BUNDLE
from tests.support.called_api import CalledApi, Caller
from tests.support.databases import fresh_sqlite_url

DOCUMENT = document(routes())
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method in ("get", "post", "put", "patch", "delete")
]
#: Streams that do not end, and what would reach for real hosts or write large files.
_APART = ("streamEvents", "makeBackup", "exec", "tailLogs")


def test_every_route_says_what_it_is() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names)) > 60
    for path, method, operation in OPERATIONS:
        assert operation["summary"].endswith("."), path
        assert operation["tags"], path
        if not path.startswith("/api"):
            continue
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(answer["content"]) == ["application/problem+json"], (path, method, status)
        assert {"401", "403"} <= set(operation["responses"]), path


def test_bodies_are_strict_and_bounded() -> None:
    def look(schema: dict[str, Any], place: str) -> None:
        schema = resolved(schema)
        bounds = {key: value for key, value in schema.items() if key.startswith("max")}
        if schema.get("type") == "object" and "properties" in schema:
            for name, part in schema["properties"].items():
                look(part, f"{place}.{name}")
        elif schema.get("type") == "array":
            assert "maxItems" in schema, place
        elif schema.get("type") == "string" and "enum" not in schema and "format" not in schema:
            assert "maxLength" in schema or "pattern" in schema, place
        for part in schema.get("oneOf", ()):
            look({**part, **bounds}, place)

    for path, _, operation in OPERATIONS:
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type == "application/json":
                assert resolved(content["schema"]).get("additionalProperties") is False, path
                look(content["schema"], path)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if name := dict(attrs).get("id"):
            self.ids.add(name)


async def test_the_page_has_every_route_no_script_and_nothing_from_elsewhere(api: CalledApi) -> None:
    answer = await api.owner.get("/api/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = _Page()
    page.feed(answer.text)
    assert {operation["operationId"] for _, _, operation in OPERATIONS} <= page.ids
    assert not [tag for tag, _ in page.tags if tag in ("script", "style", "iframe", "img")]
    for _, attributes in page.tags:
        assert "style" not in attributes
        for name in ("href", "src"):
            assert (attributes.get(name) or "/").startswith(("/", "#"))
    assert (await api.owner.get("/api/openapi.json")).json() == DOCUMENT


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API with some things in it, on a port of its own."""
    started: dict[str, Any] = {}
    ready = threading.Event()
    folder: Path = tmp_path_factory.mktemp("schemathesis")

    async def serve() -> None:
        with fresh_sqlite_url() as url:
            async with CalledApi(folder, url) as api:
                await api.shop('[jobs.test]\nrun = "true"\n')
                owner = Caller(api.app, None)
                await owner.post("/api/people", {"handle": "ana", "role": "administrator"})
                config = uvicorn.Config(
                    _as_owner(api.app), port=0, lifespan="off", log_config=None, http="h11"
                )
                server = uvicorn.Server(config)
                started["server"] = server
                task = asyncio.create_task(server.serve())
                while not server.started:
                    await asyncio.sleep(0.01)
                started["port"] = server.servers[0].sockets[0].getsockname()[1]
                ready.set()
                await task
                await owner.client.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    yield f"http://127.0.0.1:{started['port']}"
    started["server"].should_exit = True
    thread.join(20)


def _as_owner(app: Any) -> Any:
    async def entered(scope: Any, receive: Any, send: Any) -> None:
        scope["server"] = ("/headway.sock", None)
        await app(scope, receive, send)

    return entered


@schemathesis.serializer(BUNDLE)
def bundle(_: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(operation_id=list(_APART))


@schema.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_no_call_makes_it_fail_or_break_its_word(case: schemathesis.Case, address: str) -> None:
    answer = case.call(base_url=address)
    case.validate_response(
        answer,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )

"""The files under /static: read once, served from memory. Addresses hold a hash of the content and are kept for ever."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
#: `from "./other.js"` in a module: the other one is asked for by its version, too.
_IMPORT = re.compile(rb"""(["'])\./([\w-]+\.js)\1""")
_SMALLEST_TO_COMPRESS = 1024


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    compressed: bytes
    media_type: str
    etag: str


@cache
def version() -> str:
    """Of all files together: when one changes all are fetched anew, and modules that import each other fit."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@cache
def files() -> Mapping[str, StaticFile]:
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}


def address(name: str) -> str:
    """`/static/base.css?v=0a1b2c3d4e5f`; a file that is not there is a mistake of ours."""
    if name not in files():
        raise LookupError(f"there is no static file {name}")
    return f"/static/{name}?v={version()}"


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    if path.suffix == ".js":
        content = _IMPORT.sub(rb"\1./\2?v=" + version().encode() + rb"\1", content)
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return StaticFile(content, gzip.compress(content, 9, mtime=0), _TYPES[path.suffix], etag)


@get("/static/{name:str}", sync_to_thread=False)
def static_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    found = files().get(request.path_params["name"])
    if found is None:
        raise NotFoundException
    forever = "public, max-age=31536000, immutable"
    headers = {
        "ETag": found.etag,
        "Vary": "Accept-Encoding",
        # Only an address with our version may be kept: the same name without it will be something else one day.
        "Cache-Control": forever if request.query_params.get("v") == version() else "no-cache",
    }
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
    content = found.content
    if len(content) > _SMALLEST_TO_COMPRESS and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = found.compressed, "gzip"
    return Response(content, headers=headers, media_type=found.media_type)

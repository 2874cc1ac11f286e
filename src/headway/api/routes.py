"""How routes are declared: each says what it is called, what it does, and with which problems it may answer."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from headway.api.access import ApiRequest
from headway.api.door import KEY
from headway.api.problems import MEDIA_TYPE
from headway.base.errors import WrongUse
from headway.store.pages import Place, read_cursor


class Problem(TypedDict):
    """RFC 9457. `hint` says what to do next."""

    type: str
    title: str
    status: int
    detail: str
    hint: NotRequired[str]
    #: All that is wrong, not only the first.
    faults: NotRequired[list[str]]
    #: The scope that the token lacks.
    scope: NotRequired[str]
    #: As the command line leaves with.
    exit_code: NotRequired[int]


_SAID = {
    400: "What was sent cannot be: `faults` has all that is wrong.",
    401: "No token, or none that is in force.",
    403: "The role or the token's scope does not reach; `scope` names it.",
    404: "There is no such thing.",
    405: "Not by this method.",
    408: "The body took too long.",
    409: "As things stand it cannot be done.",
    413: "The body is larger than is taken.",
    415: "The body is of another media type.",
    422: "It contradicts itself, or its idempotency key was used for another call.",
    423: "Something must happen first.",
    429: "Too often.",
    503: "Not possible at this time; it may be later.",
    507: "The disk has no room.",
}
_READING = (400, 401, 403, 404, 405, 409, 503)
_CHANGING = (*_READING, 408, 413, 415, 422, 423, 429, 507)


def _problems(statuses: tuple[int, ...]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description=_SAID[status], media_type=MEDIA_TYPE
        )
        for status in statuses
    }


def plain(value: object) -> object:
    """Instants as commands print them: ISO 8601 in UTC with milliseconds; durations in seconds."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    return str(value)


class Answer(Response[Any]):
    """JSON as the command line prints it, so that both are one."""

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        if content is None:
            return b""
        if isinstance(content, bytes):
            return content
        return json.dumps(content, default=plain, allow_nan=False).encode()


Route = Callable[[Callable[..., Any]], Any]


def reads(path: str, *, id: str, does: str, of: str, **more: Any) -> Route:
    """A GET: changes nothing."""
    responses = _problems(_READING) | {
        304: ResponseSpec(None, description="Unchanged: your ETag is this one.")
    }
    return get(
        path,
        operation_id=id,
        summary=does,
        tags=[of],
        responses=responses,
        response_class=Answer,
        response_description="What was asked for.",
        **more,
    )


def _changing(method: Callable[..., Any]) -> Callable[..., Route]:
    def declare(path: str, *, id: str, does: str, of: str, **more: Any) -> Route:
        route: Route = method(
            path,
            operation_id=id,
            summary=does,
            tags=[of],
            responses=_problems(_CHANGING),
            response_class=Answer,
            response_description="Done; how it stands now.",
            **more,
        )
        return route

    return declare


posts = _changing(post)
puts = _changing(put)
patches = _changing(patch)
removes = _changing(delete)

# What stands in addresses and queries, with its bounds.

Cursor = Annotated[
    str | None,
    QueryParameter(max_length=300, description="`next` of the page before; none for the first page."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="The most items of this page.")]
#: Of the path; of the query, needed; of the query, where it is said.
Name = Annotated[str, PathParameter(max_length=200)]
Named = Annotated[str, QueryParameter(max_length=200)]
Wanted = Annotated[str | None, QueryParameter(max_length=200)]
Flag = Annotated[bool, QueryParameter()]


class CursorWrong(WrongUse):
    """Not one that was given here."""


def place_of(cursor: str | None) -> Place | None:
    """Raises CursorWrong."""
    place = read_cursor(cursor)
    if cursor is not None and place is None:
        raise CursorWrong("this is no cursor of this list", hint="ask again without one")
    return place


def key_of(request: ApiRequest) -> str | None:
    """What this call is known by, wherever it leaves a trace; None without an `Idempotency-Key`."""
    found = request.scope.get(KEY)
    return found if isinstance(found, str) else None


# Bodies: strict, bounded, and told of with all their faults.


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every body is: fields that nobody knows are a mistake of the caller."""


Text = Annotated[str, msgspec.Meta(max_length=2000)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


def faults_of(body: bytes, kind: Any) -> list[str]:
    """All that keeps the body from being a `kind`; empty where that cannot be told field by field."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return [f"the body is no JSON: {error}"]
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return []
    if not isinstance(document, Mapping):
        return ["the body is no JSON object"]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    found = [f"{name[:100]}: there is no such field" for name in document if name not in fields]
    for name, field in fields.items():
        if name not in document:
            if field.required:
                found.append(f"{name}: is missing")
            continue
        try:
            msgspec.convert(document[name], field.type)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$")
            found.append(f"{name}{place.rstrip('`')}: {message[:1].lower()}{message[1:]}")
    return found

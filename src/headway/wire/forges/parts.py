"""Parts that every forge's webhook has: object ids, names of refs, messages, instants. Checked, and cut to size."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from headway.domain.intake import Arrival, ArrivalKind, PullRequest
from headway.wire.forges.errors import MalformedWebhook

#: Characters of a commit's first line, and bytes of its message, that are kept.
SUBJECT_LIMIT = 200
MESSAGE_LIMIT = 8 * 1024
_NAME_LIMIT = 200
_URL_LIMIT = 2000
_REF_LIMIT = 500
#: More paths than this are not worth telling: git knows them as well.
_CHANGED_LIMIT = 1000
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: What git itself refuses in the name of a ref.
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[/.]$")
#: What git bears and a terminal or a page does not: C1 controls, letters that turn the direction, halves of letters.
_REF_UNSEEN = re.compile("[\x80-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Person(msgspec.Struct):
    """Somebody at a forge or in a commit; each payload fills other names."""

    login: str | None = None
    username: str | None = None
    name: str | None = None
    email: str | None = None

    @property
    def handle(self) -> str:
        return cut(self.login or self.username or self.name or "", _NAME_LIMIT)


class Commit(msgspec.Struct):
    id: str
    message: str | None = None
    timestamp: str | None = None
    author: Person | None = None
    added: list[str] | None = None
    removed: list[str] | None = None
    modified: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What one webhook brought: arrivals, or a note why it brought none."""

    arrivals: tuple[Arrival, ...] = ()
    note: str = ""
    repository: str = ""
    clone_urls: tuple[str, ...] = ()
    event: str = ""
    ping: bool = False


def object_id(text: str | None, where: str) -> str | None:
    """The id in small letters; None for the zeros that stand for "no object", and where nothing was told."""
    if not text:
        return None
    lowered = text.lower()
    if not _OBJECT_ID.fullmatch(lowered):
        raise MalformedWebhook(f"'{where}' is not the id of a git object")
    return lowered if lowered.strip("0") else None


def checked_ref(ref: str, where: str) -> str:
    """The ref's name, if git could have such a one. It stands in commands and pages later."""
    parts = ref.split("/")
    if (
        len(ref) > _REF_LIMIT
        or not ref.startswith("refs/")
        or len(parts) < 3
        or _REF_FORBIDDEN.search(ref)
        or _REF_UNSEEN.search(ref)
        or parts[2].startswith("-")
    ):
        raise MalformedWebhook(f"'{where}' is not the name of a git ref")
    return ref


def moved_ref(
    ref: str,
    before: str | None,
    after: str | None,
    *,
    sender: str,
    commit: Commit | None,
    changed: Sequence[str] | None,
) -> Told:
    """A branch or tag that was made, moved or deleted; refs of other kinds bring nothing."""
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        return Told(note=f"{cut(ref, _NAME_LIMIT)} is neither a branch nor a tag")
    name = checked_ref(ref, "ref")
    old, new = object_id(before, "before"), object_id(after, "after")
    if old == new:
        return Told(note="nothing moved: this was a test", ping=True)
    tag = ref.startswith("refs/tags/")
    kind = ArrivalKind.DELETE if new is None else ArrivalKind.TAG if tag else ArrivalKind.PUSH
    if kind is ArrivalKind.DELETE:
        return Told((Arrival(kind, name, old, None, sender),))
    arrival = Arrival(kind, name, old, new, sender, changed=None if changed is None else tuple(changed))
    return Told((_with_commit(arrival, commit),))


def proposed(
    ref: str,
    before: str | None,
    after: str | None,
    *,
    sender: str,
    commit: Commit | None,
    pull_request: PullRequest,
) -> Told:
    """A pull or merge request at this head."""
    new = object_id(after, "the pull request's head")
    if new is None:
        raise MalformedWebhook("the pull request's head has no commit")
    old = object_id(before, "before")
    arrival = Arrival(ArrivalKind.PULL_REQUEST, ref, old, new, sender, pull_request=pull_request)
    return Told((_with_commit(arrival, commit),))


def paths_of(commits: Sequence[Commit]) -> tuple[str, ...] | None:
    """All paths that these commits touched; None where one does not say, or where they are very many."""
    found: set[str] = set()
    for commit in commits:
        for paths in (commit.added, commit.removed, commit.modified):
            if paths is None:
                return None
            found.update(paths)
            if len(found) > _CHANGED_LIMIT:
                return None
    return tuple(sorted(found))


def cut(text: str, limit: int) -> str:
    """At most so many characters, of one line."""
    return "".join(
        character if character.isprintable() else " " for character in text[:limit].strip()
    ).strip()


def url(text: str | None) -> str:
    """An address of http(s), ssh or git's short form; anything else, and what is too long, is none."""
    if not text or len(text) > _URL_LIMIT or not text.isprintable() or " " in text:
        return ""
    if text.startswith(("https://", "http://", "ssh://")) or re.match(r"[\w.-]+@[\w.-]+:[^:]", text):
        return text
    return ""


def urls(*texts: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for text in texts if (found := url(text))))


def instant(text: str | None) -> datetime | None:
    """In UTC; None for what is not an instant with its offset."""
    try:
        found = datetime.fromisoformat(text) if text else None
        return None if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _with_commit(arrival: Arrival, commit: Commit | None) -> Arrival:
    """What an arrival keeps of its newest commit. A message of a megabyte is cut first, then looked at."""
    if commit is None:
        return arrival
    message = (commit.message or "")[:MESSAGE_LIMIT].lstrip()
    author = commit.author or Person()
    return replace(
        arrival,
        subject=cut(message.split("\n", 1)[0], SUBJECT_LIMIT),
        message=message.encode("utf-8", "replace")[:MESSAGE_LIMIT].decode("utf-8", "ignore"),
        author=cut(author.name or author.handle, _NAME_LIMIT),
        committed_at=instant(commit.timestamp),
    )

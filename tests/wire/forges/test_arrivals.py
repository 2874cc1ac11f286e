"""What each forge's deliveries become."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from headway.domain.intake import Arrival, ArrivalKind, ForgeKind, PullRequest
from headway.wire.forges import MalformedWebhook, Webhook, read_webhook
from tests.wire.forges.samples import (
    COMMIT,
    SECRET,
    ZERO,
    A,
    B,
    delivery,
    gitea_pull_request,
    gitea_push,
    github_pull_request,
    github_push,
    github_repository,
    gitlab_merge_request,
    gitlab_project,
    gitlab_push,
    hex_signature,
)

GITHUB, GITEA, GITLAB = ForgeKind.GITHUB, ForgeKind.GITEA, ForgeKind.GITLAB
PUSHES = {
    GITHUB: ("push", github_push),
    GITEA: ("push", gitea_push),
    GITLAB: ("Push Hook", gitlab_push),
}
ALL = pytest.mark.parametrize("forge", [GITHUB, GITEA, GITLAB])


def read(forge: ForgeKind, event: str, payload: object) -> Webhook:
    return read_webhook(*delivery(forge, event, payload), [SECRET])


def pushed(forge: ForgeKind, **changes: Any) -> Webhook:
    event, payload = PUSHES[forge]
    return read(forge, event, payload(**changes))


@ALL
def test_a_push(forge: ForgeKind) -> None:
    told = pushed(forge)
    assert told.arrivals == (
        Arrival(
            ArrivalKind.PUSH,
            "refs/heads/main",
            A,
            B,
            "grace-h",
            subject="Sell books",
            message="Sell books\n\nAnd magazines.\n",
            author="Grace Hopper",
            committed_at=datetime(2026, 5, 4, 1, 2, 1, tzinfo=UTC),
            changed=("README.md", "shop/books.py") if forge is GITHUB else None,
        ),
    )
    assert told.forge_repository.endswith("team/shop")
    assert len(told.clone_urls) == 2
    assert told.delivery
    assert told.event == "push"
    assert not told.note


@ALL
@pytest.mark.parametrize(
    ("changes", "kind", "before", "after"),
    [
        ({"before": ZERO, "created": True}, ArrivalKind.PUSH, None, B),
        ({"after": ZERO, "deleted": True, "head_commit": None, "commits": []}, ArrivalKind.DELETE, A, None),
        ({"ref": "refs/tags/v1", "before": ZERO, "created": True}, ArrivalKind.TAG, None, B),
        ({"ref": "refs/tags/v1", "after": ZERO, "deleted": True}, ArrivalKind.DELETE, A, None),
        ({"ref": "refs/heads/zoë/🚀"}, ArrivalKind.PUSH, A, B),
        ({"after": "c" * 64, "before": "d" * 64}, ArrivalKind.PUSH, "d" * 64, "c" * 64),
    ],
)
def test_branches_and_tags_that_come_and_go(
    forge: ForgeKind, changes: dict[str, Any], kind: ArrivalKind, before: str | None, after: str | None
) -> None:
    (arrival,) = pushed(forge, **changes).arrivals
    assert (arrival.kind, arrival.before, arrival.after) == (kind, before, after)


@ALL
def test_a_push_that_moves_nothing_is_a_test(forge: ForgeKind) -> None:
    told = pushed(forge, before=B)
    assert told.ping
    assert not told.arrivals


@ALL
def test_refs_that_are_neither_branch_nor_tag(forge: ForgeKind) -> None:
    told = pushed(forge, ref="refs/notes/commits")
    assert not told.arrivals
    assert "refs/notes/commits" in told.note


def test_gitlab_tells_of_tags_under_a_name_of_their_own() -> None:
    payload = gitlab_push(object_kind="tag_push", ref="refs/tags/v1", before=ZERO, after="c" * 40)
    told = read(GITLAB, "Tag Push Hook", payload)
    (arrival,) = told.arrivals
    assert (arrival.kind, arrival.after) == (ArrivalKind.TAG, "c" * 40)
    # The tag's own object is what the ref points to; the message is that of its commit.
    assert arrival.subject == "Sell books"


def test_gitea_tells_of_a_deleted_branch_by_an_event_of_its_own() -> None:
    payload = {
        "ref": "books",
        "ref_type": "branch",
        "pusher_type": "user",
        "repository": gitea_push()["repository"],
        "sender": {"login": "grace-h"},
    }
    told = read(GITEA, "delete", payload)
    assert told.arrivals == (Arrival(ArrivalKind.DELETE, "refs/heads/books", None, None, "grace-h"),)


def test_github_tells_of_a_deleted_branch_twice_and_the_push_counts() -> None:
    told = read(GITHUB, "delete", {"ref": "books", "ref_type": "branch", "repository": github_repository()})
    assert not told.arrivals
    assert told.note


@pytest.mark.parametrize("event", ["ping", "star", "issues", "pull_request_review", "workflow_run"])
def test_other_events_bring_nothing_and_say_so(event: str) -> None:
    told = read(GITHUB, event, {"zen": "Keep it logically awesome."})
    assert (told.arrivals, told.ping) == ((), event == "ping")
    assert told.note
    assert told.event == event


def test_other_events_of_gitlab() -> None:
    told = read(GITLAB, "Note Hook", {"object_kind": "note", "project": gitlab_project()})
    assert (told.arrivals, told.event) == ((), "note")


# What changed


@pytest.mark.parametrize(
    "changes",
    [
        {"created": True, "before": ZERO},
        {"forced": True},
        {"forced": None},
        {"commits": []},
        {"commits": [COMMIT] * 2048},
        {"commits": [{"id": B, "message": "no paths told"}]},
        {"commits": [COMMIT | {"added": [f"file-{number}" for number in range(1001)]}]},
    ],
)
def test_what_changed_is_unknown_where_the_listed_commits_may_not_be_all(changes: dict[str, Any]) -> None:
    (arrival,) = pushed(GITHUB, **changes).arrivals
    assert arrival.changed is None


def test_what_several_commits_changed_is_joined() -> None:
    other = COMMIT | {"id": A, "added": [], "removed": ["old.py"], "modified": ["README.md"]}
    (arrival,) = pushed(GITHUB, commits=[other, COMMIT]).arrivals
    assert arrival.changed == ("README.md", "old.py", "shop/books.py")


# Messages


@ALL
@pytest.mark.parametrize(
    ("message", "subject"),
    [
        ("One line", "One line"),
        ("\n\n  Late\nbody", "Late"),
        ("Tab\tand \x1b[31mred\x1b[0m and \u202eright to left", "Tab and  [31mred [0m and  right to left"),
        ("x" * 300, "x" * 200),
        ("Windows\r\nbody", "Windows"),
        ("", ""),
    ],
)
def test_the_subject_is_one_clean_line(forge: ForgeKind, message: str, subject: str) -> None:
    commit = COMMIT | {"message": message}
    (arrival,) = pushed(forge, commits=[commit], head_commit=commit).arrivals
    assert arrival.subject == subject


@ALL
def test_a_message_of_a_megabyte_is_cut(forge: ForgeKind) -> None:
    commit = COMMIT | {"message": "Grüße [skip ci]\n" + "ü" * 2**20}
    event, payload = PUSHES[forge]
    arguments = delivery(forge, event, payload(commits=[commit], head_commit=commit))
    (arrival,) = read_webhook(*arguments, [SECRET]).arrivals
    assert len(arrival.message.encode()) <= 8192
    assert arrival.message.startswith("Grüße [skip ci]\nü")


@pytest.mark.parametrize(
    "timestamp", ["", "yesterday", "2026-05-04T03:02:01", "0001-01-01T00:00:00+14:00", None]
)
def test_an_instant_that_is_none_is_left_out(timestamp: str | None) -> None:
    commit = COMMIT | {"timestamp": timestamp}
    (arrival,) = pushed(GITHUB, commits=[commit], head_commit=commit).arrivals
    assert arrival.committed_at is None


# Pull requests

OWN = PullRequest(
    7,
    "Sell books",
    "main",
    "books",
    "https://github.com/team/shop.git",
    fork=False,
    url="https://github.com/team/shop/pull/7",
)


@pytest.mark.parametrize(
    ("payload", "before", "pull_request"),
    [
        (github_pull_request("opened", head=github_repository()), None, OWN),
        (github_pull_request("synchronize", head=github_repository(), before=A, after=B), A, OWN),
        (github_pull_request("reopened", head=github_repository()), None, OWN),
    ],
)
def test_a_pull_request_of_github(payload: object, before: str | None, pull_request: PullRequest) -> None:
    (arrival,) = read(GITHUB, "pull_request", payload).arrivals
    assert arrival == Arrival(
        ArrivalKind.PULL_REQUEST, "refs/pull/7/head", before, B, "grace-h", pull_request=pull_request
    )


@pytest.mark.parametrize("action", ["closed", "edited", "labeled", "assigned", "ready_for_review"])
def test_a_pull_request_whose_code_is_the_same_brings_nothing(action: str) -> None:
    told = read(GITHUB, "pull_request", github_pull_request(action, head=github_repository()))
    assert not told.arrivals
    assert action in told.note
    assert told.forge_repository == "team/shop"


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        (github_repository(), False),
        (github_repository("mallory/shop", 2), True),
        # Its fork was deleted: whose code it is can't be told any more.
        (None, True),
        # The name alone proves nothing.
        ({"full_name": "team/shop"}, True),
    ],
)
def test_forks_at_github(head: dict[str, Any] | None, fork: bool) -> None:
    (arrival,) = read(GITHUB, "pull_request", github_pull_request("opened", head=head)).arrivals
    assert arrival.pull_request is not None
    assert arrival.pull_request.fork is fork


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({}, False),
        ({"repo_id": 2, "repo": {"id": 2, "full_name": "mallory/shop"}}, True),
        ({"repo_id": -1, "repo": None}, True),
        # AGit: whoever may read the repository can ask for a merge in it, without a branch.
        ({"label": "", "ref": "refs/pull/7/head"}, True),
    ],
)
@pytest.mark.parametrize("action", ["opened", "synchronized", "reopened"])
def test_forks_at_gitea(action: str, head: dict[str, Any], fork: bool) -> None:
    (arrival,) = read(GITEA, "pull_request", gitea_pull_request(action, head=head)).arrivals
    assert (arrival.kind, arrival.ref, arrival.after) == (ArrivalKind.PULL_REQUEST, "refs/pull/7/head", B)
    assert arrival.pull_request is not None
    assert arrival.pull_request.fork is fork


@pytest.mark.parametrize(
    ("changes", "fork"),
    [
        ({}, False),
        ({"source_project_id": 16}, True),
        ({"source_project_id": None, "source": None}, True),
        ({"source_project_id": None, "target_project_id": None}, True),
    ],
)
def test_forks_at_gitlab(changes: dict[str, Any], fork: bool) -> None:
    (arrival,) = read(GITLAB, "Merge Request Hook", gitlab_merge_request("open", **changes)).arrivals
    assert arrival.ref == "refs/merge-requests/7/head"
    assert arrival.pull_request is not None
    assert arrival.pull_request.fork is fork
    assert arrival.subject == "Sell books"


@pytest.mark.parametrize(
    ("action", "oldrev", "comes"),
    [
        ("open", None, True),
        ("reopen", None, True),
        ("update", A, True),
        # Only its title or a label changed.
        ("update", None, False),
        ("approved", None, False),
        ("merge", None, False),
        ("close", None, False),
    ],
)
def test_a_merge_request_arrives_when_its_code_changed(action: str, oldrev: str | None, comes: bool) -> None:
    payload = gitlab_merge_request(action, oldrev=oldrev)
    told = read(GITLAB, "Merge Request Hook", payload)
    assert [arrival.before for arrival in told.arrivals] == ([oldrev] if comes else [])
    assert bool(told.note) is not comes


# Bodies in a form


@pytest.mark.parametrize("forge", [GITHUB, GITEA])
def test_a_form_with_the_payload_is_read_as_well(forge: ForgeKind) -> None:
    _, headers, body = delivery(forge, "push", PUSHES[forge][1]())
    form = urlencode({"payload": body.decode()}).encode()
    headers |= {"content-type": "application/x-www-form-urlencoded"}
    for name in ("x-hub-signature-256", "x-gitea-signature"):
        if name in headers:
            headers[name] = hex_signature(form)
    assert read_webhook(forge, headers, form, [SECRET]).arrivals == pushed(forge).arrivals


# What is not what it should be


@ALL
@pytest.mark.parametrize(
    "changes",
    [
        {"ref": "refs/heads/../../etc/passwd"},
        {"ref": "refs/heads/--upload-pack=evil"},
        {"ref": "refs/heads/a b"},
        {"ref": "refs/heads/a\nb"},
        {"ref": "refs/heads/a\x00b"},
        {"ref": "refs/heads/\u202egnp.exe"},
        {"ref": "refs/heads/"},
        {"ref": "refs/heads/a.lock"},
        {"ref": "refs/heads/" + "a" * 500},
        {"ref": 7},
        {"ref": None},
        {"after": "main"},
        {"after": "--help"},
        {"after": "a" * 39},
        {"before": ["a"]},
        {"commits": "all of them"},
    ],
)
def test_a_push_that_no_forge_would_send_is_malformed(forge: ForgeKind, changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedWebhook) as caught:
        pushed(forge, **changes)
    assert caught.value.status == 400
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("changes", [{"number": 0}, {"number": -1}, {"number": 2**60}, {"number": "7"}])
def test_a_pull_request_without_a_number_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedWebhook):
        read(GITHUB, "pull_request", github_pull_request("opened", head=None) | changes)


@pytest.mark.parametrize("branch", ["--help", "a b", "", "../x"])
def test_a_merge_request_of_no_branch_is_malformed(branch: str) -> None:
    with pytest.raises(MalformedWebhook):
        read(GITLAB, "Merge Request Hook", gitlab_merge_request("open", source_branch=branch))

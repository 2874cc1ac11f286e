"""Who is let in, and that nothing which comes through the door breaks it."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.intake import ForgeKind
from headway.wire.forges import BadSignature, MalformedWebhook, Webhook, read_webhook
from tests.wire.forges.samples import (
    SECRET,
    SIGNING,
    delivery,
    encoded,
    gitea_push,
    github_pull_request,
    github_push,
    github_repository,
    gitlab_merge_request,
    gitlab_push,
    hex_signature,
)

FORGES = [ForgeKind.GITHUB, ForgeKind.GITEA, ForgeKind.GITLAB]
PUSHES = {
    ForgeKind.GITHUB: github_push,
    ForgeKind.GITEA: gitea_push,
    ForgeKind.GITLAB: gitlab_push,
}


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize(
    ("secrets", "let_in"),
    [
        ([SECRET], True),
        # While it is replaced, the old and the new one hold.
        (["the new one", SECRET], True),
        ([SECRET, "the new one"], True),
        (["another"], False),
        # Without a secret nothing is trusted, and an empty one is none.
        ([], False),
        ([""], False),
    ],
)
def test_who_is_let_in(forge: ForgeKind, secrets: list[str], let_in: bool) -> None:
    arguments = delivery(forge, "push", PUSHES[forge]())
    if let_in:
        assert read_webhook(*arguments, secrets).arrivals
    else:
        with pytest.raises(BadSignature) as caught:
            read_webhook(*arguments, secrets)
        assert caught.value.status == 401


@pytest.mark.parametrize("forge", FORGES)
def test_without_any_proof_nobody_is_let_in(forge: ForgeKind) -> None:
    _, headers, body = delivery(forge, "push", PUSHES[forge]())
    bare = {name: text for name, text in headers.items() if "signature" not in name and "token" not in name}
    for secrets in ([SECRET], [""], []):
        with pytest.raises(BadSignature):
            read_webhook(forge, bare, body, secrets)
        with pytest.raises(BadSignature):
            read_webhook(forge, bare | {"x-gitlab-token": "", "x-hub-signature-256": ""}, body, secrets)


@pytest.mark.parametrize("forge", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_one_changed_byte_breaks_the_signature(forge: ForgeKind) -> None:
    _, headers, body = delivery(forge, "push", PUSHES[forge]())
    with pytest.raises(BadSignature):
        read_webhook(forge, headers, body.replace(b"main", b"evil"), [SECRET])


def test_the_signature_is_the_one_that_github_documents() -> None:
    """Secret, body and signature stand in its page "Validating webhook deliveries"."""
    headers = {
        "x-github-event": "ping",
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    }
    told = read_webhook(ForgeKind.GITHUB, headers, b"Hello, World!", ["It's a Secret to Everybody"])
    assert told.ping


@pytest.mark.parametrize("names", [["x-forgejo-signature"], ["x-gitea-signature"], ["x-hub-signature-256"]])
def test_gitea_and_forgejo_sign_under_several_names(names: list[str]) -> None:
    body = encoded(gitea_push())
    headers = {"x-forgejo-event": "push", "x-forgejo-delivery": "1"} | {
        name: hex_signature(body) for name in names
    }
    assert read_webhook(ForgeKind.GITEA, headers, body, [SECRET]).delivery == "1"


def test_a_bad_signature_is_not_made_good_by_another_header() -> None:
    _, headers, body = delivery(ForgeKind.GITEA, "push", gitea_push())
    with pytest.raises(BadSignature):
        read_webhook(ForgeKind.GITEA, headers | {"x-forgejo-signature": "0" * 64}, body, [SECRET])


def signed_by_gitlab(body: bytes, key: bytes, id: str = "msg_1", at: str = "1777863721") -> dict[str, str]:
    signature = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
        "x-gitlab-event": "Push Hook",
    }


def test_the_signing_token_of_gitlab() -> None:
    body = encoded(gitlab_push())
    headers = signed_by_gitlab(body, bytes(range(32)))
    told = read_webhook(ForgeKind.GITLAB, headers, body, [SIGNING])
    assert told.delivery == "msg_1"
    assert told.arrivals
    several = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert read_webhook(ForgeKind.GITLAB, several, body, [SECRET, SIGNING]).arrivals
    with pytest.raises(BadSignature):
        read_webhook(ForgeKind.GITLAB, headers, body + b" ", [SIGNING])
    with pytest.raises(BadSignature):
        read_webhook(ForgeKind.GITLAB, headers | {"webhook-timestamp": "1777863722"}, body, [SIGNING])


def test_a_signing_token_is_no_password() -> None:
    """Who sends it as a word knows it from somewhere; that does not prove a signature."""
    headers = {"x-gitlab-event": "Push Hook", "x-gitlab-token": SIGNING}
    with pytest.raises(BadSignature):
        read_webhook(ForgeKind.GITLAB, headers, encoded(gitlab_push()), [SIGNING])


def test_a_bad_signature_of_gitlab_is_not_made_good_by_the_token() -> None:
    body = encoded(gitlab_push())
    headers = signed_by_gitlab(body, b"another key") | {"x-gitlab-token": SECRET}
    with pytest.raises(BadSignature):
        read_webhook(ForgeKind.GITLAB, headers, body, [SECRET, SIGNING])
    # Where only the word is known, it alone can be checked.
    assert read_webhook(ForgeKind.GITLAB, headers, body, [SECRET]).arrivals


@pytest.mark.parametrize("forge", [ForgeKind.GIT, ForgeKind.HEADWAY])
def test_other_kinds_of_repositories_have_no_webhooks(forge: ForgeKind) -> None:
    with pytest.raises(BadSignature):
        read_webhook(forge, {"x-hub-signature-256": hex_signature(b"{}")}, b"{}", [SECRET])


def test_an_event_without_a_name_is_malformed() -> None:
    _, headers, body = delivery(ForgeKind.GITHUB, "", github_push())
    with pytest.raises(MalformedWebhook, match="X-Github-Event"):
        read_webhook(ForgeKind.GITHUB, headers, body, [SECRET])


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"ref": "\xff"}',
        b'{"ref": "\\ud800"}',
        b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"object_kind": "push", "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"number": 1e999999}',
    ],
)
def test_a_body_that_is_no_payload_is_malformed(forge: ForgeKind, body: bytes) -> None:
    refused, told = refusal(*delivery(forge, "push", body))
    if refused is not None:
        assert refused.status == 400
        assert refused.message.isprintable()
    else:
        # GitLab says in the body what it is; what does not say so is nothing to act on.
        assert forge is ForgeKind.GITLAB
        assert told is not None
        assert not told.arrivals


def refusal(
    forge: ForgeKind, headers: dict[str, str], body: bytes
) -> tuple[MalformedWebhook | None, Webhook | None]:
    try:
        return None, read_webhook(forge, headers, body, [SECRET])
    except MalformedWebhook as error:
        return error, None


def test_a_form_without_a_payload_is_malformed() -> None:
    _, headers, body = delivery(ForgeKind.GITHUB, "push", b"payload")
    with pytest.raises(MalformedWebhook, match="payload"):
        read_webhook(
            ForgeKind.GITHUB, headers | {"content-type": "application/x-www-form-urlencoded"}, body, [SECRET]
        )


# Whatever comes, it is read or refused by a typed error.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["ref", "repo", "sha", "id"]) | st.text(max_size=8), inner, max_size=4
        )
    ),
    max_leaves=12,
)
SAMPLES = [
    (ForgeKind.GITHUB, "push", github_push()),
    (ForgeKind.GITHUB, "pull_request", github_pull_request("opened", head=github_repository())),
    (ForgeKind.GITEA, "push", gitea_push()),
    (ForgeKind.GITEA, "delete", {"ref": "x", "ref_type": "tag", "repository": {"full_name": "team/shop"}}),
    (ForgeKind.GITLAB, "Push Hook", gitlab_push()),
    (ForgeKind.GITLAB, "Merge Request Hook", gitlab_merge_request("open")),
]


def read_or_refuse(forge: ForgeKind, headers: dict[str, str], body: bytes) -> None:
    refused, told = refusal(forge, headers, body)
    assert refused is None or refused.message.isprintable()
    if told is None:
        return
    for arrival in told.arrivals:
        assert len(arrival.ref) <= 500
        assert len(arrival.subject) <= 200
        assert len(arrival.message.encode()) <= 8192
        for text in (arrival.sender, arrival.subject, arrival.author):
            assert not text or text.isprintable()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORGES), st.sampled_from(["push", "pull_request", "delete"]), st.binary(max_size=200))
def test_any_bytes(forge: ForgeKind, event: str, body: bytes) -> None:
    read_or_refuse(*delivery(forge, event, body))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_change_of_a_real_delivery(data: st.DataObject) -> None:
    forge, event, payload = data.draw(st.sampled_from(SAMPLES))
    changed = json.loads(json.dumps(payload))
    place = changed
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [value for value in place.values() if isinstance(value, dict) and value]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    key = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        place[key] = data.draw(JSON)
    else:
        del place[key]
    read_or_refuse(*delivery(forge, event, changed))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(FORGES),
    st.dictionaries(
        st.sampled_from(
            [
                "x-hub-signature-256",
                "x-gitea-signature",
                "x-forgejo-signature",
                "x-gitlab-token",
                "webhook-signature",
                "webhook-id",
                "webhook-timestamp",
                "x-github-event",
                "content-type",
            ]
        ),
        st.text(max_size=80),
    ),
)
def test_no_made_up_headers_open_the_door(forge: ForgeKind, headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        read_webhook(forge, headers, encoded(PUSHES[forge]()), [SECRET, SIGNING])

"""The same thing told twice has one key, two things never."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headway.domain.intake import Arrival, ArrivalKind, ForgeKind
from headway.wire.forges import arrival_key, read_webhook
from tests.wire.forges.samples import SECRET, ZERO, A, B, delivery, gitea_push, github_push, gitlab_push

PUSH = Arrival(ArrivalKind.PUSH, "refs/heads/main", A, B, "grace-h")


def test_a_webhook_and_a_look_at_the_repository_tell_the_same() -> None:
    told = read_webhook(*delivery(ForgeKind.GITHUB, "push", github_push()), [SECRET])
    looked = Arrival(ArrivalKind.PUSH, "refs/heads/main", A, B, sender="")
    assert arrival_key(told.arrivals[0]) == arrival_key(looked)


def test_every_forge_tells_the_same_push_under_the_same_key() -> None:
    deliveries = [
        delivery(ForgeKind.GITHUB, "push", github_push()),
        delivery(ForgeKind.GITEA, "push", gitea_push()),
        delivery(ForgeKind.GITLAB, "Push Hook", gitlab_push()),
    ]
    assert len({arrival_key(read_webhook(*one, [SECRET]).arrivals[0]) for one in deliveries}) == 1


def test_another_delivery_of_the_same_push_has_the_same_key() -> None:
    forge, headers, body = delivery(ForgeKind.GITHUB, "push", github_push())
    first = read_webhook(forge, headers, body, [SECRET])
    second = read_webhook(forge, headers | {"x-github-delivery": "another"}, body, [SECRET])
    assert first.delivery != second.delivery
    assert arrival_key(first.arrivals[0]) == arrival_key(second.arrivals[0])


def test_a_deleted_branch_told_as_zeros_or_as_nothing() -> None:
    told = read_webhook(*delivery(ForgeKind.GITHUB, "push", github_push(after=ZERO)), [SECRET])
    assert arrival_key(told.arrivals[0]) == arrival_key(
        Arrival(ArrivalKind.DELETE, "refs/heads/main", A, None, "")
    )


def test_the_same_move_made_again_is_told_apart_by_who_saw_it() -> None:
    assert arrival_key(PUSH, 1) != arrival_key(PUSH)
    assert arrival_key(PUSH, 1) == arrival_key(replace(PUSH, sender="poll"), 1)


IDS = st.sampled_from([None, A, B])


@given(
    *[
        st.tuples(
            st.sampled_from(list(ArrivalKind)), st.sampled_from(["refs/heads/a", "refs/heads/b"]), IDS, IDS
        )
    ]
    * 2
)
def test_two_keys_are_equal_only_for_the_same(
    one: tuple[ArrivalKind, str, str | None, str | None],
    other: tuple[ArrivalKind, str, str | None, str | None],
) -> None:
    keys = [arrival_key(Arrival(*told, "anybody")) for told in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)

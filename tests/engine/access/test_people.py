"""People come in, do what they may, and are shut out: whole stories on both databases, by a clock that the test moves."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from headway.domain.org import Org, OrgPerson, Team
from headway.domain.people import Actor, Role, Scope
from headway.engine.access.passwords import Passwords, PasswordWeak
from headway.engine.access.people import (
    HandleInvalid,
    HandleTaken,
    LastAdministrator,
    LinkInvalid,
    People,
    PersonDisabled,
    SignInRefused,
    UnknownPerson,
)
from headway.engine.access.sessions import SignedIn
from headway.engine.access.sign_in_limits import TooManyAttempts
from headway.engine.access.tokens import TokenRefused, UnknownToken
from headway.engine.audit import AuditCursorWrong, AuditFilter, list_entries
from headway.engine.permissions import Action, NotAllowed, allows
from headway.store.database import Database
from tests.support.clocks import HandClock

GOOD, BETTER = "mole tango brisk lamp", "pepper orbit sling cove"
HERE = {"address": "192.0.2.1", "user_agent": "Browser 1.0"}
CHEAP = Passwords(time_cost=1, memory_cost=64)
RUN = frozenset({Scope.RUN})


class House:
    """The people of one database; `again` is another process on it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = HandClock()
        self.org = Org()
        self.people = self.again()

    def again(self, **costs: int) -> People:
        passwords = Passwords(**{"time_cost": 1, "memory_cost": 64, **costs})
        return People(self.database, self.clock, lambda: self.org, passwords=passwords)

    async def first(self) -> SignedIn:
        """The first administrator, `admin`, with a password."""
        link = await self.people.ensure_first_link(self.clock.now())
        assert link is not None
        return await self.people.sign_in_by_link(link, **HERE, password=GOOD)

    async def actor(self, signed_in: SignedIn) -> Actor:
        actor = await self.people.actor_of_session(signed_in.value, "192.0.2.1")
        assert actor is not None
        return actor

    async def admin(self) -> Actor:
        return await self.actor(await self.first())

    async def join(self, admin: Actor, handle: str, role: Role = Role.VIEWER) -> Actor:
        await self.people.add_person(admin, handle, role=role)
        link = await self.people.invite(admin, handle)
        return await self.actor(await self.people.sign_in_by_link(link, **HERE, password=GOOD))

    def done(self, **wanted: Any) -> list[str]:
        return [
            entry.action
            for entry in self.database.read(lambda tx: list_entries(tx, AuditFilter(**wanted))).entries
        ]

    def everything(self) -> str:
        """Every row of ours, as text."""
        tables = ("people", "sign_in_links", "sessions", "tokens", "sign_in_attempts", "audit")
        return str(
            [self.database.read(lambda tx, name=name: tx.all(f"SELECT * FROM {name}")) for name in tables]
        )


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


# The first administrator


async def test_the_first_one_comes_by_a_link_and_there_is_no_second_first(house: House) -> None:
    signed_in = await house.first()
    actor = await house.actor(signed_in)
    assert (actor.name, actor.role, actor.scopes, actor.by) == ("admin", Role.ADMINISTRATOR, None, "session")
    assert signed_in.person.has_password
    assert await house.people.ensure_first_link(house.clock.now()) is None
    assert house.done(actor="admin") == ["session.begin", "person.set_password", "person.add"]


async def test_a_new_start_voids_the_link_of_the_one_before(house: House) -> None:
    old, new = [await house.people.ensure_first_link(house.clock.now()) for _ in range(2)]
    assert old and new
    with pytest.raises(LinkInvalid) as refused:
        await house.people.sign_in_by_link(old, **HERE)
    assert refused.value.http_status == 401
    found = await house.people.link(new)
    assert found is not None and found.person is None
    first = await house.people.sign_in_by_link(new, **HERE, handle="ana", display_name="Ana")
    assert (first.person.name, first.person.display_name) == ("ana", "Ana")


async def test_a_link_runs_out_and_works_once(house: House) -> None:
    link = await house.people.ensure_first_link(house.clock.now())
    assert link
    house.clock.pass_(timedelta(hours=24))
    assert await house.people.link(link) is None
    with pytest.raises(LinkInvalid):
        await house.people.sign_in_by_link(link, **HERE)
    link = await house.people.ensure_first_link(house.clock.now())
    assert link
    tries = [house.people.sign_in_by_link(link, **HERE) for _ in range(5)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["LinkInvalid"] * 4 + ["SignedIn"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"handle": "Ana B"}, HandleInvalid),
        ({"handle": "headway"}, HandleInvalid),
        ({"password": "123"}, PasswordWeak),
    ],
)
async def test_a_slip_does_not_use_the_link_up(
    house: House, wrong: dict[str, str], error: type[Exception]
) -> None:
    link = await house.people.ensure_first_link(house.clock.now())
    assert link
    with pytest.raises(error):
        await house.people.sign_in_by_link(link, **HERE, **wrong)
    assert await house.people.sign_in_by_link(link, **HERE)


async def test_who_lost_the_only_way_in_gets_a_link_at_the_next_start(house: House) -> None:
    link = await house.people.ensure_first_link(house.clock.now())
    assert link
    signed_in = await house.people.sign_in_by_link(link, **HERE)
    assert await house.people.ensure_first_link(house.clock.now()) is None, "signed in"
    await house.people.sign_out(signed_in.value, await house.actor(signed_in))
    again = await house.people.ensure_first_link(house.clock.now())
    assert again
    assert (await house.people.sign_in_by_link(again, **HERE)).person.name == "admin"


async def test_an_old_first_link_is_worth_nothing_once_there_is_somebody(house: House) -> None:
    link = await house.people.ensure_first_link(house.clock.now())
    assert link
    with_role = await house.people.sign_in_by_link(link, **HERE, password=GOOD)
    other = house.again()
    admin = await house.actor(with_role)
    assert await other.ensure_first_link(house.clock.now()) is None
    assert [person.name for person in await other.people()] == [admin.name]


# Signing in


async def test_with_a_password_and_not_with_another(house: House) -> None:
    await house.first()
    signed_in = await house.people.sign_in(" Admin ", GOOD, **HERE)
    assert (await house.actor(signed_in)).name == "admin"
    for handle, password in (("admin", BETTER), ("nobody", GOOD), ("admin", "")):
        with pytest.raises(SignInRefused) as refused:
            await house.people.sign_in(handle, password, **HERE)
        assert refused.value.message == "the handle and the password do not fit"
        assert refused.value.http_status == 401


async def test_nothing_that_lets_in_stands_in_a_row(house: House) -> None:
    signed_in = await house.first()
    admin = await house.actor(signed_in)
    made = await house.people.create_token(admin, "ci", RUN, None)
    link = await house.people.invite(admin, "admin")
    rows = house.everything()
    assert "$argon2id$" in rows and made.token.prefix in rows
    for text in (signed_in.value, made.text, link, GOOD):
        assert text not in rows


async def test_who_guesses_waits_also_after_a_restart(house: House) -> None:
    await house.first()
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await house.people.sign_in("admin", "wrong", address="203.0.113.5", user_agent="")
    with pytest.raises(TooManyAttempts, match="possible in 5s"):
        await house.again().sign_in("admin", GOOD, address="198.51.100.7", user_agent="")
    house.clock.pass_(timedelta(seconds=5))
    assert await house.again().sign_in("admin", GOOD, address="203.0.113.5", user_agent="")


async def test_nobody_is_kept_out_by_who_fails_on_purpose_elsewhere(house: House) -> None:
    await house.first()
    assert await house.people.sign_in("admin", GOOD, **HERE)
    elsewhere = {"address": "198.51.100.7", "user_agent": ""}
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await house.people.sign_in("admin", "wrong", **elsewhere)
    with pytest.raises(TooManyAttempts):
        await house.people.sign_in("admin", GOOD, **elsewhere)
    # Another browser where one is signed in already; and that place has its own bound.
    assert await house.people.sign_in("admin", GOOD, **HERE)
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await house.people.sign_in("admin", "wrong", **HERE)
    with pytest.raises(TooManyAttempts):
        await house.people.sign_in("admin", GOOD, **HERE)


async def test_many_guesses_at_once_are_no_more_than_one_after_another(house: House) -> None:
    await house.first()
    tries = [house.people.sign_in("admin", f"wrong {number}", **HERE) for number in range(20)]
    found = [type(one).__name__ for one in await asyncio.gather(*tries, return_exceptions=True)]
    assert found.count("SignInRefused") == 5
    assert found.count("TooManyAttempts") == 15


async def test_a_guess_at_nobody_costs_the_same_comparison(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.first()
    compared: list[str] = []
    compare = Passwords._compare
    monkeypatch.setattr(
        Passwords, "_compare", lambda self, hash, given: compared.append(hash) or compare(self, hash, given)
    )
    for handle in ("admin", "nobody"):
        with pytest.raises(SignInRefused):
            await house.people.sign_in(handle, "wrong", **HERE)
    real, made_up = (hash.split("$")[1:4] for hash in compared)
    assert real == made_up


async def test_a_hash_of_old_costs_is_made_anew(house: House) -> None:
    await house.first()
    await house.again(time_cost=2).sign_in("admin", GOOD, **HERE)
    assert "m=64,t=2,p=1" in house.everything()
    assert await house.people.sign_in("admin", GOOD, **HERE)


async def test_a_password_is_changed_by_who_knows_it_and_other_browsers_go(house: House) -> None:
    here, elsewhere = await house.first(), await house.people.sign_in("admin", GOOD, **HERE)
    admin = await house.actor(here)
    with pytest.raises(SignInRefused):
        await house.people.set_password(admin, BETTER, current="wrong")
    with pytest.raises(PasswordWeak):
        await house.people.set_password(admin, "short", current=GOOD)
    await house.people.set_password(admin, BETTER, current=GOOD, session=here.value)
    assert await house.people.actor_of_session(here.value)
    assert await house.people.actor_of_session(elsewhere.value) is None
    assert await house.people.sign_in("admin", BETTER, **HERE)


# Sessions


async def test_a_session_lives_while_it_is_used_and_90_days_at_most(house: House) -> None:
    signed_in = await house.first()
    assert signed_in.ends_at == house.clock.now() + timedelta(days=90)
    for _ in range(8):
        house.clock.pass_(timedelta(days=10))
        assert await house.people.actor_of_session(signed_in.value)
    house.clock.pass_(timedelta(days=10))
    assert await house.people.actor_of_session(signed_in.value) is None


async def test_a_session_that_nobody_used_ends(house: House) -> None:
    signed_in = await house.first()
    house.clock.pass_(timedelta(days=14))
    assert await house.people.actor_of_session(signed_in.value) is None
    assert await house.people.sweep(house.clock.now()) == 2, "the session, and the link it began with"


async def test_that_it_is_used_is_written_every_five_minutes(house: House) -> None:
    signed_in = await house.first()
    admin = await house.actor(signed_in)
    seen = []
    for _ in range(6):
        house.clock.pass_(timedelta(minutes=2))
        await house.people.actor_of_session(signed_in.value)
        [session] = await house.people.sessions.list(admin)
        seen.append((session.seen_at - signed_in.session.created_at) // timedelta(minutes=1))
    assert seen == [0, 0, 6, 6, 6, 12]


async def test_signing_out_here_and_everywhere(house: House) -> None:
    one, two, three = [
        await house.first(),
        *[await house.people.sign_in("admin", GOOD, **HERE) for _ in "23"],
    ]
    admin = await house.actor(one)
    await house.people.sign_out(one.value, admin)
    assert await house.people.actor_of_session(one.value) is None
    assert len(await house.people.sessions.list(admin)) == 2
    assert await house.people.sessions.end_one(admin, three.session.id)
    assert not await house.people.sessions.end_one(admin, three.session.id)
    assert await house.people.sign_out_everywhere(admin) == 1
    assert await house.people.actor_of_session(two.value) is None


# Accounts


async def test_what_is_done_to_others_needs_an_administrator(house: House) -> None:
    bo = await house.join(await house.admin(), "bo", Role.OPERATOR)
    for refused in (
        house.people.add_person(bo, "cy"),
        house.people.invite(bo, "admin"),
        house.people.set_role(bo, "bo", Role.ADMINISTRATOR),
        house.people.disable(bo, "admin"),
        house.people.sign_out_everywhere(bo, "admin"),
        house.people.sessions.list(bo, "admin"),
        house.people.tokens.list(bo, everybody=True),
    ):
        with pytest.raises(NotAllowed):
            await refused


async def test_a_role_counts_at_once(house: House) -> None:
    admin = await house.admin()
    await house.people.add_person(admin, "bo", role=Role.VIEWER)
    link = await house.people.invite(admin, "bo")
    signed_in = await house.people.sign_in_by_link(link, **HERE)
    assert not allows(await house.actor(signed_in), Action.RUN_START, team=None)
    await house.people.set_role(admin, "bo", Role.DEVELOPER)
    assert allows(await house.actor(signed_in), Action.RUN_START, team=None)
    [entry] = house.database.read(lambda tx: list_entries(tx, AuditFilter(action="person.set_role"))).entries
    assert (entry.subject, entry.before, entry.after) == ("bo", '{"role": "viewer"}', '{"role": "developer"}')
    assert (entry.actor, entry.by, entry.address) == ("admin", "session", "192.0.2.1")


async def test_who_is_disabled_is_out_by_every_way_and_may_come_back(house: House) -> None:
    admin = await house.admin()
    await house.people.add_person(admin, "bo", role=Role.DEVELOPER)
    signed_in = await house.people.sign_in_by_link(
        await house.people.invite(admin, "bo"), **HERE, password=GOOD
    )
    made = await house.people.create_token(await house.actor(signed_in), "ci", RUN, None)
    link = await house.people.invite(admin, "bo")
    await house.people.disable(admin, "bo")
    assert await house.people.actor_of_session(signed_in.value) is None
    assert await house.people.actor_of_token(made.text) is None
    with pytest.raises(SignInRefused):
        await house.people.sign_in("bo", GOOD, **HERE)
    with pytest.raises(LinkInvalid):
        await house.people.sign_in_by_link(link, **HERE)
    with pytest.raises(PersonDisabled):
        await house.people.invite(admin, "bo")
    await house.people.disable(admin, "bo", undo=True)
    assert await house.people.sign_in("bo", GOOD, **HERE)
    assert await house.people.actor_of_token(made.text)


async def test_another_process_sees_it_within_seconds(house: House) -> None:
    signed_in, other = await house.first(), house.again()
    assert await other.actor_of_session(signed_in.value)
    await house.people.sign_out_everywhere(await house.actor(signed_in))
    house.clock.pass_(timedelta(seconds=4))
    assert await other.actor_of_session(signed_in.value) is None


async def test_the_last_administrator_stays(house: House) -> None:
    admin = await house.admin()
    for refused in (house.people.set_role(admin, "admin", Role.VIEWER), house.people.disable(admin, "admin")):
        with pytest.raises(LastAdministrator):
            await refused
    assert (await house.people.person("admin")).disabled_at is None
    await house.people.add_person(admin, "bo", role=Role.ADMINISTRATOR)
    assert (await house.people.set_role(admin, "admin", Role.VIEWER)).role is Role.VIEWER


async def test_handles_are_taken_once(house: House) -> None:
    admin = await house.admin()
    await house.people.add_person(admin, "bo")
    with pytest.raises(HandleTaken):
        await house.people.add_person(admin, "bo")
    with pytest.raises(UnknownPerson):
        await house.people.invite(admin, "cy")


async def test_org_toml_gives_accounts_roles_and_teams(house: House) -> None:
    admin = await house.admin()
    house.org = Org(
        people={"bo": OrgPerson("bo", "Bo B.", "bo@example.org", Role.DEVELOPER), "cy": OrgPerson("cy")},
        teams={"storefront": Team("storefront", {"bo": Role.OPERATOR})},
    )
    signed_in = await house.people.sign_in_by_link(await house.people.invite(admin, "bo"), **HERE)
    bo = await house.actor(signed_in)
    assert (signed_in.person.display_name, bo.role) == ("Bo B.", Role.DEVELOPER)
    assert bo.teams == (("storefront", Role.OPERATOR),)
    assert allows(bo, Action.SECRET_SET, team="storefront")
    house.org = Org()
    assert (await house.actor(signed_in)).role is Role.VIEWER, "what org.toml gave went with it"


# Tokens


async def test_a_token_is_its_person_with_fewer_rights(house: House) -> None:
    admin = await house.admin()
    made = await house.people.create_token(admin, "ci upload", {Scope.RUN, Scope.RELEASE}, None)
    actor = await house.people.actor_of_token(made.text, "198.51.100.7")
    assert actor is not None
    assert (actor.name, actor.by, actor.address) == ("admin", "token ci upload", "198.51.100.7")
    assert allows(actor, Action.RUN_START, team=None) and not allows(actor, Action.LOOK, team=None)
    assert await house.people.actor_of_token(made.text[:-1] + ("y" if made.text[-1] == "x" else "x")) is None
    assert await house.people.actor_of_token("hw_") is None


async def test_a_token_ends_by_time_and_by_hand(house: House) -> None:
    admin = await house.admin()
    made = await house.people.create_token(admin, "ci", RUN, house.clock.now() + timedelta(days=1))
    other = await house.people.create_token(admin, "cd", RUN, None)
    await house.people.revoke_token(admin, other.token.id)
    assert await house.people.actor_of_token(other.text) is None
    assert await house.people.actor_of_token(made.text)
    house.clock.pass_(timedelta(days=1))
    assert await house.people.actor_of_token(made.text) is None
    revoked = {token.name for token in await house.people.tokens.list(admin) if token.revoked_at}
    assert revoked == {"cd"}


async def test_that_it_is_used_is_written_every_minute(house: House) -> None:
    admin = await house.admin()
    made = await house.people.create_token(admin, "ci", RUN, None)
    used = []
    for _ in range(5):
        await house.people.actor_of_token(made.text)
        [token] = await house.people.tokens.list(admin)
        assert token.last_used_at
        used.append((token.last_used_at - made.token.created_at) // timedelta(seconds=1))
        house.clock.pass_(timedelta(seconds=25))
    assert used == [0, 0, 0, 75, 75]


@pytest.mark.parametrize(
    ("name", "scopes", "days", "complaint"),
    [
        ("", RUN, None, "cannot be the name"),
        ("x" * 65, RUN, None, "cannot be the name"),
        ("a\nb", RUN, None, "cannot be the name"),
        ("ci", frozenset(), None, "good for nothing"),
        ("ci", RUN, 0, "would have run out already"),
        ("taken", RUN, None, "a token 'taken' already"),
    ],
)
async def test_what_cannot_be_a_token(
    house: House, name: str, scopes: frozenset[Scope], days: int | None, complaint: str
) -> None:
    admin = await house.admin()
    await house.people.create_token(admin, "taken", RUN, None)
    until = None if days is None else house.clock.now() + timedelta(days=days)
    with pytest.raises(TokenRefused, match=complaint):
        await house.people.create_token(admin, name, scopes, until)


async def test_a_token_hands_on_no_more_than_it_has(house: House) -> None:
    admin = await house.admin()
    made = await house.people.create_token(admin, "boot", {Scope.ADMIN, Scope.RUN}, None)
    token = await house.people.actor_of_token(made.text)
    assert token is not None
    assert await house.people.create_token(token, "ci", RUN, None)
    with pytest.raises(NotAllowed, match="the scope 'deploy', so it cannot hand it on"):
        await house.people.create_token(token, "cd", {Scope.DEPLOY}, None)
    with pytest.raises(NotAllowed, match="cannot set a password"):
        await house.people.set_password(token, BETTER, current=GOOD)


async def test_a_stranger_s_token_is_not_there(house: House) -> None:
    admin = await house.admin()
    bo = await house.join(admin, "bo")
    hers = await house.people.create_token(admin, "ci", RUN, None)
    his = await house.people.create_token(bo, "ci", RUN, None)
    with pytest.raises(UnknownToken):
        await house.people.revoke_token(bo, hers.token.id)
    assert [token.id for token in await house.people.tokens.list(bo)] == [his.token.id]
    assert (await house.people.revoke_token(admin, his.token.id)).person == "bo"
    assert len(await house.people.tokens.list(admin, everybody=True)) == 2


# The audit


async def test_the_audit_is_read_page_by_page(house: House) -> None:
    admin = await house.admin()
    for number in range(5):
        await house.people.add_person(admin, f"p{number}")
    seen, cursor = [], None
    while True:
        page = house.database.read(
            lambda tx, at=cursor: list_entries(tx, AuditFilter(action="person.add"), cursor=at, limit=2)
        )
        seen += [entry.subject for entry in page.entries]
        if (cursor := page.cursor) is None:
            break
    assert seen == ["p4", "p3", "p2", "p1", "p0", "admin"]
    for wrong in ("x", "-1", "9" * 30, "１"):
        with pytest.raises(AuditCursorWrong):
            house.database.read(lambda tx, wrong=wrong: list_entries(tx, cursor=wrong))

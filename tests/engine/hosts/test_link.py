"""What a host says of a root decides whose it is."""

from typing import cast

import pytest

from headway.deploy.record import HostRecord
from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut, ConnectionLost, SshError
from headway.engine.hosts.link import HostLink, HostRefused, refuse_anothers


def link(deployed: dict[str, object] | None) -> HostLink:
    record = HostRecord("/srv/alpha/production", deployed=deployed)
    return HostLink("a1", HostSpec("a1", "10.0.0.1"), "apps", cast(Connections, None), record)


@pytest.mark.parametrize(
    ("errors", "once_more", "asked"),
    [
        ([ConnectionLost], False, 2),
        ([CommandTimedOut], True, 2),
        ([CommandTimedOut, ConnectionLost, ConnectionLost], True, 4),
        # Not for ever, and only where the host's own record decides.
        ([CommandTimedOut], False, None),
        ([CommandTimedOut, CommandTimedOut], True, None),
        ([ConnectionLost] * 3 + [CommandTimedOut], True, None),
    ],
)
async def test_a_question_that_may_be_asked_twice_is(
    errors: list[type[SshError]], once_more: bool, asked: int | None
) -> None:
    left, count = list(errors), 0

    async def ask() -> str:
        nonlocal count
        count += 1
        if left:
            raise left.pop(0)("a1", "it went wrong")
        return "well"

    if asked is None:
        with pytest.raises(CommandTimedOut):
            await link(None).persist(ask, once_more=once_more)
        return
    assert await link(None).persist(ask, once_more=once_more) == "well"
    assert count == asked


def test_a_root_that_a_host_says_is_anothers_is_refused_by_its_name() -> None:
    told: dict[str, object] = {"service": "alpha", "environment": "production"}
    with pytest.raises(HostRefused, match="is the root of alpha/production, not of alpha/prod2"):
        refuse_anothers([link(None), link(told)], "alpha", "prod2")
    with pytest.raises(HostRefused, match="not of beta/production"):
        refuse_anothers([link(told)], "beta", "production")


def test_the_refusal_names_the_command_that_renames_an_environment_of_the_same_service() -> None:
    def hint(environment: str, service: str = "alpha", told: str = "production") -> str:
        with pytest.raises(HostRefused) as refused:
            refuse_anothers([link({"service": "alpha", "environment": told})], service, environment)
        return refused.value.hint or ""

    assert "if production was renamed: headway deployment rename production prod2" in hint("prod2")
    assert "rename" not in hint("production", service="beta")
    # What a host says is not put into a command that a person copies, unless it is a name.
    assert "rename" not in hint("prod2", told="x; rm -rf /")


def test_a_root_of_its_own_or_of_nobody_is_not_refused() -> None:
    told: dict[str, object] = {"service": "alpha", "environment": "production"}
    refuse_anothers([link(told), link(None), link({"release": "rel-a"})], "alpha", "production")

"""How a host is reached: through which others, never in a circle, known by the keys of which files."""

import asyncio
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import SshConfigFault
from headway.drivers.ssh.settings import SshSettings
from tests.support.ssh_configs import needs_openssh, resolved

pytestmark = needs_openssh


async def test_a_path_with_a_blank_is_one_path(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("")
    found = await resolved(tmp_path, f'UserKnownHostsFile "{tmp_path}/a b" {tmp_path}/c\n')
    assert found.known_hosts[:2] == (tmp_path / "a b", tmp_path / "c")


async def test_a_list_of_jumps_keeps_its_order_ports_and_users(tmp_path: Path) -> None:
    found = await resolved(tmp_path, "ProxyJump ops@gate:2222,[::1]:22\n")
    assert [(jump.address, jump.port, jump.user) for jump in found.jumps] == [
        ("gate", 2222, "ops"),
        ("::1", 22, None),
    ]


@pytest.mark.parametrize(
    "config",
    [
        "Host *\n ProxyJump gate\n",
        "Host gate\n ProxyJump web\nHost web\n ProxyJump gate\n",
        "Host gate\n ProxyJump gate:23\nHost *\n ProxyJump gate\n",
        "Host *\n ProxyJump x%h\n",
    ],
    ids=["to itself", "to one another", "to itself by another port", "without end"],
)
async def test_a_way_that_never_arrives_is_said_at_once(tmp_path: Path, config: str) -> None:
    (tmp_path / "config").write_text(config)
    hosts = [HostSpec(name=name, address=name) for name in ("web", "gate")]
    async with (
        Connections(SshSettings(home=tmp_path, config=tmp_path / "config")) as connections,
        asyncio.timeout(60),
    ):
        # At the same time: each would wait for the other's connection.
        found = await asyncio.gather(
            *(connections.connection(host) for host in hosts), return_exceptions=True
        )
    assert isinstance(found[0], SshConfigFault)
    assert isinstance(found[1], SshConfigFault)
    assert "web is reached through" in found[0].message
    assert "ProxyJump none" in (found[0].hint or "")


async def test_what_would_make_it_stricter_is_refused_where_we_cannot_do_it(tmp_path: Path) -> None:
    with pytest.raises(SshConfigFault, match="RevokedHostKeys"):
        await resolved(tmp_path, "RevokedHostKeys /etc/revoked\n")

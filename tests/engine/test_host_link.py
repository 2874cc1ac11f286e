"""What a host says of a root decides whose it is."""

from typing import cast

import pytest

from headway.deploy.record import HostRecord
from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.engine.host_link import HostLink, HostRefused, refuse_anothers


def link(deployed: dict[str, object] | None) -> HostLink:
    record = HostRecord("/srv/alpha/production", deployed=deployed)
    return HostLink("a1", HostSpec("a1", "10.0.0.1"), "apps", cast(Connections, None), record)


def test_a_root_that_a_host_says_is_anothers_is_refused_by_its_name() -> None:
    told: dict[str, object] = {"service": "alpha", "environment": "production"}
    with pytest.raises(HostRefused, match="is the root of alpha/production, not of alpha/prod2"):
        refuse_anothers([link(None), link(told)], "alpha", "prod2")
    with pytest.raises(HostRefused, match="not of beta/production"):
        refuse_anothers([link(told)], "beta", "production")
    refuse_anothers([link(told), link(None), link({"release": "rel-a"})], "alpha", "production")

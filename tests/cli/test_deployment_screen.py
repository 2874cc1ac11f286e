"""What a dry run says beside the commands."""

import pytest

from headway.cli.deployment_screen import show_plan
from headway.deploy.plan import HostPlan
from headway.domain.contract import HostSpec
from headway.engine.views.documents import plan_document
from tests.deploy.examples import plan


def host(name: str, batch: int, *processes: str) -> HostPlan:
    return HostPlan(HostSpec(name, "10.0.0.1", labels={"zone": "a"}), batch, processes, "apps/shop")


def test_a_process_whose_hosts_are_all_switched_at_once_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = (
        host("web1", 0, "main"),
        host("web2", 1, "main"),
        host("jobs1", 2, "worker"),
        host("jobs2", 2, "worker"),
    )
    show_plan(plan_document(plan(*hosts)))
    told = [line for line in capsys.readouterr().out.splitlines() if "are one batch" in line]
    assert told == [
        "worker: all its 2 hosts (jobs1, jobs2) are one batch, so nothing of it runs until they are up"
    ]

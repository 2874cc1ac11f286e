"""`headway deployment record` as it is typed."""

from pathlib import Path

import pytest

from tests.support.command_line import Terminal

CONTRACT = """
[deploy]
kind = "script"
run = "true"
[environments.live]
hosts = "web-1"
production = true
[hosts.web-1]
address = "127.0.0.1"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Terminal:
    terminal = Terminal(tmp_path, f"sqlite:///{tmp_path}/data/headway.db")
    terminal.write(CONTRACT)
    return terminal


@pytest.mark.slow
def test_recorded_shown_and_counted(shop: Terminal) -> None:
    record = ["deployment", "record", "live", "--commit", "HEAD", "--by", "jenkins", "--key", "shop#7"]
    first = shop.call(*record, "--release", "1.4.2")
    assert (first.code, first.output) == (0, b"deployment 1 of shop to live: succeeded\n")
    again = shop.call(*record, "--json").document
    assert (again["is_new"], again["deployment"]["number"]) == (False, 1)
    assert (again["deployment"]["origin"], again["deployment"]["production"]) == ("jenkins", True)
    # Said before a host is asked: there is none here.
    back = shop.call("rollback", "live")
    assert back.code == 2
    assert "was put into live by jenkins, not by Headway" in back.complaint
    metrics = shop.call("metrics", "--json").document["metrics"]
    assert metrics["frequency"]["events"] == 1


@pytest.mark.slow
def test_what_is_wrong_is_said(shop: Terminal) -> None:
    words = ["deployment", "record", "live", "--by", "jenkins"]
    noon = shop.call(*words, "--commit", "HEAD", "--started", "noon")
    assert (noon.code, "--started: 'noon' is no time" in noon.complaint) == (2, True)
    unknown = shop.call(*words, "--commit", "v9")
    assert unknown.code == 2
    assert "names no commit" in unknown.complaint

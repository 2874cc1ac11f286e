"""docs/server.md against the program: its options, its duties, what the unit and the folder are called."""

import re

import click

from headway.engine.server_lock import SOCKET
from headway.engine.server_settings import DUTIES, ServerSettings
from headway.main.unit import unit
from headway.main.up import command
from tests.docs.pages import ROOT, first_column, sections, text_of

PAGE = text_of(ROOT / "docs" / "server.md")


def test_every_option_is_described_and_no_other() -> None:
    options = {parameter.opts[0] for parameter in command.params if isinstance(parameter, click.Option)}
    assert set(first_column(sections(PAGE)["What it is told"])) == options


def test_every_duty_is_described_and_no_other() -> None:
    duties = first_column(sections(PAGE)["Duties"].partition("The top bar")[0])
    assert duties == list(DUTIES)


def test_what_is_said_of_defaults_is_so() -> None:
    usual = ServerSettings()
    assert f"`{usual.host}:{usual.port}` if not said" in PAGE
    assert usual.stop_within.total_seconds() == 10
    assert "within ten seconds" in PAGE
    assert f"client_max_body_size {usual.largest_push // 2**20}m" in PAGE


def test_names_of_the_page_are_those_of_the_unit_and_the_folder() -> None:
    assert f"`{SOCKET}`" in PAGE
    [home] = re.findall(r"--home-dir (\S+) headway", PAGE)
    assert f"--data {home}/data" in unit()
    for word in ("WatchdogSec", "Delegate=memory"):
        assert word in PAGE
        assert word in unit()

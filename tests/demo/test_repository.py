"""The story's changes are what the story says of them: checked on a real repository with its real tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from headway.demo.layout import new_layout
from headway.demo.repository import (
    COUNTED_ITEMS,
    EXACT_PRICES,
    PLAIN_PRICES,
    SHORTER_PRICES,
    Repository,
    fill_ports,
    source,
    with_guards,
)
from headway.demo.world import CATALOGUE, OLD_TILL
from headway.wire.contract import read_contract


@pytest.fixture(params=["alone", "with a server"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    layout = new_layout(tmp_path, "asyncssh", server=request.param != "alone")
    layout.person.mkdir()
    (layout.person / ".gitconfig").write_text("[user]\n\tname = Dana\n\temail = dana@shop.example\n")
    repository = Repository(layout)
    repository.create(layout)
    return repository


def python(repository: Repository, *argv: str) -> int:
    return subprocess.run(
        [sys.executable, "-B", *argv], check=False, cwd=repository.path, capture_output=True
    ).returncode


def passes(repository: Repository) -> bool:
    return python(repository, "-m", "tests", "--junitxml", "../report.xml") == 0


def reads(repository: Repository, price: str) -> bool:
    return python(repository, "-c", f"from shop.catalogue import read_price; read_price({price!r})") == 0


def test_the_first_commit_is_whole_and_clean(repository: Repository) -> None:
    assert repository.git("status", "--porcelain") == ""
    assert "@" not in (repository.path / "headway.toml").read_text()
    assert passes(repository)


def test_the_second_is_caught_by_tests(repository: Repository) -> None:
    commit = repository.apply(SHORTER_PRICES)
    assert not passes(repository)
    assert len(repository.diff(commit)) == 2
    repository.revert(commit)
    assert passes(repository)


def test_the_third_is_bad_only_for_the_odd_hosts_data(repository: Repository) -> None:
    assert reads(repository, OLD_TILL["price"])
    repository.apply(PLAIN_PRICES)
    assert passes(repository)
    assert all(reads(repository, item["price"]) for item in CATALOGUE)
    assert not reads(repository, OLD_TILL["price"])


def test_the_last_two_are_good_everywhere(repository: Repository) -> None:
    repository.revert(repository.apply(PLAIN_PRICES))
    repository.apply(COUNTED_ITEMS)
    assert passes(repository)
    repository.apply(EXACT_PRICES)
    assert passes(repository)
    assert reads(repository, OLD_TILL["price"])


def test_with_a_server_staging_goes_by_itself_and_production_needs_a_second_person(tmp_path: Path) -> None:
    alone, served = (
        read_contract(
            with_guards(fill_ports(text, layout)) if guarded else fill_ports(text, layout)
        ).environments
        for layout in [new_layout(tmp_path, "asyncssh")]
        for text in [(source() / "headway.toml").read_text()]
        for guarded in (False, True)
    )
    assert (alone["staging"].when, alone["production"].approval) == (None, None)
    assert served["staging"].when is not None
    assert served["production"].promote == "automatic"
    assert served["production"].approval is not None

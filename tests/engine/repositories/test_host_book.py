"""The short reading of headway.toml says what the full one says, or hands over to it."""

from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.engine.projects import find_project
from headway.engine.repositories.host_book import book_of, read_host_book

GOOD = """contract = 1
[service]
name = "shop"
[jobs.test]
run = "true"
secrets = ["JOB_TOKEN"]
[deploy]
kind = "script"
run = "true"
[environments.production]
hosts = "group:web"
secrets = ["PASSWORD"]
[hosts.web-1]
address = "10.0.0.1"
port = 2222
user = "deploy"
labels = { zone = "a" }
[hosts.web-2]
[groups]
web = ["web-1", "web-2"]
"""


def project(folder: Path, text: str) -> Path:
    (folder / ".git").mkdir()
    (folder / "headway.toml").write_text(text)
    return folder


def test_it_says_what_the_full_reader_says(tmp_path: Path) -> None:
    here = project(tmp_path, GOOD)
    assert read_host_book(here) == book_of(find_project(here).contract)
    assert read_host_book(here).secrets == (("production", "PASSWORD"), (None, "JOB_TOKEN"))


def test_a_fault_elsewhere_stops_nobody(tmp_path: Path) -> None:
    here = project(tmp_path, GOOD.replace('run = "true"\nsecrets', 'rnu = "true"\nsecrets'))
    with pytest.raises(WrongUse):
        find_project(here)
    assert set(read_host_book(here).hosts) == {"web-1", "web-2"}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("port = 2222", "port = 99999"),
        ("port = 2222", "port = true"),
        ('user = "deploy"', "user = 7"),
        ('address = "10.0.0.1"', 'adress = "10.0.0.1"'),
        ('web = ["web-1", "web-2"]', 'web = "web-1"'),
        ('labels = { zone = "a" }', "labels = 3"),
        ('name = "shop"', "name = 1"),
        ("[groups]", "[groups"),
    ],
)
def test_a_fault_in_what_is_read_is_told_by_the_full_reader(tmp_path: Path, right: str, wrong: str) -> None:
    here = project(tmp_path, GOOD.replace(right, wrong))
    with pytest.raises(WrongUse, match=r"headway\.toml") as short:
        read_host_book(here)
    with pytest.raises(WrongUse) as full:
        find_project(here)
    assert str(short.value) == str(full.value)

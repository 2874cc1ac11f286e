"""The files that the pages for developers name are there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, text_of

#: `pipeline/progress.py`, `wire/contract/meaning_*.py`, `tests/cli/`: below the root or below the program.
PATH = re.compile(r"`([a-z_][\w./*]*/(?:[\w.*]+\.(?:py|sql|toml))?)`")


def named(page: Path) -> list[str]:
    return sorted(set(PATH.findall(text_of(page))))


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    found = named(ROOT / page)
    assert len(found) > 5
    assert [path for path in found if not any([*ROOT.glob(path), *(ROOT / "src/headway").glob(path)])] == []

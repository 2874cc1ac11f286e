"""docs/settings.md and the variables that other pages name, against the code."""

import ast
import re

from headway.base import errors
from tests.docs.pages import PAGES, ROOT, first_column, sections, text_of

SOURCES = [path for path in (ROOT / "src").rglob("*.py") if "demo" not in path.parts]
SCRIPTS = sorted((ROOT / "src").rglob("*.sh"))
#: What Headway hands to git's own programs and to its hook within one call; nobody else sees or sets them.
INTERNAL = {"HEADWAY_GIT_TOKEN", "HEADWAY_GIT_USER", "HEADWAY_LINK", "HEADWAY_SENDER"}
VARIABLE = re.compile(r"HEADWAY_[A-Z_]*[A-Z]")
SETTINGS = text_of(ROOT / "docs" / "settings.md")


def read_by_the_program() -> set[str]:
    """Names that are looked up: `.get("HEADWAY_…")`, or handed to what looks them up with the settings."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("get", "_age"):
                words = [word.value for word in node.args if isinstance(word, ast.Constant)]
                found |= {word for word in words if isinstance(word, str) and VARIABLE.fullmatch(word)}
    return found


def test_every_variable_that_is_read_is_documented_and_no_other() -> None:
    named = {name for name in first_column(SETTINGS) if VARIABLE.fullmatch(name)}
    assert named == read_by_the_program()
    assert len(named) >= 5


def test_every_variable_that_is_named_anywhere_is_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in [*SOURCES, *SCRIPTS])
    for page in PAGES:
        missing = set(VARIABLE.findall(text_of(page))) - set(VARIABLE.findall(code))
        assert not missing, page.name


def test_every_variable_that_a_process_gets_is_named_on_a_page() -> None:
    told = {name for page in PAGES for name in VARIABLE.findall(text_of(page))}
    given = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value)
    }
    assert given - told == INTERNAL


def test_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = {
        int(code) for code in re.findall(r"^\| (\d+) \|", sections(SETTINGS)["Exit codes"], re.MULTILINE)
    }
    assert codes == {0, *(kind.exit_code for kind in kinds)}


def test_the_data_folder_is_drawn_with_every_place_in_it() -> None:
    from headway.engine.settings import Settings

    places = {name for name, kind in vars(Settings).items() if isinstance(kind, property)} - {"ssh"}
    drawn = {name.split("/")[0] for name in first_column(sections(SETTINGS)["The data folder"])}
    assert drawn == places | {"headway.db"}

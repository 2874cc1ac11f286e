"""Every key path of a document, found where it stands."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.wire.strict.faults import Path, render_path
from headway.wire.strict.positions import Place, locate
from headway.wire.strict.toml import toml_key, toml_value

DOCUMENT = """\
top.of = 1
"ä.b" = { x = [1, 2, # why
  { deep = "y" }] }
[table."quoted key".inner]
a = '''
'''
[[many]]
k = 1
[[many]]
k = 2
[many.sub]
z = "ü" # after
"""


def test_positions_of_keys_and_values() -> None:
    found = locate(DOCUMENT)
    assert found.value(("top", "of")) == Place(1, 10)
    assert found.key(("top",)) == Place(1, 1) and found.key(("top", "of")) == Place(1, 5)
    assert found.key(("ä.b",)) == Place(2, 1)
    assert found.value(("ä.b", "x", 1)) == Place(2, 19)
    assert found.value(("ä.b", "x", 2, "deep")) == Place(3, 12)
    assert found.key(("table", "quoted key", "inner")) == Place(4, 21)
    assert found.value(("table", "quoted key", "inner", "a")) == Place(5, 5)
    assert found.value(("many", 0, "k")) == Place(8, 5) and found.value(("many", 1, "k")) == Place(10, 5)
    assert found.value(("many", 1, "sub", "z")) == Place(12, 5)


def test_what_is_not_there_is_shown_at_its_parents_key() -> None:
    found = locate(DOCUMENT)
    assert found.value(("table", "quoted key", "inner", "absent", "deeper")) == Place(4, 21)
    assert found.value(("nowhere",)) == Place(1, 1)


def test_a_character_of_a_text() -> None:
    found = locate(DOCUMENT)
    assert found.inside(("many", 1, "sub", "z"), 1) == Place(12, 6)
    assert found.inside(("table", "quoted key", "inner", "a"), 1) is None, "several lines move it"


keys = st.text("abcXYZ01_-. ä\"'\\", min_size=1, max_size=5)
values = st.recursive(
    st.integers(0, 99) | st.booleans() | st.text("ab \"'\\#=[]{}äß", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3))
def test_every_path_of_any_document_points_at_its_own_text(tables: dict[str, dict[str, object]]) -> None:
    text = "".join(
        f"[{toml_key(name)}]\n"
        + "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in held.items())
        for name, held in tables.items()
    )
    assert tomllib.loads(text) == tables
    lines, found = text.splitlines(), locate(text)
    pending: list[tuple[Path, object]] = [
        ((name, key), value) for name, held in tables.items() for key, value in held.items()
    ]
    while pending:
        path, value = pending.pop()
        place = found.value(path)
        assert lines[place.line - 1][place.column - 1 :].startswith(toml_value(value)), render_path(path)
        if isinstance(value, dict):
            pending += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*path, number), inner) for number, inner in enumerate(value)]

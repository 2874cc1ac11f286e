"""What a stranger's file may cost: counted before tomllib sees it, and counted the same however it is written."""

import tomllib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.contract import ContractInvalid, read_contract
from headway.wire.strict.syntax import DEEPEST, MOST_PARTS, TooMuch, load_toml, parts_of

DEEP = "a." * 999 + "a"
#: All are files of at most 256 KiB that cost hundreds of megabytes when they are read as they are.
COSTLY = {
    "many deep keys below one deep table": "contract=1\n[service]\nname='x'\n"
    + f"[{DEEP}]\n"
    + "".join(f"b{number}.{DEEP}=1\n" for number in range(125)),
    "deep keys within an inline table": "a={" + ",".join(f"b{n}.{DEEP}=1" for n in range(120)) + "}",
    "deep tables of an array": "".join(f"[[b{number}.{DEEP}]]\n" for number in range(120)),
    "many keys below a table that is deep enough": f"[{'a.' * 20}a]\n" + "b.c.d=1\n" * 20_000,
    "many short keys of many parts": "".join(f"{number:x}.b.c.d.e.f.g.h=1\n" for number in range(12_000)),
    "inline tables within inline tables": "a=" + "{a=" * 60_000,
    "a list of many numbers": "a=[" + "1," * 100_000 + "]",
    "arrays within arrays": "a=" + "[" * 200_000,
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_file_that_would_cost_gigabytes_is_refused_before_it_is_read(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ContractInvalid) as caught:
            read_contract(text[: 256 * 1024])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (fault,) = caught.value.faults
    assert "levels" in fault.message or f"more than {MOST_PARTS:,} parts" in fault.message
    assert peak < 8 * 2**20


def test_the_fault_names_the_line() -> None:
    with pytest.raises(ContractInvalid) as caught:
        read_contract(COSTLY["many deep keys below one deep table"])
    assert caught.value.faults[0].line == 4


@pytest.mark.parametrize(
    "written",
    [
        "x = '#'\n{}",
        'x = "\\\\"\n{}',
        'x = "\\""\n{}',
        'x = """\n" "" \\""" """\n{}',
        'x = """a"""""\n{}',
        "x = '''\n'' '\n'''''\n{}",
        "x = [1, '[', \"]\", # ]\n 2]\n{}",
        "x = {{y = '}}', z = [{{}}]}}\n{}",
        "# '''\n{}",
        'x = 1.5e3 # """\n{}',
        "x = 1979-05-27 07:32:00.5Z\n{}",
        "['a.b' . \"c]\"]\r\nx = '''\r\n'''\r\n{}",
        "[[x]]\n{}",
        "x.\"\".'' = []\n{}",
    ],
)
def test_nothing_that_stands_before_it_hides_a_deep_key(written: str) -> None:
    shallow, deep = written.format("k = 1"), written.format(f"{DEEP} = 1")
    assert tomllib.loads(shallow) == load_toml(shallow)
    with pytest.raises(TooMuch):
        load_toml(deep)
    with pytest.raises(TooMuch):
        load_toml(written.format(f"k = [{{{DEEP} = 1}}]"))


@pytest.mark.parametrize(
    "text",
    [
        f"x = '{DEEP}'",
        f'x = """\n{DEEP} = 1\n"""',
        f"# {DEEP}",
        f"'{DEEP}' = 1",
        f"x = ['{DEEP}', # {DEEP}\n]",
    ],
)
def test_dots_that_are_in_no_key_do_not_count(text: str) -> None:
    assert load_toml(text) == tomllib.loads(text)


def test_the_deepest_key_counts_all_that_it_stands_in() -> None:
    table = ".".join("a" * 20)
    assert load_toml(f"[{table}]\n{'.'.join('b' * (DEEPEST - 20))} = 1")
    with pytest.raises(TooMuch):
        load_toml(f"[{table}]\n{'.'.join('b' * (DEEPEST - 19))} = 1")
    assert parts_of(f"[{table}]\nb = {{c.d = 1}}") == 20 + 21 + 23


PIECES = [
    "a",
    ".",
    "=",
    " ",
    "\n",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "#",
    "1",
    "x = 1\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_whatever_tomllib_reads_was_walked_to_its_end(text: str) -> None:
    """So no sequence of quotation marks and brackets makes the two see different keys."""
    marked = text + "\nq.q.q.q = 1"
    try:
        tomllib.loads(text)
        document = tomllib.loads(marked)
    except ValueError:
        return
    if _below(document):
        assert parts_of(marked) - parts_of(text) >= 4


def _below(document: object) -> bool:
    if isinstance(document, dict):
        return "q" in document or any(_below(value) for value in document.values())
    return isinstance(document, list) and any(_below(value) for value in document)

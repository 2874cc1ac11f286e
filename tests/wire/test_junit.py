"""JUnit reports as real tools write them, and as an attacker would."""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.domain.run import TestCase, TestSummary
from headway.domain.states import State
from headway.wire.junit import MOST_CASES, JunitInvalid, add_summaries, read_junit

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.3">
<testcase classname="tests.test_cart" name="test_add" time="0.012" />
<testcase classname="tests.test_cart" name="test_total[a&lt;b]" time="0.003" file="tests/test_cart.py" line="41">
<failure message="assert 1 == 2">def test_total():
&gt;   assert 1 == 2
E   assert 1 == 2</failure></testcase>
<testcase classname="tests.test_cart" name="test_db" time="0.1"><error message="failed on setup">boom</error>
<system-out>noise that is dropped</system-out></testcase>
<testcase classname="tests.test_cart" name="test_later" time="0.0"><skipped type="pytest.skip" message="not yet"/>
</testcase></testsuite></testsuites>"""


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "report.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def one(folder: Path, inside: str = "", **attributes: str) -> TestCase:
    """The only case of a report that consists of it."""
    shown = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    text = f'<testsuite name="suite"><testcase {shown}>{inside}</testcase></testsuite>'
    [case] = read_junit(written(folder, text))[1]
    return case


def test_a_report_of_pytest(tmp_path: Path) -> None:
    summary, cases = read_junit(written(tmp_path, PYTEST))
    assert summary == TestSummary(total=4, failed=1, errored=1, skipped=1)
    add, total, database, later = cases
    assert add == TestCase("tests.test_cart", "test_add", State.SUCCEEDED, 0.012)
    assert (total.name, total.state, total.file, total.line) == (
        "test_total[a<b]", State.FAILED, "tests/test_cart.py", 41,
    )  # fmt: skip
    assert total.message == "assert 1 == 2\ndef test_total():\n>   assert 1 == 2\nE   assert 1 == 2"
    assert (database.state, database.message) == (State.ERRORED, "failed on setup\nboom")
    assert (later.state, later.message) == (State.SKIPPED, "not yet")


def test_the_suite_names_a_case_without_a_class(tmp_path: Path) -> None:
    assert one(tmp_path, name="a").suite == "suite"


def test_nested_suites_and_namespaces(tmp_path: Path) -> None:
    text = (
        '<j:testsuites xmlns:j="urn:x"><j:testsuite name="outer"><j:testsuite name="inner">'
        '<j:testcase name="a"/></j:testsuite><j:testcase name="b"><j:failure/></j:testcase></j:testsuite></j:testsuites>'
    )
    summary, cases = read_junit(written(tmp_path, text))
    assert [(case.suite, case.name) for case in cases] == [("inner", "a"), ("outer", "b")]
    assert summary.failed == 1


def test_an_error_of_a_whole_suite_counts(tmp_path: Path) -> None:
    text = (
        '<testsuites><testsuite name="good" errors="0"><testcase name="a"/></testsuite>'
        '<testsuite name="setup"><error message="no database">at once</error><testcase name="b"/></testsuite>'
        '<testsuite name="silent" tests="0" errors="1"/></testsuites>'
    )
    summary, cases = read_junit(written(tmp_path, text))
    assert summary == TestSummary(total=4, failed=0, errored=2, skipped=0)
    whole = [case for case in cases if case.state is State.ERRORED]
    assert [(case.suite, case.name) for case in whole] == [
        ("setup", "(the whole suite)"),
        ("silent", "(the whole suite)"),
    ]
    assert whole[0].message == "no database\nat once"
    assert whole[1].message == 'the suite says errors="1", and none of its cases did'


def test_what_suites_count_of_their_cases_counts_once(tmp_path: Path) -> None:
    text = (
        '<testsuites errors="1" failures="1"><testsuite name="outer" errors="1"><testsuite name="inner" errors="1">'
        '<testcase name="a"><error/></testcase></testsuite></testsuite></testsuites>'
    )
    assert read_junit(written(tmp_path, text))[0] == TestSummary(total=1, failed=0, errored=1, skipped=0)


@pytest.mark.parametrize(
    ("inside", "state", "message"),
    [
        ('<failure message="m"/><error message="worse"/>', State.ERRORED, "worse"),
        ('<error message="first"/><failure message="second"/>', State.ERRORED, "first"),
        ('<failure message="one"/><failure message="two"/>', State.FAILED, "one"),
        ('<flakyFailure message="m"/>', State.SUCCEEDED, ""),
        ("<system-out>failure</system-out>", State.SUCCEEDED, ""),
        ("<properties><property><failure/></property></properties>", State.SUCCEEDED, ""),
        ("<skipped/>", State.SKIPPED, ""),
        ('<failure type="AssertionError"/>', State.FAILED, "AssertionError"),
        ('<failure message="m">m and more</failure>', State.FAILED, "m and more"),
        ("<failure><![CDATA[<b>]]></failure>", State.FAILED, "<b>"),
    ],
)
def test_how_a_case_ends(tmp_path: Path, inside: str, state: State, message: str) -> None:
    case = one(tmp_path, inside, name="a")
    assert (case.state, case.message) == (state, message)


def test_a_disabled_googletest_is_skipped(tmp_path: Path) -> None:
    assert one(tmp_path, name="a", status="notrun", result="suppressed").state is State.SKIPPED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.012", 0.012), ("1,234.5", 1234.5), ("1,234,567.8", 1234567.8), ("0,012", 0.012), (" 2 ", 2.0),
        ("1e3", 1000.0), ("NaN", 0.0), ("inf", 0.0), ("-1", 0.0), ("1e300", 0.0), ("soon", 0.0), ("", 0.0),
    ],
)  # fmt: skip
def test_durations(tmp_path: Path, text: str, seconds: float) -> None:
    assert one(tmp_path, name="a", time=text).duration == seconds


@pytest.mark.parametrize(
    ("text", "line"), [("41", 41), ("-1", None), ("x", None), ("9" * 30, None), ("٣", None)]
)
def test_line_numbers(tmp_path: Path, text: str, line: int | None) -> None:
    assert one(tmp_path, name="a", line=text).line == line


def test_long_messages_are_cut_at_a_whole_character(tmp_path: Path) -> None:
    case = one(tmp_path, f"<failure>{'€' * 10_000}</failure>", name="n" * 5000)
    assert len(case.message.encode()) <= 8 * 1024
    assert case.message.endswith("€…")
    assert len(case.name.encode()) <= 1024


def test_an_empty_suite_is_a_report(tmp_path: Path) -> None:
    assert read_junit(written(tmp_path, "<testsuites/>")) == (TestSummary(0, 0, 0, 0), ())


def test_latin_1_and_utf_16_are_read(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="{}"?><testsuite><testcase name="caf\u00e9"/></testsuite>'
    for encoding in ("iso-8859-1", "utf-16"):
        [case] = read_junit(written(tmp_path, text.format(encoding).encode(encoding)))[1]
        assert case.name == "caf\u00e9"


def test_summaries_add_up() -> None:
    assert add_summaries(TestSummary(4, 1, 1, 1), TestSummary(2, 1, 0, 0)) == TestSummary(6, 2, 1, 1)


# Hostile reports

LAUGHS = (
    '<!DOCTYPE testsuites [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><testsuites><testcase name="&c;"/></testsuites>'
)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (LAUGHS, "line 1: it has a DTD, which is refused"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "line 1: it has a DTD"),
        ('<?xml version="1.0"?>\n<!DOCTYPE testsuite>\n<testsuite/>', "line 2: it has a DTD"),
        ("<testsuite>&xxe;</testsuite>", "line 1: undefined entity"),
        ("<html><body/></html>", "line 1: it begins with <html>"),
        ("", "line 1: no element found"),
        ("ok 1 - a TAP report\n", "line 1: syntax error"),
        ('<testsuite>\n<testcase name="a"', "line 2: unclosed token"),
        ("<testsuite>\n\n<testcase>", "line 3: no element found"),
        ("<testsuite>\n</testcase>", "line 2: mismatched tag"),
        (b"<testsuite><testcase name='caf\xe9'/></testsuite>", "line 1: not well-formed"),
        ('<?xml version="1.0" encoding="klingon"?><testsuite/>', "line 1: "),
        (b"\x00\x01\x02\x03", "line 1: "),
        ("<testsuite><testcase><testcase/></testcase></testsuite>", "a testcase stands within another one"),
        ("<testsuite>" + "<a>" * 100 + "</a>" * 100 + "</testsuite>", "nested deeper than 64"),
        ("<testsuite>" + "<testcase/>" * (MOST_CASES + 1) + "</testsuite>", "more than 50,000 cases"),
    ],
)  # fmt: skip
def test_a_hostile_report_is_refused_by_name_line_and_cause(
    tmp_path: Path, content: str | bytes, cause: str
) -> None:
    with pytest.raises(JunitInvalid) as caught:
        read_junit(written(tmp_path, content), "out/report.xml")
    assert caught.value.message.startswith("the test report out/report.xml cannot be counted: line ")
    assert cause in caught.value.message
    assert caught.value.exit_code == 1


def test_a_report_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as report:
        report.write(b"<testsuite>")
        report.truncate(33 * 2**20)
        report.seek(0, os.SEEK_END)
    with pytest.raises(JunitInvalid):
        read_junit(path)
    path.write_bytes(b"<testsuite>" + b" " * (33 * 2**20))
    with pytest.raises(JunitInvalid, match=r"large\.xml is larger than 32\.0 MiB"):
        read_junit(path)


@pytest.mark.parametrize(
    "piece", [b"<testcase name='" + b"x" * (30 << 20) + b"'/>", b"<!--" + b"x" * (30 << 20) + b"-->"]
)
@pytest.mark.slow
def test_one_huge_token_takes_no_minutes(tmp_path: Path, piece: bytes) -> None:
    """A reader that looks at it anew with each piece would reach the suite's limit of time."""
    summary, _ = read_junit(written(tmp_path, b"<testsuite>" + piece + b"</testsuite>"))
    assert summary.total <= 1


def test_output_of_cases_is_not_kept_in_memory(tmp_path: Path) -> None:
    noise = "<system-out>" + "noise " * 50_000 + "</system-out>"
    path = written(
        tmp_path,
        "<testsuite>"
        + f"<testcase name='a'>{noise}<failure>{noise[12:-13]}</failure></testcase>" * 40
        + "</testsuite>",
    )
    tracemalloc.start()
    try:
        read_junit(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 20 * 2**20
    assert peak < 12 * 2**20


@pytest.mark.parametrize("make", ["pipe", "folder", "missing"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: str) -> None:
    path = tmp_path / "report.xml"
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    with pytest.raises(
        JunitInvalid, match=r"the test report report\.xml (cannot be read|is not a regular file)"
    ):
        read_junit(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cut=st.integers(0, len(PYTEST)),
    noise=st.binary(max_size=6),
)
def test_whatever_stands_in_the_file_it_is_counted_or_refused(tmp_path: Path, cut: int, noise: bytes) -> None:
    text = PYTEST.encode()
    try:
        summary, cases = read_junit(written(tmp_path, text[:cut] + noise + text[cut:]))
    except JunitInvalid:
        return
    assert summary.total == len(cases)

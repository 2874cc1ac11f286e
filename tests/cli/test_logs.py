"""`headway logs` on logs that were packed after their run."""

import pytest

from headway.drivers.logfile import compress
from tests.support.command_line import Terminal

CONTRACT = """
[jobs.a]
run = ["echo one", "echo two"]
[jobs.b]
needs = ["a"]
run = "seq 1 100000"
"""


@pytest.mark.slow
def test_a_packed_log_is_shown_like_any_other(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.write(CONTRACT)
    assert sqlite_terminal.call("run").code == 0
    calls = [("1",), ("1", "a", "--step", "2"), ("1", "b"), ("1", "b", "--follow")]
    before = [sqlite_terminal.call("logs", *call).output for call in calls]
    steps = [job["steps"] for job in sqlite_terminal.call("logs", "1", "--json").document["jobs"]]

    paths = list(sqlite_terminal.data.glob("logs/*/*.log"))
    assert [compress(path) for path in paths] == [True, True]

    assert [sqlite_terminal.call("logs", *call).output for call in calls] == before
    assert before[1] == b"two\n"
    jobs = sqlite_terminal.call("logs", "1", "--json").document["jobs"]
    assert [job["steps"] for job in jobs] == steps
    assert sorted(job["log"] for job in jobs) == sorted(f"{path}.gz" for path in paths)
    assert [job["log_size"] for job in jobs] == [8, 588_895]

"""Commands that only read or keep make no database where none is: it would be found by the next one, empty."""

import pytest

from tests.support.command_line import Terminal

READERS = (
    ("status",),
    ("logs",),
    ("logs", "last"),
    ("metrics",),
    ("release",),
    ("release", "show", "1"),
    ("rollback", "production"),
    ("run", "--cancel", "last"),
    ("secret", "list"),
    ("secret", "rotate-key"),
    ("people", "list"),
    ("people", "link"),
    ("token", "list"),
    ("backup", "../kept/"),
    ("export", "everything"),
)

CONTRACT = """
[jobs.hello]
run = "echo hello"
artifacts = ["headway.toml"]
[deploy]
kind = "script"
run = "true"
[environments.production]
hosts = ["web-1"]
[hosts.web-1]
address = "192.0.2.1"
"""


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_command_that_only_reads_or_keeps_makes_no_database(
    sqlite_terminal: Terminal, words: tuple[str, ...]
) -> None:
    sqlite_terminal.write(CONTRACT)
    answer = sqlite_terminal.call(*words)
    assert answer.code == 2, answer
    assert f"there is no database {sqlite_terminal.data}/headway.db" in answer.complaint
    assert "HEADWAY_DATA" in answer.complaint
    assert not sqlite_terminal.data.exists()
    assert not list(sqlite_terminal.repository.folder.glob("headway-backup-*"))

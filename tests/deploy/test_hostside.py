"""The scripts that run on hosts, run here: under dash, busybox and bash."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headway.deploy.hostside import (
    LOST,
    STEP_SCRIPT_PATH,
    TAKEN_BY_ANOTHER,
    beat_script,
    close_script,
    framed_script,
    holds_script,
    journal_key,
    journal_more,
    journal_script,
    look_script,
    take_script,
)
from headway.deploy.lock import LockOwner, holders, next_token, stale_on, told
from headway.deploy.record import HostRecord, journal_entries, predecessor, read_record

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
OWNER = LockOwner(
    "1", "here", "boot", 7, "99", "ana@laptop", "deploys rel-b", "dep-2", "2026-01-02 03:04:05 UTC"
)


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    return words


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "shop's root" / "production")


def call(
    script: str, shell: list[str] | None = None, home: str = "/"
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*(shell or ["sh"]), "-s"],
        input=script.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "HOME": home},
        check=False,
    )


def take(
    root: str, token: int, stale: list[int] | None = None, shell: list[str] | None = None
) -> tuple[int, HostRecord]:
    reply = call(take_script(root, token, stale or [], OWNER.line()), shell)
    return reply.returncode, read_record(reply.stdout)


def test_a_host_that_was_never_used_says_so(shell: list[str], root: str) -> None:
    record = read_record(call(look_script(root), shell).stdout)
    assert (record.root, record.exists, record.highest) == (root, False, 0)
    assert not Path(root).exists()


def test_a_root_below_the_home(tmp_path: Path, shell: list[str]) -> None:
    record = read_record(call(look_script("apps/shop"), shell, home=str(tmp_path)).stdout)
    assert record.root == f"{tmp_path}/apps/shop"


def test_taking_watching_and_letting_go(root: str, shell: list[str]) -> None:
    code, record = take(root, 1, shell=shell)
    assert code == 0
    assert (record.open, record.closed) == ((1,), ())
    assert (Path(root) / STEP_SCRIPT_PATH).is_file()
    (holder,) = holders({"web1": record})
    assert (holder.owner, holder.beat) == (OWNER, "0")
    assert told(holder) == "ana@laptop, deploys rel-b, since 2026-01-02 03:04:05 UTC (epoch 1 on web1)"
    assert call(beat_script(root, 1, 5), shell).returncode == 0
    assert read_record(call(look_script(root), shell).stdout).beats == {1: "5"}
    assert (Path(root) / "settings").stat().st_mode & 0o777 == 0o700
    for _ in range(2):
        assert call(close_script(root, 1), shell).returncode == 0
    after = read_record(call(look_script(root), shell).stdout)
    assert (after.open, after.closed, next_token({"web1": after})) == ((), (1,), 2)
    assert call(beat_script(root, 1, 6), shell).returncode == LOST


@pytest.mark.parametrize(
    ("first", "token", "stale"),
    [
        ((1,), 1, []),  # the same number is there
        ((1,), 2, []),  # one is open that nobody judged
        ((3,), 2, [3]),  # a higher one is open
    ],
)
def test_what_came_meanwhile_wins(
    root: str, shell: list[str], first: tuple[int], token: int, stale: list[int]
) -> None:
    take(root, first[0], shell=shell)
    code, record = take(root, token, stale, shell)
    assert code == TAKEN_BY_ANOTHER
    assert record.open == first
    assert record.owners[first[0]]["id"] == OWNER.id


def test_no_number_is_given_twice(root: str, shell: list[str]) -> None:
    take(root, 4, shell=shell)
    call(close_script(root, 4), shell)
    for token in (4, 3):
        code, record = take(root, token, shell=shell)
        assert (code, record.open) == (TAKEN_BY_ANOTHER, ())
        assert record.highest == 4


def test_a_dead_owners_epoch_is_closed_by_its_successor(root: str, shell: list[str]) -> None:
    _, record = take(root, 1, shell=shell)
    found = holders({"web1": record})
    assert stale_on(record, frozenset(found), "web1") == (1,)
    assert stale_on(record, frozenset(found), "web2") == ()
    code, record = take(root, 2, [1], shell)
    assert (code, record.open, record.closed) == (0, (2,), (1,))


def test_all_that_were_judged_dead_are_closed(root: str) -> None:
    """Each died in the moment before it had written its name; so two numbers are open."""
    for number in (1, 2):
        (Path(root) / "epochs" / str(number)).mkdir(parents=True)
    code, record = take(root, 3, [1, 2])
    assert (code, record.open, record.closed) == (0, (3,), (1, 2))


def test_whether_a_host_is_still_ours_is_asked_without_a_change(root: str, shell: list[str]) -> None:
    take(root, 1, shell=shell)
    assert call(holds_script(root, 1), shell).returncode == 0
    assert call(holds_script(root, 2), shell).returncode == LOST
    assert read_record(call(look_script(root), shell).stdout).open == (1,)


def test_the_end_of_the_journal_is_read_and_no_journal_is_an_empty_one(root: str, shell: list[str]) -> None:
    assert call(journal_script(root, 2), shell).stdout == b""
    Path(root).mkdir(parents=True)
    (Path(root) / "journal").write_text("one\ntwo\nthree\n")
    assert call(journal_script(root, 2), shell).stdout == b"two\nthree\n"


def test_of_many_who_take_the_same_number_one_gets_it(root: str) -> None:
    for round_ in range(1, 6):
        with ThreadPoolExecutor(6) as pool:
            codes = list(pool.map(lambda _: take(root, round_)[0], range(6)))  # noqa: B023
        assert sorted(codes) == [0] + [TAKEN_BY_ANOTHER] * 5
        call(close_script(root, round_))


def framed(
    root: str, token: int, step: str, script: str, attempt: int = 1, shell: list[str] | None = None
) -> tuple[int, str]:
    key, more = journal_key("dep-2", 'web"1', step), journal_more("rel-b", token, attempt)
    reply = call(framed_script(root, token, key, more, script), shell)
    return reply.returncode, reply.stdout.decode()


def test_a_step_is_framed_by_the_journal_and_not_done_twice(root: str, shell: list[str]) -> None:
    take(root, 1, shell=shell)
    counting = 'echo x >> "$HEADWAY_ROOT/count"'
    assert framed(root, 1, "activate", counting, shell=shell) == (0, "")
    assert framed(root, 1, "activate", counting, 2, shell) == (0, "done before\n")
    assert framed(root, 1, "undrain", "echo no; exit 3", shell=shell) == (3, "no\n")
    assert framed(root, 1, "undrain", "echo yes", 2, shell) == (0, "yes\n")
    assert (Path(root) / "count").read_text() == "x\n"
    entries = journal_entries((Path(root) / "journal").read_bytes())
    assert [(e["step"], e["event"], e.get("exit"), e["attempt"]) for e in entries] == [
        ("activate", "begin", None, 1),
        ("activate", "end", 0, 1),
        ("undrain", "begin", None, 1),
        ("undrain", "end", 3, 1),
        ("undrain", "begin", None, 2),
        ("undrain", "end", 0, 2),
    ]
    assert {e["host"] for e in entries} == {'web"1'}


def test_a_line_of_the_journal_is_written_as_it_always_was(root: str) -> None:
    """By its beginning a later version knows what was done before."""
    take(root, 1)
    framed(root, 1, "undrain", "exit 3")
    lines = (Path(root) / "journal").read_text().splitlines()
    known = '{"deployment":"dep-2","host":"web\\"1","step":"undrain",'
    carried = ',"release":"rel-b","epoch":1,"attempt":1,"at":"'
    assert [line.rpartition('"at":"')[0] + '"at":"' for line in lines] == [
        f'{known}"event":"begin"{carried}',
        f'{known}"event":"end","exit":3{carried}',
    ]


def test_a_late_owner_is_refused_at_the_step_and_at_the_rename(root: str, shell: list[str]) -> None:
    take(root, 1, shell=shell)
    slow = 'ln -s x "$HEADWAY_EPOCH/current"; touch "$HEADWAY_ROOT/here"; while [ -e "$HEADWAY_ROOT/here" ]; do sleep 0.05; done; mv -T "$HEADWAY_EPOCH/current" "$HEADWAY_ROOT/current"'
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(framed, root, 1, "switch", slow, 1, shell)
        while not (Path(root) / "here").exists():
            pass
        assert take(root, 2, [1], shell)[0] == 0
        (Path(root) / "here").unlink()
        code, said = late.result()
    assert code != 0
    assert "current" in said
    assert not (Path(root) / "current").is_symlink()
    assert framed(root, 1, "activate", "true", shell=shell) == (75, "another owner has taken this host\n")


def test_settings_are_read_before_a_step_and_shown_to_nobody(root: str, shell: list[str]) -> None:
    take(root, 1, shell=shell)
    (Path(root) / "settings" / "dep-2.env").write_text("TOKEN='it'\"'\"'s secret'\n")
    step = f"{root}/{STEP_SCRIPT_PATH}"
    reply = subprocess.run(
        [
            *shell,
            step,
            root,
            f"{root}/epochs/1",
            "settings/dep-2.env",
            '"a":1',
            '"b":2',
            "-c",
            'printf %s "$TOKEN"',
        ],
        capture_output=True,
        check=False,
    )
    assert (reply.returncode, reply.stdout) == (0, b"it's secret")
    gone = subprocess.run(
        [*shell, step, root, f"{root}/epochs/1", "settings/no.env", '"a":2', '"b":2', "-c", "true"],
        capture_output=True,
        check=False,
    )
    assert gone.returncode == 74
    assert b"are gone" in gone.stdout


def test_what_a_host_goes_back_to() -> None:
    def record(current: str | None, deployed: dict[str, object] | None) -> HostRecord:
        return HostRecord("/x", current=current and f"releases/{current}", deployed=deployed)

    old = {"release": "rel-a", "commit": "a", "deployment": "dep-1"}
    new = {"release": "rel-b", "commit": "b", "deployment": "dep-2", "previous": old}
    assert predecessor(record(None, None)) is None
    for current, expected in [("rel-b", "dep-2"), ("rel-c", "dep-2"), (None, "dep-2"), ("rel-a", "dep-1")]:
        found = predecessor(record(current, new))
        assert found is not None
        assert found.deployment == expected, current
    same = {**new, "previous": {**new, "previous": None, "deployment": "dep-1"}}
    found = predecessor(record("rel-b", same))
    assert found is not None
    assert found.deployment == "dep-2"


def test_a_record_is_read_leniently() -> None:
    record = read_record(b"motd\nroot /x\nopen 3\nowner 3 {broken\nbeat 3 1\ndeployed [1]\nclosed x\n\xff\n")
    assert (record.open, record.owners, record.deployed, record.closed) == ((3,), {}, None, ())
    (holder,) = holders({"web1": record})
    assert holder.owner is None
    assert journal_entries(b'{"a":1}\n{"cut of') == [{"a": 1}]
    assert json.loads(OWNER.line())["pid"] == 7


def test_a_job_whose_runner_is_gone_is_no_step_under_way(shell: list[str], root: str) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    rest = "1 2 3 job mark 500 0 end"
    owners = {
        "living": f"{boot} {os.getpid()} {start} {rest}",
        "of a boot before": f"another {os.getpid()} {start} {rest}",
        "dead": f"{boot} {os.getpid()} {int(start) + 1} {rest}",
        "half written": f"{boot} {os.getpid()}",
    }
    for number, (name, owner) in enumerate(owners.items()):
        steps = Path(root) / "epochs/1/steps" / f"dep-{number}.web1.switch.1"
        steps.mkdir(parents=True)
        (steps / "owner").write_text(f"{owner}\n")
        owners[name] = f"epochs/1/steps/{steps.name}"
    (Path(root) / "epochs/1/steps/dep-9.web1.switch.1").mkdir()
    (Path(root) / "epochs/1/steps/dep-9.web1.switch.1/over").touch()
    record = read_record(call(look_script(root), shell).stdout)
    assert set(record.going()) == {owners["living"], owners["half written"]}
    # What a dead one left is still to be ended.
    assert set(record.unended()) == set(owners.values())
    assert len(record.directories) == 5

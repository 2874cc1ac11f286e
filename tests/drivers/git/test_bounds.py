"""What a stranger pushed costs bounded memory and time, whatever it unpacks into."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.base.errors import DiskFull
from headway.base.stopping import Stopped, StopSign
from headway.drivers.git import Git, OutputTooLong, mirror, parse
from headway.drivers.git import bare as bare_driver
from headway.drivers.git import call as call_driver
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.call import Bounds, GitCall
from headway.drivers.git.process import TookTooLong, TookTooMuch, UnknownCommit
from tests.support.repositories import ENVIRONMENT, Repository, tree_bomb


@pytest.fixture
def ask(repository: Repository) -> Callable[..., GitCall]:
    """A git that runs a shell script, by an alias."""

    def start(script: str, **bounds: float | int) -> GitCall:
        return GitCall(
            ["-c", f"alias.x=!{script}", "x"],
            folder=repository.folder,
            environment=ENVIRONMENT,
            place="shop",
            bounds=Bounds(**{"memory": None, **bounds}),  # type: ignore[arg-type]
        )

    return start


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return create_bare(tmp_path / "bare.git", "main", ENVIRONMENT)


def test_an_answer_has_so_many_bytes_and_git_is_ended_beyond(ask: Callable[..., GitCall]) -> None:
    call = ask("yes", output=200_000)
    with pytest.raises(OutputTooLong, match=r"shop with more than 200,000 bytes"):
        call.finish()
    assert call._process.returncode is not None


def test_a_question_has_so_many_seconds(ask: Callable[..., GitCall]) -> None:
    call = ask("sleep 1000", seconds=0)
    with pytest.raises(TookTooLong, match="longer than 0 s"):
        call.finish()
    assert call._process.returncode is not None


def test_what_git_said_while_we_stood_still_is_an_answer(
    ask: Callable[..., GitCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoodStill:
        """A day passes between the first look and the second."""

        looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            return 0.0 if self.looks == 1 else 86_400.0

    monkeypatch.setattr(call_driver, "SystemClock", StoodStill)
    assert ask("echo said", seconds=60).output() == b"said\n"


def test_all_that_git_started_ends_with_it(ask: Callable[..., GitCall], tmp_path: Path) -> None:
    noted, sign = tmp_path / "child", StopSign()

    def check() -> None:
        if noted.exists():
            sign.stop("enough")
        sign.check()

    with pytest.raises(Stopped):
        ask(f"sleep 1000 & echo $! >{noted}.part; mv {noted}.part {noted}; wait").finish(check)
    child = noted.read_text().strip()
    while _lives(child):
        time.sleep(0.05)


def _lives(number: str) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel bounds another process from outside")
def test_git_gets_so_much_memory_of_its_own(repository: Repository) -> None:
    repository.write({"large": b"\0" * 60_000_000})
    call = GitCall(
        ["hash-object", "-w", "--no-filters", "--stdin"],
        folder=repository.folder,
        environment=ENVIRONMENT,
        place="shop",
        feed=b"x" * 40_000_000,
        bounds=Bounds(memory=16 * 1024 * 1024),
    )
    with pytest.raises(TookTooMuch, match="wanted more memory for shop"):
        call.output()


def test_only_the_beginning_of_an_endless_answer_is_waited_for(ask: Callable[..., GitCall]) -> None:
    call = ask("yes")
    assert call.beginning(5) == b"y\ny\ny"
    assert call._process.returncode is not None


def test_a_long_field_is_cut_as_it_comes_in(ask: Callable[..., GitCall]) -> None:
    long = "head -c 300000 /dev/zero | tr '\\0' a"
    script = f"printf 'one\\0'; {long}; printf '\\0three\\0'; {long}"
    # 600,000 bytes come, and 100 are room enough: what is cut off counts for nothing.
    assert ask(script, output=100).fields(10) == [b"one", b"a" * 10, b"three", b"a" * 10]


def test_a_call_that_is_not_heard_out_is_ended(ask: Callable[..., GitCall]) -> None:
    call = ask("sleep 1000")
    call.end()
    call.end()
    assert call._process.returncode is not None


def test_paths_beyond_what_anybody_compares_are_not_told(
    git: Git, bare: Bare, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository.commit({"a": "1"})
    bomb = tree_bomb(repository, levels=4, width=8)
    second = repository.git("commit-tree", bomb, "-p", first, "-m", "Bomb")
    repository.git("push", "--quiet", str(bare.folder), f"{second}:refs/heads/main")
    assert len(bare.changed_paths(first, second)) == 8**4 + 1
    monkeypatch.setattr(parse, "_MOST_PATHS", 4096)
    for changed in (
        lambda: bare.changed_paths(first, second),
        lambda: git.changed_paths(str(repository.folder), first, second),
    ):
        with pytest.raises(OutputTooLong, match="4,097 paths differ"):
            changed()


def test_a_commit_longer_than_anybody_writes_is_none(
    bare: Bare, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"message": "a" * 5000, "a": "1"})
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--file=message")
    sha = repository.git("rev-parse", "HEAD")
    repository.git("push", "--quiet", str(bare.folder), "main")
    assert bare.commit(sha).subject.endswith("…")
    monkeypatch.setattr(bare_driver, "_LONGEST_COMMIT", 5000)
    assert bare.known([sha]) == frozenset() and bare.commits([sha]) == {}
    with pytest.raises(UnknownCommit):
        bare.message(sha)


def test_a_checkout_that_is_stopped_ends_git_and_leaves_nothing(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    source = git.inspect(repository.folder)
    bomb, sign, looks = tree_bomb(repository, levels=5, width=16), StopSign(), 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            sign.stop("cancelled by ada")
        sign.check()

    with pytest.raises(Stopped, match="cancelled by ada"):
        git.checkout(
            source.repository,
            commit=source.commit.sha,
            tree=bomb,
            branch="main",
            destination=tmp_path / "d/copy",
            check=check,
        )
    assert list((tmp_path / "d").iterdir()) == []


def test_a_checkout_ends_before_the_disk_is_full(
    git: Git, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"a": "1"})
    source = git.inspect(repository.folder)
    monkeypatch.setattr(mirror.shutil, "disk_usage", lambda _: (10**12, 0, 5 * 10**8))
    with pytest.raises(DiskFull, match="does not fit, only 500,000,000 bytes are left"):
        git.checkout(
            source.repository,
            commit=source.commit.sha,
            tree=source.tree,
            branch="main",
            destination=tmp_path / "d/copy",
        )
    assert list((tmp_path / "d").iterdir()) == []

"""A server's repository: made whole, read in full, and the source of working copies that copy no history."""

import asyncio
import os
import stat
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.drivers.git import Git, UnknownCommit
from headway.drivers.git.bare import Bare, FileTooLarge, create_bare
from headway.drivers.git.received import PIPE, forget, listening, received
from tests.support.repositories import ENVIRONMENT, Repository

LATER = timedelta(seconds=5)


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return create_bare(tmp_path / "repositories/rep-1.git", "main", ENVIRONMENT)


def push(repository: Repository, bare: Bare, *refs: str, **variables: str) -> None:
    repository.git("push", "--quiet", str(bare.folder), *(refs or ("main",)), **variables)


def ask(bare: Bare, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], check=True, cwd=bare.folder, env=ENVIRONMENT, capture_output=True
    )
    return done.stdout.decode().strip()


def test_made_twice_it_is_the_same_and_takes_the_settings_of_this_version(
    bare: Bare, repository: Repository
) -> None:
    sha = repository.commit({"a": "1"})
    push(repository, bare)
    (bare.folder / "config").write_text("[core]\n\tbare = true\n")
    (bare.folder / "hooks/post-receive").write_text("#!/bin/sh\nexit 1\n")
    create_bare(bare.folder, "other", ENVIRONMENT)
    assert bare.refs() == {"refs/heads/main": sha}
    assert bare.default_branch == "main"
    assert ask(bare, "config", "receive.fsckObjects") == "true"
    assert "exit 1" not in (bare.folder / "hooks/post-receive").read_text()
    assert [path.name for path in bare.folder.parent.iterdir()] == ["rep-1.git"]


@pytest.mark.parametrize("name", ["", "a..b", "-x y", "a\nb", "x.lock"])
def test_a_default_branch_must_be_one_that_git_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="no name of a branch"):
        create_bare(tmp_path / "x.git", name, ENVIRONMENT)
    assert not (tmp_path / "x.git").exists()


def test_refs_give_the_commit_of_an_annotated_tag(bare: Bare, repository: Repository) -> None:
    sha = repository.commit({"a": "1"})
    repository.git("tag", "light")
    repository.git("tag", "-a", "v1", "-m", "first")
    push(repository, bare, "main", "v1", "light", "main:refs/pull/7/head")
    assert bare.refs() == {"refs/heads/main": sha, "refs/tags/light": sha, "refs/tags/v1": sha}
    assert bare.refs("refs/pull") == {"refs/pull/7/head": sha}


def test_a_ref_whose_name_is_no_utf8_is_left_out(bare: Bare, repository: Repository) -> None:
    sha = repository.commit({"a": "1"})
    repository.git("push", "--quiet", str(bare.folder), "main", b"main:refs/heads/caf\xe9")
    assert bare.refs() == {"refs/heads/main": sha}
    assert [change.ref for push in received(bare.folder) for change in push.lines] == ["refs/heads/main"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("headway.toml", b"contract = 1\n"),
        ("services/a b/headway.toml", b"contract = 1\n"),
        ("link.toml", b"contract = 1\n"),
        ("services", None),
        ("missing", None),
        ("outside", None),
        ("dangling", None),
        ("../headway.toml", None),
        ("a\nheadway.toml", None),
    ],
)
def test_a_file_is_read_as_it_stands_in_the_commit(
    bare: Bare, repository: Repository, path: str, content: bytes | None
) -> None:
    repository.write({"headway.toml": "contract = 1\n", "services/a b/headway.toml": "contract = 1\n"})
    (repository.folder / "link.toml").symlink_to("services/../headway.toml")
    (repository.folder / "outside").symlink_to("/etc/passwd")
    (repository.folder / "dangling").symlink_to("nothing")
    sha = repository.commit()
    push(repository, bare)
    assert bare.read_file(sha, path, 1000) == content


def test_a_file_that_is_too_long_is_not_read(bare: Bare, repository: Repository) -> None:
    sha = repository.commit({"headway.toml": "#" * 1001})
    push(repository, bare)
    with pytest.raises(FileTooLarge, match=r"headway\.toml .* 1,001 bytes"):
        bare.read_file(sha, "headway.toml", 1000)
    with pytest.raises(UnknownCommit):
        bare.read_file("0" * 40, "headway.toml", 1000)


def test_history_is_asked(bare: Bare, repository: Repository) -> None:
    first = repository.commit({"a": "1", "b": "1"}, "First\n\nwith a body [skip ci]")
    second = repository.commit({"a": "2"}, "Second")
    (repository.folder / "b").unlink()
    third = repository.commit({"c": "3"}, "Third")
    repository.git("checkout", "--quiet", "-b", "side", first)
    side = repository.commit({"d": "4"}, "Side")
    push(repository, bare, "main", "side")
    assert [commit.subject for commit in bare.commits_between(first, third, 10)] == ["Third", "Second"]
    assert [commit.sha for commit in bare.commits_between(None, third, 2)] == [third, second]
    assert bare.changed_paths(first, third) == ("a", "b", "c")
    assert bare.is_ancestor(first, third) and bare.is_ancestor(third, third)
    assert not bare.is_ancestor(third, first) and not bare.is_ancestor(side, third)
    assert bare.message(first) == "First\n\nwith a body [skip ci]"
    assert bare.tree_of(first) == repository.git("rev-parse", f"{first}^{{tree}}")
    assert bare.commit(third).parents == (second,)
    assert bare.known([first, "0" * 40, "nonsense", bare.tree_of(first), side]) == {first, side}
    assert not bare.has_commit("--all")
    with pytest.raises(UnknownCommit):
        bare.is_ancestor(first, "f" * 40)


def test_many_commits_are_read_at_once_and_what_is_none_is_left_out(
    bare: Bare, repository: Repository
) -> None:
    ids = [repository.commit({"a": str(number)}, f"Change {number}") for number in range(3)]
    push(repository, bare, "main")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    found = bare.commits([ids[2], ids[0], tree, "f" * 40, "--all"])
    assert found == {sha: bare.commit(sha) for sha in (ids[0], ids[2])}
    assert bare.commits([]) == {}


def test_a_message_of_a_megabyte_is_cut_where_it_is_stored(bare: Bare, repository: Repository) -> None:
    repository.write({"message": "é" * 500_000, "a": "1"})
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--file=message")
    push(repository, bare)
    sha = bare.refs()["refs/heads/main"]
    assert len(bare.commit(sha).subject) == 200
    assert len(bare.message(sha).encode()) <= 8192 + 2


def test_what_is_kept_outlives_its_branch_and_is_shown_to_nobody(bare: Bare, repository: Repository) -> None:
    kept = repository.commit({"a": "1"})
    push(repository, bare, "main")
    lost = repository.commit({"a": "2"})
    push(repository, bare, "main")
    bare.keep("releases/rel-1", kept)
    repository.git("checkout", "--quiet", "--orphan", "anew")
    new = repository.commit({"a": "3"})
    push(repository, bare, "+anew:main")
    assert repository.git("ls-remote", str(bare.folder)).split() == [new, "HEAD", new, "refs/heads/main"]
    age(bare.folder / "objects")
    bare.tidy(older_than=datetime.now(UTC) - LATER)
    assert bare.known([kept, lost, new]) == {kept, new}
    bare.drop("releases/rel-1")
    bare.drop("releases/rel-1")
    assert not bare.refs("refs/headway")


def age(folder: Path) -> None:
    long_ago = time.time() - 86400
    for where, _, files in os.walk(folder):
        for name in [*files, "."]:
            os.utime(os.path.join(where, name), (long_ago, long_ago))


def test_tidying_takes_what_killed_processes_left_and_nothing_younger(
    bare: Bare, repository: Repository
) -> None:
    repository.commit({"a": "1"})
    push(repository, bare)
    left = ["refs/heads/main.lock", "packed-refs.lock", "headway-received/.12-3", "headway-incoming.ab/x"]
    for name in left:
        (bare.folder / name).parent.mkdir(exist_ok=True)
        (bare.folder / name).write_text("")
    (bare.folder / "packed-refs.lock").unlink()  # git itself would wait for a young one
    left.remove("packed-refs.lock")
    bare.sweep(older_than=datetime.now(UTC) - LATER)
    assert all((bare.folder / name).exists() for name in left)
    age(bare.folder)
    bare.tidy(older_than=datetime.now(UTC) - LATER)
    assert not [name for name in left if (bare.folder / name).exists()]
    assert len(received(bare.folder)) == 1
    repository.commit({"a": "2"})
    push(repository, bare)


def test_the_journal_holds_each_push_in_order_until_it_is_forgotten(
    bare: Bare, repository: Repository
) -> None:
    first = repository.commit({"a": "1"})
    push(repository, bare, HEADWAY_SENDER="ana")
    second = repository.commit({"a": "2"})
    push(repository, bare, "main", "main:refs/tags/v1", HEADWAY_SENDER="bo <b@o>")
    push(repository, bare, ":refs/tags/v1")
    notes = received(bare.folder)
    assert [note.sender for note in notes] == ["ana", "bo <b@o>", ""]
    assert [[(line.old, line.new, line.ref) for line in note.lines] for note in notes] == [
        [(None, first, "refs/heads/main")],
        [(first, second, "refs/heads/main"), (None, second, "refs/tags/v1")],
        [(second, None, "refs/tags/v1")],
    ]
    forget(notes[0])
    forget(notes[0])
    assert received(bare.folder) == notes[1:]


def test_a_note_that_lost_its_content_says_only_that_there_was_a_push(bare: Bare) -> None:
    (bare.folder / "headway-received/1700000000000000000-12").write_bytes(b"\0" * 100)
    [note] = received(bare.folder)
    assert note.lines == ()


@pytest.mark.parametrize("command", ["date", "sync"])
def test_the_hook_needs_no_gnu_tools(
    bare: Bare, repository: Repository, tmp_path: Path, command: str
) -> None:
    poor = {"date": "#!/bin/sh\necho 1700000000%N\n", "sync": '#!/bin/sh\ntest "$#" = 0\n'}
    poor["date"] = "#!/bin/sh\ncase $1 in *N) echo 1700000000N ;; *) echo 1700000000 ;; esac\n"
    (tmp_path / "poor").mkdir()
    (tmp_path / "poor" / command).write_text(poor[command])
    (tmp_path / "poor" / command).chmod(0o755)
    sha = repository.commit({"a": "1"})
    push(repository, bare, PATH=f"{tmp_path}/poor:{ENVIRONMENT['PATH']}")
    [note] = received(bare.folder)
    assert [line.new for line in note.lines] == [sha]


def test_the_first_pushed_branch_becomes_the_default_where_the_named_one_never_came(
    bare: Bare, repository: Repository
) -> None:
    repository.commit({"a": "1"})
    push(repository, bare, "main:trunk")
    push(repository, bare, "main:main")
    assert bare.default_branch == "trunk"
    bare.set_default_branch("main")
    assert bare.default_branch == "main"


@pytest.mark.parametrize("name", [".git", ".GIT", ".git ", "GIT~1", "..", "a/b"])
def test_a_tree_that_would_write_into_dot_git_is_refused(
    bare: Bare, repository: Repository, name: str
) -> None:
    blob = repository.git("rev-parse", repository.commit({"x": "evil"}) + ":x")
    raw = f"100644 {name}\0".encode() + bytes.fromhex(blob)
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=raw,
        check=True,
        cwd=repository.folder,
        env=ENVIRONMENT,
        capture_output=True,
    )
    evil = repository.git("commit-tree", made.stdout.decode().strip(), "-m", "evil")
    with pytest.raises(AssertionError, match=r"index-pack|unpack|fsck"):
        push(repository, bare, f"{evil}:refs/heads/evil")
    assert bare.refs() == {}
    assert received(bare.folder) == []


# As the source of runs


def test_a_working_copy_has_the_content_and_borrows_the_history(
    git: Git, bare: Bare, repository: Repository, tmp_path: Path
) -> None:
    old = repository.commit({"a": "1", "large": os.urandom(2_000_000).hex()})
    repository.git("tag", "-a", "v1", "-m", "v1")
    (repository.folder / "large").unlink()
    repository.commit({"a": "2"})
    repository.git("branch", "side", old)
    sha = repository.commit({"sub/b": "3"}, "Third")
    push(repository, bare, "main", "side", "v1")
    source = git.source_of(str(bare.folder), sha, branch="main", tag=None)
    assert (source.commit.subject, source.dirty, source.branch) == ("Third", False, "main")
    assert source.tree == source.commit.tree == bare.tree_of(sha)
    copy = tmp_path / "copy"
    git.checkout(source.repository, commit=sha, tree=source.tree, branch="main", destination=copy)
    assert (copy / "a").read_text() == "2" and (copy / "sub/b").read_text() == "3"
    assert sum(path.stat().st_size for path in copy.rglob("*") if path.is_file()) < 10_000

    def in_copy(*words: str) -> str:
        return subprocess.run(
            ["git", *words], check=True, cwd=copy, env=ENVIRONMENT, capture_output=True, text=True
        ).stdout.strip()

    assert in_copy("describe").startswith("v1-2-g")
    assert in_copy("log", "--format=%s") == "Third\nChange\nChange"
    assert in_copy("status", "--porcelain") == ""
    assert in_copy("branch", "--format=%(refname:short)") == "main"


def test_a_pull_requests_copy_knows_the_default_branch(
    git: Git, bare: Bare, repository: Repository, tmp_path: Path
) -> None:
    base = repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "-b", "feature/x")
    head = repository.commit({"b": "2"})
    push(repository, bare, "main", "feature/x:refs/pull/7/head")
    source = git.source_of(str(bare.folder), head, branch=None)
    git.checkout(source.repository, commit=head, tree=source.tree, branch=None, destination=tmp_path / "copy")
    done = subprocess.run(
        ["git", "merge-base", "HEAD", "main"],
        check=True,
        cwd=tmp_path / "copy",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == base


def test_changes_are_counted_from_where_a_branch_left_the_default_one(
    git: Git, bare: Bare, repository: Repository
) -> None:
    base = repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "-b", "team/feature")
    repository.commit({"b": "2"})
    head = repository.commit({"c": "3"})
    push(repository, bare, "main:trunk/one", "team/feature")
    bare.set_default_branch("trunk/one")
    source = git.source_of(str(bare.folder), head, branch="team/feature")
    assert git.change_base(source) == base
    assert git.changed_paths(source.repository, base, source.tree) == ("b", "c")
    on_default = git.source_of(str(bare.folder), base, branch="trunk/one")
    assert git.changed_paths(source.repository, git.change_base(on_default), on_default.tree) == ("a",)
    assert len(git.commits_between(source.repository, base, head)) == 2
    assert git.resolve(source.repository, "team/feature") == head
    with pytest.raises(UnknownCommit):
        git.source_of(str(bare.folder), "f" * 40)


def test_ten_thousand_branches_cost_a_run_nothing(
    git: Git, bare: Bare, repository: Repository, tmp_path: Path
) -> None:
    sha = repository.commit({"a": "1"})
    push(repository, bare)
    lines = sorted(f"{sha} refs/heads/b/{number}\n" for number in range(10_000))
    (bare.folder / "packed-refs").write_text("# pack-refs with: sorted \n" + "".join(lines))
    assert len(bare.refs()) == 10_001
    source = git.source_of(str(bare.folder), sha, branch="b/77")
    copy = tmp_path / "copy"
    git.checkout(source.repository, commit=sha, tree=source.tree, branch="b/77", destination=copy)
    assert len((copy / ".git/packed-refs").read_bytes().splitlines()) == 3, "not one of the others is copied"


async def test_a_push_by_path_wakes_the_server(bare: Bare, repository: Repository, tmp_path: Path) -> None:
    """Its hook does; else it would be found at the next look, within a minute."""
    told, heard = [], asyncio.Event()

    def hear(name: str) -> None:
        told.append(name)
        heard.set()

    repository.commit({"a": "1"})
    with listening(tmp_path, hear):
        assert stat.S_IMODE((tmp_path / PIPE).stat().st_mode) == 0o600
        (tmp_path / "stray").write_bytes(b"../../etc\n\xff\n" + b"x" * 300)
        with (tmp_path / PIPE).open("wb", buffering=0) as pipe:
            pipe.write((tmp_path / "stray").read_bytes() + b"\n")
        await asyncio.to_thread(push, repository, bare)
        async with asyncio.timeout(60):
            await heard.wait()
    assert set(told) == {"rep-1"}
    assert len(received(bare.folder)) == 1
    assert not (tmp_path / PIPE).exists()


async def test_a_push_waits_for_no_server_that_is_dead_or_hangs(
    bare: Bare, repository: Repository, tmp_path: Path
) -> None:
    # A pipe that a killed server left, and that nobody reads.
    os.mkfifo(tmp_path / PIPE, 0o600)
    repository.commit({"a": "1"})
    await asyncio.to_thread(push, repository, bare)
    # One that is full, as a server that hangs has it.
    full = os.open(tmp_path / PIPE, os.O_RDWR | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while os.write(full, b"x" * 4096):
                pass
        repository.commit({"a": "2"})
        await asyncio.to_thread(push, repository, bare)
        assert len(received(bare.folder)) == 2
    finally:
        os.close(full)

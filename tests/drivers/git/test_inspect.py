"""What a run is of: the commit, the branch, and the content as it is."""

import os
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from headway.domain.commit import Source
from headway.drivers.git import (
    BareRepository,
    Git,
    GitMissing,
    NoCommits,
    NotARepository,
    UnreadableTree,
    UnsafeOwnership,
)
from headway.drivers.git.process import git_environment
from tests.support.powers import bound_program
from tests.support.repositories import ENVIRONMENT, Repository, snapshot


def test_a_clean_commit_is_told_in_full(git: Git, repository: Repository) -> None:
    first = repository.commit({"a.txt": "a"}, at="2026-01-02T03:04:05+02:00")
    second = repository.commit({"b/c.txt": "c"}, "Add c\n\nBecause.", at="2026-02-02T03:04:05Z")
    repository.git("tag", "v1.0")
    source = git.inspect(repository.folder / "b")
    assert source == Source(
        repository=str(repository.folder),
        commit=source.commit,
        tree=repository.git("rev-parse", "HEAD^{tree}"),
        dirty=False,
        branch="main",
        tag="v1.0",
    )
    commit = source.commit
    assert (commit.sha, commit.tree, commit.parents) == (second, source.tree, (first,))
    assert (commit.author, commit.committer) == ("Ana <ana@example.org>", "Bo <bo@example.org>")
    assert commit.subject == "Add c"
    assert commit.committed_at == commit.authored_at == datetime(2026, 2, 2, 3, 4, 5, tzinfo=UTC)


def test_a_detached_head_has_no_branch(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "--detach")
    assert git.inspect(repository.folder).branch is None


@pytest.mark.parametrize(
    "change",
    [
        {"a.txt": "changed"},
        {"new.txt": "new"},
        {"folder/new.txt": "new"},
        {b"caf\xe9.txt": "not UTF-8"},
        {"with space\nand line": "odd"},
    ],
)
def test_a_dirty_tree_is_what_git_would_commit(
    git: Git, repository: Repository, change: dict[str | bytes, str]
) -> None:
    repository.commit({"a.txt": "a", ".gitignore": "*.log\n"})
    repository.write({**change, "noise.log": "ignored"})
    source = git.inspect(repository.folder)
    repository.git("add", "--all")
    assert source.dirty
    assert source.tree == repository.git("write-tree") != source.commit.tree


def test_a_change_in_the_same_second_and_of_the_same_size_is_seen(git: Git, repository: Repository) -> None:
    """To git such a file looks unchanged; it reads it again only if the index is no younger than the file."""
    repository.git("config", "core.trustctime", "false")
    second = 1_700_000_000
    repository.write({"a.txt": "old"})
    os.utime(repository.folder / "a.txt", (second, second))
    repository.commit()
    os.utime(repository.folder / ".git/index", (second, second))
    repository.write({"a.txt": "new"})
    os.utime(repository.folder / "a.txt", (second, second))
    source = git.inspect(repository.folder)
    repository.git("add", "--all")
    assert source.tree == repository.git("write-tree") != source.commit.tree


def test_a_deleted_file_makes_a_dirty_tree(git: Git, repository: Repository) -> None:
    repository.commit({"a.txt": "a", "b.txt": "b"})
    (repository.folder / "a.txt").unlink()
    source = git.inspect(repository.folder)
    repository.git("add", "--all")
    assert source.tree == repository.git("write-tree")


def test_looking_at_a_dirty_tree_leaves_the_repository_as_it_was(git: Git, repository: Repository) -> None:
    repository.commit({"a.txt": "a", "b.txt": "b"})
    repository.write({"a.txt": "staged"})
    repository.git("add", "a.txt")
    repository.write({"a.txt": "not staged", "new.txt": "untracked"})
    before = snapshot(repository.folder)
    source = git.inspect(repository.folder)
    assert snapshot(repository.folder) == before
    assert source.dirty


def test_changes_that_cancel_out_are_clean(git: Git, repository: Repository) -> None:
    repository.commit({"a.txt": "a"})
    repository.write({"a.txt": "b"})
    repository.git("add", "a.txt")
    repository.write({"a.txt": "a"})
    source = git.inspect(repository.folder)
    assert (source.dirty, source.tree) == (False, source.commit.tree)


def test_untracked_files_count_even_when_the_user_hides_them(git: Git, repository: Repository) -> None:
    repository.commit({"a.txt": "a"})
    repository.git("config", "status.showUntrackedFiles", "no")
    repository.write({"new.txt": "new"})
    assert git.inspect(repository.folder).dirty


def test_bytes_that_are_no_utf8_are_shown_as_well_as_they_can(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"}, "Subject")
    rewrite_head(repository, b"author Ana", b"author Ren\xe9")
    rewrite_head(repository, b"Subject", b"caf\xe9")
    commit = git.inspect(repository.folder).commit
    assert (commit.author, commit.subject) == ("Ren\ufffd <ana@example.org>", "caf\ufffd")


def test_a_commit_with_an_impossible_time_is_no_obstacle(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"}, at="2026-01-02T00:00:00Z")
    rewrite_head(repository, b"bo@example.org> ", b"bo@example.org> 99999")
    commit = git.inspect(repository.folder).commit
    assert (commit.authored_at.year, commit.committed_at.year) == (2026, 9999)


def rewrite_head(repository: Repository, old: bytes, new: bytes) -> None:
    """Replace bytes of HEAD's commit that `git commit` itself would not write."""
    run = partial(subprocess.run, cwd=repository.folder, env=ENVIRONMENT, capture_output=True, check=True)
    raw = run(["git", "cat-file", "commit", "HEAD"]).stdout
    made = run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"], input=raw.replace(old, new)
    )
    repository.git("reset", "--quiet", "--hard", made.stdout.decode().strip())


def test_a_caller_inside_a_git_hook_does_not_lead_astray(tmp_path: Path, repository: Repository) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"o": "1"})
    repository.commit({"a": "1"})
    hook = {"GIT_DIR": str(other.folder / ".git"), "GIT_INDEX_FILE": str(other.folder / ".git/index")}
    git = Git({**ENVIRONMENT, **hook}, tmp_path / "mirrors")
    assert git.inspect(repository.folder).repository == str(repository.folder)


def test_none_of_gits_own_variables_reaches_a_call_of_ours(repository: Repository) -> None:
    """Those that this git knows to be a repository's, and what it sets for hooks; a person's settings stay."""
    local = repository.git("rev-parse", "--local-env-vars").split()
    assert "GIT_INDEX_FILE" in local
    for_hooks = ["GIT_EXEC_PATH", "GIT_EDITOR", "GIT_AUTHOR_DATE", "GIT_REFLOG_ACTION", "GIT_QUARANTINE_PATH"]
    settings = ["GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_SSL_CAINFO", "HOME"]
    given = dict.fromkeys([*local, *for_hooks, "GIT_TRACE2_EVENT", "GIT_CONFIG_KEY_0", *settings], "/x")
    left = git_environment(given)
    assert [name for name, value in left.items() if value == "/x"] == settings


def test_the_repository_starts_no_programs_of_its_own(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\n")
    trap.chmod(0o755)
    (repository.folder / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "pre-commit"):
        (repository.folder / ".git/hooks" / hook).symlink_to(trap)
    for setting in ("core.fsmonitor", "diff.external", "core.pager", "gpg.program"):
        repository.git("config", setting, str(trap))
    repository.git("config", "log.showSignature", "true")
    (tmp_path / "sprung").unlink(missing_ok=True)
    repository.write({"a": "2", "b": "new"})
    source = git.inspect(repository.folder)
    git.changed_paths(source.repository, git.change_base(source), source.tree)
    git.checkout(
        source.repository,
        commit=source.commit.sha,
        tree=source.tree,
        branch="main",
        destination=tmp_path / "copy",
    )
    assert not (tmp_path / "sprung").exists()


def test_a_worktree_of_a_repository_is_one_of_its_own(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    repository.git("worktree", "add", "--quiet", "-b", "feature", str(tmp_path / "tree"))
    (tmp_path / "tree/new").write_text("new")
    source = git.inspect(tmp_path / "tree")
    assert (source.repository, source.branch, source.dirty) == (str(tmp_path / "tree"), "feature", True)


def test_a_repository_of_sha256_objects_works_too(git: Git, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "modern", "--object-format=sha256")
    repository.commit({"a": "1"})
    repository.write({"a": "2"})
    source = git.inspect(repository.folder)
    git.checkout(
        source.repository,
        commit=source.commit.sha,
        tree=source.tree,
        branch="main",
        destination=tmp_path / "copy",
    )
    assert len(source.tree) == 64
    assert (tmp_path / "copy/a").read_text() == "2"


def test_a_merge_conflict_is_a_dirty_tree(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit({"a": "2"})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"a": "3"})
    subprocess.run(
        ["git", "merge", "other"], check=False, cwd=repository.folder, env=ENVIRONMENT, capture_output=True
    )
    assert git.inspect(repository.folder).dirty


# What is refused


def test_no_repository(git: Git, tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="is not inside a git repository") as caught:
        git.inspect(tmp_path)
    assert caught.value.exit_code == 2
    assert "git init" in (caught.value.hint or "")


def test_no_folder(git: Git, tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="there is no folder"):
        git.inspect(tmp_path / "nowhere")


def test_no_commit_yet(git: Git, repository: Repository) -> None:
    repository.write({"a": "1"})
    repository.git("add", "a")
    with pytest.raises(NoCommits, match="has no commit yet") as caught:
        git.inspect(repository.folder)
    assert caught.value.exit_code == 2


def test_a_bare_repository(git: Git, tmp_path: Path) -> None:
    bare = Repository(tmp_path / "bare.git", "--bare")
    with pytest.raises(BareRepository, match="bare repository"):
        git.inspect(bare.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
def test_a_repository_of_somebody_else(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    for path in (repository.folder, repository.folder / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(UnsafeOwnership) as caught:
        git.inspect(repository.folder)
    assert f"safe.directory '{repository.folder}'" in (caught.value.hint or "")


def test_git_is_missing(repository: Repository, tmp_path: Path) -> None:
    git = Git({**ENVIRONMENT, "PATH": str(tmp_path)}, tmp_path / "mirrors")
    with pytest.raises(GitMissing, match="git was not found") as caught:
        git.inspect(repository.folder)
    assert "apt install git" in (caught.value.hint or "")


def test_an_inner_repository_without_commits(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    Repository(repository.folder / "inner")
    with pytest.raises(UnreadableTree, match="another repository without commits") as caught:
        git.inspect(repository.folder)
    assert ".gitignore" in (caught.value.hint or "")
    assert not list(git.mirror_of(str(repository.folder)).folder.glob("incoming*"))


def test_an_unreadable_file(repository: Repository, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\nexec {" ".join(bound_program())} {shutil.which("git")} "$@"\n')
    (programs / "git").chmod(0o755)
    git = Git({**ENVIRONMENT, "PATH": f"{programs}:{ENVIRONMENT['PATH']}"}, tmp_path / "mirrors")
    repository.commit({"a": "1"})
    repository.write({"secret": "x"})
    (repository.folder / "secret").chmod(0)
    with pytest.raises(UnreadableTree, match="could not be read"):
        git.inspect(repository.folder)


def test_nothing_is_left_beside_the_objects(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.write({"a": "2"})
    git.inspect(repository.folder)
    mirror = git.mirror_of(str(repository.folder)).folder
    assert sorted(path.name for path in mirror.iterdir()) == [
        "HEAD", "config", "known-refs", "object-format", "objects", "refs", "repository",
    ]  # fmt: skip
    assert stat.S_IMODE(mirror.parent.stat().st_mode) == 0o700

"""Working copies: exactly what git would check out, whole or not at all."""

import os
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.base.errors import DiskFull
from headway.domain.commit import Source
from headway.drivers.git import Git, GitError, NotARepository
from headway.drivers.git.process import explain
from tests.support.repositories import ENVIRONMENT, Repository, snapshot


def copy_of(git: Git, source: Source, destination: Path) -> tuple[str, ...]:
    return git.checkout(
        source.repository,
        commit=source.commit.sha,
        tree=source.tree,
        branch=source.branch,
        destination=destination,
    )


def files_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {name: found for name, found in snapshot(folder).items() if not name.startswith(".git/")}


def test_names_modes_and_links_are_as_in_the_repository(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.write({"a.txt": "a", b"caf\xe9/\xff": b"\x00\xff", "deep/er/b": "", "run.sh": "#!/bin/sh\n"})
    (repository.folder / "run.sh").chmod(0o755)
    (repository.folder / "link").symlink_to("a.txt")
    (repository.folder / "dangling").symlink_to("/nowhere/at/all")
    repository.commit()
    copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert files_in(tmp_path / "copy") == files_in(repository.folder)


def test_a_dirty_tree_is_copied_as_it_was_when_it_was_looked_at(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a.txt": "a", "b.txt": "b"})
    repository.write({"a.txt": "changed", "new.txt": "new"})
    (repository.folder / "b.txt").unlink()
    source = git.inspect(repository.folder)
    repository.write({"a.txt": "changed since", "later.txt": "later"})
    copy_of(git, source, tmp_path / "copy")
    assert {name: content for name, (_, content) in files_in(tmp_path / "copy").items()} == {
        "a.txt": b"changed",
        "new.txt": b"new",
    }


def test_line_endings_follow_the_attributes(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({".gitattributes": "*.bat text eol=crlf\n", "x.bat": "a\r\nb\r\n", "x.sh": "a\nb\n"})
    copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert (tmp_path / "copy/x.bat").read_bytes() == b"a\r\nb\r\n"
    assert (tmp_path / "copy/x.sh").read_bytes() == b"a\nb\n"


def test_git_works_in_the_copy_and_cannot_write_back(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1.2", "-m", "v1.2")
    repository.commit({"a": "2"}, "Second")
    copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    before = snapshot(repository.folder)

    def in_copy(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], check=False, cwd=tmp_path / "copy", env=ENVIRONMENT, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    assert in_copy("describe").startswith("v1.2-1-g")
    assert in_copy("status", "--porcelain") == ""
    assert in_copy("branch", "--show-current") == "main"
    assert in_copy("log", "--format=%s") == "Second\nChange"
    in_copy("commit", "--allow-empty", "-m", "made by a job")
    in_copy("gc", "--quiet", "--prune=now")
    assert snapshot(repository.folder) == before


def test_a_shallow_clone_is_enough(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "shallow"))
    (tmp_path / "shallow/b").write_text("dirty")
    copy_of(git, git.inspect(tmp_path / "shallow"), tmp_path / "copy")
    done = subprocess.run(
        ["git", "log", "--oneline"], check=True, cwd=tmp_path / "copy", env=ENVIRONMENT, capture_output=True
    )
    assert (tmp_path / "copy/b").read_text() == "dirty"
    assert len(done.stdout.splitlines()) == 1


def test_what_was_only_staged_survives_until_the_copy(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    repository.write({"staged": "content that no commit holds"})
    repository.git("add", "staged")
    copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert (tmp_path / "copy/staged").read_text() == "content that no commit holds"


def test_the_users_own_filters_and_settings_do_not_matter(repository: Repository, tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
    repository.commit({".gitattributes": "*.bin filter=lfs\n", "x.bin": pointer, "t.txt": "a\n"})
    settings = tmp_path / "gitconfig"
    settings.write_text(
        '[filter "lfs"]\n\tsmudge = echo smudged\n\tclean = cat\n\trequired = true\n[core]\n\tautocrlf = true\n'
    )
    git = Git({**ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(settings)}, tmp_path / "mirrors")
    warnings = copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert (tmp_path / "copy/x.bin").read_text() == pointer
    assert (tmp_path / "copy/t.txt").read_bytes() == b"a\n"
    assert any("Git LFS" in warning for warning in warnings)


def test_submodules_are_named_and_left_empty(git: Git, repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit({"i": "1"})
    repository.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "lib"
    )
    repository.commit()
    warnings = copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert any("submodules" in warning for warning in warnings)
    assert list((tmp_path / "copy/lib").iterdir()) == []


def test_a_copy_that_stands_is_kept(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    source = git.inspect(repository.folder)
    copy_of(git, source, tmp_path / "copy")
    (tmp_path / "copy/made-by-a-job").write_text("x")
    copy_of(git, source, tmp_path / "copy")
    assert (tmp_path / "copy/made-by-a-job").exists()


def test_a_copy_that_fails_leaves_nothing(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    source = git.inspect(repository.folder)
    with pytest.raises(GitError):
        git.checkout(
            source.repository,
            commit=source.commit.sha,
            tree="0" * 40,
            branch="main",
            destination=tmp_path / "d/copy",
        )
    assert list((tmp_path / "d").iterdir()) == []


def test_a_repository_that_is_gone(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    source = git.inspect(repository.folder)
    shutil.rmtree(repository.folder)
    with pytest.raises(NotARepository, match="is gone"):
        copy_of(git, source, tmp_path / "copy")


def test_the_mirror_follows_a_repository_that_was_made_anew(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    git.inspect(repository.folder)
    shutil.rmtree(repository.folder)
    again = Repository(repository.folder, "--object-format=sha256")
    again.commit({"a": "2"})
    copy_of(git, git.inspect(again.folder), tmp_path / "copy")
    assert (tmp_path / "copy/a").read_text() == "2"


def test_many_at_once_do_not_disturb_one_another(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({f"{number}": "x" * number for number in range(20)})
    repository.write({"a": "dirty"})
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            copy_of(git, git.inspect(repository.folder), tmp_path / f"copy{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({str(sorted(files_in(tmp_path / f"copy{number}").items())) for number in range(6)}) == 1


def test_objects_of_dirty_trees_go_by_age_and_come_again(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    repository.write({"a": "dirty"})
    source = git.inspect(repository.folder)
    mirror = git.mirror_of(source.repository)
    week_old = (datetime.now(UTC) - timedelta(days=7)).timestamp()
    objects = list(mirror.objects.glob("??/*"))
    for path in objects:
        os.utime(path, (week_old, week_old))
    assert git.tidy(older_than=datetime.now(UTC) - timedelta(days=8)) == 0
    git.inspect(repository.folder)
    assert git.tidy(older_than=datetime.now(UTC) - timedelta(days=6)) == 0, (
        "writing them again renews their age"
    )
    for path in objects:
        os.utime(path, (week_old, week_old))
    assert git.tidy(older_than=datetime.now(UTC) - timedelta(days=6)) == len(objects) > 0
    copy_of(git, git.inspect(repository.folder), tmp_path / "copy")
    assert (tmp_path / "copy/a").read_text() == "dirty"


@pytest.mark.parametrize(
    "said",
    [
        "error: unable to write file /x/.git/objects/ab/cd: No space left on device\nfatal: updating files failed",
        "error: unable to write file big",
        "fatal: cannot create directory at 'a': Disk quota exceeded",
    ],
)
def test_a_full_disk_is_told_as_such(said: str) -> None:
    error = explain(said, "/repository")
    assert isinstance(error, DiskFull)
    assert "full" in error.message

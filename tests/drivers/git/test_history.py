"""Questions about history, also where there is too little of it."""

from pathlib import Path

import pytest

from headway.drivers.git import Git, NotARepository, ShallowClone, UnknownCommit
from headway.drivers.git import repository as repository_driver
from tests.support.repositories import Repository


@pytest.fixture
def shallow(repository: Repository, tmp_path: Path) -> str:
    """A clone of the newest two of four commits."""
    for number in range(4):
        repository.commit({"a": str(number)}, f"Commit {number}")
    repository.git("clone", "--quiet", "--depth=2", f"file://{repository.folder}", str(tmp_path / "shallow"))
    return str(tmp_path / "shallow")


def test_a_commit_has_many_names(git: Git, repository: Repository) -> None:
    sha = repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1", "-m", "annotated")
    assert {
        git.resolve(repository.folder, name)
        for name in (sha, sha[:7], "main", "v1", "HEAD", "refs/heads/main")
    } == {sha}


@pytest.mark.parametrize(
    "text",
    ["nowhere", "0" * 40, "--all", "-1", "", "a\0b", "a\nHEAD", "\ud800", "HEAD:a", "main..main", "x" * 5000],
)
def test_what_names_no_commit_is_refused(git: Git, repository: Repository, text: str) -> None:
    repository.commit({"a": "1"})
    with pytest.raises(UnknownCommit, match="names no commit") as caught:
        git.resolve(repository.folder, text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "HEAD^{/(((a{1,99}){1,99}){1,99})}",
        ":/Change",
        "main^{/Change}",
        "HEAD~1",
        "main^",
        "main@{0}",
        "main^{tree}",
    ],
)
def test_a_name_is_an_id_a_branch_or_a_tag_and_no_search(
    git: Git, repository: Repository, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git knows patterns that search all messages and take hours; whoever may look at a service may send a name."""
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    monkeypatch.setattr(repository_driver, "GitCall", None)  # git is not even asked
    with pytest.raises(UnknownCommit, match="an id, a branch or a tag does"):
        git.resolve(repository.folder, text)


def test_outside_of_a_repository_nothing_is_a_commit(git: Git, tmp_path: Path) -> None:
    with pytest.raises(NotARepository):
        git.resolve(tmp_path, "HEAD")


def test_the_commits_between_two_releases(git: Git, repository: Repository) -> None:
    old = repository.commit({"a": "1"}, "Old")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit({"b": "1"}, "Side", at="2026-01-01T00:00:00Z")
    repository.git("checkout", "--quiet", "main")
    repository.commit({"a": "2"}, "Main", at="2026-01-02T00:00:00Z")
    repository.git("merge", "--quiet", "--no-ff", "-m", "Merge", "side", at="2026-01-03T00:00:00Z")
    new = repository.git("rev-parse", "HEAD")
    found = git.commits_between(str(repository.folder), old, new)
    assert [commit.subject for commit in found] == ["Merge", "Main", "Side"]
    assert len(found[0].parents) == 2
    assert git.commits_between(str(repository.folder), new, old) == ()
    assert len(git.commits_between(str(repository.folder), None, new)) == 4


def test_a_shallow_clone_answers_what_it_can(git: Git, repository: Repository, shallow: str) -> None:
    new, old = git.resolve(shallow, "HEAD"), repository.git("rev-parse", "HEAD~1")
    assert [commit.subject for commit in git.commits_between(shallow, old, new)] == ["Commit 3"]


def test_a_shallow_clone_says_so_where_history_is_missing(
    git: Git, repository: Repository, shallow: str
) -> None:
    new, missing = git.resolve(shallow, "HEAD"), repository.git("rev-parse", "HEAD~3")
    with pytest.raises(ShallowClone, match="shallow clone") as caught:
        git.commits_between(shallow, missing, new)
    assert caught.value.hint == "fetch the rest of its history: git fetch --unshallow"
    assert caught.value.exit_code == 2
    with pytest.raises(ShallowClone):
        git.commits_between(shallow, None, new)


def test_a_whole_clone_calls_a_missing_commit_unknown(git: Git, repository: Repository) -> None:
    sha = repository.commit({"a": "1"})
    with pytest.raises(UnknownCommit):
        git.commits_between(str(repository.folder), "1" * 40, sha)


# What changed


def changed(git: Git, repository: Repository) -> tuple[str, ...]:
    source = git.inspect(repository.folder)
    return git.changed_paths(source.repository, git.change_base(source), source.tree)


def test_the_first_commit_changed_everything(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1", "b/c": "1"})
    assert changed(git, repository) == ("a", "b/c")


def test_a_commit_on_the_default_branch_is_compared_with_its_parent(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1", "b": "1", "gone": "1"})
    (repository.folder / "gone").unlink()
    repository.commit({"b": "2", b"caf\xe9": "new"})
    assert changed(git, repository) == ("b", "caf\udce9", "gone")


def test_a_dirty_tree_on_the_default_branch_is_compared_with_its_commit(
    git: Git, repository: Repository
) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    repository.write({"b": "dirty"})
    assert changed(git, repository) == ("b",)


def test_a_branch_is_compared_with_where_it_left(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit({"first": "1"})
    repository.commit({"second": "1"})
    repository.write({"third": "dirty"})
    repository.git("checkout", "--quiet", "main")
    repository.git("stash", "--include-untracked", "--quiet")
    repository.commit({"main moved on": "1"})
    repository.git("checkout", "--quiet", "feature")
    repository.git("stash", "pop", "--quiet")
    assert changed(git, repository) == ("first", "second", "third")


def test_the_remote_says_which_branch_is_the_default(
    git: Git, repository: Repository, tmp_path: Path
) -> None:
    repository.git("checkout", "--quiet", "-b", "trunk")
    repository.commit({"a": "1"})
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", str(repository.folder), str(clone))
    work = Repository(clone)
    work.git("checkout", "--quiet", "-b", "feature")
    work.commit({"b": "1"})
    work.commit({"c": "1"})
    assert changed(git, work) == ("b", "c")


def test_a_shallow_clone_of_one_commit_cannot_say(git: Git, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "one"))
    with pytest.raises(ShallowClone, match="the commit before this one was not fetched"):
        git.change_base(git.inspect(tmp_path / "one"))

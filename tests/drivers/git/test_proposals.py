"""A working tree travels to the server and is there, byte for byte, what it was here; bad ones leave nothing."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.drivers.git import Git
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.proposals import (
    Proposal,
    ProposalError,
    ProposalRefused,
    ProposalTooLarge,
    ProposalUnrelated,
    candidates,
    make_proposal,
    take_in,
)
from tests.support.repositories import ENVIRONMENT, Repository, snapshot


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return create_bare(tmp_path / "rep-1.git", "main", ENVIRONMENT)


def push(repository: Repository, bare: Bare) -> None:
    repository.git("push", "--quiet", str(bare.folder), "HEAD:main")


def propose(git: Git, repository: Repository, bare: Bare) -> Proposal:
    """As the two sides do it: which of these have you? then the rest."""
    has = bare.known(candidates(git, repository.folder))
    return make_proposal(git, repository.folder, has)


def sent(bare: Bare, proposal: Proposal, name: str = "try-1") -> str:
    return take_in(bare, name, io.BytesIO(proposal.bundle)).tree


def content(bare: Bare, sha: str, folder: Path) -> dict[str, tuple[int, bytes]]:
    git = Git(ENVIRONMENT, folder / "mirrors")
    source = git.source_of(str(bare.folder), sha)
    git.checkout(source.repository, commit=sha, tree=source.tree, branch=None, destination=folder / "copy")
    found = snapshot(folder / "copy")
    return {name: value for name, value in found.items() if not name.startswith(".git/")}


def test_uncommitted_changes_arrive_as_they_are_and_nothing_is_touched_here(
    git: Git, bare: Bare, repository: Repository, tmp_path: Path
) -> None:
    head = repository.commit({"a": "1", "b": "1", "large": os.urandom(100_000)})
    push(repository, bare)
    repository.write({"a": "changed", "new/c": b"\0\xff", b"caf\xe9": "x"})
    (repository.folder / "b").unlink()
    (repository.folder / "link").symlink_to("a")
    repository.git("add", "a")
    before = snapshot(repository.folder)
    proposal = propose(git, repository, bare)
    assert snapshot(repository.folder) == before
    assert (proposal.base, proposal.head.sha, proposal.dirty, proposal.branch) == (head, head, True, "main")
    assert len(proposal.bundle) < 2000
    taken = take_in(bare, "try-1", io.BytesIO(proposal.bundle))
    assert (taken.sha, taken.tree, taken.parents) == (proposal.commit, proposal.tree, (head,))
    assert taken.author == "headway try <try@headway.invalid>"
    assert taken.subject == "Uncommitted changes on main"
    here = {name: value for name, value in before.items() if not name.startswith(".git/")}
    assert content(bare, taken.sha, tmp_path) == here
    assert bare.refs("refs") == {"refs/heads/main": head, "refs/headway/tries/try-1": taken.sha}


def test_commits_that_were_never_pushed_go_along(git: Git, bare: Bare, repository: Repository) -> None:
    base = repository.commit({"a": "1"})
    push(repository, bare)
    repository.commit({"a": "2"}, "Second")
    head = repository.commit({"a": "3"}, "Third")
    proposal = propose(git, repository, bare)
    assert (proposal.base, proposal.commit, proposal.dirty) == (base, head, False)
    sent(bare, proposal)
    assert [commit.subject for commit in bare.commits_between(base, head, 9)] == ["Third", "Second"]


def test_the_same_changes_are_the_same_commit(git: Git, bare: Bare, repository: Repository) -> None:
    repository.commit({"a": "1"})
    push(repository, bare)
    repository.write({"a": "2"})
    first, second = propose(git, repository, bare), propose(git, repository, bare)
    assert first == second
    assert sent(bare, first, "try-1") == sent(bare, second, "try-2")


def test_what_the_server_has_already_travels_as_nothing(git: Git, bare: Bare, repository: Repository) -> None:
    head = repository.commit({"a": "1"})
    push(repository, bare)
    proposal = propose(git, repository, bare)
    assert proposal.commit == proposal.base == head
    assert len(proposal.bundle) < 200
    sent(bare, proposal)


def test_an_empty_server_gets_the_whole_history(git: Git, bare: Bare, repository: Repository) -> None:
    repository.commit({"a": "1"})
    head = repository.commit({"a": "2"})
    proposal = propose(git, repository, bare)
    assert proposal.base is None
    sent(bare, proposal)
    assert len(bare.commits_between(None, head, 9)) == 2


@pytest.mark.slow
def test_a_base_far_back_is_found(git: Git, bare: Bare, repository: Repository) -> None:
    base = repository.commit({"a": "1"})
    push(repository, bare)
    own = "for n in $(seq 300); do git update-ref HEAD $(git commit-tree -p HEAD -m $n HEAD^{tree}); done"
    repository.git("-c", f"alias.own=!{own}", "own")
    repository.git("fetch", "--quiet", str(bare.folder), "main:refs/remotes/origin/main")
    asked = candidates(git, repository.folder)
    assert len(asked) < 300
    proposal = make_proposal(git, repository.folder, bare.known(asked))
    assert proposal.base == base
    assert sent(bare, proposal)


def test_a_shallow_clone_proposes(git: Git, bare: Bare, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    push(repository, bare)
    repository.git("clone", "--quiet", "--depth=1", f"file://{bare.folder}", str(tmp_path / "shallow"))
    (tmp_path / "shallow/a").write_text("3")
    proposal = make_proposal(git, tmp_path / "shallow", bare.known(candidates(git, tmp_path / "shallow")))
    assert proposal.dirty and sent(bare, proposal) == proposal.tree


def test_what_is_too_large_is_not_sent(git: Git, repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.write({"large": os.urandom(300_000)})
    with pytest.raises(ProposalTooLarge, match="more than"):
        make_proposal(git, repository.folder, (), most_bytes=200_000)


def test_what_is_too_large_is_not_taken(git: Git, bare: Bare, repository: Repository) -> None:
    repository.commit({"large": os.urandom(300_000)})
    proposal = make_proposal(git, repository.folder, ())
    with pytest.raises(ProposalTooLarge):
        take_in(bare, "try-1", io.BytesIO(proposal.bundle), most_bytes=200_000)
    nothing_kept(bare)


def nothing_kept(bare: Bare) -> None:
    assert bare.refs("refs") == {}
    assert not list(bare.folder.glob("headway-incoming*"))
    assert not list((bare.folder / "objects").glob("*/*"))


def test_a_server_that_lacks_the_base_says_so(git: Git, bare: Bare, repository: Repository) -> None:
    base = repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    proposal = make_proposal(git, repository.folder, [base])
    with pytest.raises(ProposalUnrelated, match=base[:12]):
        sent(bare, proposal)
    nothing_kept(bare)


def test_a_bundle_that_hides_what_it_builds_on_is_refused(
    git: Git, bare: Bare, repository: Repository
) -> None:
    base = repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    proposal = make_proposal(git, repository.folder, [base])
    with pytest.raises(ProposalRefused):
        take_in(bare, "try-1", io.BytesIO(proposal.bundle.replace(f"-{base}\n".encode(), b"")))
    nothing_kept(bare)


def test_another_commit_than_the_pack_holds_is_refused(git: Git, bare: Bare, repository: Repository) -> None:
    head = repository.commit({"a": "1"})
    proposal = make_proposal(git, repository.folder, ())
    for other in ("f" * 40, proposal.tree):
        with pytest.raises(ProposalRefused):
            take_in(bare, "try-1", io.BytesIO(proposal.bundle.replace(head.encode(), other.encode(), 1)))
    nothing_kept(bare)


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"# v2 git bundle\n",
        b"# v2 git bundle\n\n",
        b"# v3 git bundle\n@filter=blob:none\n" + b"1" * 40 + b" refs/x\n\nPACK",
        b"# v2 git bundle\n" + b"1" * 40 + b" a\n" + b"2" * 40 + b" b\n\nPACK",
        b"# v2 git bundle\n" + b"1" * 40 + b" refs/x\n\nnonsense",
        b"# v2 git bundle\n" + b"1" * 40 + b" refs/x\n\nPACK\0\0\0\2\0\0\0\0",
        b"# v2 git bundle\n-" + b"x" * 40 + b"\n" + b"1" * 40 + b" refs/x\n\n",
        b"x" * 200_000,
    ],
)
def test_what_is_no_bundle_is_refused(bare: Bare, bundle: bytes) -> None:
    with pytest.raises(ProposalRefused):
        take_in(bare, "try-1", io.BytesIO(bundle))
    nothing_kept(bare)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "-x", "x" * 65, "x.lock", "x\n"])
def test_a_try_has_a_plain_name(bare: Bare, name: str) -> None:
    with pytest.raises(ProposalRefused, match="no name"):
        take_in(bare, name, io.BytesIO(b""))


def test_a_tree_that_would_write_into_dot_git_is_refused(
    git: Git, bare: Bare, repository: Repository
) -> None:
    blob = repository.git("rev-parse", repository.commit({"x": "evil"}) + ":x")
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=b"100644 .GIT\0" + bytes.fromhex(blob),
        check=True,
        cwd=repository.folder,
        env=ENVIRONMENT,
        capture_output=True,
    )
    evil = repository.git("commit-tree", made.stdout.decode().strip(), "-m", "evil")
    repository.git("update-ref", "refs/heads/evil", evil)
    repository.git("bundle", "create", "--quiet", "evil.bundle", "evil")
    with pytest.raises(ProposalRefused):
        take_in(bare, "try-1", io.BytesIO((repository.folder / "evil.bundle").read_bytes()))
    nothing_kept(bare)


def test_a_bundle_that_git_itself_made_is_taken(bare: Bare, repository: Repository) -> None:
    head = repository.commit({"a": "1"})
    repository.git("bundle", "create", "--quiet", "x.bundle", "main")
    assert take_in(bare, "try-1", io.BytesIO((repository.folder / "x.bundle").read_bytes())).sha == head


def test_git_itself_can_read_ours(git: Git, bare: Bare, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    push(repository, bare)
    repository.write({"a": "2"})
    proposal = propose(git, repository, bare)
    (tmp_path / "x.bundle").write_bytes(proposal.bundle)
    repository.git("bundle", "verify", str(tmp_path / "x.bundle"))
    assert proposal.commit in repository.git("bundle", "list-heads", str(tmp_path / "x.bundle"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_a_damaged_bundle_leaves_nothing(
    git: Git, tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    bare = create_bare(folder / "rep.git", "main", ENVIRONMENT)
    repository = Repository(folder / "shop")
    repository.commit({"a": os.urandom(300)})
    bundle = bytearray(make_proposal(git, repository.folder, ()).bundle)
    place %= len(bundle)
    name = bundle.index(b" refs/headway/try")
    if name <= place < name + len(b" refs/headway/try"):
        return  # The ref's name means nothing to us.
    bundle[place] ^= byte
    with pytest.raises(ProposalError):
        take_in(bare, "try-1", io.BytesIO(bytes(bundle)))
    nothing_kept(bare)

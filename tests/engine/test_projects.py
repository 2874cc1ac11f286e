"""Finding the repository, its headway.toml and its contract; each way it can be missing says what to do next."""

import subprocess
import sys
from pathlib import Path

import pytest

from headway.engine.projects import (
    ContractUnreadable,
    NoContract,
    NoRepository,
    find_project,
    find_repository,
    service_name,
)
from headway.wire.contract import ContractInvalid
from tests.support.powers import bound_by_permissions

TEXT = 'contract = 1\n[service]\nname = "tickets"\n'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "tickets"
    (root / ".git").mkdir(parents=True)
    return root


def test_from_a_folder_deep_inside(repository: Path) -> None:
    (repository / "headway.toml").write_text(TEXT)
    deep = repository / "src" / "deep"
    deep.mkdir(parents=True)
    project = find_project(deep)
    assert (project.root, project.file, project.text) == (repository, repository / "headway.toml", TEXT)
    assert project.contract.service.name == "tickets"
    assert service_name(deep) == "tickets"


def test_the_nearest_contract_counts(repository: Path) -> None:
    (repository / "headway.toml").write_text(TEXT)
    (repository / "billing").mkdir()
    (repository / "billing" / "headway.toml").write_text(TEXT.replace("tickets", "billing"))
    assert find_project(repository / "billing").contract.service.name == "billing"
    assert find_project(repository / "billing").root == repository
    assert service_name(repository / "billing") == "billing"


def test_a_worktree_is_a_repository_of_its_own(repository: Path) -> None:
    (repository / "headway.toml").write_text(TEXT)
    tree = repository / "trees" / "next"
    tree.mkdir(parents=True)
    (tree / ".git").write_text("gitdir: ../../.git/worktrees/next\n")
    assert find_repository(tree / "x") == tree
    with pytest.raises(NoContract):
        find_project(tree)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NoRepository) as caught:
        find_project(tmp_path)
    assert caught.value.message == f"{tmp_path} is in no git repository"
    assert caught.value.hint == "git init, or go to your project's folder"
    assert caught.value.exit_code == 2


def test_no_contract(repository: Path) -> None:
    (repository.parent / "headway.toml").write_text(TEXT)  # outside of the repository, so not ours
    for find in (find_project, service_name):
        with pytest.raises(NoContract) as caught:
            find(repository)
        assert caught.value.message == f"there is no headway.toml in {repository}"
        assert caught.value.hint == "headway init writes one that runs"
        assert caught.value.exit_code == 2


def test_a_file_that_is_not_utf_8(repository: Path) -> None:
    (repository / "headway.toml").write_bytes(b"contract = 1\n# \xc3\xa4\xff\n")
    for find in (find_project, service_name):
        with pytest.raises(ContractInvalid) as caught:
            find(repository)
        assert [str(fault) for fault in caught.value.faults] == [
            "headway.toml:2:4: the byte 0xff is not UTF-8; save the file as UTF-8"
        ]


def test_a_file_that_may_not_be_read(repository: Path) -> None:
    (repository / "headway.toml").write_text(TEXT)
    (repository / "headway.toml").chmod(0)
    with bound_by_permissions(), pytest.raises(ContractUnreadable) as caught:
        find_project(repository)
    assert caught.value.message == f"{repository / 'headway.toml'} cannot be read: permission denied"


def test_faults_name_the_file_from_the_top(repository: Path) -> None:
    (repository / "billing").mkdir()
    (repository / "billing" / "headway.toml").write_text("contract = 1\nservice = 3\n")
    for find in (find_project, service_name):
        with pytest.raises(ContractInvalid) as caught:
            find(repository / "billing")
        (fault,) = caught.value.faults
        assert str(fault) == "billing/headway.toml:2:11 service: found the number 3; allowed is a table"


def test_the_name_alone_is_read_without_pydantic(repository: Path) -> None:
    (repository / "headway.toml").write_text(TEXT + "[jobs.broken]\n")
    script = (
        "import sys; from pathlib import Path; from headway.engine.projects import service_name; "
        "print(service_name(Path(sys.argv[1])), 'pydantic' in sys.modules, 'tree_sitter' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, repository], capture_output=True, text=True, check=True
    )
    assert said.stdout == "tickets False False\n"

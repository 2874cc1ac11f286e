"""What `headway init` writes for each kind of project: commands that are real there, in a contract without a fault."""

import subprocess
from pathlib import Path

import pytest

from headway.domain.contract import Contract
from headway.engine.starters.starter import Starter, look
from headway.wire.contract import read_contract


def project(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "my shop"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    root.mkdir(exist_ok=True)
    return root


def started(folder: Path, files: dict[str, str]) -> tuple[Starter, Contract]:
    starter = look(project(folder, files))
    return starter, read_contract(starter.text)


def steps(contract: Contract) -> dict[str, list[str]]:
    return {name: [step.run for step in job.steps] for name, job in contract.jobs.items()}


PYTEST = '[project]\nname = "shop"\n[dependency-groups]\ndev = ["pytest>=8"]\n[build-system]\nrequires = ["hatchling"]\n'
VENV = "python3 -m venv .venv"
PIP = ".venv/bin/python -m pip install --quiet"
WHEEL = ".venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist ."


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": PYTEST, "uv.lock": ""}, {"test": ["uv sync --locked", "uv run pytest --junitxml=report.xml"], "build": ["uv build --out-dir dist"]}),
        ({"pyproject.toml": '[project]\nname = "shop"\n[tool.uv]\npackage = false\n', "tests/test_a.py": ""}, {"test": ["uv sync", "uv run python -m unittest discover -s tests"]}),
        ({"pyproject.toml": '[project]\nname = "shop"\noptional-dependencies.qa = ["pytest"]\n', "uv.lock": ""}, {"test": ["uv sync --locked --extra qa", "uv run pytest --junitxml=report.xml"]}),
        ({"pyproject.toml": '[dependency-groups]\nqa = ["pytest"]\n', "uv.lock": ""}, {"test": ["uv sync --locked --group qa", "uv run pytest --junitxml=report.xml"]}),
        ({"pyproject.toml": '[tool.poetry]\nname = "shop"\n[tool.poetry.group.qa.dependencies]\npytest = "*"\n'}, {"test": ["poetry install --no-interaction --with qa", "poetry run pytest --junitxml=report.xml"], "build": ["poetry build"]}),
        ({"pyproject.toml": "[tool.poetry]\npackage-mode = false\n"}, {"check": ["poetry install --no-interaction", "poetry run python -m compileall -q -x '/[.]' ."]}),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n", "pdm.lock": ""}, {"test": ["pdm sync", "pdm run pytest --junitxml=report.xml"]}),
        ({"pyproject.toml": '[tool.hatch.envs.qa.scripts]\ntest = "pytest"\n'}, {"test": ["hatch run qa:test"], "build": ["hatch build"]}),
        ({"pyproject.toml": "[tool.hatch.envs.default]\nx = 1\n"}, {"test": ["hatch test"], "build": ["hatch build"]}),
        ({"setup.py": "", "tox.ini": ""}, {"test": ["tox"]}),
        ({"noxfile.py": ""}, {"test": ["nox"]}),
        ({"pyproject.toml": '[project]\nname = "shop"\noptional-dependencies.test = ["pytest"]\n'}, {"test": [f"{VENV} && {PIP} --editable '.[test]'", ".venv/bin/python -m pytest --junitxml=report.xml"], "build": [VENV, WHEEL]}),
        ({"setup.py": "", "conftest.py": ""}, {"test": [f"{VENV} && {PIP} --editable . && {PIP} pytest", ".venv/bin/python -m pytest --junitxml=report.xml"], "build": [VENV, WHEEL]}),
        ({"requirements.txt": "flask\n", "tests/test_a.py": "", "tests/__init__.py": "", "setup.cfg": "[flake8]\n"}, {"test": [f"{VENV} && {PIP} --requirement requirements.txt", ".venv/bin/python -m unittest discover -s tests -t ."]}),
        ({"app.py": "", "test_app.py": ""}, {"test": ["python3 -m unittest discover"]}),
        ({"app.py": ""}, {"check": ["python3 -m compileall -q -x '/[.]' ."]}),
        ({"package.json": '{"name": "@us/shop", "scripts": {"test": "jest", "build": "vite build"}}', "package-lock.json": "{}"}, {"test": ["npm ci", "npm test"], "build": ["npm ci", "npm run build"]}),
        ({"package.json": '{"scripts": {"test": "jest"}}', "pnpm-lock.yaml": ""}, {"test": ["pnpm install --frozen-lockfile", "pnpm test"]}),
        ({"package.json": '{"packageManager": "yarn@4.1.0", "scripts": {"test": "jest"}}', "yarn.lock": ""}, {"test": ["yarn install --immutable", "yarn test"]}),
        ({"package.json": '{"scripts": {"test": "jest"}}', "yarn.lock": ""}, {"test": ["yarn install --frozen-lockfile", "yarn test"]}),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, {"check": ["npm install"]}),
        ({"package.json": "not JSON"}, {"check": ["npm install"]}),
        ({"Makefile": "VERSION := 1\ntest lint: all\n\tx\ndist:\n\ty\n", "pyproject.toml": PYTEST}, {"test": ["make test"], "build": ["make dist"]}),
        ({"Makefile": "build:\n\tx\n", "go.mod": "module x\n"}, {"build": ["make build"], "go-test": ["go vet ./...", "go test ./..."]}),
        ({"Makefile": "test := 1\ninstall:\n\tx\n"}, {"build": ["make"]}),
        ({"Cargo.toml": '[package]\nname = "shop"\n', "Cargo.lock": "", "src/main.rs": ""}, {"test": ["cargo test --locked"], "build": ["cargo build --release --locked"]}),
        ({"Cargo.toml": '[package]\nname = "shop"\n', "src/lib.rs": ""}, {"test": ["cargo test"]}),
        ({"go.mod": "module example.org/us/shop/v2\n", "cmd/shop/main.go": ""}, {"test": ["go vet ./...", "go test ./..."], "build": ["go build -o dist/ ./..."]}),
        ({"pom.xml": "", "mvnw": ""}, {"test": ["./mvnw --batch-mode --no-transfer-progress verify"]}),
        ({"build.gradle.kts": ""}, {"test": ["gradle build"]}),
        ({"pyproject.toml": PYTEST, "uv.lock": "", "package.json": '{"scripts": {"test": "jest", "build": "x"}}'}, {"test": ["uv sync --locked", "uv run pytest --junitxml=report.xml"], "build": ["uv build --out-dir dist"], "node-test": ["npm install", "npm test"], "node-build": ["npm install", "npm run build"]}),
        ({"README.md": "hello"}, {"check": ["! grep -rnE '^(<<<<<<<|>>>>>>>) ' ."]}),
        ({}, {"check": ["! grep -rnE '^(<<<<<<<|>>>>>>>) ' ."]}),
    ],
)  # fmt: skip
def test_the_commands_for_each_kind_of_project(
    tmp_path: Path, files: dict[str, str], expected: dict[str, list[str]]
) -> None:
    starter, contract = started(tmp_path, files)
    assert steps(contract) == expected
    assert starter.jobs == tuple(expected)
    assert "automatic" not in starter.text


def test_needs_reports_and_artifacts_are_written_too(tmp_path: Path) -> None:
    _, contract = started(tmp_path, {"pyproject.toml": PYTEST, "uv.lock": ""})
    assert contract.jobs["test"].junit == ("report.xml",)
    assert contract.jobs["build"].needs == ("test",)
    assert contract.jobs["build"].artifacts == ("dist/*.whl", "dist/*.tar.gz")


def test_each_language_in_a_folder_of_its_own_is_told_and_run_there(tmp_path: Path) -> None:
    files = {
        "backend/pyproject.toml": PYTEST,
        "backend/uv.lock": "",
        "backend/app.py": "",
        "web/shop/package.json": '{"scripts": {"test": "jest"}}',
        "web/shop/node_modules/x/package.json": "{}",
        "docs/package.json": "{}",
        "worker/go.mod": "module worker\n",
    }
    starter, contract = started(tmp_path, files)
    assert starter.found == (
        "a Python project with uv in backend",
        "a JavaScript project with npm in web/shop",
        "a Go project in worker",
    )
    assert steps(contract) == {
        "backend-test": ["uv sync --locked", "uv run pytest --junitxml=report.xml"],
        "backend-build": ["uv build --out-dir dist"],
        "web-shop-test": ["npm install", "npm test"],
        "worker-test": ["go vet ./...", "go test ./..."],
    }
    build = contract.jobs["backend-build"]
    assert (build.working_directory, build.needs) == ("backend", ("backend-test",))
    assert build.artifacts[0] == "backend/dist/*.whl"
    assert contract.jobs["backend-test"].junit == ("backend/report.xml",)
    # Parts of what the top builds itself are not written once more.
    parts = {"Cargo.toml": "[workspace]\n", "core/Cargo.toml": '[package]\nname = "core"\n'}
    assert list(steps(started(tmp_path / "rust", parts)[1])) == ["test"]


def test_poetrys_environment_stays_in_the_job(tmp_path: Path) -> None:
    _, contract = started(tmp_path, {"pyproject.toml": '[tool.poetry]\nname = "shop"\n'})
    for job in contract.jobs.values():
        assert dict(job.env) == {"POETRY_VIRTUALENVS_IN_PROJECT": "true"}


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "my-shop"),
        ({"package.json": '{"name": "@us/till"}'}, "till"),
        ({"go.mod": "module example.org/us/till/v2\n"}, "till"),
        ({"pyproject.toml": '[project]\nname = "the till!"\n', "Makefile": "test:\n"}, "the-till"),
        ({"package.json": '{"name": "' + "x" * 80 + '"}'}, "x" * 63),
        ({"package.json": '{"name": "..."}'}, "service"),
        ({"package.json": '{"name": ["x"]}'}, "my-shop"),
        ({"pyproject.toml": '[project]\nname = 3\n'}, "my-shop"),
    ],
)  # fmt: skip
def test_the_name_of_the_service(tmp_path: Path, files: dict[str, str], name: str) -> None:
    assert started(tmp_path, files)[1].service.name == name


def test_the_part_about_delivery_is_right_once_it_is_no_comment(tmp_path: Path) -> None:
    starter, _ = started(tmp_path, {"Cargo.toml": '[package]\nname = "till"\n', "src/main.rs": ""})
    head, _, delivery = starter.text.partition("# When there is something to deploy")
    lines = [line.removeprefix("# ").removeprefix("#") for line in delivery.splitlines()[1:]]
    contract = read_contract(head + "\n".join(lines))
    assert contract.deploy is not None and contract.deploy.artifact == "target/release/till"
    assert list(contract.environments) == ["production"]


def test_programs_that_are_not_here_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert started(tmp_path, {"go.mod": "module x\n"})[0].missing == ("go",)


@pytest.mark.parametrize(
    ("files", "good"),
    [
        ({"README.md": "hello\n"}, True),
        ({"README.md": "<<<<<<< HEAD\nhello\n=======\n"}, False),
        ({"Makefile": "test:\n\ttest -f Makefile\n"}, True),
        ({"tests/test_a.py": "import unittest\nclass A(unittest.TestCase):\n    def test(self): self.assertTrue(1)\n"}, True),
        ({"tests/test_a.py": "import unittest\nclass A(unittest.TestCase):\n    def test(self): self.assertTrue(0)\n"}, False),
        ({"app.py": "print(1)\n", ".hidden/x.py": "def (:\n"}, True),
        ({"app.py": "def (:\n"}, False),
    ],
)  # fmt: skip
def test_the_commands_do_what_they_say(tmp_path: Path, files: dict[str, str], good: bool) -> None:
    root = project(tmp_path, files)
    starter = look(root)
    (root / "headway.toml").write_text(starter.text)
    scripts = [step.run for job in read_contract(starter.text).jobs.values() for step in job.steps]
    codes = [
        subprocess.run(["sh", "-eu", "-c", script], check=False, cwd=root, capture_output=True).returncode
        for script in scripts
    ]
    assert (codes == [0] * len(codes)) is good, codes

"""A first contract for Python: uv, Poetry, PDM, Hatch, tox, nox, or pip in a virtual environment."""

import re
from dataclasses import replace
from typing import Any

from headway.engine.starters.files import Files, Job, Kind, job_of_build, job_of_tests, table, text

_TEST_FILE = re.compile(r"(?:(?:tests?|src/tests?)/(?:[^/]+/)?)?(?:test[^/]*|[^/]*_test)\.py")
_REPORT = "report.xml"


def python_kind(files: Files) -> Kind | None:
    """The jobs of a Python project, None when it is none."""
    if not (
        files.has("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini", "noxfile.py")
    ):
        scripts = any(name.endswith(".py") and name.count("/") < 2 for name in files.names)
        return _scripts(files) if scripts else None
    project = files.toml("pyproject.toml")
    name = text(project, "project", "name") or text(project, "tool", "poetry", "name")
    for make in (_uv, _poetry, _pdm, _runner, _hatch, _pip):
        if (kind := make(files, project)) is not None:
            break
    else:
        return None
    return Kind("python", kind.found, kind.jobs, name, kind.programs)


def _kind(found: str, jobs: list[Job], *programs: str) -> Kind:
    return Kind("python", found, tuple(jobs), programs=programs)


def _uv(files: Files, project: dict[str, Any]) -> Kind | None:
    if not (files.has("uv.lock") or table(project, "tool", "uv")):
        return None
    words = "uv sync" + (" --locked" if files.has("uv.lock") else "")
    test = _test(files, project, "uv run ", install=words + _where_pytest_is(project, "--extra ", "--group "))
    jobs = [test]
    if table(project, "build-system") and table(project, "tool", "uv").get("package") is not False:
        wheel = ("dist/*.whl", "dist/*.tar.gz")
        jobs.append(
            job_of_build(
                "The package, as it would be published.",
                "uv build --out-dir dist",
                artifacts=wheel,
                after=(test,),
            )
        )
    return _kind("a Python project with uv", jobs, "uv")


def _poetry(files: Files, project: dict[str, Any]) -> Kind | None:
    backend = text(project, "build-system", "build-backend") or ""
    if not (files.has("poetry.lock") or table(project, "tool", "poetry") or backend.startswith("poetry")):
        return None
    install = "poetry install --no-interaction" + _where_pytest_is(project, "--extras ", "--with ")
    test = _test(files, project, "poetry run ", install=install)
    jobs = [test]
    if table(project, "tool", "poetry").get("package-mode") is not False:
        wheel = ("dist/*.whl", "dist/*.tar.gz")
        jobs.append(
            job_of_build(
                "The package, as it would be published.", "poetry build", artifacts=wheel, after=(test,)
            )
        )
    # Else it lies in the account's cache, where two jobs at once share it and none clears it away.
    own = (("POETRY_VIRTUALENVS_IN_PROJECT", "true"),)
    return _kind("a Python project with Poetry", [replace(job, env=own) for job in jobs], "poetry")


def _pdm(files: Files, project: dict[str, Any]) -> Kind | None:
    if not (files.has("pdm.lock") or table(project, "tool", "pdm")):
        return None
    install = "pdm sync" if files.has("pdm.lock") else "pdm install"
    test = _test(files, project, "pdm run ", install=install)
    return _kind("a Python project with PDM", [test], "pdm")


def _runner(files: Files, project: dict[str, Any]) -> Kind | None:
    """tox and nox bring their own environments."""
    if files.has("tox.ini") or table(project, "tool", "tox"):
        return _kind("a Python project with tox", [job_of_tests("All environments of tox.", "tox")], "tox")
    if files.has("noxfile.py"):
        return _kind("a Python project with nox", [job_of_tests("All sessions of nox.", "nox")], "nox")
    return None


def _hatch(files: Files, project: dict[str, Any]) -> Kind | None:
    environments = table(project, "tool", "hatch", "envs")
    if not environments:
        return None
    run = "hatch test"
    for name, held in environments.items():
        if "test" in table(held, "scripts"):
            run = "hatch run test" if name == "default" else f"hatch run {name}:test"
            break
    test = job_of_tests("The tests, in Hatch's own environment.", run)
    wheel = ("dist/*.whl", "dist/*.tar.gz")
    build = job_of_build(
        "The package, as it would be published.", "hatch build", artifacts=wheel, after=(test,)
    )
    return _kind("a Python project with Hatch", [test, build], "hatch")


def _pip(files: Files, project: dict[str, Any]) -> Kind:
    environment = "python3 -m venv .venv"
    pip = ".venv/bin/python -m pip install --quiet"
    installs = [f"{pip} --requirement {name}" for name in _requirements(files)]
    is_package = bool(
        table(project, "project") or files.has("setup.py") or "[metadata]" in files.text("setup.cfg")
    )
    if is_package:
        installs.append(f"{pip} --editable {_extra(project)}")
    if _uses_pytest(files, project) and "pytest" not in _declared(files, project):
        installs.append(f"{pip} pytest")
    test = _test(files, project, ".venv/bin/python -m ", install=" && ".join([environment, *installs]))
    jobs = [test]
    if is_package:
        wheel = ".venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist ."
        jobs.append(
            job_of_build(
                "The package, as it would be published.",
                environment,
                wheel,
                artifacts=("dist/*.whl",),
                after=(test,),
            )
        )
    return _kind("a Python project", jobs, "python3")


def _scripts(files: Files) -> Kind:
    """Python files without any word on how they are installed."""
    test = _test(files, {}, "python3 -m ", install="")
    return Kind("python", "Python files", (test,), programs=("python3",), is_loose=True)


def _test(files: Files, project: dict[str, Any], prefix: str, *, install: str) -> Job:
    """The test job: pytest, unittest, or at least that every file can be compiled."""
    first = (install,) if install else ()
    module = "" if prefix.endswith(" -m ") else "python -m "
    if _uses_pytest(files, project) and install:
        return job_of_tests("The tests.", *first, f"{prefix}pytest --junitxml={_REPORT}", junit=_REPORT)
    if (where := _unittest_folder(files)) is not None:
        return job_of_tests("The tests.", *first, f"{prefix}{module}unittest discover {where}".rstrip())
    comment = "No tests were found; at least every file can be compiled."
    return job_of_tests(comment, *first, f"{prefix}{module}compileall -q -x '/[.]' .", name="check")


def _uses_pytest(files: Files, project: dict[str, Any]) -> bool:
    if files.has("pytest.ini", "conftest.py", "tests/conftest.py", "test/conftest.py"):
        return True
    return bool(table(project, "tool", "pytest")) or "pytest" in _declared(files, project)


def _declared(files: Files, project: dict[str, Any]) -> str:
    """Everything that names dependencies, as one text in which a name can be looked for."""
    held = [table(project, "project"), table(project, "dependency-groups"), table(project, "tool", "poetry")]
    requirements = [files.text(name) for name in _requirements(files)]
    others = [files.text("setup.cfg"), files.text("setup.py")]
    uv = str(table(project, "tool", "uv").get("dev-dependencies", ""))
    return " ".join([*map(str, held), uv, *requirements, *others]).casefold()


def _requirements(files: Files) -> list[str]:
    names = (
        "requirements.txt",
        "requirements-dev.txt",
        "dev-requirements.txt",
        "requirements-test.txt",
        "test-requirements.txt",
    )
    return [name for name in names if files.has(name)]


def _extra(project: dict[str, Any]) -> str:
    """`.`, or `'.[test]'` where an extra brings pytest."""
    extras = table(project, "project", "optional-dependencies")
    found = next((name for name, needs in extras.items() if "pytest" in str(needs)), None)
    return f"'.[{found}]'" if found else "."


def _where_pytest_is(project: dict[str, Any], extra: str, group: str) -> str:
    """The option that installs the extra or group in which pytest stands, unless that is installed anyway."""
    groups = {**table(project, "dependency-groups"), **table(project, "tool", "poetry", "group")}
    holding = [name for name, needs in groups.items() if "pytest" in str(needs)]
    if "pytest" in str(table(project, "project").get("dependencies", "")) or "dev" in holding:
        return ""
    if holding:
        return f" {group}{holding[0]}"
    extras = table(project, "project", "optional-dependencies")
    found = next((name for name, needs in extras.items() if "pytest" in str(needs)), None)
    return f" {extra}{found}" if found else ""


def _unittest_folder(files: Files) -> str | None:
    """What `unittest discover` needs to find the tests; None when there are none."""
    tests = sorted(
        name
        for name in files.names
        if _TEST_FILE.fullmatch(name) and name.rsplit("/", 1)[-1].startswith("test")
    )
    if not tests:
        return None
    folder = tests[0].split("/")[0] if "/" in tests[0] else ""
    if not folder or any("/" not in name for name in tests):
        return ""
    return f"-s {folder} -t ." if files.has(f"{folder}/__init__.py") else f"-s {folder}"

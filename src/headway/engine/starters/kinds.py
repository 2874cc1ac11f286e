"""Which kinds of project a folder holds, and the commands that are real there: files in, jobs out."""

import json
import re
from collections.abc import Callable
from typing import Any

from headway.engine.starters.files import (
    Files,
    Job,
    Kind,
    job_of_build,
    job_of_tests,
    list_files,
    table,
    text,
)
from headway.engine.starters.python import python_kind

__all__ = ["KINDS", "Job", "Kind", "list_files"]

_TARGET = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9_.-]*(?:[ \t]+[A-Za-z0-9][A-Za-z0-9_.-]*)*)[ \t]*::?(?!=)", re.MULTILINE
)
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")


def make_kind(files: Files) -> Kind | None:
    """A Makefile with a target for tests: the project's own words are better than our guess."""
    makefile = next((name for name in _MAKEFILES if files.has(name)), None)
    if makefile is None:
        return None
    targets = {target for found in _TARGET.finditer(files.text(makefile)) for target in found[1].split()}
    test = next((target for target in ("test", "tests", "check") if target in targets), None)
    build = next((target for target in ("dist", "build", "package") if target in targets), None)
    if test is None and build is None:
        # Nothing in it that is known: its first target is what people type `make` for.
        job = job_of_build("What `make` makes of it; no target for tests was found.", "make")
        return Kind(
            "make", f"a {makefile} without a target for tests", (job,), None, ("make",), is_last_resort=True
        )
    jobs: list[Job] = []
    if test is not None:
        jobs.append(job_of_tests(f"The Makefile's own word for it: {test}.", f"make {test}"))
    if build is not None:
        jobs.append(
            job_of_build(f"The Makefile's own word for it: {build}.", f"make {build}", after=tuple(jobs))
        )
    return Kind(
        "make",
        f"a {makefile} with {' and '.join(t for t in (test, build) if t)}",
        tuple(jobs),
        None,
        ("make",),
        test is not None,
    )


def node_kind(files: Files) -> Kind | None:
    if not files.has("package.json"):
        return None
    try:
        package: Any = json.loads(files.text("package.json"))
    except (ValueError, RecursionError):
        package = {}
    manager, install = _node_manager(files, text(package, "packageManager") or "")
    scripts = table(package, "scripts")
    jobs: list[Job] = []
    # What `npm init` writes is no test.
    if "test" in scripts and "no test specified" not in str(scripts["test"]):
        jobs.append(job_of_tests("The tests.", install, f"{manager} test"))
    if "build" in scripts:
        run = f"{manager} run build"
        jobs.append(job_of_build("The script `build`.", install, run, after=tuple(jobs)))
    if not jobs:
        comment = "No script for tests was found; at least everything it needs can be installed."
        jobs.append(job_of_tests(comment, install, name="check"))
    return Kind(
        "node", f"a JavaScript project with {manager}", tuple(jobs), text(package, "name"), (manager,)
    )


def _node_manager(files: Files, declared: str) -> tuple[str, str]:
    """The package manager and the command that installs exactly what is locked."""
    if files.has("pnpm-lock.yaml") or declared.startswith("pnpm"):
        return "pnpm", "pnpm install" + (" --frozen-lockfile" if files.has("pnpm-lock.yaml") else "")
    if files.has("yarn.lock") or declared.startswith("yarn"):
        modern = files.has(".yarnrc.yml") or re.match(r"yarn@(?!1\.)", declared)
        locked = " --immutable" if modern else " --frozen-lockfile"
        return "yarn", "yarn install" + (locked if files.has("yarn.lock") else "")
    return "npm", "npm ci" if files.has("package-lock.json", "npm-shrinkwrap.json") else "npm install"


def cargo_kind(files: Files) -> Kind | None:
    if not files.has("Cargo.toml"):
        return None
    manifest = files.toml("Cargo.toml")
    name = text(manifest, "package", "name")
    locked = " --locked" if files.has("Cargo.lock") else ""
    test = job_of_tests("The tests.", f"cargo test{locked}")
    jobs = [test]
    if name and files.has("src/main.rs"):
        run = f"cargo build --release{locked}"
        jobs.append(job_of_build("The program.", run, artifacts=(f"target/release/{name}",), after=(test,)))
    return Kind("rust", "a Rust project", tuple(jobs), name, ("cargo",))


def go_kind(files: Files) -> Kind | None:
    if not files.has("go.mod"):
        return None
    module = re.search(r"^module\s+(\S+)", files.text("go.mod"), re.MULTILINE)
    test = job_of_tests("Vet and the tests.", "go vet ./...", "go test ./...")
    jobs = [test]
    if any(name == "main.go" or re.fullmatch(r"cmd/(?:[^/]+/)?main\.go", name) for name in files.names):
        jobs.append(
            job_of_build("The programs.", "go build -o dist/ ./...", artifacts=("dist/*",), after=(test,))
        )
    name = re.sub(r"/v\d+$", "", module[1]) if module else None
    return Kind("go", "a Go project", tuple(jobs), name, ("go",))


def maven_kind(files: Files) -> Kind | None:
    if not files.has("pom.xml"):
        return None
    program = "./mvnw" if files.has("mvnw") else "mvn"
    run = f"{program} --batch-mode --no-transfer-progress verify"
    test = job_of_tests("Build and tests.", run, junit="**/target/surefire-reports/TEST-*.xml")
    return Kind("maven", "a Maven project", (test,), None, () if program == "./mvnw" else ("mvn",))


def gradle_kind(files: Files) -> Kind | None:
    if not files.has("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"):
        return None
    program = "./gradlew" if files.has("gradlew") else "gradle"
    test = job_of_tests("Build and tests.", f"{program} build", junit="**/build/test-results/**/TEST-*.xml")
    return Kind("gradle", "a Gradle project", (test,), None, () if program == "./gradlew" else ("gradle",))


def plain_kind(files: Files) -> Kind:
    """Any repository: that no merge was left half-done can be said of all of them."""
    comment = "Nothing was recognised; at least no merge was left half-done. Put your own command here."
    check = job_of_tests(comment, "! grep -rnE '^(<<<<<<<|>>>>>>>) ' .", name="check")
    return Kind(
        "plain", "no kind of project that is known here", (check,), None, ("grep",), is_last_resort=True
    )


#: In the order in which their jobs stand in the file.
KINDS: tuple[Callable[[Files], Kind | None], ...] = (
    make_kind,
    python_kind,
    node_kind,
    cargo_kind,
    go_kind,
    maven_kind,
    gradle_kind,
    plain_kind,
)

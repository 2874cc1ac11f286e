"""What the command line costs before it does anything: start, status over a long history, size on disk."""

import subprocess
import sys
import time
from pathlib import Path

from bench.parts import ROOT, Row, git_repository, headway, headway_environment

DEPLOYMENTS = 10_000
CONTRACT = """\
contract = 1
[service]
name = "bench"
[jobs.build]
run = "true"
artifacts = ["README.md"]
[deploy]
kind = "files"
artifact = "README.md"
activate = "true"
[environments.production]
hosts = ["web1"]
[hosts.web1]
address = "127.0.0.1"
"""


def measure(folder: Path) -> list[Row]:
    repository = git_repository(folder / "repository", {"README.md": "x\n", "headway.toml": CONTRACT})
    data = folder / "data"
    headway(["status"], folder=repository, data=data)
    fill = Path(__file__).parent / "fill_deployments.py"
    command = [sys.executable, str(fill), str(data / "headway.db"), str(repository), str(DEPLOYMENTS)]
    subprocess.run(command, check=True, env=headway_environment(data))
    return [
        Row("`headway --help`", "ms", timed(["--help"], repository, data), target="≤ 150"),
        Row(
            f"`headway status` with {DEPLOYMENTS:,} deployments stored",
            "ms",
            timed(["status"], repository, data),
            target="≤ 300",
        ),
        Row("`headway metrics` with the same", "ms", timed(["metrics"], repository, data, 5)),
        Row("installed size, site-packages without pip", "MB", [size([])], target="≤ 120"),
        Row("the same with PostgreSQL", "MB", [size(["psycopg[binary]"])], target="≤ 200"),
    ]


def timed(arguments: list[str], repository: Path, data: Path, times: int = 20) -> list[float]:
    samples = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        headway(arguments, folder=repository, data=data)
        samples.append((time.perf_counter() - begin) * 1000)
    return samples[1:]


def size(extra: list[str]) -> float:
    """MB of a fresh environment's site-packages with the locked dependencies, pip and setuptools left out."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="headway-size-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt"], check=True)
        if extra:
            subprocess.run([*pip, *extra], check=True)
        subprocess.run([*pip, "--no-deps", str(ROOT)], check=True)
        left_out = ("pip", "setuptools", "_distutils_hack", "distutils-precedence")
        site = next(Path(folder, "lib").glob("python*/site-packages"))
        files = (
            path
            for part in site.iterdir()
            if not part.name.startswith(left_out)
            for path in ([part] if part.is_file() else part.rglob("*"))
        )
        return sum(path.stat().st_size for path in files if path.is_file()) / 10**6

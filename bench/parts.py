"""What all measurements share: statistics, ports, waiting, temporary repositories, the rivals' own environment."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The rivals live in an environment of their own: their dependencies never meet ours.
RIVALS = ROOT / ".bench" / "rivals"
RIVAL_PACKAGES = ["buildbot[bundle]==4.3.0", "buildbot-worker==4.3.0", "fabric==3.2.3"]


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours` and `theirs` are samples in `unit`; the ratio is theirs / ours by the median
    (for rates ours / theirs), so that above 1 always means that Headway is ahead."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    rival: str = ""
    target: str = ""
    higher_is_better: bool = False

    def cells(self) -> list[str]:
        ours, theirs = _summary(self.ours, self.unit), _summary(self.theirs, self.unit)
        ratio = "–"
        if self.ours and self.theirs:
            mine, other = statistics.median(self.ours), statistics.median(self.theirs)
            if mine and other:
                ratio = f"{mine / other if self.higher_is_better else other / mine:.1f}×"
        return [self.what, ours, theirs and f"{self.rival}: {theirs}", ratio, self.target]


def percentile(samples: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def _summary(samples: Sequence[float], unit: str) -> str:
    if not samples:
        return ""
    if len(samples) == 1:
        return f"{_number(samples[0])} {unit}"
    return f"{_number(statistics.median(samples))} {unit}, p95 {_number(percentile(samples, 0.95))} (n={len(samples)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def wait_for(condition: Callable[[], object], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (OSError, LookupError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds} s: {condition}")
        time.sleep(0.05)


def rival_environment() -> Path:
    """The rivals' virtual environment, made the first time."""
    ready = RIVALS / "ready"
    wanted = "\n".join(RIVAL_PACKAGES)
    if not ready.exists() or ready.read_text() != wanted:
        print("installing the rivals …", file=sys.stderr)
        shutil.rmtree(RIVALS, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", RIVALS], check=True)
        pip = [RIVALS / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *RIVAL_PACKAGES], check=True)
        ready.write_text(wanted)
    return RIVALS


def git_repository(folder: Path, files: dict[str, str]) -> Path:
    """A repository of one commit with these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    identity = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        [*identity, "commit", "-q", "-m", "Begin"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def headway_environment(data: Path) -> dict[str, str]:
    """The environment for a `headway` process that keeps everything in `data`."""
    return {**os.environ, "HEADWAY_DATA": str(data), "PYTHONPATH": str(ROOT / "src")}


def headway(
    arguments: Sequence[str], *, folder: Path, data: Path, check: bool = True
) -> subprocess.CompletedProcess:
    """Run the `headway` command in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "headway", *arguments],
        cwd=folder,
        env=headway_environment(data),
        check=check,
        capture_output=True,
        text=True,
    )


def machine() -> str:
    """What the figures were measured on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    begin = time.perf_counter()
    sum(1 for _ in range(10_000_000))
    loop = time.perf_counter() - begin
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {system}; ten million loop turns take {loop:.2f} s"

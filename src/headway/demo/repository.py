"""The person's repository: the shop, and the five changes that the story commits to it."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.base.errors import Errored
from headway.demo.layout import HOSTS, Layout


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` stands exactly once in the file and becomes `after`."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    subject: str
    edits: tuple[Edit, ...]


#: Plausible, and caught by the tests: 4.20 would be shown as 4.2.
SHORTER_PRICES = Change(
    "Show prices without needless zeros",
    (
        Edit(
            "shop/pages.py",
            'return f"{cents // 100}.{cents % 100:02d}"',
            'return f"{cents / 100:g}"',
        ),
    ),
)
#: Plausible, passes all tests, and bad only where a host's own catalogue still holds a price with a comma.
PLAIN_PRICES = Change(
    "Read prices without a detour",
    (
        Edit("shop/catalogue.py", 'float(text.replace(",", "."))', "float(text)"),
        Edit("shop/catalogue.py", "The tills write 4.20, the old ones 4,20.", "The tills write 4.20."),
    ),
)
COUNTED_ITEMS = Change(
    "Say how many things there are",
    (
        Edit("shop/pages.py", 'title = "Shop"', 'title = f"Shop: {len(items)} things"'),
        Edit(
            "tests/test_pages.py",
            '        self.assertIn("<li>Tea: 4.20</li>", page)',
            '        self.assertIn("Shop: 2 things", page)\n        self.assertIn("<li>Tea: 4.20</li>", page)',
        ),
    ),
)
#: The repair: what broke is written down as a test.
EXACT_PRICES = Change(
    "Read prices exactly, commas too, and test it",
    (
        Edit("shop/catalogue.py", "import json\n", "import json\nfrom decimal import Decimal\n"),
        Edit(
            "shop/catalogue.py",
            'round(float(text.replace(",", ".")) * 100)',
            'int(Decimal(text.replace(",", ".")) * 100)',
        ),
        Edit(
            "tests/test_catalogue.py",
            '        self.assertEqual(catalogue.read_price("12"), 1200)',
            '        self.assertEqual(catalogue.read_price("12"), 1200)\n'
            '        self.assertEqual(catalogue.read_price("12,50"), 1250)',
        ),
    ),
)


_STAGING = '[environments.staging]\nhosts = "staging"\n'
_PRODUCTION = '[environments.production]\nafter = "staging"\n'
_PROMOTION = 'promote = "automatic"\napproval = { from = "role:operator", not_own = true, comment = true }\n'


class GitFailed(Errored):
    """A git command of the story failed."""


class Repository:
    def __init__(self, layout: Layout) -> None:
        self.path = layout.repository
        self._environment = layout.environment()

    def create(self, layout: Layout) -> str:
        """The first commit; answers its id. With a server the way to production is its business, too."""
        shutil.copytree(source(), self.path, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        (self.path / "gitignore").rename(self.path / ".gitignore")
        for script in (self.path / "bin").iterdir():
            script.chmod(0o755)
        contract = self.path / "headway.toml"
        text = fill_ports(contract.read_text(), layout)
        contract.write_text(with_guards(text) if layout.server_port else text)
        self.git("init", "--quiet")
        return self._commit("A shop that shows what is for sale")

    def apply(self, change: Change) -> str:
        """Edit the files and commit; answers the commit's id."""
        for edit in change.edits:
            file = self.path / edit.path
            text = file.read_text()
            assert text.count(edit.before) == 1, f"{edit.path} does not hold {edit.before!r} once"
            file.write_text(text.replace(edit.before, edit.after))
        return self._commit(change.subject)

    def revert(self, commit: str) -> str:
        self.git("revert", "--no-edit", commit)
        return self.git("rev-parse", "HEAD")

    def diff(self, commit: str) -> Sequence[str]:
        """The changed lines of a commit, with their `-` and `+`."""
        text = self.git("show", "--unified=0", "--format=", commit)
        return [
            line
            for line in text.splitlines()
            if line[:1] in ("-", "+") and not line.startswith(("---", "+++"))
        ]

    def _commit(self, subject: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def connect(self, url: str, user: str, token: str) -> None:
        """`git push headway` goes there. The token lies where git keeps passwords, not in an argument or an address."""
        self.git("remote", "add", "headway", url)
        self.git("config", "credential.helper", "store")
        kept = Path(self._environment["HOME"]) / ".git-credentials"
        kept.touch(mode=0o600)
        kept.write_text(url.replace("://", f"://{user}:{token}@", 1).partition("/git/")[0] + "\n")

    def push(self) -> str:
        """Answers what git and the server said."""
        done = self._run("push", "headway", "HEAD:main")
        if done.returncode != 0:
            raise GitFailed(f"git push failed: {done.stderr.strip()}")
        return done.stderr

    def git(self, *words: str) -> str:
        done = self._run(*words)
        if done.returncode != 0:
            raise GitFailed(f"git {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["git", *words], cwd=self.path, env=self._environment, capture_output=True, text=True, check=False
        )


def source() -> Path:
    """The shop as it travels in the package."""
    return Path(__file__).parent / "shop"


def fill_ports(text: str, layout: Layout) -> str:
    """headway.toml's @NAME@ words become this world's ports."""
    for host in HOSTS:
        text = text.replace(f"@ssh_{host}@", str(layout.ssh_ports[host]))
    for place, port in layout.web_ports.items():
        text = text.replace(f"@web_{place}@", str(port))
    return text


def with_guards(text: str) -> str:
    """headway.toml as a team with a server writes it: staging by itself, production once somebody else has approved."""
    text = text.replace(_STAGING, f"{_STAGING}when = \"branch == 'main'\"\n")
    return text.replace(_PRODUCTION, _PRODUCTION + _PROMOTION)

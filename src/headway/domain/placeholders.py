"""Which words in braces Headway replaces in commands of `[deploy]`, hooks and health checks.

`{host}` is one; `${HOME}`, `{}`, `{a,b}`, `{HOST}` and `{ print }` are the shell's or another program's and stay as they are.
"""

import re

#: Known everywhere; `{labels.NAME}` comes beside them.
PLACEHOLDERS = ("host", "address", "release", "service", "environment")
#: Known in `root`, which must be the same for all hosts and releases.
PLACES = ("service", "environment")

PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_-]+)?)\}")


def find_placeholders(text: str) -> list[str]:
    """The names of the placeholders in `text`, in their order: `["host", "labels.zone"]`."""
    return PLACEHOLDER.findall(text)

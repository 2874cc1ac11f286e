"""Values as TOML writes them on one line; for examples in messages and in the manual."""

import json
import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def toml_value(value: object) -> str:
    """`"text"`, `true`, `3`, `["a", "b"]`, `{ max = 2 }`. Raises TypeError for what stands in no example."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            # JSON's escapes are a part of TOML's; DEL alone is escaped by TOML only.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int():
            return str(value)
        case list():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case dict():
            inner = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"{value!r} stands in no example")


def toml_line(key: str, value: object) -> str:
    """`timeout = "20m"`."""
    return f"{toml_key(key)} = {toml_value(value)}"

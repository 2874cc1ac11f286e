"""Examples of strict files whose comments are the models' own descriptions."""

import textwrap
from collections.abc import Sequence
from typing import Any

from headway.wire.strict.model import Model, ordered_fields
from headway.wire.strict.pages import Sections, introduction
from headway.wire.strict.toml import toml_line

_WIDTH = 100


def commented_tables(
    file: type[Model], sections: Sections, tables: Sequence[tuple[str, dict[str, Any]]]
) -> list[str]:
    """The tables by their headers without the outer brackets (`jobs.test`, `[floors]`); each kind is explained once.

    A section without a model of its own is a table of plain values, explained by its key of the file.
    """
    models = {heading.strip("[]").split(".")[0]: (model, inner) for heading, model, inner in sections}
    top = ordered_fields(file)
    parts: list[str] = []
    explained: set[str] = set()
    for header, values in tables:
        section = header.strip("[]").split(".")[0]
        plain = "".join(f"{toml_line(key, value)}\n" for key, value in values.items())
        if section in explained:
            parts.append(f"[{header}]\n{plain}")
        elif section not in models:
            parts.append(f"{comment(str(top[section].description))}\n[{header}]\n{plain}")
        else:
            model, inner = models[section]
            parts.append(f"{comment(introduction(model))}\n[{header}]\n{commented(model, values, inner)}")
        explained.add(section)
    return parts


def commented(
    model: type[Model],
    values: dict[str, Any],
    inner: tuple[tuple[str, type[Model]], ...],
    only: tuple[str, ...] = (),
) -> str:
    """Every key of a table below its description; those without a value as comments with the manual's example."""
    lines: list[str] = []
    for key, field in ordered_fields(model).items():
        if only and key not in only:
            continue
        lines.append(comment(str(field.description)))
        for table in (table for name, table in inner if name == key):
            within = ordered_fields(table).items()
            lines += [comment(f"{name}: {said.description}", indent="#   ") for name, said in within]
        if key in values:
            lines.append(toml_line(key, values[key]))
        else:
            lines.append(f"# {toml_line(key, (field.examples or [])[0])}")
    return "\n".join(lines) + "\n"


def comment(text: str, indent: str = "# ") -> str:
    """The text as a comment, wrapped."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + ("  " if indent != "# " else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )

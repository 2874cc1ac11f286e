"""`python -m headway.wire.contract.documents FOLDER` writes what is made from the models: manual, schema, example."""

import json
import sys
from pathlib import Path

from headway.wire.contract.example import example
from headway.wire.contract.manual import manual
from headway.wire.contract.schema import json_schema


def documents() -> dict[str, str]:
    """File name -> text."""
    return {
        "configuration.md": manual(),
        "headway.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        "headway.example.toml": example(),
    }


def write_documents(folder: Path) -> None:
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))

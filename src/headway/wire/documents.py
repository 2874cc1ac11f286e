"""`python -m headway.wire.documents FOLDER` writes what is made from the models of our files: manuals, schemas, examples."""

import sys
from pathlib import Path

from headway.wire.contract import documents as of_contract
from headway.wire.org import documents as of_org


def documents() -> dict[str, str]:
    """File name -> text."""
    return {**of_contract.documents(), **of_org.documents()}


def write_documents(folder: Path) -> None:
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))

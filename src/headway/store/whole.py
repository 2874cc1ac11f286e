"""The whole database as rows, whatever its schema: for backups, exports and restores between SQLite and PostgreSQL.

A value is text, a number, nothing, or bytes. Tables come after those they refer to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.store.bulk import insert_rows
from headway.store.database import Row, Transaction

MIGRATIONS = "migrations"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[str, ...]


def tables(tx: Transaction) -> tuple[Table, ...]:
    """All of ours but the list of migrations, each after the tables that its rows refer to."""
    names = _names(tx)
    needs = {name: _parents(tx, name) & set(names) - {name} for name in names}
    ordered: list[str] = []
    while needs:
        free = sorted(name for name, parents in needs.items() if parents <= set(ordered))
        assert free, f"these tables refer to each other in a circle: {sorted(needs)}"
        ordered += free
        for name in free:
            del needs[name]
    return tuple(Table(name, _columns(tx, name)) for name in ordered)


def rows_of(tx: Transaction, table: Table, *, size: int = 500) -> Iterator[Sequence[Row]]:
    """Its rows in portions, in the picture of the database that `tx` has; never all in memory."""
    columns = ", ".join(table.columns)
    if tx.dialect == "postgresql":
        tx.execute(f"DECLARE headway_rows NO SCROLL CURSOR FOR SELECT {columns} FROM {table.name}")
        while portion := tx.all(f"FETCH FORWARD {size} FROM headway_rows"):
            yield portion
        tx.execute("CLOSE headway_rows")
        return
    last = -(2**63)
    statement = f"""
        SELECT rowid AS rowid_, {columns} FROM {table.name} WHERE rowid > :last ORDER BY rowid LIMIT :size
        """
    while found := tx.all(statement, last=last, size=size):
        last = found[-1]["rowid_"]
        yield [{name: row[name] for name in table.columns} for row in found]


def put_rows(tx: Transaction, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    insert_rows(tx, table, rows)


def applied_migrations(tx: Transaction) -> tuple[str, ...]:
    """Empty for a database that Headway has never seen."""
    if MIGRATIONS not in _all_names(tx):
        return ()
    return tuple(row["name"] for row in tx.all("SELECT name FROM migrations ORDER BY name"))


def has_rows(tx: Transaction) -> bool:
    return any(tx.one(f"SELECT 1 AS there FROM {table.name} LIMIT 1") is not None for table in tables(tx))


def clear(tx: Transaction) -> None:
    """Remove all rows: for a restore into tables that migrations filled."""
    for table in reversed(tables(tx)):
        tx.execute(f"DELETE FROM {table.name}")


def drop(tx: Transaction) -> None:
    """Remove all of our tables: for a restore into a database that was opened and never used."""
    for name in (*(table.name for table in reversed(tables(tx))), MIGRATIONS):
        tx.execute(f"DROP TABLE IF EXISTS {name}")


def move_aside(tx: Transaction, schema: str) -> None:
    """PostgreSQL: all of our tables, with all that is in them, into a new schema."""
    tx.execute(f"CREATE SCHEMA {schema}")
    for name in _all_names(tx):
        tx.execute(f"ALTER TABLE {name} SET SCHEMA {schema}")


def move_back(tx: Transaction, schema: str) -> None:
    """Undoes `move_aside`; what was made in place of those tables goes."""
    drop(tx)
    there = tx.all(
        "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = :schema", schema=schema
    )
    here = tx.one("SELECT CAST(current_schema() AS TEXT) AS name")
    assert here is not None
    for row in there:
        tx.execute(f"ALTER TABLE {schema}.{row['name']} SET SCHEMA {here['name']}")
    tx.execute(f"DROP SCHEMA {schema}")


def _names(tx: Transaction) -> list[str]:
    return [name for name in _all_names(tx) if name != MIGRATIONS]


def _all_names(tx: Transaction) -> list[str]:
    if tx.dialect == "postgresql":
        statement = """
            SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
            WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1
            """
    else:
        statement = """
            SELECT name FROM sqlite_master WHERE type = 'table' AND SUBSTR(name, 1, 7) <> 'sqlite_' ORDER BY name
            """
    return [row["name"] for row in tx.all(statement)]


def _columns(tx: Transaction, table: str) -> tuple[str, ...]:
    if tx.dialect == "postgresql":
        statement = """
            SELECT CAST(column_name AS TEXT) AS name FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name = :table ORDER BY ordinal_position
            """
    else:
        statement = "SELECT name FROM pragma_table_info(:table) ORDER BY cid"
    return tuple(row["name"] for row in tx.all(statement, table=table))


def _parents(tx: Transaction, table: str) -> set[str]:
    if tx.dialect == "postgresql":
        statement = """
            SELECT CAST(parent.relname AS TEXT) AS name FROM pg_constraint
            JOIN pg_class AS child ON child.oid = pg_constraint.conrelid
            JOIN pg_class AS parent ON parent.oid = pg_constraint.confrelid
            JOIN pg_namespace ON pg_namespace.oid = child.relnamespace
            WHERE pg_constraint.contype = 'f' AND child.relname = :table AND pg_namespace.nspname = current_schema()
            """
    else:
        statement = 'SELECT "table" AS name FROM pragma_foreign_key_list(:table)'
    return {row["name"] for row in tx.all(statement, table=table)}

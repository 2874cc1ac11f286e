"""Many rows in one statement: a run of a thousand jobs or a report of ten thousand cases is stored in a blink."""

from collections.abc import Mapping, Sequence

from headway.store.database import Transaction

#: Parameters of one statement; SQLite takes 32,766 and PostgreSQL 65,535.
_MOST_PARAMETERS = 3000


def insert_rows(tx: Transaction, table: str, rows: Sequence[Mapping[str, object]], *, end: str = "") -> None:
    """Insert rows that all have the same columns. `end` follows the values, such as `ON CONFLICT … DO NOTHING`.

    `table` and the columns' names are ours, never a user's.
    """
    if not rows:
        return
    columns = tuple(rows[0])
    size = max(1, _MOST_PARAMETERS // len(columns))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        values = ", ".join(
            f"({', '.join(f':{column}_{number}' for column in columns)})" for number in range(len(part))
        )
        parameters = {
            f"{column}_{number}": row[column] for number, row in enumerate(part) for column in columns
        }
        tx.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {end}", **parameters)

"""usage: compare.py URL DATABASE [PATIENCE_S]
Compares both databases row by row; waits for the copy as long as messages arrive there, and PATIENCE_S longer.
Exit code 1 if they differ."""
import sqlite3
import sys
import time

import psycopg

COLUMNS = {
    "products": "id, name, price::text, stock, version",
    "orders": "id, customer, product, quantity, status, paid::integer, note, version",
}


def rows(source, copy, table):
    """Both sides of a table, by the rows' id."""
    original = source.execute(f"select {COLUMNS[table]} from {table}").fetchall()
    copied = copy.execute(f"select {COLUMNS[table].replace('::text', '').replace('::integer', '')} from {table}").fetchall()
    return {row[0]: row for row in original}, {row[0]: row for row in copied}


def compare(source, copy):
    """The number of rows of each table, and the rows that differ."""
    counts, different = {}, []
    for table in COLUMNS:
        original, copied = rows(source, copy, table)
        counts[table] = len(original)
        different += [(table, original.get(key), copied.get(key)) for key in sorted(original.keys() | copied.keys())
                      if original.get(key) != copied.get(key)]
    return counts, different


def main():
    patience = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    source, copy = psycopg.connect(sys.argv[1], autocommit=True), sqlite3.connect(sys.argv[2], timeout=30)
    seen, since = None, time.monotonic()
    while True:
        counts, different = compare(source, copy)
        numbers = dict(copy.execute("select * from counts"))
        if not different or time.monotonic() - since > patience:
            break
        if numbers != seen:
            seen, since = numbers, time.monotonic()
        time.sleep(0.2)
    for table, original, copied in different[:20] if patience else ():
        print(f"{table}: {original} in PostgreSQL, {copied} in the copy")
    print(", ".join(f"{count} {table}" for table, count in counts.items())
          + f": {len(different)} rows differ; {numbers['applied']} changes applied, {numbers['repeated']} repeated ones dropped")
    sys.exit(1 if different else 0)


main()

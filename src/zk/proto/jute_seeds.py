#!/usr/bin/env python3
"""jute_seeds.py FOLDER: inputs for jute_fuzz from the golden bytes. Each row is tried as several records."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rows = (HERE / "testdata" / "jute-vectors.tsv").read_text(encoding="utf-8").splitlines()[1:]
    records = [cells for cells in (row.split("\t") for row in rows) if cells[1] in ("0", "1") and "frame" not in cells[0]]
    for number, cells in enumerate(records):
        if "digest" in cells[0] or "password" in cells[0]:
            continue
        for choice in range(number % 4, 80, 4):
            (folder / f"{number:03}-{choice:02}").write_bytes(bytes([choice]) + bytes.fromhex(cells[2]))


main(pathlib.Path(sys.argv[1]))

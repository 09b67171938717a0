#!/usr/bin/env python3
"""record_batch_seeds.py FOLDER: inputs for record_batch_fuzz, batches of Kafka's own and bad ones. The first three bytes choose
the rules; which means what: record_batch_fuzz.cpp."""
import gzip
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
NO_CODEC, NEWEST_VERSION = 5, 12


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with gzip.open(HERE / "testdata" / "record-batches.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            cells = line.split("\t")
            if line[0] == "#":
                continue
            batch = bytes.fromhex(cells[2])
            old = cells[1].startswith(("m0", "m1"))
            for flags, codec, version in ((1, NO_CODEC, 2 if old else NEWEST_VERSION), (7, count % 5, 2 if old else 7)):
                (folder / f"{count:04}").write_bytes(bytes([flags, codec, version]) + batch)
                count += 1
    print(f"{count} seeds")


main(pathlib.Path(sys.argv[1]))

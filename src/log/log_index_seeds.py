#!/usr/bin/env python3
"""log_index_seeds.py FOLDER: inputs for log_index_fuzz. The first half is the offset index, the second the time index of its log,
which has thirty batches of one record each."""
import pathlib
import struct
import sys

BATCH_BYTES = 68  # the header's 61 and a record without key and value
FIRST_TIMESTAMP = 1000


def offset_entries(offsets):
    return b"".join(struct.pack(">ii", offset, offset * BATCH_BYTES) for offset in offsets)


def time_entries(offsets):
    return b"".join(struct.pack(">qi", FIRST_TIMESTAMP + offset, offset) for offset in offsets)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [b"", offset_entries([9, 19, 29]) + time_entries([9, 29]),
             offset_entries([4, 9, 14, 19, 24, 29]) + time_entries([7, 15, 22, 29]),
             offset_entries([9, 19, 40]) + time_entries([9, 40]),    # beyond the end of the log
             offset_entries([19, 9, 29]) + time_entries([19, 9]),    # backwards
             offset_entries([9, 19, 0]) + time_entries([9, 0])[:-4] + bytes(4),  # zeros, as of a file that was made larger
             offset_entries([9, 19, 29])[:-3] + time_entries([9, 29])[:-3]]  # torn
    for number, seed in enumerate(seeds):
        (folder / f"{number}").write_bytes(seed)
    print(f"{len(seeds)} seeds")


main(pathlib.Path(sys.argv[1]))

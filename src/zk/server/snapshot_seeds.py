#!/usr/bin/env python3
"""snapshot_seeds.py DIRECTORY: the snapshots of the golden dataDir, plain and packed, as a corpus."""
import gzip
import pathlib
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
target = pathlib.Path(sys.argv[1])
target.mkdir(parents=True, exist_ok=True)
with tarfile.open(HERE / "testdata" / "sample-datadir.tgz") as sample:
    for member in sample.getmembers():
        name = member.name.split("/")[-1]
        if not name.startswith("snapshot."):
            continue
        data = sample.extractfile(member).read()
        for how in range(3):
            (target / f"{name}-{how}").write_bytes(bytes([how]) + data)
        (target / f"{name}-gzip").write_bytes(b"\1" + gzip.compress(data, mtime=0))
        # In xerial's framing, as one block of literals.
        literals = b"".join(bytes([0xf4, *(len(part) - 1).to_bytes(2, "little")]) + part
                            for part in (data[at:at + 4096] for at in range(0, len(data), 4096)))
        size = bytes([len(data) & 0x7f | 0x80, len(data) >> 7])
        block = size + literals
        (target / f"{name}-snappy").write_bytes(b"\2" + b"\x82SNAPPY\0" + b"\0\0\0\1" * 2 + len(block).to_bytes(4, "big") + block)

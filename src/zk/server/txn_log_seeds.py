#!/usr/bin/env python3
"""txn_log_seeds.py DIRECTORY: the logs of the golden dataDir without the zeros behind them, whole and record by record."""
import pathlib
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
target = pathlib.Path(sys.argv[1])
target.mkdir(parents=True, exist_ok=True)
with tarfile.open(HERE / "testdata" / "sample-datadir.tgz") as sample:
    for member in sample.getmembers():
        name = member.name.split("/")[-1]
        if not name.startswith("log."):
            continue
        data = sample.extractfile(member).read()
        header, at, number = data[:16], 16, 0
        while length := int.from_bytes(data[at + 8:at + 12], "big"):
            end = at + 12 + length + 1
            (target / f"{name}-{number:02}").write_bytes(header + data[at:end])
            at, number = end, number + 1
        (target / name).write_bytes(data[:at + 100])

"""Faults in a log directory that `milena log verify` must name: what is done to which file, and where it says so."""
import pathlib

SMALL = {"recovery-point-offset-checkpoint": "0\nx\n", "meta.properties": "version=7\n"}


def flipped(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def of(directory):
    """[(name, file, position or None, function that makes it)] for a directory that a broker has left."""
    partition = next(path for path in sorted(pathlib.Path(directory).iterdir()) if path.is_dir() and list(path.glob("*.snapshot")))
    log = next(path for path in sorted(partition.glob("*.log")) if path.stat().st_size > 200)
    second = 12 + int.from_bytes(log.read_bytes()[8:12], "big")  # where the second batch begins
    index = max(partition.glob("*.index"), key=lambda path: path.stat().st_size)
    times = max(partition.glob("*.timeindex"), key=lambda path: path.stat().st_size)
    snapshot = next(iter(partition.glob("*.snapshot")))
    aborted = next(path for path in sorted(pathlib.Path(directory).glob("*/*.txnindex")))
    orphan = partition / "00000000000000777777.timeindex"
    return [
        ("a bit of a record", log, second, lambda: flipped(log, second + 70)),
        ("a torn tail", log, second, lambda: log.write_bytes(log.read_bytes()[:second + 40])),
        ("zeros behind the end", log, log.stat().st_size, lambda: log.write_bytes(log.read_bytes() + bytes(100))),
        ("an offset index that points elsewhere", index, None, lambda: flipped(index, 7)),
        ("a cut offset index", index, None, lambda: index.write_bytes(index.read_bytes() + b"\1\2\3")),
        ("a time index that is out of order", times, None, lambda: flipped(times, 2)),
        ("a missing offset index", index, 0, index.unlink),
        ("a missing time index", times, 0, times.unlink),
        ("an index without a segment", orphan, 0, orphan.touch),
        ("an aborted transaction that isn't listed", aborted, 0, lambda: aborted.write_bytes(aborted.read_bytes()[:-34])),
        ("a missing list of aborted transactions", aborted, 0, aborted.unlink),
        ("a producer snapshot", snapshot, None, lambda: flipped(snapshot, 10)),
        *((name, directory / name, None, lambda name=name: (directory / name).write_text(SMALL[name])) for name in SMALL),
    ]

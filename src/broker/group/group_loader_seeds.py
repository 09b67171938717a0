"""usage: group_loader_seeds.py FOLDER   writes partitions of real brokers and their records there, each kind and size once"""
import pathlib
import struct
import sys

TESTDATA = pathlib.Path(__file__).resolve().parent / "testdata"
BATCH_HEADER = 61


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value >> 1 ^ -(value & 1), at


def records(log):
    """Keys and values; the batches aren't compressed."""
    at = 0
    while at < len(log):
        size = struct.unpack_from(">i", log, at + 8)[0]
        record = at + BATCH_HEADER
        for _ in range(struct.unpack_from(">i", log, at + BATCH_HEADER - 4)[0]):
            length, field = varint(log, record)
            record = field + length
            field += 1
            for _ in range(2):
                _, field = varint(log, field)
            fields = []
            for _ in range(2):
                count, field = varint(log, field)
                fields.append(log[field:field + max(0, count)])
                field += max(0, count)
            yield fields
        at += 12 + size


def main():
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    seen = set()
    for path in sorted(TESTDATA.glob("*.log")):
        log = path.read_bytes()
        (target / path.name).write_bytes(log)
        for number, (key, value) in enumerate(records(log)):
            if (key[:2], len(value)) not in seen:
                seen.add((key[:2], len(value)))
                (target / f"{path.stem}-{number}").write_bytes(b"\xff" + bytes([len(key)]) + key + value)


main()

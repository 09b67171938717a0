#!/usr/bin/env python3
"""Fetches as clients of before Kafka 0.11 send them, and prints the answers: argv = port of a fresh broker. answers.txt has
those of Kafka 3.9.2.

A line is: error, high watermark, size of the records, what they are, and the beginning of their SHA-256 where equal
brokers answer equal bytes. `1-3 of 0` are entries of format 0 at these offsets, in brackets if they were in a wrapper;
`filler` is a message that claims to go on beyond the end, `cut` one that really was cut off."""
import gzip
import hashlib
import pathlib
import struct
import sys
import time
import types

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import wire  # noqa: E402

CREATE_TOPICS, WRITE_TXN_MARKERS = 19, 27
ERRORS = {0: "NONE", -1: "UNKNOWN_SERVER_ERROR", 1: "OFFSET_OUT_OF_RANGE", 3: "UNKNOWN_TOPIC_OR_PARTITION",
          6: "NOT_LEADER_OR_FOLLOWER", 35: "UNSUPPORTED_VERSION", 76: "UNSUPPORTED_COMPRESSION_TYPE"}
NONE, GZIP, ZSTD = 0, 1, 4
TIMESTAMP = 1_700_000_000_000
FOR_EVER_MS = 600_000  # no answer of these waits so long


def record(delta, key, value, headers=()):
    def sized(data):
        return wire.zigzag(-1) if data is None else wire.zigzag(len(data)) + data
    body = b"\0" + wire.zigzag(delta) + wire.zigzag(delta) + sized(key) + sized(value) + wire.zigzag(len(headers))
    body += b"".join(sized(name) + sized(content) for name, content in headers)
    return wire.zigzag(len(body)) + body


def batch(*pairs, codec=NONE, headers=()):
    """Of key and value of each record, a millisecond apart."""
    records = b"".join(record(delta, key, value, headers) for delta, (key, value) in enumerate(pairs))
    pack = {NONE: bytes, GZIP: gzip.compress, ZSTD: wire.zstd_frame}[codec]
    tail = struct.pack(">hiqqqhii", codec, len(pairs) - 1, TIMESTAMP, TIMESTAMP + len(pairs) - 1, -1, -1, -1, len(pairs)) + pack(records)
    head = struct.pack(">iBI", -1, 2, wire.crc32c(tail)) + tail
    return struct.pack(">qi", 0, len(head)) + head


def values(count, size):
    return [(None, bytes([97 + number]) * size) for number in range(count)]


class Probe:
    def __init__(self, connection):
        self.connection, self.lines = connection, []

    def say(self, what, answer):
        self.lines.append(f"{what}: {answer}")

    def topic(self, name, partitions=1, **config):
        config = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in config.items()}}
        body = (struct.pack(">i", 1) + wire.string(name) + struct.pack(">ihi", partitions, 1, 0)
                + struct.pack(">i", len(config)) + b"".join(wire.string(key) + wire.string(value) for key, value in config.items())
                + struct.pack(">ib", 30_000, 0))
        answer = self.connection.ask(wire.header(CREATE_TOPICS, 2) + body)
        assert struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name))[0] == 0, answer
        for partition in range(partitions):
            while self.fetch(10, name, [(partition, 0, 1)])[0][1] != 0:  # until it is led
                time.sleep(0.02)
        return name

    def produce(self, topic, *batches, partition=0):
        for one in batches:
            body = (struct.pack(">hhii", -1, -1, 30_000, 1) + wire.string(topic) + struct.pack(">iii", 1, partition, len(one)) + one)
            error = wire.produce_error(self.connection.ask(wire.header(wire.PRODUCE, 7) + body), topic)
            assert error == 0, error

    def marker(self, topic):
        body = (struct.pack(">iqhbi", 1, 5000, 0, 1, 1) + wire.string(topic) + struct.pack(">iii", 1, 0, 0))
        answer = self.connection.ask(wire.header(WRITE_TXN_MARKERS, 0) + body)
        assert struct.unpack(">h", answer[-2:])[0] == 0, answer

    def alter(self, resource, name, key, value):
        answer = self.connection.ask(wire.alter_config(resource, name, key, value))
        assert wire.alter_config_error(answer) == 0, answer

    def fetch(self, version, topic, wanted, response_bytes=1 << 30, wait_ms=0, min_bytes=1):
        """(partition, error, high watermark, records) for each (partition, offset, limit)."""
        request = struct.pack(">iii", -1, wait_ms, min_bytes)
        request += struct.pack(">i", response_bytes) if version >= 3 else b""
        request += struct.pack(">b", 0) if version >= 4 else b""
        request += struct.pack(">ii", 0, -1) if version >= 7 else b""
        request += struct.pack(">i", 1) + wire.string(topic) + struct.pack(">i", len(wanted))
        for partition, offset, limit in wanted:
            request += struct.pack(">i", partition) + (struct.pack(">i", -1) if version >= 9 else b"") + struct.pack(">q", offset)
            request += (struct.pack(">q", -1) if version >= 5 else b"") + struct.pack(">i", limit)
        request += struct.pack(">i", 0) if version >= 7 else b""
        answer = self.connection.ask(wire.header(wire.FETCH, version) + request)
        at = 4 + (4 if version >= 1 else 0) + (6 if version >= 7 else 0) + 4 + 2 + len(topic) + 4
        found = []
        for _ in wanted:
            partition, error, watermark = struct.unpack_from(">ihq", answer, at)
            at += 14 + (8 if version >= 4 else 0) + (8 if version >= 5 else 0)
            if version >= 4:
                at += 4 + 16 * max(0, struct.unpack_from(">i", answer, at)[0])
            size = struct.unpack_from(">i", answer, at)[0]
            found.append((partition, error, watermark, answer[at + 4:at + 4 + size]))
            at += 4 + max(0, size)
        assert at == len(answer), (at, len(answer))
        return found

    def ask(self, what, version, topic, offset=0, limit=1 << 20, exact=True, **options):
        [(_, error, watermark, records)] = self.fetch(version, topic, [(0, offset, limit)], **options)
        self.say(f"v{version} {what}", described(error, watermark, records, exact))


def described(error, watermark, records, exact=True):
    text = f"{ERRORS.get(error, error)} {watermark}"
    if exact:
        text += f" {len(records)}"
    if records:
        text += " " + contents(records, exact)
        if exact:
            text += " " + hashlib.sha256(records).hexdigest()[:12]
    return text


def entry(records, at):
    """Offset, size, magic of what is whole there."""
    if len(records) - at < 17:
        return None
    offset, size = struct.unpack_from(">qi", records, at)
    return (offset, size + 12, records[at + 16]) if at + 12 + size <= len(records) else None


def contents(records, exact):
    parts, at = [], 0
    while one := entry(records, at):
        offset, size, magic = one
        parts.append(f"batch {offset}" if magic == 2 else legacy(records[at:at + size], magic))
        at += size
    text = ", ".join(joined(parts))
    if at < len(records):
        filler = records[at:at + 8] == b"\xff" * min(8, len(records) - at)
        text += f" + {f'{len(records) - at} bytes of ' if exact else ''}{'filler' if filler else 'cut'}"
    return text.strip()


def joined(parts):
    """`1 of 0`, `2 of 0` as `1-2 of 0`."""
    found, runs = [], []  # of entries that are no wrappers: first, last, what they are
    for part in parts:
        number, _, rest = part.partition(" ")
        if not number.isdigit():
            runs.append(None)
            found.append(part)
        elif runs and runs[-1] and runs[-1][1:] == [int(number) - 1, rest]:
            runs[-1][1] += 1
            found[-1] = f"{runs[-1][0]}-{number} {rest}"
        else:
            runs.append([int(number), int(number), rest])
            found.append(part)
    return found


def legacy(data, magic):
    offset, attributes = struct.unpack_from(">q", data)[0], data[17]
    if attributes & 7 == GZIP:
        inner, found, at = gzip.decompress(data[(26 if magic else 18) + 8:]), [], 0
        while one := entry(inner, at):
            found.append(str(one[0]))
            at += one[1]
        return f"[{' '.join(found)}] at {offset} of {magic}{' appended' if attributes & 8 else ''}"
    return f"{offset} of {magic}{' appended' if attributes & 8 else ''}"


def limits(at):
    """Uncompressed batches of three, two and one records under every kind of limit."""
    topic = at.topic("limits")
    batches = batch(*values(3, 50)), batch(*values(2, 300)), batch(*values(1, 10))
    at.produce(topic, *batches)
    one, two, three = map(len, batches)
    named = {"0": 0, "1": 1, "a header": 61, "one - 1": one - 1, "one": one, "one + 1": one + 1, "one + 11": one + 11,
             "one + 12": one + 12, "one + 13": one + 13, "one and two - 1": one + two - 1, "one and two": one + two,
             "one, two and 20": one + two + 20, "all": one + two + three, "more": 10_000}
    for version in (0, 1, 2, 3, 4):
        for name, limit in named.items():
            at.ask(f"from 0, {name}", version, topic, 0, limit)
        for offset in (1, 2, 3, 4, 5):
            at.ask(f"from {offset}, all", version, topic, offset)
            at.ask(f"from {offset}, 100", version, topic, offset, 100)
        for offset in (6, 7, -1):
            at.ask(f"from {offset}", version, topic, offset)


def contents_of_records(at):
    """Keys, nulls and headers."""
    topic = at.topic("contents")
    pairs = [(None, None), (b"", b""), (b"key", None), (None, b"value"), (b"key", b"value")]
    at.produce(topic, batch(*pairs), batch(*pairs, headers=[(b"name", b"content"), (b"none", None)]), batch((b"k", b"v" * 200_000)),
               batch(*[(None, b"")] * 100), batch(*values(1, 100)))
    for version in (0, 1, 2, 3):
        for offset in (0, 5, 10, 11):
            at.ask(f"from {offset}", version, topic, offset)
        at.ask("from 0, a part of what is large", version, topic, 0, 100_000)
        at.ask("from 0, nearly all of what is large", version, topic, 0, 200_000)
        at.ask("what grows", version, topic, 11, len(batch(*[(None, b"")] * 100)) + 50)


def wrappers(at):
    """Compressed batches: offsets and framing, as compressors differ in their bytes."""
    topic = at.topic("wrappers")
    large = [(None, hashlib.sha256(bytes([number])).digest() * 20) for number in range(10)]  # hardly compressible
    batches = batch(*values(3, 200), codec=GZIP), batch(*large, codec=GZIP), batch(*values(1, 10))
    at.produce(topic, *batches)
    for version in (0, 1, 2, 3):
        for offset in (0, 1, 2, 3, 7, 13):
            at.ask(f"from {offset}", version, topic, offset, exact=False)
        at.ask("one and a half", version, topic, 0, len(batches[0]) + len(batches[1]) // 2, exact=False)


def append_time(at):
    topic = at.topic("append-time", message_timestamp_type="LogAppendTime")
    at.produce(topic, batch(*values(2, 20)), batch(*values(2, 20), codec=GZIP))
    for version in (0, 1, 2, 3):
        at.ask("all", version, topic, exact=False)


def zstd(at):
    """What can't be converted is an error once it comes first."""
    topic = at.topic("zstd")
    at.produce(topic, batch(*values(1, 100)), batch(*values(2, 20), codec=ZSTD), batch(*values(1, 100)))
    for version in (0, 1, 2, 3, 4):
        for offset in (0, 1, 2, 3, 4):
            at.ask(f"from {offset}", version, topic, offset)
    topic = at.topic("zstd-topic", compression_type="zstd")
    at.produce(topic, batch(*values(1, 100)))
    for version in range(0, 11):
        for offset in (0, 1, 9):
            [(_, error, watermark, records)] = at.fetch(version, topic, [(0, offset, 1000)])
            at.say(f"v{version} of compression.type=zstd from {offset}",
                   f"{ERRORS[error]} {watermark} {'records' if records else 'none'}")


def markers(at):
    """Ends of transactions have no place in old formats."""
    topic = at.topic("markers")
    at.marker(topic)
    for version in (0, 1, 2, 3):
        at.ask("nothing else", version, topic)
        at.ask("a part of one", version, topic, 0, 50)
    at.produce(topic, batch(*values(2, 100)), batch(*values(1, 100)))
    for version in (0, 1, 2, 3):
        # Kafka sends the first batch twice if a marker comes before it, which nobody can want: what it begins with.
        [(_, error, _, records)] = at.fetch(version, topic, [(0, 0, 1 << 20)])
        at.say(f"v{version} one, then data", f"{ERRORS[error]} {len(records)} {contents(records[:entry(records, 0)[1] * 2], True)}")
    at.marker(topic)
    at.produce(topic, batch(*values(1, 100)))
    for version in (0, 1, 2, 3):
        at.ask("one in the middle", version, topic, 1)


def several(at):
    """Two partitions, two limits."""
    topic = at.topic("several", 2)
    one = batch(*values(2, 100))
    for partition in (0, 1):
        at.produce(topic, one, one, partition=partition)
    size = len(one)
    cases = {"both": (size, size, 1 << 20), "a part of the first": (size - 1, size, 1 << 20), "parts of both": (70, 70, 1 << 20),
             "none of the first": (0, size, 1 << 20), "one byte in all": (size, size, 1), "one in all": (2 * size, 2 * size, size),
             "one and a half in all": (2 * size, 2 * size, size + 100), "nothing in all": (size, size, 0),
             "less than nothing": (-1, size, 1 << 20), "less than nothing in all": (size, size, -1)}
    for version in (0, 1, 2, 3, 4):
        for name, (first, second, total) in cases.items():
            if version < 3 and total < 1 << 20:
                continue
            for partition, error, watermark, records in at.fetch(version, topic, [(0, 0, first), (1, 0, second)], total):
                at.say(f"v{version} {name}, {partition}", described(error, watermark, records))
    at.ask("less than nothing at the end", 2, topic, 4, -1)
    at.ask("less than nothing beyond the end", 2, topic, 5, -1)


def waiting(at):
    """A part of a batch counts as bytes, though nothing comes of it."""
    topic = at.topic("waiting")
    at.produce(topic, batch(*values(1, 100)))
    for version in (0, 1, 2):
        at.ask("70 bytes wanted of a cut batch", version, topic, 0, 70, wait_ms=FOR_EVER_MS, min_bytes=70)
        at.ask("71 bytes wanted of a cut batch", version, topic, 0, 70, wait_ms=50, min_bytes=71)
    at.ask("a batch whatever its size", 3, topic, 0, 70, wait_ms=FOR_EVER_MS, min_bytes=100)


def forbidden(at):
    """message.downconversion.enable=false, for one topic and for all, while the broker runs."""
    topic, free = at.topic("forbidden", message_downconversion_enable="false"), at.topic("free")
    for one in (topic, free):
        at.produce(one, batch(*values(1, 100)))

    def each(state):
        for name in (topic, free):
            for version in range(0, 6):
                for offset in (0, 1, 9):
                    [(_, error, watermark, records)] = at.fetch(version, name, [(0, offset, 1000)])
                    at.say(f"v{version} {state}, {name} from {offset}",
                           f"{ERRORS[error]} {watermark} {'records' if records else 'none'}")
    each("of the topic")
    at.alter(wire.TOPIC_RESOURCE, topic, "message.downconversion.enable", "true")
    changed(at, topic, 0)
    each("allowed again")
    at.alter(wire.TOPIC_RESOURCE, topic, "message.downconversion.enable", "false")
    changed(at, topic, 35)
    at.alter(wire.BROKER_RESOURCE, "0", "log.message.downconversion.enable", "false")
    changed(at, free, 35)
    each("of the broker")
    at.alter(wire.TOPIC_RESOURCE, free, "message.downconversion.enable", "true")
    changed(at, free, 0)
    each("of the broker but not of one topic")
    at.alter(wire.BROKER_RESOURCE, "0", "log.message.downconversion.enable", None)
    at.alter(wire.TOPIC_RESOURCE, topic, "message.downconversion.enable", None)
    changed(at, topic, 0)
    each("of none")


def changed(at, topic, error):
    """Once the change has come through, as it does in its time."""
    end = time.monotonic() + 60
    while at.fetch(0, topic, [(0, 0, 1)])[0][1] != error:
        assert time.monotonic() < end, f"{topic} never answered {error}"
        time.sleep(0.02)


SCENARIOS = [limits, contents_of_records, wrappers, append_time, zstd, markers, several, waiting, forbidden]


def run(broker, scenario):
    with wire.Wire(broker) as connection:
        at = Probe(connection)
        scenario(at)
        return at.lines


def main():
    broker = types.SimpleNamespace(port=int(sys.argv[1]))
    print("# What Kafka 3.9.2 answers to probe.py, which wrote this.")
    for scenario in SCENARIOS:
        print("\n".join([f"[{scenario.__name__}]", *run(broker, scenario), ""]))


if __name__ == "__main__":
    main()

"""What mixed groups need of Kafka's wire format: requests by hand, subscriptions, assignments, and records of a partition."""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from harness import wire  # noqa: E402

FETCH, METADATA, OFFSET_COMMIT, FIND_COORDINATOR, JOIN, HEARTBEAT, LEAVE, SYNC = 1, 3, 8, 10, 11, 12, 13, 14
DESCRIBE, LIST, CREATE_TOPICS, INIT_PRODUCER_ID, ADD_OFFSETS, TXN_OFFSET_COMMIT = 15, 16, 19, 22, 25, 28
CONSUMER_HEARTBEAT, CONSUMER_DESCRIBE = 68, 69
ERRORS = {0: "NONE", -1: "UNKNOWN_SERVER_ERROR", 14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE",
          16: "NOT_COORDINATOR", 22: "ILLEGAL_GENERATION", 23: "INCONSISTENT_GROUP_PROTOCOL", 25: "UNKNOWN_MEMBER_ID",
          27: "REBALANCE_IN_PROGRESS", 69: "GROUP_ID_NOT_FOUND", 79: "MEMBER_ID_REQUIRED", 82: "FENCED_INSTANCE_ID",
          110: "FENCED_MEMBER_EPOCH", 111: "UNRELEASED_INSTANCE_ID", 113: "STALE_MEMBER_EPOCH", 81: "GROUP_MAX_SIZE_REACHED"}
STATES = {0: "stable", 1: "unrevoked", 2: "unreleased"}
TOPIC, PARTITIONS = "mixed", 4
OFFSETS_PARTITIONS = 10  # of __consumer_offsets


class Reader(wire.Reader):
    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    # Compact, and as they were before.
    def blob(self):
        size = self.varint()
        return None if size == 0 else self.bytes(size - 1)

    def string(self):
        data = self.blob()
        return None if data is None else data.decode()

    def array(self, item):
        return [item() for _ in range(self.varint() - 1)]

    def tags(self):
        return {self.varint(): self.bytes(self.varint()) for _ in range(self.varint())}

    def old_string(self):
        size = self.take("h")
        return None if size < 0 else self.bytes(size).decode()

    def old_blob(self):
        size = self.take("i")
        return None if size < 0 else self.bytes(size)

    def old_array(self, item):
        return [item() for _ in range(self.take("i"))]


def array(items):
    return wire.varint(len(items) + 1) + b"".join(items)


def blob(data):
    return wire.varint(len(data) + 1) + data


def nullable(text):
    return b"\0" if text is None else wire.compact(text)


def old_array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def partitions_of(by_topic):
    return old_array([wire.string(topic) + old_array([struct.pack(">i", one) for one in sorted(ones)])
                      for topic, ones in by_topic.items()])


def subscription(topics, owned=(), version=3, user_data=None):
    data = struct.pack(">h", version) + old_array([wire.string(topic) for topic in topics])
    data += struct.pack(">i", -1) if user_data is None else struct.pack(">i", len(user_data)) + user_data
    if version >= 1:
        data += partitions_of({TOPIC: owned} if owned else {})
    if version >= 2:
        data += struct.pack(">i", -1)
    return data + (wire.string("rack") if version >= 3 else b"")


def assignment(owned, user_data=None):
    data = struct.pack(">h", 3) + partitions_of({TOPIC: owned} if owned else {})
    return data + (struct.pack(">i", -1) if user_data is None else struct.pack(">i", len(user_data)) + user_data)


def read_assignment(data):
    if not data:
        return None, set()
    reader = Reader(data)
    version = reader.take("h")
    topics = reader.old_array(lambda: (reader.old_string(), reader.old_array(lambda: reader.take("i"))))
    reader.old_blob()
    assert reader.at == len(data), data
    assert [name for name, _ in topics] in ([], [TOPIC]), topics
    return version, set(topics[0][1]) if topics else set()


def name_of(code):
    return ERRORS.get(code, str(code))


def counted(partitions):
    return "nothing" if not partitions else f"{len(partitions)} of {TOPIC}"


class Port:
    def __init__(self, bootstrap):
        self.port = int(bootstrap.rsplit(":", 1)[1])


class Connection:
    def __init__(self, bootstrap):
        self.wire = wire.Wire(Port(bootstrap))

    def send(self, api, version, body, kind=2):
        self.wire.send(wire.frame(wire.header(api, version, kind) + body))

    def read(self, kind=2):
        return Reader(self.wire.read()[5 if kind == 2 else 4:])

    def ask(self, api, version, body, kind=2):
        self.send(api, version, body, kind)
        return self.read(kind)


def fetch(connection, topic, partition, offset):
    """Records as (key, value), and the end."""
    body = struct.pack(">iiiib", -1, 0, 0, 1 << 26, 0) + old_array(
        [wire.string(topic) + old_array([struct.pack(">iqi", partition, offset, 1 << 26)])])
    reader = connection.ask(FETCH, 4, body, kind=1)
    reader.take("i"), reader.take("i"), reader.old_string(), reader.take("i")
    _, code, end, _ = reader.take("ihqq")
    if code != 0:
        return [], offset
    reader.old_array(lambda: reader.take("qq"))
    data = reader.old_blob() or b""
    reader, found, following = Reader(data), [], offset
    while len(data) - reader.at >= 61:
        base, size = reader.take("qi")
        if len(data) - reader.at < size:
            break
        stop = reader.at + size
        _, _, _, _, last, _, _, _, _, _, count = reader.take("iBIhiqqqhii")
        for _ in range(count):
            reader.zigzag()
            reader.take("b")
            reader.zigzag()
            at = base + reader.zigzag()
            fields = []
            for _ in range(2):
                length = reader.zigzag()
                fields.append(reader.bytes(length) if length >= 0 else None)
            for _ in range(reader.zigzag()):
                reader.bytes(reader.zigzag())
                reader.bytes(max(0, reader.zigzag()))
            if at >= offset:
                found.append(tuple(fields))
        following = base + last + 1
        reader.at = stop
    return found, following

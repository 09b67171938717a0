"""Requests of groups and of transactional ids by hand: many on many connections at once, hostile ones among them."""
import struct
import threading
import time

from harness import wire
from harness.wire import string

COMMIT, FETCH_OFFSETS, FIND_COORDINATOR, JOIN, HEARTBEAT, LEAVE, SYNC, LIST, INIT_PRODUCER_ID = 8, 9, 10, 11, 12, 13, 14, 16, 22
DESCRIBE, LIST_TRANSACTIONS, CONSUMER_HEARTBEAT = 15, 66, 68
ERRORS = {0: "NONE", -1: "UNKNOWN_SERVER_ERROR", 3: "UNKNOWN_TOPIC_OR_PARTITION", 12: "OFFSET_METADATA_TOO_LARGE", 14: "COORDINATOR_LOAD_IN_PROGRESS",
          15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR", 22: "ILLEGAL_GENERATION", 23: "INCONSISTENT_GROUP_PROTOCOL",
          24: "INVALID_GROUP_ID", 25: "UNKNOWN_MEMBER_ID", 26: "INVALID_SESSION_TIMEOUT", 27: "REBALANCE_IN_PROGRESS",
          28: "INVALID_COMMIT_OFFSET_SIZE", 42: "INVALID_REQUEST", 68: "NON_EMPTY_GROUP", 69: "GROUP_ID_NOT_FOUND", 79: "MEMBER_ID_REQUIRED",
          81: "GROUP_MAX_SIZE_REACHED", 82: "FENCED_INSTANCE_ID", 110: "FENCED_MEMBER_EPOCH", 111: "UNRELEASED_INSTANCE_ID",
          112: "UNSUPPORTED_ASSIGNOR", 113: "STALE_MEMBER_EPOCH",
          128: "INVALID_REGULAR_EXPRESSION"}
FOR_A_WHILE = ("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR")
SUBSCRIPTION = struct.pack(">hi", 0, 1) + string("bounds") + struct.pack(">i", 0)


def name_of(code):
    return ERRORS.get(code, str(code))


def nullable(text):
    return struct.pack(">h", -1) if text is None else string(text)


def bytes_of(data):
    return struct.pack(">i", len(data)) + data


class Reader(wire.Reader):
    """What is left of a response."""

    def __init__(self, answer, flexible=False):
        super().__init__(answer, 5 if flexible else 4)

    def string(self):
        count = self.take("h")
        return None if count < 0 else self.bytes(count).decode()

    def compact(self):
        count = self.varint()
        return None if count == 0 else self.bytes(count - 1).decode()


def join_request(group, member="", metadata=SUBSCRIPTION, version=5, instance=None, session_ms=30_000, kind="consumer", protocols=None):
    names = ["range"] if protocols is None else protocols
    return (wire.header(JOIN, version) + string(group) + struct.pack(">ii", session_ms, 60_000) + string(member)
            + (nullable(instance) if version >= 5 else b"") + string(kind) + struct.pack(">i", len(names))
            + b"".join(string(name) + bytes_of(metadata) for name in names))


def read_join(answer, version=5):
    """Error, generation, leader, own member id, ids of all members."""
    reader = Reader(answer)
    _, error, generation = reader.take("ihi")
    reader.string()
    leader, member = reader.string(), reader.string()
    members = []
    for _ in range(reader.take("i")):
        members.append(reader.string())
        if version >= 5:
            reader.string()
        reader.bytes(reader.take("i"))
    return name_of(error), generation, leader, member, members


def sync_request(group, generation, member, assignments=(), instance=None):
    return (wire.header(SYNC, 3) + string(group) + struct.pack(">i", generation) + string(member) + nullable(instance)
            + struct.pack(">i", len(assignments)) + b"".join(string(one) + bytes_of(data) for one, data in assignments))


def heartbeat_request(group, generation, member, instance=None):
    return wire.header(HEARTBEAT, 3) + string(group) + struct.pack(">i", generation) + string(member) + nullable(instance)


def leave_request(group, member):
    return wire.header(LEAVE, 2) + string(group) + string(member)


def commit_request(group, generation, member, topic, offsets, metadata=""):
    """Offsets as (partition, offset), or with metadata of its own as a third."""
    parts = b"".join(struct.pack(">iqi", one[0], one[1], -1) + string(one[2] if len(one) > 2 else metadata) for one in offsets)
    return (wire.header(COMMIT, 7) + string(group) + struct.pack(">i", generation) + string(member) + nullable(None) + struct.pack(">i", 1)
            + string(topic) + struct.pack(">i", len(offsets)) + parts)


def read_commit(answer):
    """Error names by partition: Kafka's answers have no order."""
    reader = Reader(answer)
    reader.take("ii"), reader.string()
    return [name_of(error) for _, error in sorted(reader.take("ih") for _ in range(reader.take("i")))]


def fetch_offsets_request(group):
    return wire.header(FETCH_OFFSETS, 5) + string(group) + struct.pack(">i", -1)


def read_offsets(answer):
    """(topic, partition) -> offset."""
    reader, found = Reader(answer), {}
    reader.take("i")
    for _ in range(reader.take("i")):
        topic = reader.string()
        for _ in range(reader.take("i")):
            partition, offset, _ = reader.take("iqi")
            reader.string(), reader.take("h")
            found[(topic, partition)] = offset
    assert reader.take("h") == 0
    return found


def error_of(answer):
    """Of Sync, Heartbeat and Leave, of Join as well."""
    return name_of(struct.unpack_from(">h", answer, 8)[0])


def list_groups(connection):
    reader = Reader(connection.ask(wire.header(LIST, 2)))
    _, error, count = reader.take("ihi")
    return name_of(error), [(reader.string(), reader.string()) for _ in range(count)]


def init_request(name):
    return wire.header(INIT_PRODUCER_ID, 1) + nullable(name) + struct.pack(">i", 60_000)


def count_transactional_ids(connection):
    reader = Reader(connection.ask(wire.header(LIST_TRANSACTIONS, 0, 2) + b"\1\1\0"), True)
    _, error = reader.take("ih")
    for _ in range(reader.varint() - 1):
        reader.compact()
    return name_of(error), reader.varint() - 1


def consumer_heartbeat_request(group, member, epoch, topics=None, regex=None, assignor=None, instance=None, owned=None, version=1):
    """Of KIP-848. The first one of a member says everything. Owned: partitions by topic id, none if it says nothing of them."""
    first = epoch == 0
    array = lambda parts: wire.varint(len(parts) + 1) + b"".join(parts)
    names = b"\0" if topics is None else array([wire.compact(one) for one in topics])
    optional = lambda text: b"\0" if text is None else wire.compact(text)
    has = (b"\1" if first else b"\0") if owned is None else array([
        topic_id + array([struct.pack(">i", one) for one in partitions]) + b"\0" for topic_id, partitions in owned.items()])
    return (wire.header(CONSUMER_HEARTBEAT, version, 2) + wire.compact(group) + wire.compact(member) + struct.pack(">i", epoch)
            + optional(instance) + b"\0" + struct.pack(">i", 60_000 if first else -1) + names + optional(regex) + optional(assignor) + has + b"\0")


def read_consumer_heartbeat(answer):
    """Error, member epoch."""
    return read_consumer_assignment(answer)[:2]


def read_consumer_assignment(answer):
    """Error, member epoch, partitions by topic id: None as before."""
    reader = Reader(answer, True)
    _, error = reader.take("ih")
    reader.compact(), reader.compact()
    epoch, _, there = reader.take("iib")
    if there < 0:
        return name_of(error), epoch, None
    partitions = {}
    for _ in range(reader.varint() - 1):
        topic_id = reader.bytes(16)
        partitions[topic_id] = [reader.take("i") for _ in range(reader.varint() - 1)]
        assert reader.varint() == 0  # tags
    return name_of(error), epoch, partitions


def settled(connection, request, read):
    """The answer, once it isn't one that asks for patience."""
    end = time.monotonic() + 60
    while True:
        answer = read(connection.ask(request))
        error = answer[0] if isinstance(answer, (tuple, list)) else answer
        if error not in FOR_A_WHILE or time.monotonic() > end:
            return answer
        time.sleep(0.05)


def coordinator_ready(connection, key, kind=0):
    """Waits until groups or transactional ids (kind 1) are served; the internal topic is made on the way."""
    def look(answer):
        reader = Reader(answer)
        return name_of(reader.take("ih")[1])
    assert settled(connection, wire.header(FIND_COORDINATOR, 1) + string(key) + bytes([kind]), look) == "NONE"


def member_of(connection, group, **options):
    """Joins a group alone, and is its leader: generation and member id. What a newcomer is told first counts, too."""
    joined = settled(connection, join_request(group, **options), read_join)
    if joined[0] == "MEMBER_ID_REQUIRED":
        joined = settled(connection, join_request(group, joined[3], **options), read_join)
    error, generation, _, member, _ = joined
    assert error == "NONE", error
    error = settled(connection, sync_request(group, generation, member, [(member, b"mine")]), error_of)
    assert error == "NONE", error
    return generation, member


class Fleet:
    """Connections that ask at the same time."""

    def __init__(self, broker, count):
        self.connections = [wire.Wire(broker, guard_s=120) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for connection in self.connections:
            connection.socket.close()

    def ask(self, requests):
        """Answers in order, for any number of requests."""
        answers = []
        for begin in range(0, len(requests), len(self.connections)):
            some = list(zip(self.connections, requests[begin:begin + len(self.connections)]))
            for connection, request in some:
                connection.send(wire.frame(request))
            answers += [connection.read() for connection, _ in some]
        return answers


class Witness:
    """A group that nobody does anything to: it beats and commits all the time, and remembers how that went."""

    def __init__(self, broker, topic, pause_s=0.02):
        self.connection, self.topic, self.pause_s = wire.Wire(broker), topic, pause_s
        coordinator_ready(self.connection, "witness")
        self.generation, self.member = member_of(self.connection, "witness")
        self.errors, self.slowest_ms, self.count, self.over = [], 0, 0, False
        self.thread = threading.Thread(target=self.live, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.connection.socket.close()

    def live(self):
        try:
            while not self.over:
                started = time.monotonic()
                beat = error_of(self.connection.ask(heartbeat_request("witness", self.generation, self.member)))
                commit = read_commit(self.connection.ask(commit_request("witness", self.generation, self.member, self.topic, [(0, self.count)])))
                self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - started))
                if beat != "NONE" or commit != ["NONE"]:
                    self.errors.append((self.count, beat, commit))
                self.count += 1
                time.sleep(self.pause_s)
        except Exception as failure:  # pylint: disable=broad-except
            self.errors.append((self.count, repr(failure)))

    def report(self):
        assert not self.errors and self.count > 0, self.errors[:5]
        return f"another group beat and committed {self.count} times, at most {self.slowest_ms:.0f} ms"

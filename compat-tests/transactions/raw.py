"""Requests of transactions by hand, in versions before the compact ones."""
import struct

from harness import wire

FIND_COORDINATOR, INIT, ADD_PARTITIONS, ADD_OFFSETS, END, COMMIT_OFFSETS = 10, 22, 24, 25, 26, 28
NONE, UNKNOWN_TOPIC, INVALID_REQUEST, INVALID_EPOCH, INVALID_STATE = 0, 3, 42, 47, 48
INVALID_MAPPING, INVALID_TIMEOUT, CONCURRENT, NOT_ATTEMPTED, FENCED = 49, 50, 51, 55, 90
BEFORE_BODY = 4 + 4  # correlation id, throttle time


def batch(producer_id, epoch, sequence, timestamp=1_700_000_000_000, value=b"v"):
    """A transactional batch of one record."""
    tail = struct.pack(">hiqqqhii", 0x10, 0, timestamp, timestamp, producer_id, epoch, sequence, 1) + wire.record(value)
    head = struct.pack(">iBI", -1, 2, wire.crc32c(tail)) + tail
    return struct.pack(">qi", 0, len(head)) + head


class Producer:
    """One connection, with the transactional id and the identity that its requests name."""

    def __init__(self, connection, name):
        self.connection, self.name = connection, name
        self.id, self.epoch, self.sequence = -1, -1, 0

    def ask(self, api, version, body):
        return self.connection.ask(wire.header(api, version) + body)

    def error(self, api, version, body):
        return struct.unpack_from(">h", self.ask(api, version, body), BEFORE_BODY)[0]

    def identity(self):
        return wire.string(self.name) + struct.pack(">qh", self.id, self.epoch)

    def find_coordinator(self, group=None):
        """Of the transactional id, or of a group."""
        return self.error(FIND_COORDINATOR, 1, wire.string(group or self.name) + (b"\0" if group else b"\1"))

    def init(self, timeout=60_000):
        error, self_id, epoch = struct.unpack_from(">hqh", self.ask(INIT, 1, wire.string(self.name) + struct.pack(">i", timeout)),
                                                   BEFORE_BODY)
        if error == NONE:
            self.id, self.epoch, self.sequence = self_id, epoch, 0
        return error

    def add(self, topics, version=2):
        """Errors by topic, of partition 0 of each."""
        body = self.identity() + struct.pack(">i", len(topics))
        for topic in topics:
            body += wire.string(topic) + struct.pack(">ii", 1, 0)
        answer, at, errors = self.ask(ADD_PARTITIONS, version, body), BEFORE_BODY + 4, {}
        for _ in topics:
            size = struct.unpack_from(">h", answer, at)[0]
            topic = answer[at + 2:at + 2 + size].decode()
            at += 2 + size
            errors[topic] = struct.unpack_from(">iih", answer, at)[2]
            at += 10
        return errors

    def add_offsets(self, group, version=2):
        return self.error(ADD_OFFSETS, version, self.identity() + wire.string(group))

    def end(self, commit, version=2):
        return self.error(END, version, self.identity() + struct.pack(">b", commit))

    def commit_offset(self, group, topic, offset=1, version=2):
        body = (wire.string(self.name) + wire.string(group) + struct.pack(">qhi", self.id, self.epoch, 1) + wire.string(topic)
                + struct.pack(">iiqi", 1, 0, offset, -1) + struct.pack(">h", -1))
        answer = self.ask(COMMIT_OFFSETS, version, body)
        return struct.unpack_from(">h", answer, BEFORE_BODY + 4 + 2 + len(topic) + 4 + 4)[0]

    def produce(self, topic, version=8, name=None, records=None):
        records = records or batch(self.id, self.epoch, self.sequence)
        body = (wire.string(name or self.name) + struct.pack(">hii", -1, 30000, 1) + wire.string(topic)
                + struct.pack(">iii", 1, 0, len(records)) + records)
        error = wire.produce_error(self.connection.ask(wire.header(wire.PRODUCE, version) + body), topic)
        self.sequence += error == NONE
        return error

"""Requests of transactions v2 (KIP-890) by hand: one connection, one transactional id, and what the broker said of it."""
import collections
import struct
import time

from harness import wire

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR, INIT, ADD_PARTITIONS, ADD_OFFSETS, END = 0, 1, 2, 3, 9, 10, 22, 24, 25, 26
WRITE_MARKERS, COMMIT_OFFSETS, DESCRIBE, LIST = 27, 28, 65, 66
ERRORS = {0: "NONE", -1: "UNKNOWN_SERVER_ERROR", 3: "UNKNOWN_TOPIC_OR_PARTITION", 6: "NOT_LEADER_OR_FOLLOWER", 14: "COORDINATOR_LOAD_IN_PROGRESS",
          15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR", 19: "NOT_ENOUGH_REPLICAS", 22: "ILLEGAL_GENERATION",
          25: "UNKNOWN_MEMBER_ID", 42: "INVALID_REQUEST", 45: "OUT_OF_ORDER_SEQUENCE_NUMBER", 46: "DUPLICATE_SEQUENCE_NUMBER",
          47: "INVALID_PRODUCER_EPOCH", 48: "INVALID_TXN_STATE", 49: "INVALID_PRODUCER_ID_MAPPING",
          50: "INVALID_TRANSACTION_TIMEOUT", 51: "CONCURRENT_TRANSACTIONS", 52: "TRANSACTION_COORDINATOR_FENCED",
          53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", 55: "OPERATION_NOT_ATTEMPTED", 59: "UNKNOWN_PRODUCER_ID",
          90: "PRODUCER_FENCED", 105: "TRANSACTIONAL_ID_NOT_FOUND", 120: "TRANSACTION_ABORTABLE", 128: "INVALID_REGULAR_EXPRESSION"}
NO_TAGS = b"\0"


def name_of(code):
    return ERRORS.get(code, str(code))


class Reader(wire.Reader):
    """What is left of a response."""

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def string(self):
        size = self.varint()
        return None if size == 0 else self.bytes(size - 1).decode()

    def array(self, item):
        return [item() for _ in range(self.varint() - 1)]

    def tags(self):
        """Tag -> bytes."""
        return {self.varint(): self.bytes(self.varint()) for _ in range(self.varint())}


def array(items):
    return wire.varint(len(items) + 1) + b"".join(items)


def nullable(text):
    return b"\0" if text is None else wire.compact(text)


def batch(producer_id, epoch, sequence, values=(b"v",), transactional=True):
    timestamp = int(time.time() * 1000)  # of long ago, it would make a segment of its own
    records = b""
    for number, value in enumerate(values):
        body = b"\0" + wire.zigzag(0) + wire.zigzag(number) + wire.zigzag(-1) + wire.zigzag(len(value)) + value + wire.zigzag(0)
        records += wire.zigzag(len(body)) + body
    count = len(values)
    tail = struct.pack(">hiqqqhii", 0x10 if transactional else 0, count - 1, timestamp, timestamp, producer_id, epoch, sequence,
                       count) + records
    head = struct.pack(">iBI", -1, 2, wire.crc32c(tail)) + tail
    return struct.pack(">qi", 0, len(head)) + head


Batch = collections.namedtuple("Batch", "offset producer epoch sequence transactional control records")


def batches(data):
    """Uncompressed batches of magic 2; records as (key, value)."""
    reader, found = Reader(data), []
    while len(data) - reader.at >= 61:
        offset, size = reader.take("qi")
        if len(data) - reader.at < size:
            break
        end = reader.at + size
        _, _, _, attributes, _, _, _, producer, epoch, sequence, count = reader.take("iBIhiqqqhii")
        records = []
        for _ in range(count):
            reader.zigzag()
            reader.take("b")
            reader.zigzag(), reader.zigzag()
            sizes, fields = [], []
            for _ in range(2):
                sizes.append(reader.zigzag())
                fields.append(reader.bytes(sizes[-1]) if sizes[-1] >= 0 else None)
            for _ in range(reader.zigzag()):
                reader.bytes(reader.zigzag())
                reader.bytes(max(0, reader.zigzag()))
            records.append(tuple(fields))
        found.append(Batch(offset, producer, epoch, sequence, bool(attributes & 0x10), bool(attributes & 0x20), records))
        reader.at = end
    return found


STATES = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"]
StateRecord = collections.namedtuple("StateRecord", "version id epoch timeout state partitions previous next client started")


def state_record(key, value):
    """Of __transaction_state: transactional id and what it says; unknown tags as a failure."""
    reader = Reader(key)
    assert reader.take("h") == 0
    name = reader.bytes(reader.take("h")).decode()
    if value is None:
        return name, None
    reader = Reader(value)
    version, producer, epoch, timeout, state = reader.take("hqhib")
    partitions, tags = None, {}
    if version == 0:
        count = reader.take("i")
        if count >= 0:
            partitions = {}
            for _ in range(count):
                topic = reader.bytes(reader.take("h")).decode()
                partitions[topic] = sorted(reader.take("i") for _ in range(reader.take("i")))
    else:
        def topic():
            entry = (reader.string(), sorted(reader.array(lambda: reader.take("i"))))
            assert reader.tags() == {}
            return entry
        size = reader.varint()
        if size > 0:
            partitions = dict(topic() for _ in range(size - 1))
    _, started = reader.take("qq")
    if version > 0:
        tags = reader.tags()
    assert reader.at == len(value) and not set(tags) - {0, 1, 2}, (value.hex(), tags)
    previous, following = (struct.unpack(">q", tags[tag])[0] if tag in tags else -1 for tag in (0, 1))
    client = struct.unpack(">h", tags[2])[0] if 2 in tags else 0
    return name, StateRecord(version, producer, epoch, timeout, STATES[state], partitions, previous, following, client, started > 0)


def java_hash(text):
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF


def state_key(name):
    return struct.pack(">h", 0) + wire.string(name)


def prepared_value(producer_id, epoch, next_id, topic):
    """A PrepareCommit of a client of transaction.version 2."""
    tags = [b"\0\x08" + struct.pack(">q", producer_id)]
    if next_id >= 0:
        tags.append(b"\1\x08" + struct.pack(">q", next_id))
    tags.append(b"\2\x02" + struct.pack(">h", 2))
    now = 1_700_000_000_000
    return (struct.pack(">hqhib", 1, producer_id, epoch, 60_000, STATES.index("PrepareCommit"))
            + array([wire.compact(topic) + array([struct.pack(">i", 0)]) + NO_TAGS]) + struct.pack(">qq", now, now)
            + bytes([len(tags)]) + b"".join(tags))


class Producer:
    """With the identity that its requests name; errors come as names."""

    def __init__(self, connection, name):
        self.connection, self.name = connection, name
        self.id, self.epoch, self.sequences = -1, -1, {}
        self.offset = -1  # of what was produced last

    def ask(self, api, version, body, kind=2):
        """The response's body."""
        answer = self.connection.ask(wire.header(api, version, kind) + body)
        return Reader(answer[5 if kind == 2 else 4:])

    @property
    def identity(self):
        return self.id, self.epoch

    def take(self, identity):
        self.id, self.epoch = identity
        self.sequences = {}

    def coordinator(self, key=None):
        """Of the id, or of a group."""
        answer = self.ask(FIND_COORDINATOR, 1, wire.string(key or self.name) + (b"\0" if key else b"\1"), kind=1)
        return name_of(answer.take("ih")[1])

    def init_request(self, expected=(-1, -1), timeout=60_000):
        return wire.compact(self.name) + struct.pack(">iqh", timeout, *expected) + NO_TAGS

    def init(self, expected=(-1, -1), timeout=60_000):
        _, error, *identity = self.ask(INIT, 5, self.init_request(expected, timeout)).take("ihqh")
        if error == 0:
            self.take(identity)
        return name_of(error)

    def init_often(self, times, at_once=200):
        """For its epoch alone."""
        frame = wire.frame(wire.header(INIT, 5, 2) + self.init_request())
        while times > 0:
            count = min(times, at_once)
            self.connection.send(frame * count)
            for _ in range(count):
                _, error, *identity = Reader(self.connection.read()[5:]).take("ihqh")
                assert error == 0, name_of(error)
            self.take(identity)
            times -= count

    def end_request(self, commit):
        return wire.compact(self.name) + struct.pack(">qhb", self.id, self.epoch, commit) + NO_TAGS

    def end(self, commit, version=5, goes_on=True):
        """The error; with none also the identity that is told, which it goes on with."""
        answer = self.ask(END, version, self.end_request(commit))
        _, error = answer.take("ih")
        told = answer.take("qh") if version >= 5 else (-1, -1)
        if error != 0:
            assert told == (-1, -1), told
            return name_of(error)
        if goes_on and version >= 5:
            self.take(told)
        return told if version >= 5 else "NONE"

    def add(self, topic, version=3, partition=0, verify=False):
        topics = array([wire.compact(topic) + array([struct.pack(">i", partition)]) + NO_TAGS])
        own = wire.compact(self.name) + struct.pack(">qh", self.id, self.epoch)
        if version >= 4:
            body = array([own + (b"\1" if verify else b"\0") + topics + NO_TAGS]) + NO_TAGS
        else:
            body = own + topics + NO_TAGS
        answer = self.ask(ADD_PARTITIONS, version, body)
        answer.take("i")
        if version >= 4:
            error = answer.take("h")
            if error:
                return "all: " + name_of(error)
            answer.varint(), answer.string()
        answer.varint(), answer.string(), answer.varint()
        return name_of(answer.take("ih")[1])

    def add_offsets(self, group, version=4):
        body = wire.compact(self.name) + struct.pack(">qh", self.id, self.epoch) + wire.compact(group) + NO_TAGS
        return name_of(self.ask(ADD_OFFSETS, version, body).take("ih")[1])

    def produce(self, topic, version=12, partition=0, name="", transactional=True, values=(b"v",), acks=-1, sequence=None):
        sequence = self.sequences.get((topic, partition), 0) if sequence is None else sequence
        answer = self.ask(PRODUCE, version, self.produce_request(topic, partition, name, transactional, values, acks, sequence))
        answer.varint(), answer.string(), answer.varint()
        _, error, self.offset = answer.take("ihq")
        if error == 0:
            self.sequences[(topic, partition)] = sequence + len(values)
        return name_of(error)

    def produce_request(self, topic, partition, name, transactional, values, acks, sequence):
        records = batch(self.id, self.epoch, sequence, values, transactional)
        return (nullable(self.name if name == "" else name) + struct.pack(">hi", acks, 30_000)
                + array([wire.compact(topic) + array([struct.pack(">i", partition) + wire.varint(len(records) + 1) + records + NO_TAGS])
                         + NO_TAGS]) + NO_TAGS)

    def write_internal(self, topic, partition, key, value):
        """As the only client that may."""
        body = (b"\0\0\0" + wire.zigzag(len(key)) + key + wire.zigzag(len(value)) + value + wire.zigzag(0))
        records = wire.batch(wire.zigzag(len(body)) + body)
        body = (nullable(None) + struct.pack(">hi", -1, 30_000)
                + array([wire.compact(topic) + array([struct.pack(">i", partition) + wire.varint(len(records) + 1) + records + NO_TAGS])
                         + NO_TAGS]) + NO_TAGS)
        answer = Reader(self.connection.ask(wire.header(PRODUCE, 11, 2, client="__admin_client") + body)[5:])
        answer.varint(), answer.string(), answer.varint()
        return name_of(answer.take("ih")[1])

    def commit_offset(self, group, topic, offset=1, version=5, member=("", -1), partition=0):
        body = (wire.compact(self.name) + wire.compact(group) + struct.pack(">qhi", self.id, self.epoch, member[1])
                + wire.compact(member[0]) + b"\0"
                + array([wire.compact(topic) + array([struct.pack(">iqi", partition, offset, -1) + b"\1" + NO_TAGS]) + NO_TAGS]) + NO_TAGS)
        answer = self.ask(COMMIT_OFFSETS, version, body)
        answer.take("i"), answer.varint(), answer.string(), answer.varint()
        return name_of(answer.take("ih")[1])

    def committed_offset(self, group, topic, stable=False, partition=0):
        body = (array([wire.compact(group) + array([wire.compact(topic) + array([struct.pack(">i", partition)]) + NO_TAGS]) + NO_TAGS])
                + struct.pack(">b", stable) + NO_TAGS)
        answer = self.ask(OFFSET_FETCH, 8, body)
        answer.take("i"), answer.varint(), answer.string(), answer.varint(), answer.string(), answer.varint()
        _, offset, _ = answer.take("iqi")
        answer.string()
        error = answer.take("h")
        return offset if error == 0 else name_of(error)

    def write_marker(self, topic, commit, producer=None, version=2, transaction_version=2, coordinator_epoch=0, partition=0):
        identity = producer or self.identity
        body = (array([struct.pack(">qhb", *identity, commit) + array([wire.compact(topic) + array([struct.pack(">i", partition)]) + NO_TAGS])
                       + struct.pack(">i", coordinator_epoch) + (struct.pack(">b", transaction_version) if version >= 2 else b"") + NO_TAGS])
                + NO_TAGS)
        answer = self.ask(WRITE_MARKERS, version, body)
        answer.varint(), answer.take("q"), answer.varint(), answer.string(), answer.varint()
        return name_of(answer.take("ih")[1])

    def describe(self):
        """State, producer id, epoch, whether it started, partitions by topic; or the error."""
        answer = self.ask(DESCRIBE, 0, array([wire.compact(self.name)]) + NO_TAGS)
        answer.take("i"), answer.varint()
        error = answer.take("h")
        answer.string()
        state = answer.string()
        _, started, producer, epoch = answer.take("iqqh")
        topics = {}
        for _ in range(answer.varint() - 1):
            topic = answer.string()
            topics[topic] = sorted(answer.array(lambda: answer.take("i")))
            answer.tags()
        return (state, producer, epoch, started > 0, topics) if error == 0 else name_of(error)

    def list(self, pattern=None, states=(), version=2):
        """Error, ids in order."""
        body = (array([wire.compact(state) for state in states]) + array([]) + struct.pack(">q", -1)
                + (nullable(pattern) if version >= 2 else b"") + NO_TAGS)
        answer = self.ask(LIST, version, body)
        _, error = answer.take("ih")
        answer.array(answer.string)

        def one():
            name = answer.string()
            answer.take("q"), answer.string(), answer.tags()
            return name
        return name_of(error), sorted(answer.array(one))

    def leader_known(self, topic):
        """Makes it, too."""
        answer = self.ask(METADATA, 4, struct.pack(">i", 1) + wire.string(topic) + b"\1", kind=1)
        answer.take("i")
        for _ in range(answer.take("i")):
            answer.take("i"), answer.bytes(answer.take("h")), answer.take("i")
            answer.bytes(max(0, answer.take("h")))
        answer.bytes(max(0, answer.take("h")))
        answer.take("ii")
        return answer.take("h") == 0

    def fetch(self, topic, partition, committed):
        """Batches from the beginning, and the aborted transactions; an answer ends with a segment."""
        found, aborted, offset = [], set(), 0
        while True:
            some, some_aborted = self.fetch_from(topic, partition, committed, offset)
            if not some:
                return found, sorted(aborted)
            found += some
            aborted |= set(some_aborted)
            offset = found[-1].offset + max(1, len(found[-1].records))

    def fetch_from(self, topic, partition, committed, offset):
        body = (struct.pack(">iiiibii", -1, 0, 0, 1 << 26, committed, 0, -1) + struct.pack(">i", 1) + wire.string(topic)
                + struct.pack(">iiiqqi", 1, partition, -1, offset, -1, 1 << 26) + struct.pack(">i", 0) + wire.string(""))
        answer = self.ask(FETCH, 11, body, kind=1)
        answer.take("ihii"), answer.bytes(answer.take("h"))
        _, _, error = answer.take("iih")
        assert error == 0, name_of(error)
        answer.take("qqq")
        aborted = [answer.take("qq") for _ in range(max(0, answer.take("i")))]
        answer.take("i")
        return batches(answer.bytes(max(0, answer.take("i")))), aborted

    def end_offset(self, topic, partition, committed):
        """The high watermark, or the last stable offset; or the error."""
        body = (struct.pack(">ib", -1, committed) + struct.pack(">i", 1) + wire.string(topic) + struct.pack(">iiq", 1, partition, -1))
        answer = self.ask(LIST_OFFSETS, 2, body, kind=1)
        answer.take("ii"), answer.bytes(answer.take("h"))
        _, _, error, _, offset = answer.take("iihqq")
        return offset if error == 0 else name_of(error)

    def read(self, topic, committed=True, partition=0):
        """(producer id, epoch, values or the marker) of each batch from the beginning, and the aborted transactions."""
        found, aborted = self.fetch(topic, partition, committed)
        seen = []
        for one in found:
            if one.control:
                seen.append((one.producer, one.epoch, {0: "ABORT", 1: "COMMIT"}[struct.unpack(">hh", one.records[0][0])[1]]))
            else:
                seen.append((one.producer, one.epoch, [value.decode() for _, value in one.records]))
        return seen, [(producer, offset) for producer, offset in aborted]

    def records(self, topic, partition):
        return [record for one in self.fetch(topic, partition, False)[0] for record in one.records]

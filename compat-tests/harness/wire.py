"""Just enough of Kafka's wire format to send odd frames by hand."""
import socket
import struct

PRODUCE, FETCH, METADATA, LEADER_AND_ISR, CONTROLLED_SHUTDOWN, API_VERSIONS = 0, 1, 3, 4, 7, 18
INCREMENTAL_ALTER_CONFIGS, DESCRIBE_PRODUCERS = 44, 61
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
MESSAGE_TOO_LARGE = 10
NO_LEADER_YET = 3, 6  # UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER
CORRELATION = 7


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def compact(text):
    data = text.encode()
    return varint(len(data) + 1) + data


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def zigzag(value):
    return varint((value << 1) ^ (value >> 63))


def header(api, version, kind=1, client="test", tags=b"\0"):
    """kind 0 has no client id, kind 1 has one, kind 2 tagged fields as well."""
    head = struct.pack(">hhi", api, version, CORRELATION)
    if kind >= 1:
        head += struct.pack(">h", -1) if client is None else string(client)
    return head + (tags if kind == 2 else b"")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


class Closed(Exception):
    """The peer closed the connection."""


class Wire:
    def __init__(self, broker, guard_s=30):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout=guard_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _read(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError as reset:
                raise Closed from reset
            if not part:
                raise Closed
            data += part
        return data

    def read(self):
        """One response without its length."""
        return self._read(struct.unpack(">i", self._read(4))[0])

    def ask(self, payload):
        self.send(frame(payload))
        return self.read()

    def closed(self):
        """Whether the peer closes without a byte."""
        try:
            self._read(1)
        except Closed:
            return True
        return False

    def silent(self, seconds):
        """Whether nothing comes, and the connection stays open."""
        self.socket.settimeout(seconds)
        try:
            self._read(1)
        except TimeoutError:
            return True
        except Closed:
            return False
        return False


def _crc32c_table():
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def record(value, offset_delta=0):
    body = b"\0" + zigzag(0) + zigzag(offset_delta) + zigzag(-1) + zigzag(len(value)) + value + zigzag(0)
    return zigzag(len(body)) + body


def batch(records, codec=0, count=1):
    """A record batch of magic 2 around record bytes that are already compressed."""
    tail = struct.pack(">hiqqqhii", codec, count - 1, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1, count) + records
    head = struct.pack(">iBI", -1, 2, crc32c(tail)) + tail
    return struct.pack(">qi", 0, len(head)) + head


def zstd_frame(data):
    """A zstd frame with one uncompressed block (less than 256 bytes)."""
    return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def produce(version, topic=None, records=b"", acks=-1, partition=0):
    """Versions 0 to 8; without a topic a request with none."""
    body = (struct.pack(">h", -1) if version >= 3 else b"") + struct.pack(">hi", acks, 30000)
    if topic is None:
        return header(PRODUCE, version) + body + struct.pack(">i", 0)
    return (header(PRODUCE, version) + body + struct.pack(">i", 1) + string(topic) + struct.pack(">iii", 1, partition, len(records))
            + records)


def produce_error(response, topic):
    """Error code of the only partition in a produce response."""
    return struct.unpack_from(">h", response, 4 + 4 + 2 + len(topic) + 4 + 4)[0]


def fetch(topic, offset=0, max_bytes=1 << 20, version=4, partition=0):
    """Version 4 only has this layout."""
    return (header(FETCH, version) + struct.pack(">iiiibi", -1, 500, 1, max_bytes, 0, 1) + string(topic)
            + struct.pack(">iiqi", 1, partition, offset, max_bytes))


def alter_config(resource, name, key, value):
    """Sets it, or takes it away if the value is None."""
    return (header(INCREMENTAL_ALTER_CONFIGS, 0) + struct.pack(">ib", 1, resource) + string(name) + struct.pack(">i", 1) + string(key)
            + struct.pack(">b", 1 if value is None else 0) + (struct.pack(">h", -1) if value is None else string(value)) + b"\0")


def alter_config_error(response):
    """Error code of the only resource."""
    return struct.unpack_from(">h", response, 4 + 4 + 4)[0]


def api_versions_v0():
    return header(API_VERSIONS, 0)


def serves(broker):
    """Whether a new connection gets an ApiVersions answer."""
    with Wire(broker) as wire:
        answer = wire.ask(api_versions_v0())
    return struct.unpack_from(">ih", answer) == (CORRELATION, 0)


class Reader:
    """What is left of a response, from `at` on."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values if len(values) > 1 else values[0]

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

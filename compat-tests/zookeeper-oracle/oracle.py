"""Two servers in lockstep: each step goes to both, and what comes back on each connection must be the same."""
import contextlib
import itertools
import re
import socket
import struct
import time

import codec
import stream

GUARD_S = 120  # not an expectation: it ends what would never end
CLOSED = ("closed",)
WORDS_S = 10  # a server may notice a little later than the other that a socket was closed
NUMBERS = ("zk_znode_count", "zk_ephemerals_count")
WALKER_SLOT = 1000  # the connection that walks the tree


class Difference(Exception):
    """The two servers answered differently."""


class Connection:
    """One client's socket. Frames that arrived are read in order; requests that wait for an answer too."""

    def __init__(self, side, port):
        self.side = side
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=GUARD_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending, self.input, self.is_open = [], b"", True

    def close(self):
        self.is_open = False
        self.pending = []
        self.socket.close()

    def send(self, data):
        if self.is_open:
            with contextlib.suppress(ConnectionError):  # the next read tells
                self.socket.sendall(data)

    def read_frame(self):
        """Bytes behind the length, or None at the end of the connection."""
        while True:
            if len(self.input) >= 4:
                size, = struct.unpack_from(">i", self.input)
                if len(self.input) >= 4 + size:
                    frame, self.input = self.input[4:4 + size], self.input[4 + size:]
                    return frame
            try:
                part = self.socket.recv(262144)
            except ConnectionError:
                part = b""
            except TimeoutError:
                raise Difference(f"{self.side.name} doesn't answer {self.pending[:1]}") from None
            if not part:
                self.close()
                return None
            self.input += part

    def read_replies(self, exact=False):
        """All frames up to the answer to the last request that waits."""
        frames = []
        while self.pending:
            frame = self.read_frame()
            if frame is None:
                return frames + [CLOSED]
            found = codec.decode(frame, self.pending[0], self.side.label, exact)
            if found[0] == "reply":
                self.pending.pop(0)
            frames.append(found)
        return frames

    def read_end(self):
        """Frames up to the end of the connection, which the server is expected to close."""
        frames = []
        self.pending = [("end",)]
        while (frame := self.read_frame()) is not None:
            frames.append(codec.decode(frame, ("end",), self.side.label))
        return frames + [CLOSED]


class Side:
    """One server and its clients, by slot."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.connections, self.sessions, self.labels = {}, {}, {0: 0}

    def label(self, session_id):
        """Ids differ between servers; the order in which they were given doesn't."""
        return self.labels.get(session_id, f"0x{session_id & (2 ** 64 - 1):x}")

    def connection(self, slot):
        connection = self.connections.get(slot)
        return connection if connection and connection.is_open else None

    def handshake(self, slot, session_id, password, timeout_ms, last_zxid, with_read_only):
        """The answer, with the id as a label."""
        connection = Connection(self, self.port)
        connection.send(codec.connect_frame(session_id, password, timeout_ms, last_zxid, with_read_only))
        connection.pending = [("connect",)]
        frame = connection.read_frame()
        if frame is None:
            return CLOSED
        connection.pending = []
        version, timeout, given, length = struct.unpack_from(">iiqi", frame)
        answered = frame[20:20 + length]
        if given != 0 and given not in self.labels:
            self.labels[given] = f"session {len(self.labels)}"
        if given != 0:
            self.connections[slot] = connection
            self.sessions[slot] = (given, answered)
        else:
            tail = connection.read_end()
            if tail != [CLOSED]:
                raise Difference(f"{self.name} goes on after a refused handshake: {tail}")
        return ("connected", version, timeout, self.label(given), length, answered == bytes(16), len(frame))

    def close(self):
        for connection in self.connections.values():
            connection.close()


class Lockstep:
    def __init__(self, reference_port, candidate_port):
        self.reference, self.candidate = Side("ZooKeeper", reference_port), Side("Milena", candidate_port)
        self.sides = (self.reference, self.candidate)
        self.zxid, self.xid = 0, 0
        self.versions, self.sequential = {}, []
        self.replies, self.events, self.told = 0, 0, 0
        self.closings = set()  # zxids at which a session ended

    def close(self):
        for side in self.sides:
            side.close()

    def on_both(self, action, what):
        expected, found = [action(side) for side in self.sides]
        if expected != found:
            raise Difference(f"{what}\n" + (first_difference(expected, found) or
                                            f"  ZooKeeper {short(expected)}\n  Milena    {short(found)}\n"))
        return expected

    # Steps

    def run(self, step):
        kind, slot = step[0], step[1]
        if kind == "connect":
            self.connect(slot, step[2], step[3])
        elif kind == "drop":
            for side in self.sides:
                if side.connection(slot):
                    side.connections[slot].close()
        elif kind == "attach":
            self.attach(slot, step[2])
        else:
            self.requests(slot, step[2])

    def connect(self, slot, timeout_ms=400000, with_read_only=True):
        for side in self.sides:
            if side.connection(slot):
                side.connections[slot].close()
        self.on_both(lambda side: side.handshake(slot, 0, bytes(16), timeout_ms, 0, with_read_only), "a new session")
        self.zxid += 1

    def attach(self, slot, how):
        if slot not in self.reference.sessions:
            return self.connect(slot)
        old = [side.connection(slot) for side in self.sides]

        def once(side):
            session_id, password = side.sessions[slot]
            if how == "wrong":
                password = b"x" * 16
            if how == "short":
                password = password[:15]
            if how == "stranger":
                session_id += 1000
            return side.handshake(slot, session_id, password, 450000, self.zxid + (how == "future") * 1000000, True)

        answer = self.on_both(once, f"attach slot {slot} ({how})")
        if how in ("right", "wrong", "short") and all(old):  # the old connection goes first, whatever the password
            ends = iter(old)
            self.on_both(lambda side: self.in_order(next(ends).read_end()), f"the old connection of slot {slot}")
        if answer[0] == "connected" and answer[3] == 0 and how == "right":
            self.forget(slot)  # the session is over
        return answer

    def forget(self, slot):
        for side in self.sides:
            side.sessions.pop(slot, None)

    def requests(self, slot, requests):
        if not self.reference.connection(slot):
            self.attach(slot, "right")
            if not self.reference.connection(slot):
                self.connect(slot)
        requests = [self.resolve(request) for request in requests]
        data = b""
        for request in requests:
            data += codec.frame_of(request, self.xid_of(request))
        for side in self.sides:
            connection = side.connections[slot]
            connection.pending.extend(requests)
            connection.send(data)
        frames = self.on_both(lambda side: self.read(side.connections[slot], requests), f"slot {slot}: {short(requests)}")
        self.learn(requests, frames)
        if ends_connection(requests[-1], frames[-1]):
            self.on_both(lambda side: self.in_order(side.connections[slot].read_end()) if side.connection(slot) else [CLOSED],
                         f"slot {slot} after {short(requests)}")
            if requests[-1][0] == "closeSession":
                self.forget(slot)
        return frames

    def read(self, connection, requests):
        frames = connection.read_replies()
        if requests[-1][0] == "closeSession" and frames[-1][0] == "reply":
            self.closings.add(frames[-1][2])
        return self.in_order(frames)

    def in_order(self, frames):
        """A session's ephemerals go in the order of a hash table, so the events at that zxid are sorted."""
        ordered = []
        for zxid, run in itertools.groupby(frames, lambda frame: frame[1] if frame[0] == "event" else None):
            ordered += sorted(run) if zxid in self.closings else list(run)
        return ordered

    def xid_of(self, request):
        fixed = {"ping": codec.PING_XID, "auth": codec.AUTH_XID}
        if request[0] in fixed:
            return fixed[request[0]]
        self.xid += 1
        return self.xid

    # What was seen

    def resolve(self, value, path=None):
        """Puts in what the stream left open."""
        if isinstance(value, list):
            return [self.resolve(item, path) for item in value]
        if not isinstance(value, tuple):
            return value
        if value == ("version",):
            return self.versions.get(path, 0)
        if len(value) == 2 and value[0] == "sequential":
            return self.sequential[-1 - value[1] % len(self.sequential)] if self.sequential else "/a"
        if len(value) == 2 and value[0] == "zxid":
            return max(0, self.zxid - value[1])
        if value and value[0] in codec.CODES and value[0] not in ("multi", "multiRead") and len(value) > 1:
            path = self.resolve(value[1])
            return (value[0], path, *(self.resolve(field, path) for field in value[2:]))
        return tuple(self.resolve(field, path) for field in value)

    def learn(self, requests, frames):
        replies = [frame for frame in frames if frame[0] == "reply"]
        self.replies += len(replies)
        self.events += sum(frame[0] == "event" for frame in frames)
        for request, reply in zip(requests, replies):
            self.zxid = max(self.zxid, reply[2])
            body = reply[4]
            if body is None:
                continue
            if request[0] == "multi":
                for part, result in zip(request[1], body):
                    if result[0] != "error":
                        self.learn_one(part, result[2])
            else:
                self.learn_one(request, body)

    def learn_one(self, request, body):
        stat = next((part for part in (body if isinstance(body, tuple) else (body,)) if isinstance(part, dict)), None)
        if request[0].startswith("create"):
            made = body[0] if isinstance(body, tuple) else body
            if made and made != request[1]:
                self.sequential.append(made)
                del self.sequential[:-50]
        elif stat and len(request) > 1 and request[0] != "setACL":
            self.versions[request[1]] = stat["version"]

    def settle(self):
        """A ping on every connection: all events have come."""
        for slot in sorted(self.reference.connections):
            if self.reference.connection(slot):
                self.requests(slot, [("ping",)])
        self.compare_words()

    def compare_words(self):
        """Whose the ephemerals are, and how many there are, as an operator asks for them."""
        end = time.monotonic() + WORDS_S
        while len({repr(said := words(side)) for side in self.sides}) > 1 and time.monotonic() < end:
            time.sleep(0.05)
        self.on_both(words, "dump, mntr")
        self.told += len(said)


def ends_connection(request, frame):
    if frame == CLOSED:
        return False
    name, error = request[0], frame[3]
    return name == "closeSession" or (name in ("raw", "check", "deleteContainer") and error == -6) or (name == "auth" and error != 0)


def short(value):
    text = repr(abridged(value))
    return text if len(text) < 1500 else text[:700] + f" …{len(text)} characters… " + text[-700:]


def abridged(value):
    """Long data is named by its size."""
    if isinstance(value, (list, tuple)):
        return type(value)(abridged(item) for item in value)
    if isinstance(value, dict):
        return {key: abridged(item) for key, item in value.items()}
    if isinstance(value, bytes) and len(value) > 40:
        return value[:8] + b"... %d bytes" % len(value)
    return value


def first_difference(expected, found):
    """The first frame that differs, for answers to many requests."""
    if not isinstance(expected, list) or len(expected) < 2:
        return ""
    for number, pair in enumerate(zip(expected, found)):
        if pair[0] != pair[1]:
            return f"  frame {number}\n  ZooKeeper {short(pair[0])}\n  Milena    {short(pair[1])}\n"
    number = min(len(expected), len(found))
    return f"  from frame {number} on\n  ZooKeeper {short(expected[number:])}\n  Milena    {short(found[number:])}\n"


# Words

def word(side, name):
    with socket.create_connection(("127.0.0.1", side.port), timeout=GUARD_S) as connection:
        connection.sendall(name)
        data = b""
        while part := connection.recv(262144):
            data += part
    return re.sub(r"\b0x[0-9a-f]+", lambda found: str(side.label(int(found[0], 16))), data.decode("utf-8", "replace"))


def groups(text):
    """Lines with what is indented below each, in no order. ZooKeeper's dump still names sessions whose ephemerals are gone."""
    found = [("nothing above", [])]
    for line in text.split("\n"):  # paths may have what Python, too, takes for the end of a line
        if line.startswith("\t"):
            found[-1][1].append(line.strip())
        else:  # an empty line is a path, too: addWatch takes any
            found.append((line, []))
    return sorted(f"{line} {sorted(below)}" for line, below in found if below)


def words(side):
    ephemerals = word(side, b"dump").partition("ephemeral nodes dump:")[2].partition("Connections dump:")[0]
    numbers = [line for line in word(side, b"mntr").splitlines() if line.startswith(NUMBERS)]
    return groups(ephemerals) + groups(word(side, b"wchp")) + sorted(numbers)


# Trees

def walk(side, slot=WALKER_SLOT):
    """Every znode with data, ACL and Stat, times included, as a super user sees it."""
    if not side.connection(slot):
        side.handshake(slot, 0, bytes(16), 600000, 0, True)
        side.connections[slot].pending = [("auth",)]
        side.connections[slot].send(codec.frame_of(("auth", "digest", stream.SUPER.encode()), codec.AUTH_XID))
        side.connections[slot].read_replies()
    connection, found, level = side.connections[slot], {}, ["/"]
    while level:
        requests = [(name, path, *([False] if name != "getACL" else [])) for path in level
                    for name in ("getData", "getACL", "getChildren")]
        connection.pending = list(requests)
        connection.send(b"".join(codec.frame_of(request, 1) for request in requests))
        frames = connection.read_replies(exact=True)
        below = []
        for at, path in enumerate(level):
            data, acl, children = frames[3 * at:3 * at + 3]
            found[path] = {"data": data[4][0], "acl": acl[4][0], **data[4][1]} if data[3] == 0 else {"error": data[3]}
            below += [path.rstrip("/") + "/" + name for name in children[4] or []]
        level = below
    return found


def masked(nodes):
    return {path: {key: value for key, value in node.items() if key not in ("ctime", "mtime")}
            for path, node in nodes.items()}


def compare_trees(expected, found, what):
    if expected == found:
        return
    lines = [f"{what}: the trees differ"]
    for path in sorted(set(expected) | set(found)):
        one, other = expected.get(path), found.get(path)
        if one != other:
            lines.append(f"  {path}\n    {short(one)}\n    {short(other)}")
    raise Difference("\n".join(lines[:12]))

"""ZooKeeper's wire format: jute's primitives, requests as tuples to bytes, replies to tuples with times masked."""
import struct

NOTIFICATION_XID, PING_XID, AUTH_XID = -1, -2, -4
CODES = {
    "create": 1, "delete": 2, "exists": 3, "getData": 4, "setData": 5, "getACL": 6, "setACL": 7, "getChildren": 8,
    "sync": 9, "ping": 11, "getChildren2": 12, "check": 13, "multi": 14, "create2": 15, "reconfig": 16,
    "checkWatches": 17, "removeWatches": 18, "createContainer": 19, "deleteContainer": 20, "createTTL": 21,
    "multiRead": 22, "auth": 100, "setWatches": 101, "sasl": 102, "getEphemerals": 103, "getAllChildrenNumber": 104,
    "setWatches2": 105, "addWatch": 106, "whoAmI": 107, "closeSession": -11, "createSession": -10, "error": -1,
}
NAMES = {code: name for name, code in CODES.items()}


def int32(value):
    return struct.pack(">i", value)


def int64(value):
    return struct.pack(">q", value)


def boolean(value):
    return b"\1" if value else b"\0"


def buffer(value):
    """A string or a buffer; None is the length -1."""
    if value is None:
        return int32(-1)
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return int32(len(data)) + data


def vector(items, write):
    return int32(-1) if items is None else int32(len(items)) + b"".join(map(write, items))


def acl_entry(entry):
    permissions, scheme, identity = entry
    return int32(permissions) + buffer(scheme) + buffer(identity)


def multi_header(code, done=False, error=-1):
    return int32(code) + boolean(done) + int32(error)


def body_of(request):
    """The bytes behind the request header."""
    name, *fields = request
    if name in ("create", "create2", "createContainer", "createTTL"):
        path, data, acl, flags, *ttl = fields
        out = buffer(path) + buffer(data) + vector(acl, acl_entry) + int32(flags)
        return out + int64(ttl[0]) if name == "createTTL" else out
    if name in ("delete", "check"):
        return buffer(fields[0]) + int32(fields[1])
    if name in ("exists", "getData", "getChildren", "getChildren2"):
        return buffer(fields[0]) + boolean(fields[1])
    if name == "setData":
        return buffer(fields[0]) + buffer(fields[1]) + int32(fields[2])
    if name == "setACL":
        return buffer(fields[0]) + vector(fields[1], acl_entry) + int32(fields[2])
    if name in ("getACL", "sync", "getEphemerals", "getAllChildrenNumber", "deleteContainer", "sasl"):
        return buffer(fields[0])
    if name in ("checkWatches", "removeWatches", "addWatch"):
        return buffer(fields[0]) + int32(fields[1])
    if name in ("multi", "multiRead"):
        parts = [multi_header(code_of(part)) + body_of(part) for part in fields[0]]
        return b"".join(parts) + multi_header(-1, True)
    if name in ("setWatches", "setWatches2"):
        return int64(fields[0]) + b"".join(vector(paths, buffer) for paths in fields[1:])
    if name == "reconfig":
        joining, leaving, members, config = fields
        return buffer(joining) + buffer(leaving) + buffer(members) + int64(config)
    if name == "auth":
        return int32(0) + buffer(fields[0]) + buffer(fields[1])
    if name == "raw":
        return fields[1]
    return b""  # ping, whoAmI, closeSession


def code_of(request):
    return request[1] if request[0] == "raw" else CODES[request[0]]


def frame_of(request, xid):
    body = int32(xid) + int32(code_of(request)) + body_of(request)
    return int32(len(body)) + body


def connect_frame(session_id, password, timeout_ms, last_zxid, with_read_only):
    body = int32(0) + int64(last_zxid) + int32(timeout_ms) + int64(session_id) + buffer(password)
    body += boolean(False) if with_read_only else b""
    return int32(len(body)) + body


class Reader:
    """Over one frame. `owner` names sessions the same on both servers; with exact=True times are kept."""

    def __init__(self, data, owner, exact=False):
        self.data, self.at, self.owner, self.exact = data, 0, owner, exact

    def take(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def int32(self):
        return self.take(">i")

    def int64(self):
        return self.take(">q")

    def boolean(self):
        return self.take(">b") != 0

    def buffer(self):
        size = self.int32()
        if size < 0:
            return None
        value = self.data[self.at:self.at + size]
        if len(value) != size:
            raise struct.error("a buffer longer than its frame")
        self.at += size
        return value

    def string(self):
        value = self.buffer()
        if value is None:
            return None
        # Java writes characters beyond U+FFFF as two surrogates of three bytes each.
        return value.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def vector(self, read):
        size = self.int32()
        return None if size < 0 else [read() for _ in range(size)]

    def left(self):
        return self.data[self.at:]

    def time(self):
        value = self.int64()
        return value if self.exact else int(value != 0)

    def stat(self):
        return {"czxid": self.int64(), "mzxid": self.int64(), "ctime": self.time(), "mtime": self.time(),
                "version": self.int32(), "cversion": self.int32(), "aversion": self.int32(),
                "owner": self.owner(self.int64()), "dataLength": self.int32(), "numChildren": self.int32(),
                "pzxid": self.int64()}

    def acl(self):
        # The order of the identities that `auth` stands for is that of a hash table.
        return sorted(self.vector(lambda: (self.int32(), self.string(), self.string())) or [], key=str)

    def names(self):
        return sorted(self.vector(self.string) or [], key=str)

    def results(self):
        """The answer to multi and multiRead."""
        parts = []
        while True:
            code, done, error = self.int32(), self.boolean(), self.int32()
            if done:
                return parts + [("end", code, error)]
            if code == -1:
                parts.append(("error", error, self.int32()))
            else:
                name = NAMES.get(code, str(code))
                parts.append((name, error, self.reply(name)))

    def reply(self, name):  # pylint: disable=too-many-return-statements
        if name in ("create", "sync"):
            return self.string()
        if name in ("create2", "createContainer", "createTTL"):
            return self.string(), self.stat()
        if name in ("exists", "setData", "setACL"):
            return self.stat()
        if name in ("getData", "reconfig"):
            return self.buffer(), self.stat()
        if name == "getACL":
            return self.acl(), self.stat()
        if name in ("getChildren", "getEphemerals"):
            return self.names()
        if name == "getChildren2":
            return self.names(), self.stat()
        if name == "getAllChildrenNumber":
            return self.int32()
        if name == "whoAmI":
            return sorted(self.vector(lambda: (self.string(), self.string())) or [])
        if name in ("multi", "multiRead"):
            return self.results()
        return None


def decode(frame, request, owner, exact=False):
    """A frame behind its length; `request` is the one that waits for an answer."""
    reader = Reader(frame, owner, exact)
    xid, zxid, error = reader.int32(), reader.int64(), reader.int32()
    if xid == NOTIFICATION_XID:
        return ("event", zxid, error, reader.int32(), reader.int32(), reader.string(), reader.left())
    body = None
    if reader.left():
        try:
            body = reader.reply(request[0])
        except (struct.error, UnicodeDecodeError) as failure:
            body = ("undecodable", str(failure))
    return ("reply", xid, zxid, error, body, reader.left())

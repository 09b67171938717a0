"""SASL tokens by raw frames: every odd order of them, and what comes back, byte by byte where it is no secret."""
import hashlib
import re
import socket
import struct


class Raw:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.xid = 0
        self.frame(struct.pack(">iqiqi16s?", 0, 0, 30000, 0, 16, bytes(16), False))
        self.receive()

    def frame(self, body):
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def receive(self):
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            part = self.socket.recv(65536)
            if not part:
                return None
            data += part
        return data[4:]

    def ask(self, op, body):
        """The answer as text: its error and its body; `closed` if there is none."""
        self.xid += 1
        try:
            self.frame(struct.pack(">ii", self.xid, op) + body)
            answer = self.receive()
        except OSError:
            answer = None
        if answer is None:
            return "closed", b""
        xid, zxid, error = struct.unpack(">iqi", answer[:16])
        return f"xid {xid - self.xid} zxid {'0' if zxid == 0 else 'n'} error {error}", answer[16:]

    def token(self, token):
        body = struct.pack(">i", -1) if token is None else struct.pack(">i", len(token)) + token
        head, answer = self.ask(102, body)
        if not answer:
            return head, None
        size = struct.unpack(">i", answer[:4])[0]
        return head, None if size < 0 else answer[4:]

    def ended(self):
        """Whether the server closes by itself."""
        try:
            return self.receive() is None
        except OSError:
            return True


def response(challenge, user="kafka", password="kafka secret", **change):
    nonce = re.search(rb'nonce="([^"]*)"', challenge)[1].decode()
    parts = {"charset": "utf-8", "username": user, "realm": "zk-sasl-md5", "nonce": nonce, "nc": "00000001", "cnonce": "abc",
             "digest-uri": "zookeeper/zk-sasl-md5", "qop": "auth", **{key.replace("_", "-"): value for key, value in change.items()}}
    parts = {key: value for key, value in parts.items() if value is not None}

    def md5(data):
        return hashlib.md5(data).digest()

    a1 = md5(f"{user}:zk-sasl-md5:{password}".encode()) + f":{nonce}:abc".encode()
    if "authzid" in parts:
        a1 += f":{parts['authzid']}".encode()
    a2 = b"AUTHENTICATE:zookeeper/zk-sasl-md5"
    final = md5(b":".join([md5(a1).hex().encode(), nonce.encode(), b"00000001", b"abc", b"auth", md5(a2).hex().encode()]))
    parts["response"] = final.hex()
    plain = ("charset", "nc", "qop", "response")
    return ",".join(f"{key}={value}" if key in plain else f'{key}="{value}"' for key, value in parts.items()).encode()


def shape(token):
    """The token without what is random."""
    if token is None:
        return "null"
    return re.sub(rb"(nonce|rspauth)=[^,]*", rb"\1=...", token).decode()


EXISTS = struct.pack(">i", 1) + b"/" + b"\0"


def cases(port):
    lines = []

    def note(name, raw, *tokens):
        lines.append(f"{name}: " + "; ".join(f"{head} {shape(token)}" for head, token in tokens) +
                     f"; then exists {raw.ask(3, EXISTS)[0]}")

    raw = Raw(port)
    lines.append(f"no authentication: {raw.ask(3, EXISTS)[0]}")
    raw = Raw(port)
    note("initial response", raw, raw.token(b"x"))
    raw = Raw(port)
    note("null token", raw, raw.token(None))
    for name, change in (("right", {}), ("wrong password", {"password": "no"}), ("unknown user", {"user": "nobody"}),
                         ("wrong realm", {"realm": "other"}), ("no realm", {"realm": None}), ("wrong uri", {"digest_uri": "x/y"}),
                         ("wrong qop", {"qop": "auth-conf"}), ("no qop", {"qop": None}), ("second nc", {"nc": "00000002"}),
                         ("no nc", {"nc": None}), ("authzid", {"authzid": "kafka"}), ("other authzid", {"authzid": "admin"}),
                         ("no charset", {"charset": None}), ("other charset", {"charset": "latin1"})):
        raw = Raw(port)
        first = raw.token(b"")
        note(name, raw, first, raw.token(response(first[1], **change)))
    raw = Raw(port)
    first = raw.token(b"")
    note("garbage", raw, first, raw.token(b"\x00\xff,=="))
    raw = Raw(port)
    note("empty twice", raw, raw.token(b""), raw.token(b""))
    raw = Raw(port)
    first = raw.token(b"")
    second = raw.token(response(first[1]))
    note("again after the end", raw, first, second, raw.token(b""))
    return "\n".join(lines)

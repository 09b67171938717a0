"""ZooKeeper's protocol over TLS by hand, so that every answer and every refusal can be compared."""
import socket
import ssl
import struct

CREATE, EXISTS, GET_DATA, GET_ACL, SET_ACL, WHO_AM_I, CLOSE = 1, 3, 4, 6, 7, 107, -11
GUARD_S = 60


class Refused(Exception):
    """The server ended it."""


def text(value):
    data = value.encode()
    return struct.pack(">i", len(data)) + data


def acl(*entries):
    return struct.pack(">i", len(entries)) + b"".join(
        struct.pack(">i", perms) + text(scheme) + text(identity) for perms, scheme, identity in entries)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def int(self):
        self.at += 4
        return struct.unpack_from(">i", self.data, self.at - 4)[0]

    def text(self):
        size = self.int()
        self.at += max(size, 0)
        return self.data[self.at - max(size, 0):self.at].decode("utf-8", "backslashreplace")


def tls_context(certificates=None, name=None, trust=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates.path(f"{trust}.crt"))
    if name:
        context.load_cert_chain(certificates.path(f"{name}.crt"), certificates.path(f"{name}.key"))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Client:
    """A session; `context` None: plaintext."""

    def __init__(self, port, context):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=GUARD_S)
            if context:
                self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            self.xid = 0
            self._send(struct.pack(">iqiq", 0, 0, 30000, 0) + struct.pack(">i", 16) + bytes(16) + b"\0")
            self._receive()
        except (ssl.SSLError, ConnectionError) as error:
            raise Refused(str(error)) from error

    def _send(self, body):
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise Refused("closed")
            data += part
        return data

    def _receive(self):
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def ask(self, op, body=b""):
        """(error code, reader of the body)"""
        self.xid += 1
        try:
            self._send(struct.pack(">ii", self.xid, op) + body)
            answer = self._receive()
        except (ssl.SSLError, ConnectionError) as error:
            raise Refused(str(error)) from error
        xid, _, code = struct.unpack_from(">iqi", answer)
        assert xid == self.xid
        return code, Reader(answer[16:])

    def who_am_i(self):
        code, reader = self.ask(WHO_AM_I)
        assert code == 0
        return sorted((reader.text(), reader.text()) for _ in range(reader.int()))

    def create(self, path, *entries):
        data = text(path) + text("data") + acl(*entries) + struct.pack(">i", 0)
        return self.ask(CREATE, data)[0]

    def read(self, path):
        return self.ask(GET_DATA, text(path) + b"\0")[0]

    def acl_of(self, path):
        code, reader = self.ask(GET_ACL, text(path))
        if code != 0:
            return code
        return [(reader.int(), reader.text(), reader.text()) for _ in range(reader.int())]

    def close(self):
        self.socket.close()


def refusal(port, context):
    """Whether a session is refused."""
    try:
        Client(port, context).close()
    except Refused:
        return True
    return False


def word(port, context, what=b"srvr"):
    """A four-letter word's answer; context None: plaintext."""
    with socket.create_connection(("127.0.0.1", port), timeout=GUARD_S) as plain:
        connection = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        try:
            connection.sendall(what)
            data = b""
            while part := connection.recv(65536):
                data += part
            return data.decode()
        except (ssl.SSLError, ConnectionError):
            return ""

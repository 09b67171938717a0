"""A client's side of the protocol by hand: a session, creates, frames."""
import socket
import struct


def connect_request(timeout_ms):
    body = struct.pack(">iqiqi", 0, 0, timeout_ms, 0, 16) + bytes(16) + b"\0"
    return struct.pack(">i", len(body)) + body


def create_request(xid, path, data=b""):
    name = path.encode()
    body = struct.pack(">iii", xid, 1, len(name)) + name + struct.pack(">i", len(data)) + data
    body += struct.pack(">iii", 1, 31, 5) + b"world" + struct.pack(">i", 6) + b"anyone" + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def read_frame(client):
    head = client.recv(4, socket.MSG_WAITALL)
    return client.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""


def raw_session(server):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.sendall(connect_request(30_000))
    read_frame(client)
    return client

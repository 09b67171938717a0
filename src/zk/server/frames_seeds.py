#!/usr/bin/env python3
"""frames_seeds.py DIRECTORY: requests as real clients sent them, one by one and all in a row, as a corpus. With a second
argument `connection` in the form that connection_fuzz takes."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# By opcode, for requests of which there is a body alone.
BODIES = {"proto.CreateRequest": 1, "proto.DeleteRequest": 2, "proto.ExistsRequest": 3, "proto.GetDataRequest": 4, "proto.SetDataRequest": 5,
          "proto.GetACLRequest": 6, "proto.SetACLRequest": 7, "proto.GetChildrenRequest": 8, "proto.SyncRequest": 9,
          "proto.GetChildren2Request": 12, "proto.CheckVersionRequest": 13, "proto.ReconfigRequest": 16,
          "proto.CheckWatchesRequest": 17, "proto.RemoveWatchesRequest": 18, "proto.CreateTTLRequest": 21, "proto.AuthPacket": 100,
          "proto.SetWatches": 101, "proto.GetSASLRequest": 102, "proto.GetEphemeralsRequest": 103,
          "proto.GetAllChildrenNumberRequest": 104, "proto.SetWatches2": 105, "proto.AddWatchRequest": 106}


def requests():
    """(name, bytes behind the length) of each request; those of a handshake are named connect."""
    rows = (HERE.parent / "proto" / "testdata" / "jute-vectors.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for number, (name, instance, hexadecimal, *_) in enumerate(row.split("\t") for row in rows):
        if name.startswith("frame.") and ("request" in name or "connect." in name):
            data = bytes.fromhex(hexadecimal)
            body = data[4:] if int.from_bytes(data[:4], "big") == len(data) - 4 else data
            yield f"{'connect' if 'connect.' in name else 'frame'}-{number:03}", body
        elif name in BODIES and instance in ("0", "1"):
            head = number.to_bytes(4, "big") + BODIES[name].to_bytes(4, "big")
            yield f"body-{number:03}", head + bytes.fromhex(hexadecimal)


def main(target, form):
    target.mkdir(parents=True, exist_ok=True)
    found = list(requests())
    connects = [body for name, body in found if name.startswith("connect")]
    others = [(name, body) for name, body in found if not name.startswith("connect")]
    if form == "connection":
        frame = lambda body: len(body).to_bytes(4, "big") + body  # noqa: E731
        for number, connect in enumerate(connects):
            for bits in range(16):
                (target / f"all-{number}-{bits}").write_bytes(bytes([bits * 16, bits]) + frame(connect) +
                                                              b"".join(frame(body) for _, body in others[number::4]))
        for name, body in others:
            (target / name).write_bytes(b"\x07\0" + frame(connects[0]) + frame(body))
        for word in (b"ruok", b"stmk" + bytes(8), b"mntr"):
            (target / word[:4].decode()).write_bytes(b"\2\0" + word)
        return
    part = lambda body, sync: (len(body) | sync << 15).to_bytes(2, "big") + body  # noqa: E731
    for name, body in others:
        (target / name).write_bytes(part(body, True))
    for step in range(1, 8):
        (target / f"all-{step}").write_bytes(b"".join(part(body, at % step == 0) for at, (_, body) in enumerate(others[::step])))


main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "frames")

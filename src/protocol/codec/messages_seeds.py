#!/usr/bin/env python3
"""messages_seeds.py FOLDER: inputs for messages_fuzz from the golden bytes; which byte means what: messages_fuzz.cpp."""
import gzip
import pathlib
import struct
import sys

PROTOCOL = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROTOCOL / "generator"))
import schema


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted((PROTOCOL / "schemas").rglob("*.schema"))  # the order of the generator
    messages = [message for path in paths for message in schema.parse_file(path).messages]
    order = {message.name: (index, message) for index, message in enumerate(messages)}
    count = 0
    for name in ("messages-4.3.1.tsv.gz", "messages-3.9.2-extra.tsv.gz"):
        with gzip.open(PROTOCOL / "testdata" / name, "rt", encoding="utf-8") as lines:
            for line in lines:
                cells = line.rstrip("\n").split("\t")
                if line[0] == "#" or cells[0] not in order:
                    continue
                index, message = order[cells[0]]
                version, body = int(cells[3]), bytes.fromhex(cells[5])
                seed = folder / f"{count:05}"
                seed.write_bytes(struct.pack(">HB", index, version) + body)
                count += 1
                if message.kind == "request":
                    tags = b"\0" if message.flexible is not None and version >= message.flexible else b""
                    header = struct.pack(">HhhihB", 0xffff, message.key, version, 7, 1, ord("a")) + tags
                    (folder / f"{count:05}").write_bytes(header + body)
                    count += 1
    print(f"{count} seeds")


main(pathlib.Path(sys.argv[1]))

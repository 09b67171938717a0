"""usage: load_znodes.py HOST:PORT ROOT FILE    creates under ROOT what FILE lists: path, tab, base64 of the data or `-`"""
import base64
import sys

from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start(60)
client.ensure_path(sys.argv[2])
with open(sys.argv[3], encoding="utf-8") as file:
    for line in file:
        path, data = line.rstrip("\n").split("\t")
        client.create(sys.argv[2] + path, None if data == "-" else base64.b64decode(data))
client.stop()

"""The same traffic for both servers: znodes, a watch of each kind, an ephemeral, a quota, some writes that fail. Then it stays
until its input ends, so that connection, session and watches can be looked at."""
import logging
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

logging.disable(logging.CRITICAL)


def attempt(what):
    try:
        what()
        return "ok"
    except KazooException as error:
        return type(error).__name__


def main():
    client = KazooClient(hosts=sys.argv[1], timeout=20)
    client.start(timeout=60)
    for path in ("/app/x", "/app/y", "/other", "/zookeeper/quota/app"):
        client.ensure_path(path)
    quota = "/zookeeper/quota/app"
    client.create(quota + "/zookeeper_limits", b"count=4,bytes=-1=;byteHardLimit=100;countHardLimit=6")
    client.create(quota + "/zookeeper_stats", b"count=0,bytes=0")
    client.set("/app/x", b"hello")
    client.get("/app/x", watch=lambda event: None)
    client.exists("/nope", watch=lambda event: None)
    client.get_children("/other", watch=lambda event: None)
    client.create("/app/ephemeral", b"", ephemeral=True)
    print("creates", [attempt(lambda number=number: client.create(f"/app/n{number}", b"y" * 10)) for number in range(4)])
    print("small set", attempt(lambda: client.set("/app/y", b"z" * 60)))
    print("large set", attempt(lambda: client.set("/app/y", b"z" * 200)))
    print("elsewhere", attempt(lambda: client.create("/other/n", b"z" * 500)))
    print("stats", client.get(quota + "/zookeeper_stats")[0])
    print("ready", flush=True)
    sys.stdin.read()
    client.stop()


main()

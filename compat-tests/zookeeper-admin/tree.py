"""Fills a tree with every kind of znode, or prints one: paths, data, ACLs and Stats, all that a snapshot keeps."""
import logging
import sys

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

logging.disable(logging.CRITICAL)


def fill(client):
    client.ensure_path("/app/deep/er")
    client.create("/app/data", b"x" * 10_000)
    client.set("/app/data", b"changed")
    client.create("/app/closed", b"secret", acl=[make_digest_acl("u", "p", all=True)])
    client.create("/app/\u010de\u0161tina", "data \u65e5\u672c".encode())
    client.create("/app/container/child", b"", makepath=True)
    client.create("/app/gone", b"")
    client.delete("/app/gone")
    client.create("/zookeeper/quota/app", b"")
    client.create("/zookeeper/quota/app/zookeeper_limits", b"count=1000,bytes=-1")
    client.create("/zookeeper/quota/app/zookeeper_stats", b"count=0,bytes=0")
    for _ in range(300):
        client.create("/app/n-", b"y" * 100, sequence=True)
    transaction = client.transaction()
    transaction.create("/app/multi", b"1")
    transaction.check("/app", -1)
    transaction.commit()


def show(client, path):
    data, stat = client.get(path)
    print(repr(path), data[:30], stat, client.get_acls(path)[0])
    for child in sorted(client.get_children(path)):
        show(client, path.rstrip("/") + "/" + child)


def main():
    client = KazooClient(hosts=sys.argv[2], timeout=20, auth_data=[("digest", "u:p")])
    client.start(timeout=60)
    if sys.argv[1] == "fill":
        fill(client)
    elif sys.argv[1] == "add":
        client.create("/added", b"")
    else:
        show(client, "/")
    client.stop()


main()

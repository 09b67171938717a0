"""Every znode that lasts, with data, Stat, and ACL, a line each: argv = host:port, and `fill` to add some first."""
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_acl, make_digest_acl


def fill(client):
    client.create("/lasting", b"k")
    client.create("/lasting/null", None)
    client.create("/lasting/empty", b"")
    client.create("/lasting/mine", b"m", acl=[make_digest_acl("me", "secret", all=True), make_acl("world", "anyone", read=True)])
    client.create("/lasting/hers", b"h", acl=[make_digest_acl("her", "secret", all=True)])
    client.create("/lasting/ip", b"i", acl=[make_acl("ip", "127.0.0.1", all=True)])
    for number in range(300):
        client.create("/lasting/s-", str(number).encode(), sequence=True)
    for number in range(100):
        client.set("/lasting", str(number).encode())
        client.delete(f"/lasting/s-{5 + 2 * number:010}")


one = KazooClient(hosts=sys.argv[1], timeout=20, auth_data=[("digest", "me:secret")])
one.start(120)
if "fill" in sys.argv:
    fill(one)
paths = ["/"]
for path in paths:
    try:
        children = one.get_children(path)
    except NoAuthError:
        continue
    paths += sorted(path.rstrip("/") + "/" + child for child in children)
for path in paths:
    try:
        stat = one.exists(path)
        if not stat.owner_session_id and not path.startswith("/zookeeper/config"):
            acls = [(acl.perms, acl.id.scheme, acl.id.id) for acl in one.get_acls(path)[0]]
            print(path, one.get(path)[0], tuple(stat), acls)
    except NoAuthError:
        print(path, "no permission")
one.stop()
print("nodes:", len(paths))

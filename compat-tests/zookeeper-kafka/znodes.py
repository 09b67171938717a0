"""Reads znodes for the tests: argv = host:port, and user and password for DIGEST-MD5 or nothing.
A line of JSON in, paths; a line of JSON out, what is there."""
import json
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.retry import KazooRetry

# A short timeout: Apache ZooKeeper takes connections a little before it serves, and leaves them without an answer.
forever = {"max_tries": -1, "delay": 0.3, "max_delay": 0.5}
login = {"mechanism": "DIGEST-MD5", "username": sys.argv[2], "password": sys.argv[3]} if sys.argv[2:] else None
one = KazooClient(hosts=sys.argv[1], timeout=6, sasl_options=login, connection_retry=KazooRetry(**forever),
                  command_retry=KazooRetry(**forever))
one.start(120)
for line in sys.stdin:
    found = {}
    for path in json.loads(line):
        try:
            data, stat = one.retry(one.get, path)
            found[path] = {"data": data.decode() if data else None, "czxid": stat.czxid, "owner": stat.owner_session_id,
                           "version": stat.version, "cversion": stat.cversion,
                           "children": sorted(one.retry(one.get_children, path)),
                           "rules": sorted([acl.perms, acl.id.scheme, acl.id.id] for acl in one.retry(one.get_acls, path)[0])}
        except NoNodeError:
            found[path] = None
    print(json.dumps(found), flush=True)
one.stop()

"""A seeded stream of steps. A step is plain data and says nothing of the servers' answers, so that any part of a stream
can be run again: `("version",)`, `("sequential", n)` and `("zxid", n)` stand for what was seen last.

    ("connect", slot, timeout_ms, with_read_only)
    ("drop", slot)                                   the client closes its socket; the session lives on
    ("attach", slot, how)                            how: right, wrong, stranger, future, short
    ("requests", slot, [request, …])                 sent at once; a request is a name and its fields
"""
import base64
import hashlib
import random

SLOTS = 5
SUPER = "super:secret"
USERS = [b"ann:one", b"bob:two", b"super:secret", b"nobody", b"a:b:c", b""]


def digest(credential):
    user = credential.split(b":")[0].decode()
    return user + ":" + base64.b64encode(hashlib.sha1(credential).digest()).decode()


OPEN = [(31, "world", "anyone")]
ACLS = [
    OPEN, [(1, "world", "anyone")], [(15, "world", "anyone")], [(31, "auth", "")], [(31, "auth", "ignored")],
    [(31, "digest", digest(b"ann:one"))], [(1, "world", "anyone"), (31, "digest", digest(b"bob:two"))],
    [(16, "digest", digest(b"ann:one")), (1, "digest", digest(b"bob:two"))], [(31, "ip", "127.0.0.1")],
    [(31, "ip", "127.0.0.0/8")], [(31, "ip", "10.1.2.3")], [(31, "ip", "126.0.0.1/7")], [(31, "ip", "::1")],
    [(31, "world", "anyone"), (31, "world", "anyone")], [(0, "world", "anyone")], [(31, "super", "")],
    [(6, "world", "anyone"), (8, "ip", "127.0.0.1"), (17, "auth", "")], [(64, "world", "anyone")],
]
BAD_ACLS = [
    [], None, [(31, "world", "someone")], [(31, "nope", "x")], [(31, "digest", "plain")], [(31, "digest", "a:b:c")],
    [(31, "digest", ":x")], [(31, "digest", "x:")], [(31, "ip", "1.2.3")], [(31, "ip", "1.2.3.4/33")],
    [(31, "ip", "300.1.1.1")], [(31, "ip", "")], [(31, "ip", "1.2.3.4/")], [(31, "ip", "1.2.3.4/-1")],
    [(31, "ip", "1.2.3.4/8/8")], [(31, "sasl", "bob")], [(31, "x509", "CN=x")],
    [(31, "super", "x")], [(31, "world", "anyone"), (31, "nope", "x")], [(31, "", "")], [(31, "ip", "host")],
    [(31, "digest", "")], [(31, "digest", "a:b::")], [(31, "digest", "::x")], [(31, "digest", ":")],
]
BAD_PATHS = [
    "", "x", "/a/", "//", "/a//b", "/a/./b", "/a/../b", "/.", "/..", "/a/b/..", "/a\u0001", "/a\u007f", "/a\u0085",
    "/a\ud7ff", "/a\ue000", "/a\uf8ff", "/a\uf900", "/a\uffef", "/a\ufff0", "/\U0001f600", "a/b", "/no/parent/here",
    "/a\x00b", "/a/\u00e9", "/a ", "/ ", "/a/...", "/zookeeper/x", "/zookeeper/quota/../x", "/\x1f", "/a/b\x1f/c", "\x00",
]
SYSTEM_PATHS = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/quota/a",
                "/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats",
                "/zookeeper/quota/a/b", "/zookeeper/quota/a/b/zookeeper_limits", "/zookeeper/quota/a/b/zookeeper_stats"]
LIMITS = [b"count=5,bytes=100", b"count=-1,bytes=-1", b"count=3,bytes=10=;byteHardLimit=20;countHardLimit=4", b"x", b"",
          b"count=1,bytes=1;byteHardLimit=5", b"count=2,bytes=-1=;byteHardLimit=-1;countHardLimit=3"]


class Stream:
    """Nothing is written to zookeeper_stats but by the server (ZooKeeper stops for good over text that it can't read), and
    with enforced quotas only limits that can be read."""

    def __init__(self, seed, enforced_quotas):
        self.random = random.Random(seed)
        self.bursts = not enforced_quotas  # quotas are checked by what is applied: a race among writes that are in flight
        self.limits = [limits for limits in LIMITS if limits != b"x"] if enforced_quotas else LIMITS

    def one_in(self, n):
        return self.random.randrange(n) == 0

    def path(self):
        pick = self.random.random()
        if pick < 0.02:
            return self.random.choice(BAD_PATHS)
        if pick < 0.05:
            return self.random.choice(SYSTEM_PATHS[:5])
        if pick < 0.12:
            return ("sequential", self.random.randrange(8))
        depth = self.random.choice([1, 1, 2, 2, 2, 3, 3, 4])
        return "/" + "/".join(self.random.choice("abc") for _ in range(depth))

    def data(self):
        pick = self.random.random()
        if pick < 0.05:
            return None
        if pick < 0.15 and self.bursts:
            return b""
        if pick < 0.17:
            return bytes([self.random.randrange(256)]) * self.random.randrange(1000, 20000)
        return b"d%d" % self.random.randrange(1000)

    def acl(self):
        pick = self.random.random()
        if pick < 0.8:
            return OPEN
        return self.random.choice(ACLS) if pick < 0.97 else self.random.choice(BAD_ACLS)

    def version(self):
        pick = self.random.random()
        if pick < 0.5:
            return -1
        if pick < 0.8:
            return ("version",)
        return self.random.choice([0, 1, 2, 3, -2, 7, 2147483647, -2147483648])

    def create(self):
        path = self.path()
        if self.one_in(40) and isinstance(path, str):
            path = path.rstrip("/") + "/"
        kind = self.random.choice(["create"] * 5 + ["create2"] * 4 + ["createContainer", "createTTL"])
        flags = self.random.choice([0, 0, 0, 1, 2, 3])
        if kind == "createContainer":
            flags = 4
        if kind == "createTTL":
            flags = self.random.choice([5, 6])
        if self.one_in(40):
            flags = self.random.choice([-1, 0, 1, 2, 3, 4, 5, 6, 7, 1000])
        ttl = self.random.choice([1000000, 1099511627775, 5000000])
        if self.one_in(8):
            ttl = self.random.choice([0, -1, 1099511627776, 9223372036854775807])
        if kind == "createContainer" and 0 <= flags < 4:
            flags = 4  # what ZooKeeper logs for the others cannot be read back
        if flags not in (5, 6):
            ttl = abs(ttl)  # a ZooKeeper that is asked for a plain node with the time -1 stops for good
        return (kind, path, self.data(), self.acl(), flags) + ((ttl,) if kind == "createTTL" else ())

    def quota(self):
        base = self.random.choice(["/a", "/b", "/a/b", "/c"])
        step = self.random.randrange(6)
        if step == 0:
            return ("create", "/zookeeper/quota" + base, b"", OPEN, 0)
        if step <= 2:
            return ("create", f"/zookeeper/quota{base}/zookeeper_limits", self.random.choice(self.limits), OPEN, 0)
        if step == 3:
            return ("create", f"/zookeeper/quota{base}/zookeeper_stats", b"count=0,bytes=0", OPEN, 0)
        if step == 4:
            return ("setData", f"/zookeeper/quota{base}/zookeeper_limits", self.random.choice(self.limits), -1)
        return ("delete", f"/zookeeper/quota{base}/" + self.random.choice(["zookeeper_limits", "zookeeper_stats"]), -1)

    def set_watches(self):
        name = self.random.choice(["setWatches", "setWatches2"])
        lists = [[self.path() for _ in range(self.random.randrange(4))] for _ in range(3 if name == "setWatches" else 5)]
        return (name, ("zxid", self.random.choice([0, 0, 1, 5, 50, 1000000])), *lists)

    def multi(self):
        parts = []
        for _ in range(self.random.choice([0, 1, 2, 2, 3, 3, 4, 8])):
            kind = self.random.choice(["create"] * 4 + ["setData"] * 2 + ["delete"] * 2 + ["check"] * 2)
            parts.append(self.create() if kind == "create" else self.versioned(kind))
        if self.one_in(40):
            parts.append(self.random.choice([("getData", "/a", False), ("setACL", "/a", OPEN, -1), ("ping",),
                                             ("getChildren", "/", True)]))
        return ("multi", parts)

    def multi_read(self):
        parts = [(self.random.choice(["getData", "getChildren"]), self.path(), self.one_in(4))
                 for _ in range(self.random.choice([0, 1, 2, 3, 5]))]
        if self.one_in(30):
            parts.append(self.random.choice([("exists", "/a", False), ("getChildren2", "/a", False)]))
        return ("multiRead", parts)

    def versioned(self, name):
        if name == "setData":
            return (name, self.path(), self.data(), self.version())
        if name == "setACL":
            return (name, self.path(), self.acl(), self.version())
        return (name, self.path(), self.version())

    def write(self):
        kind = self.random.choice(["create"] * 10 + ["setData"] * 5 + ["delete"] * 5 + ["multi"] * 4 + ["setACL"] * 2 +
                                  ["quota"])
        if kind == "create":
            return self.create()
        if kind == "multi":
            return self.multi()
        return self.quota() if kind == "quota" else self.versioned(kind)

    def read(self):
        kind = self.random.choice(["exists", "getData", "getChildren", "getChildren2"] * 4 + ["getACL"] * 3 + [
            "sync", "ping", "getEphemerals", "getAllChildrenNumber", "whoAmI"] + ["multiRead"] * 2)
        if kind in ("ping", "whoAmI"):
            return (kind,)
        if self.one_in(30):
            return ("getData", self.random.choice(SYSTEM_PATHS), False)
        if kind == "multiRead":
            return self.multi_read()
        if kind == "getEphemerals":
            return (kind, self.random.choice(["/", "", "/a", "/a/b", "x", "/zookeeper"]))
        if kind in ("exists", "getData", "getChildren", "getChildren2"):
            return (kind, self.path(), self.one_in(3))
        return (kind, self.path())

    def watch(self):
        kind = self.random.choice(["addWatch"] * 4 + ["removeWatches"] * 3 + ["checkWatches"] * 2 + ["setWatches"] * 2)
        if kind == "addWatch":
            return (kind, self.path(), self.random.choice([0, 0, 0, 1, 1, 1, 2, -1, 9]) if self.one_in(10) else
                    self.random.randrange(2))
        if kind == "setWatches":
            return self.set_watches()
        return (kind, self.path(), self.random.choice([1, 2, 3, 4, 5]) if not self.one_in(20) else
                self.random.choice([0, 6, -1, 99]))

    def request(self):
        pick = self.random.random()
        if pick < 0.5:
            return self.write()
        return self.read() if pick < 0.88 else self.watch()

    def odd(self):
        """Requests that end the connection, or that no usual client sends."""
        kind = self.random.randrange(11)
        if kind == 0:
            return ("raw", self.random.choice([0, 10, 23, 50, 99, 108, -1, 2147483647]), b"")
        if kind == 1:
            return ("check", self.path(), self.version())
        if kind == 2:
            return ("auth", self.random.choice(["nope", "world", "", "auth", "super"]), b"x")
        if kind == 3:
            return ("auth", "ip", self.random.choice([b"", b"10.1.2.3"]))
        if kind == 4:
            return ("reconfig", None, None, self.random.choice([None, "x"]), -1)
        if kind == 5:
            return ("setData", "/a", b"x" * self.random.choice([1048000, 1048500, 1048575, 1048600, 2000000]), -1)
        if kind == 6:
            return ("closeSession",)
        if kind <= 9:
            return ("auth", "digest", self.random.choice(USERS))
        return ("sync", None)

    def step(self):
        pick, slot = self.random.random(), self.random.randrange(SLOTS)
        if pick < 0.008:
            return ("connect", slot, self.random.choice([400000, 500000, 999999999]), not self.one_in(4))
        if pick < 0.014:
            return ("drop", slot)
        if pick < 0.03:
            return ("attach", slot, self.random.choice(["right"] * 6 + ["wrong", "stranger", "future", "short"]))
        if pick < 0.05:
            return ("requests", slot, [self.odd()])
        if pick < 0.06:
            return ("requests", slot, [("auth", "digest", self.random.choice(USERS[:3]))])
        if pick < 0.15 and self.bursts:
            burst = [self.request() for _ in range(self.random.randrange(2, 12))]
            # Behind a setACL that isn't applied yet, ZooKeeper still checks by the old ACL, if it comes to that.
            last = next((n for n, request in enumerate(burst) if request[0] == "setACL"), len(burst))
            return ("requests", slot, burst[:last + 1])
        return ("requests", slot, [self.request()])


def steps(seed, operations, enforced_quotas=False):
    """Steps until they hold this many operations."""
    stream, count, found = Stream(seed, enforced_quotas), 0, []
    while count < operations:
        step = stream.step()
        found.append(step)
        count += len(step[2]) if step[0] == "requests" else 1
    return found


def operations_in(found):
    return sum(len(step[2]) if step[0] == "requests" else 1 for step in found)

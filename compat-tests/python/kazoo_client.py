"""kazoo against a coordinator: argv = host:port."""
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import (BadVersionError, InvalidACLError, NoAuthError, NoChildrenForEphemeralsError, NodeExistsError,
                              NoNodeError, NotEmptyError, RolledBackError)
from kazoo.recipe.election import Election
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import make_acl, make_digest_acl

HOSTS = sys.argv[1]


def client(**options):
    one = KazooClient(hosts=HOSTS, **options)
    one.start(timeout=30)
    return one


def raises(kind, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def nodes(one):
    assert one.create("/plain", b"data") == "/plain"
    raises(NodeExistsError, one.create, "/plain", b"")
    raises(NoNodeError, one.create, "/none/such", b"")
    data, stat = one.get("/plain")
    assert data == b"data" and stat.version == 0 and stat.data_length == 4 and stat.czxid == stat.mzxid == stat.pzxid
    changed = one.set("/plain", b"more")
    assert changed.version == 1 and changed.mzxid > changed.czxid
    raises(BadVersionError, one.set, "/plain", b"x", version=7)
    first, second = one.create("/plain/s-", sequence=True), one.create("/plain/s-", sequence=True)
    assert (first, second) == ("/plain/s-0000000000", "/plain/s-0000000001"), (first, second)
    raises(NotEmptyError, one.delete, "/plain")
    assert sorted(one.get_children("/plain")) == ["s-0000000000", "s-0000000001"]
    children, stat = one.get_children("/plain", include_data=True)
    assert len(children) == 2 and stat.children_count == 2 and stat.cversion == 2
    path, stat = one.create("/with-stat", b"1", include_data=True)
    assert path == "/with-stat" and stat.version == 0
    assert one.exists("/none") is None
    raises(NoNodeError, one.get, "/none")
    raises(BadVersionError, one.delete, "/with-stat", version=5)
    one.delete("/with-stat")
    one.create("/deep/er/and/deeper", b"", makepath=True)
    one.delete("/deep", recursive=True)
    one.create("/empty", b"")
    assert one.get("/empty")[0] == b""
    big = b"b" * 1_000_000
    one.create("/big", big)
    assert one.get("/big")[0] == big


def ephemerals(one):
    other = client()
    other.create("/passing", b"x", ephemeral=True)
    _, stat = one.get("/passing")
    assert stat.owner_session_id == other.client_id[0]
    raises(NoChildrenForEphemeralsError, one.create, "/passing/child", b"")
    gone = threading.Event()
    assert one.exists("/passing", watch=lambda event: gone.set() if event.type == "DELETED" else None)
    other.stop()
    assert gone.wait(30), "the watch tells of the closed session's node"
    other.close()
    silent = client(timeout=4)
    silent.create("/expiring", b"x", ephemeral=True)
    gone = threading.Event()
    assert one.exists("/expiring", watch=lambda event: gone.set())
    # A session that is attached again from elsewhere moves; its nodes stay.
    moved = client(client_id=silent.client_id, timeout=4)
    assert one.exists("/expiring")
    moved.stop()
    assert gone.wait(30)
    silent.stop()


def watches(one):
    events = []
    more = threading.Condition()

    def note(event):
        with more:
            events.append((event.type, event.path))
            more.notify_all()

    def wait_for(expected):
        with more:
            assert more.wait_for(lambda: len(events) >= len(expected), 30), (events, expected)
        assert events == expected, (events, expected)
        events.clear()

    assert one.exists("/watched", watch=note) is None
    one.create("/watched", b"")
    wait_for([("CREATED", "/watched")])
    one.get("/watched", watch=note)
    one.set("/watched", b"1")
    one.set("/watched", b"2")
    wait_for([("CHANGED", "/watched")])
    one.get_children("/watched", watch=note)
    one.create("/watched/a", b"")
    one.create("/watched/b", b"")
    wait_for([("CHILD", "/watched")])
    one.get("/watched/a", watch=note)
    one.delete("/watched/a")
    wait_for([("DELETED", "/watched/a")])

    seen = []
    changed = threading.Event()

    @DataWatch(one, "/watched")
    def on_data(data, _):
        seen.append(data)
        if data == b"5":
            changed.set()

    lists = []
    grown = threading.Event()

    @ChildrenWatch(one, "/watched")
    def on_children(children):
        lists.append(children)
        if len(children) == 4:
            grown.set()

    for value in (b"3", b"4", b"5"):
        one.set("/watched", value)
    for name in ("c", "d", "e"):
        one.create("/watched/" + name, b"")
    assert changed.wait(30) and grown.wait(30), (seen, lists)


def transactions(one):
    transaction = one.transaction()
    transaction.create("/t1", b"1")
    transaction.create("/t1/c", b"2", sequence=True)
    transaction.check("/t1", version=0)
    transaction.set_data("/t1", b"3", version=0)
    results = transaction.commit()
    assert results[0] == "/t1" and results[1] == "/t1/c0000000000" and results[2] is True and results[3].version == 1
    failing = one.transaction()
    failing.create("/t2", b"")
    failing.delete("/none")
    failing.create("/t3", b"")
    results = failing.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], NoNodeError), results
    assert one.exists("/t2") is None and one.exists("/t3") is None


def access(one):
    owner = client(auth_data=[("digest", "me:secret")])
    owner.create("/private", b"mine", acl=[make_digest_acl("me", "secret", all=True)])
    raises(NoAuthError, one.get, "/private")
    raises(NoAuthError, one.set, "/private", b"theirs")
    assert owner.get("/private")[0] == b"mine"
    one.add_auth("digest", "me:secret")
    assert one.get("/private")[0] == b"mine"
    acls, stat = owner.get_acls("/private")
    assert stat.aversion == 0 and acls[0].id.scheme == "digest" and acls[0].id.id.startswith("me:")
    owner.set_acls("/private", [make_digest_acl("me", "secret", read=True, admin=True)])
    raises(NoAuthError, owner.set, "/private", b"x")
    raises(InvalidACLError, one.create, "/bad-acl", b"", acl=[make_acl("digest", "no-colon", all=True)])
    owner.stop()


def recipes(one):
    order = []

    def worker(number):
        mine = client()
        with mine.Lock("/lock", str(number)):
            order.append(number)
            order.append(number)
        mine.stop()

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2] and sorted(order[::2]) == list(range(5)), order
    led = []
    Election(one, "/election", "me").run(lambda: led.append(1))
    assert led == [1]
    queue = one.Queue("/queue")
    for value in (b"1", b"2", b"3"):
        queue.put(value)
    assert [queue.get() for _ in range(3)] == [b"1", b"2", b"3"]


def chroot():
    root = KazooClient(hosts=HOSTS)
    root.start(30)
    root.create("/jail", b"")
    inside = KazooClient(hosts=HOSTS + "/jail")
    inside.start(30)
    inside.create("/cell", b"c")
    assert root.get("/jail/cell")[0] == b"c" and inside.get_children("/") == ["cell"]
    inside.stop()
    root.stop()


def main():
    one = client()
    for part in (nodes, ephemerals, watches, transactions, access, recipes):
        part(one)
        print(part.__name__, flush=True)
    one.sync("/")
    one.stop()
    chroot()
    print("kazoo done")


main()

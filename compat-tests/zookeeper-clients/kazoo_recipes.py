"""kazoo's recipes on one server: argv = host:port. Prints what they saw, in words that don't depend on times and ids."""
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, LockTimeout
from kazoo.protocol.states import EventType
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.cache import TreeCache
from kazoo.recipe.counter import Counter
from kazoo.recipe.election import Election
from kazoo.recipe.lock import Lock, ReadLock, Semaphore, WriteLock
from kazoo.recipe.party import Party, ShallowParty
from kazoo.recipe.queue import LockingQueue, Queue
from kazoo.recipe.watchers import ChildrenWatch, DataWatch, PatientChildrenWatch
from kazoo.retry import KazooRetry

HOSTS = sys.argv[1] + "/kazoo"
GUARD_S = 60


def client(**options):
    one = KazooClient(hosts=HOSTS, timeout=20, connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2),
                      command_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2), **options)
    one.start(timeout=GUARD_S)
    return one


def outcome(call, *arguments, **options):
    try:
        return call(*arguments, **options)
    except KazooException as problem:
        return type(problem).__name__


class Seen:
    """What callbacks say, waited for."""

    def __init__(self):
        self.items, self.more = [], threading.Condition()

    def add(self, item):
        with self.more:
            self.items.append(item)
            self.more.notify_all()

    def wait(self, condition):
        with self.more:
            return self.more.wait_for(lambda: condition(self.items), GUARD_S)


def in_threads(count, body):
    clients = [client() for _ in range(count)]
    problems = []

    def run(number):
        try:
            body(clients[number], number)
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(repr(problem))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in clients:
        one.stop()
        one.close()
    for problem in problems:
        print("problem:", problem)


def drop_connection(one):
    """The socket is shut behind the client's back; the session stays."""
    one._connection._socket.shutdown(2)  # pylint: disable=protected-access


def expire(one):
    """Another connection takes the session over and closes it, as if it had expired."""
    thief = KazooClient(hosts=HOSTS, client_id=one.client_id)
    thief.start(GUARD_S)
    thief.stop()
    thief.close()


def locks(one):
    inside, order = [0], []

    def body(mine, number):
        for _ in range(3):
            with Lock(mine, "/lock", f"holder-{number}"):
                inside[0] += 1
                order.append(inside[0])
                inside[0] -= 1

    in_threads(4, body)
    print(order)
    holder, waiter = client(), client()
    held, wanted = Lock(holder, "/lock", "holder"), Lock(waiter, "/lock", "waiter")
    print(held.acquire(), wanted.acquire(blocking=False))
    try:
        wanted.acquire(timeout=0.1)
    except LockTimeout:
        print("lock timeout")
    print(Lock(one, "/lock").contenders())
    waiting = threading.Thread(target=lambda: print("then", wanted.acquire(timeout=GUARD_S)))
    waiting.start()
    while len(Lock(one, "/lock").contenders()) < 2:
        pass
    print(Lock(one, "/lock").contenders())
    holder.stop()
    waiting.join()
    print(wanted.release(), Lock(one, "/lock").contenders())
    waiter.stop()


def read_write_locks(one):
    two = client()
    readers = [ReadLock(one, "/rw", "r1"), ReadLock(two, "/rw", "r2")]
    print([lock.acquire(timeout=GUARD_S) for lock in readers])
    writer = WriteLock(one, "/rw", "w")
    print(writer.acquire(blocking=False))
    for lock in readers:
        lock.release()
    print(writer.acquire(timeout=GUARD_S), ReadLock(two, "/rw").acquire(blocking=False))
    writer.release()
    print(readers[1].acquire(timeout=GUARD_S))
    two.stop()


def semaphores(one):
    inside, most, guard = [0], [0], threading.Lock()

    def body(mine, number):
        for _ in range(3):
            with Semaphore(mine, "/semaphore", f"holder-{number}", max_leases=2):
                with guard:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with guard:
                    inside[0] -= 1

    in_threads(4, body)
    print(most[0] <= 2, Semaphore(one, "/semaphore", max_leases=2).lease_holders())
    leases = [Semaphore(one, "/semaphore", f"lease-{number}", max_leases=2) for number in range(3)]
    print([lease.acquire(blocking=False) for lease in leases])
    print(sorted(leases[0].lease_holders()))
    leases[0].release()
    print(leases[2].acquire(timeout=GUARD_S))


def elections(one):
    led, standing = [], [client() for _ in range(3)]
    hold = threading.Event()
    first = Election(standing[0], "/election", "candidate-0")
    started = threading.Event()

    def first_leads():
        led.append("candidate-0")
        started.set()
        hold.wait(GUARD_S)

    threads = [threading.Thread(target=first.run, args=(first_leads,))]
    threads[0].start()
    started.wait(GUARD_S)
    for number in (1, 2):
        mine = Election(standing[number], "/election", f"candidate-{number}")
        threads.append(threading.Thread(target=mine.run, args=(lambda number=number: led.append(f"candidate-{number}"),)))
        threads[-1].start()
        while len(mine.contenders()) < number + 1:
            pass
    print(Election(one, "/election").contenders())
    hold.set()
    for thread in threads:
        thread.join()
    print(led, Election(one, "/election").contenders())
    for mine in standing:
        mine.stop()


def queues(one):
    queue = Queue(one, "/queue")
    for value, priority in ((b"later", 200), (b"first", 50), (b"second", 100)):
        queue.put(value, priority)
    print(len(queue), [queue.get() for _ in range(4)])
    locking = LockingQueue(one, "/locking")
    locking.put_all([b"1", b"2", b"3"])
    locking.put(b"0", priority=1)
    print(len(locking), locking.get(GUARD_S), locking.holds_lock(), locking.consume(), locking.consume())
    other = LockingQueue(client(), "/locking")
    print(locking.get(GUARD_S), other.get(GUARD_S), other.release(), other.get(GUARD_S), other.consume(), locking.consume())
    taken, guard = [], threading.Lock()
    for number in range(20):
        locking.put(str(number).encode())
    other.client.stop()
    locking.client.ensure_path("/taken")

    def body(mine, _):
        shared = LockingQueue(mine, "/locking")
        while True:
            with guard:
                if len(taken) >= 21:
                    return
            value = shared.get(0.5)
            if value is not None and shared.consume():
                with guard:
                    taken.append(value)

    in_threads(2, body)
    print(sorted(taken))


def barriers(one):
    barrier = Barrier(one, "/barrier")
    print(barrier.wait(0.1), barrier.create(), barrier.wait(0.1))
    seen = Seen()
    other = client()
    waiting = threading.Thread(target=lambda: seen.add(Barrier(other, "/barrier").wait(GUARD_S)))
    waiting.start()
    print(list(seen.items), barrier.remove(), barrier.remove())
    waiting.join()
    print(seen.items)
    other.stop()
    # Nobody leaves before all are in: who comes to look at the others only when one has gone waits for ever in kazoo's recipe, on any server.
    came, saw, guard, all_in = [], [], threading.Lock(), threading.Barrier(3)

    def body(mine, number):
        doors = DoubleBarrier(mine, "/doors", 3, f"guest-{number}")
        with guard:
            came.append(number)
        doors.enter()
        with guard:
            saw.append(len(came))
        all_in.wait(GUARD_S)
        doors.leave()

    in_threads(3, body)
    print(sorted(came), saw)


def counters(one):
    def body(mine, _):
        counter = mine.Counter("/counter", default=0)
        for _ in range(10):
            counter += 1
        for _ in range(5):
            counter -= 2

    in_threads(3, body)
    counter = Counter(one, "/counter")
    counter += 7
    print(counter.value, counter.pre_value, counter.post_value)
    floating = one.Counter("/float", default=1.5)
    floating += 2.25
    print(floating.value)


def parties(one):
    two = client()
    members = [Party(one, "/party", "one"), Party(two, "/party", "two")]
    for member in members:
        member.join()
    print(sorted(members[0]), len(members[1]))
    members[1].leave()
    print(list(members[0]))
    shallow = ShallowParty(two, "/shallow", "guest")
    shallow.join()
    print(list(ShallowParty(one, "/shallow")))
    two.stop()
    print(list(ShallowParty(one, "/shallow")))


def watchers(one):
    one.create("/watched", b"0")
    data, children = Seen(), Seen()
    DataWatch(one, "/watched", lambda value, stat, event: data.add((value, stat and stat.version, event and event.type)))
    ChildrenWatch(one, "/watched", lambda names: children.add(sorted(names)))
    for number in range(1, 4):
        one.set("/watched", str(number).encode())
        print(data.wait(lambda items: len(items) > number), data.items[-1])
        one.create(f"/watched/{number}")
        print(children.wait(lambda items: len(items) > number), children.items[-1])
    # Watches live through a lost connection and through a lost session.
    drop_connection(one)
    one.retry(one.set, "/watched", b"dropped")
    print(data.wait(lambda items: items[-1][0] == b"dropped"))
    lost = Seen()
    one.add_listener(lost.add)
    expire(one)
    print(lost.wait(lambda items: KazooState.LOST in items and items[-1] == KazooState.CONNECTED))
    one.retry(one.create, "/watched/expired")
    print(children.wait(lambda items: "expired" in items[-1]))
    one.remove_listener(lost.add)
    once = []
    DataWatch(one, "/watched", lambda value, stat: once.append(value) or False)
    one.set("/watched", b"x")
    print(once)
    later = Seen()
    DataWatch(one, "/later", lambda value, stat, event: later.add((value, event and event.type)))
    one.create("/later", b"here")
    print(later.wait(lambda items: items[-1][0] == b"here"), later.items)
    one.delete("/later")
    print(later.wait(lambda items: len(items) > 2), later.items[-1])
    patient = PatientChildrenWatch(one, "/watched", time_boundary=0.1).start()
    names, changed = patient.get(timeout=GUARD_S)
    one.create("/watched/patience")
    changed.get(timeout=GUARD_S)
    print(sorted(names))


def tree_caches(one):
    one.ensure_path("/tree/a")
    events = Seen()
    cache = TreeCache(one, "/tree")
    cache.listen(lambda event: events.add((event.event_type, getattr(event.event_data, "path", None))))
    cache.start()
    print(events.wait(lambda items: any(item[0] == 6 for item in items)), sorted(map(str, events.items)))
    steps = [lambda: one.create("/tree/a/b", b"1"), lambda: one.set("/tree/a/b", b"2"), lambda: one.create("/tree/c"),
             lambda: one.delete("/tree/a/b"), lambda: one.delete("/tree/a")]
    for step in steps:
        count = len(events.items)
        step()
        print(events.wait(lambda items: len(items) > count), events.items[count:])
    print(cache.get_data("/tree/c").data, sorted(cache.get_children("/tree")), cache.get_data("/tree/a"))
    cache.close()


def transactions(one):
    transaction = one.transaction()
    transaction.create("/t", b"1")
    transaction.create("/t/s-", sequence=True, ephemeral=True)
    transaction.check("/t", 0)
    transaction.set_data("/t", b"2", 0)
    transaction.delete("/t/none")
    print([type(result).__name__ for result in transaction.commit()], one.exists("/t"))
    with one.transaction() as transaction:
        transaction.create("/t", b"1")
        transaction.create("/t/s-", sequence=True, ephemeral=True)
        transaction.set_data("/t", b"2")
        transaction.check("/t", 1)
        transaction.delete("/t/s-0000000000")
    print(one.get("/t")[0], one.get_children("/t"))
    print(outcome(one.delete, "/t", version=7), outcome(one.create, "/t"))
    print(type(one.transaction().commit()).__name__)


def sessions(one):
    mine = client()
    mine.create("/session", b"s", ephemeral=True)
    states = Seen()
    mine.add_listener(states.add)
    before = mine.client_id
    for _ in range(3):
        count = len(states.items)
        drop_connection(mine)
        print(states.wait(lambda items: len(items) >= count + 2), states.items[count:], mine.client_id == before)
        print(mine.retry(mine.get, "/session")[0])
    gone = Seen()
    one.exists("/session", watch=lambda event: gone.add(event.type))
    count = len(states.items)
    expire(mine)
    print(gone.wait(lambda items: items == [EventType.DELETED]))
    print(states.wait(lambda items: items[count:][-1:] == [KazooState.CONNECTED] and KazooState.LOST in items[count:]))
    print(mine.client_id[0] != before[0], outcome(mine.retry, mine.get, "/session"))
    print(mine.retry(mine.create, "/session", b"s", ephemeral=True))
    # A password that isn't the session's: the server gives no session. It ends the owner's connection all the same, so that
    # the owner has no client_id for a moment.
    own = mine.client_id[0]
    thief = KazooClient(hosts=HOSTS, client_id=(own, b"x" * 16))
    seen = Seen()
    thief.add_listener(seen.add)
    thief.start(GUARD_S)
    print(thief.client_id[0] != own, mine.retry(mine.exists, "/session") is not None)
    thief.stop()
    mine.stop()
    print(one.exists("/session"))


def main():
    root = KazooClient(hosts=sys.argv[1])
    root.start(GUARD_S)
    root.create("/kazoo")
    root.stop()
    one = client()
    for part in (locks, read_write_locks, semaphores, elections, queues, barriers, counters, parties, watchers, tree_caches,
                 transactions, sessions):
        print("==", part.__name__, flush=True)
        try:
            part(one)
        except Exception as problem:  # pylint: disable=broad-except
            print("failed:", repr(problem))
            raise
    one.stop()
    print("kazoo done")


main()

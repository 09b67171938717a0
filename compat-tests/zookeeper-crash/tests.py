"""SIGKILL again and again under concurrent writers: what was answered is there, with the same zxid, order and Stat."""
import os
import pathlib
import random
import sys
import threading

from harness.context import expect, expect_equal
from harness.process import wait_until
from harness.runner import broker_complaints, only, sanitizer_workload

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "zookeeper-oracle"))
import codec  # noqa: E402
import oracle  # noqa: E402
import stream  # noqa: E402

ROUNDS = 200 if os.environ.get("MILENA_LONG") == "1" else 10
WRITERS = 6
BURST = 10
SETTINGS = {"snapCount": 300, "preAllocSize": 64, "maxSessionTimeout": 600000}


class Writer:
    """One session that creates, sets, deletes and sends multis, many at a time, and remembers what was answered."""

    def __init__(self, number):
        self.number, self.base = number, f"/writer-{number}"
        self.sent, self.answered, self.next = [], 0, 0
        self.stats = {}  # path: the Stat of the last answer
        self.zxids = []
        self.session = None
        self.thread, self.failure = None, None

    def request(self, kind):
        path = f"{self.base}/n{self.next:08}"
        self.next += 1
        if kind < 4:
            return ("create2", path, b"%d" % self.next, stream.OPEN, 0)
        if kind < 6:
            return ("create2", path, b"", stream.OPEN, 1)
        if kind < 8:
            return ("setData", self.base, b"%d" % self.next, -1)
        return ("multi", [("create2", path + "-a", b"", stream.OPEN, 0), ("setData", self.base, b"m%d" % self.next, -1),
                          ("create2", path + "-b", b"", stream.OPEN, 1)])

    def run(self, side, randoms, on_answer):
        try:
            self.write_on(side, randoms, on_answer)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def write_on(self, side, randoms, on_answer):
        connection = side.connections[self.number]
        while connection.is_open:
            requests = [self.request(randoms.randrange(10)) for _ in range(BURST)]
            self.sent += requests
            connection.pending = list(requests)
            connection.send(b"".join(codec.frame_of(request, 1) for request in requests))
            for reply in connection.read_replies(exact=True):
                if reply == oracle.CLOSED:
                    return
                self.learn(self.sent[self.answered], reply)
                self.answered += 1
                on_answer()

    def learn(self, request, reply):
        _, _, zxid, error, body, _ = reply
        if error != 0:
            raise oracle.Difference(f"{request}: error {error}")
        self.zxids.append(zxid)
        if request[0] == "create2":
            self.stats[request[1]] = body[1]
        elif request[0] == "setData":
            self.stats[self.base] = body
        else:
            first, changed, second, _ = body
            self.stats[request[1][0][1]], self.stats[self.base] = first[2][1], changed[2]
            self.stats[request[1][2][1]] = second[2][1]

    def effects(self, request):
        """The paths that a request makes."""
        if request[0] == "multi":
            return [part[1] for part in request[1] if part[0] == "create2"]
        return [request[1]] if request[0] == "create2" else []


def read(side, slot, requests):
    connection = side.connections[slot]
    connection.pending = list(requests)
    connection.send(b"".join(codec.frame_of(request, 1) for request in requests))
    return connection.read_replies(exact=True)


def attach_all(side, writers):
    """Each session goes on, on a connection of its own."""
    for writer in writers:
        session_id, password = writer.session
        answer = side.handshake(writer.number, session_id, password, 300000, max(writer.zxids, default=0), True)
        expect_equal(answer[:1] + answer[3:4], ("connected", side.label(session_id)), f"session of writer {writer.number}")


def check(side, writer):
    """Returns how many of the requests without an answer were done."""
    children = read(side, writer.number, [("getChildren", writer.base, False)])[0][4]
    found = {}
    paths = [writer.base] + [f"{writer.base}/{name}" for name in children]
    for at in range(0, len(paths), 500):
        part = paths[at:at + 500]
        for path, reply in zip(part, read(side, writer.number, [("getData", path, False) for path in part])):
            found[path] = reply[4]
    for path, stat in writer.stats.items():
        if path == writer.base:
            continue
        expect(path in found, f"{path}, answered with zxid {stat['czxid']}, is lost")
        expect_equal(found[path][1], stat, f"Stat of {path}")
    # Those sent and not answered: done in their order or not at all, and a multi as a whole.
    done, over, sets = 0, False, 0
    for request in writer.sent[writer.answered:]:
        made = [path in found for path in writer.effects(request)]
        expect(len(set(made)) <= 1, f"half of {request}")
        if made:
            expect(not (made[0] and over), f"{request} was done, one before it wasn't")
            over = over or not made[0]
            done += made[0]
            if made[0] and request[0] == "multi":
                expect_equal(len({found[path][1]["czxid"] for path in writer.effects(request)}), 1, "zxids of a multi")
        sets += request[0] in ("setData", "multi")
    last, now = writer.stats.get(writer.base), found[writer.base][1]
    if last:
        expect(last["version"] <= now["version"] <= last["version"] + sets, f"version of {writer.base}: {now} after {last}")
        if last["version"] == now["version"]:
            expect_equal({**now, "cversion": 0, "numChildren": 0, "pzxid": 0},
                         {**last, "cversion": 0, "numChildren": 0, "pzxid": 0}, f"Stat of {writer.base}")
    names = sorted(path for path in found if path != writer.base)
    zxids = [found[path][1]["czxid"] for path in names]
    expect(zxids == sorted(zxids), f"{writer.base}: created in another order than sent")
    ephemerals = {path for path, (_, stat) in found.items() if stat["owner"] != 0}
    expect_equal(ephemerals, set(read(side, writer.number, [("getEphemerals", "/")])[0][4]), "ephemerals of the session")
    return done


def play_round(context, coordinator, writers, randoms):
    side = oracle.Side("Milena", coordinator.port)
    attach_all(side, writers)
    for writer in writers:  # a base of its own for each round keeps rounds short
        writer.base = f"/writer-{writer.number}-{randoms.randrange(1 << 40):x}"
        writer.sent, writer.answered, writer.stats = [], 0, {}
        expect_equal(read(side, writer.number, [("create2", writer.base, b"", stream.OPEN, 0)])[0][3], 0, writer.base)
    answers, lock = [0], threading.Lock()

    def on_answer():
        with lock:
            answers[0] += 1
    for writer in writers:
        writer.thread = threading.Thread(target=writer.run, args=(side, random.Random(randoms.random()), on_answer))
        writer.thread.start()
    goal = randoms.randrange(100, 3000)
    wait_until(f"{goal} answers", lambda: answers[0] >= goal or any(writer.failure for writer in writers), guard_s=300, pause_s=0.001)
    coordinator.kill()
    for writer in writers:
        writer.thread.join()
        expect(writer.failure is None, f"writer {writer.number}: {writer.failure!r}")
    zxids = sorted(zxid for writer in writers for zxid in writer.zxids)
    expect_equal(len(zxids), len(set(zxids)), "each write has a zxid of its own")
    coordinator.start()
    side = oracle.Side("Milena", coordinator.port)
    attach_all(side, writers)
    done = sum(check(side, writer) for writer in writers)
    fresh = read(side, 0, [("create2", writers[0].base + "/after", b"", stream.OPEN, 0)])[0]
    expect(fresh[2] > max(zxids), f"zxid {fresh[2]} after {max(zxids)}")
    # Room for the next round: sessions stay, what they made goes.
    for writer in writers:
        paths = [f"{writer.base}/{name}" for name in read(side, writer.number, [("getChildren", writer.base, False)])[0][4]]
        for reply in read(side, writer.number, [("delete", path, -1) for path in paths + [writer.base]]):
            expect_equal(reply[3], 0, "delete")
        writer.zxids = writer.zxids[-1:]
    side.close()
    return answers[0], done


@only("milena")
@sanitizer_workload
def test_killed_under_writers(context):
    randoms = random.Random(20260)
    coordinator = context.new_coordinator("milena", settings=SETTINGS)
    side = oracle.Side("Milena", coordinator.port)
    writers = [Writer(number) for number in range(WRITERS)]
    for writer in writers:
        side.handshake(writer.number, 0, bytes(16), 300000, 0, True)
        writer.session = side.sessions[writer.number]
    side.close()
    answers = done = 0
    rounds = ROUNDS if context.scale == 1.0 else 2
    for _ in range(rounds):
        one, other = play_round(context, coordinator, writers, randoms)
        answers, done = answers + one, done + other
    coordinator.stop()
    complaints = broker_complaints(context)
    expect(not complaints, "\n".join(complaints))
    return f"{rounds} kills, {answers} answered writes kept; of those not answered {done} were done"

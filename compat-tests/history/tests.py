"""Concurrent transactional clients, a broker that is killed and paused under them, and a look at what came of it.

HISTORY_SECONDS in the environment makes it longer, HISTORY_SEED another one. A history that isn't clean stays in the
test's directory; history/check.py FILE says again what is wrong with it."""
import importlib.util
import os
import pathlib
import random
import signal
import time

from harness import jars, wire
from harness.context import expect_equal
from harness.kraft import Kraft
from harness.process import Failure, wait_until


def load(path):
    spec = importlib.util.spec_from_file_location(f"history_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checker = load(pathlib.Path(__file__).with_name("check.py"))
by_hand = load(pathlib.Path(__file__).with_name("by_hand.py"))
probe = load(pathlib.Path(__file__).parents[1] / "transactions-v2" / "probe.py")
raw = probe.load_raw()

SECONDS = float(os.environ.get("HISTORY_SECONDS", "120" if os.environ.get("MILENA_LONG") else "9"))
SEED = int(os.environ.get("HISTORY_SEED", "20261129"))

VERSIONS = {"v1": "3.9.2", "v2": "4.3.1"}  # of the transactions, and the clients that speak them
SETTINGS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 300, "group.min.session.timeout.ms": 1000,
            "num.partitions": by_hand.PARTITIONS}


KILLS = {"kill": 1, "another kill": 1, "two kills": 2}
PAUSES = [0.2, 1.2, 2.5]  # seconds, shorter and longer than the clients wait for an answer
NO_MARKER = "these partitions are likely deleted already and hence can be skipped"  # Kafka of partitions that have no leader


def new_broker(context):
    if context.target == "kafka":
        made = Kraft(context.work / "kafka", SETTINGS).start()
        context.brokers.append(made)
        return made
    return context.new_broker(SETTINGS)


def trouble(context, broker, clients, hands):
    """Until the writers are done: each next thing that happens to the broker is the seed's."""
    dice, counts, bag = random.Random(SEED), {"kill": 0, "pause": 0}, []
    while not all("written" in client.text() for client in clients):
        check_alive(clients)
        time.sleep(0.2 + dice.random() * 0.6)
        if not bag:
            kills, pauses = (dice.sample(all_of_them, len(all_of_them)) for all_of_them in (list(KILLS), PAUSES))
            bag = [one for pair in zip(pauses, kills) for one in pair]  # a kill comes first, also where there is time for little
        one = bag.pop()
        if one in KILLS:
            context.say(one)
            for _ in range(KILLS[one]):
                hands.crash()
                counts["kill"] += 1
        else:
            context.say(f"pause of {one} s")
            os.killpg(broker.child.pid, signal.SIGSTOP)
            time.sleep(one)
            os.killpg(broker.child.pid, signal.SIGCONT)
            counts["pause"] += 1
    return counts


def check_alive(clients):
    for client in clients:
        if not client.running() and "done" not in client.text():
            raise Failure(f"the clients ended: {client.text()[-2000:]}")


def test_checker(context):
    """It sees what it looks for."""
    good = ["1 writer-0 send 1 0 a", "2 writer-0 send 1 1 b", "3 writer-0 sent 1 0 0 a", "4 writer-0 sent 1 1 0 b", "5 writer-0 commit 1",
            "6 writer-0 committed 1", "7 writer-0 send 2 0 c", "8 writer-0 aborted 2", "9 reader-0-0 saw t 0 0 a",
            "10 last final t 0 0 a", "11 last final t 1 0 b", "12 last final t-copy 0 0 a", "13 last final t-copy 1 0 b",
            "13 copier-0 send 1 0 a", "13 copier-0 send 1 1 b", "13 copier-0 sent 1 0 0 a", "13 copier-0 sent 1 1 0 b", "13 copier-0 commit 1",
            "13 copier-0 committed 1", "14 last end t 0 1", "15 last end t-copy 0 1"]
    # A record of the third transaction, which is aborted, that goes with the fourth.
    carried = ["20 writer-0 send 3 0 d", "21 writer-0 aborted 3", "22 writer-0 send 4 0 e", "23 writer-0 sent 4 0 2 e", "24 writer-0 commit 4",
               "25 writer-0 committed 4", "26 writer-0 carried 3 0 d 4 1", "27 copier-0 send 2 0 d", "27 copier-0 send 2 0 e",
               "27 copier-0 sent 2 0 1 d", "27 copier-0 sent 2 0 2 e", "27 copier-0 commit 2", "27 copier-0 committed 2",
               "28 last final t 0 1 d", "28 last final t 0 2 e", "28 last final t-copy 0 1 d", "28 last final t-copy 0 2 e",
               "29 last end t 0 3", "29 last end t-copy 0 3"]
    good = [line for line in good if " end " not in line] + carried
    bad = {"": [], "lost": [("10 last final t 0 0 a", None)], "torn": [("10 last final t 0 0 a", None)],
           "duplicated": [("", "16 last final t 0 5 a")], "aborted": [("", "36 last final t 0 5 c")], "unwritten": [("", "16 last final t 0 5 z")],
           "inconsistent": [("", "16 reader-0-1 saw t 0 0 b")], "backwards": [("", "16 reader-0-0 saw t 0 0 a")],
           "skipped": [("", "16 last final t 0 5 a"), ("", "16 reader-0-1 saw t 0 7 a")], "miscopied": [("12 last final t-copy 0 0 a", None)],
           "reordered": [("3 writer-0 sent 1 0 0 a", "3 writer-0 sent 1 0 9 a")]}
    also = [("aborted", [("25 writer-0 committed 4", "25 writer-0 aborted 4")]), ("miscopied", [("", "28 last final t-copy 0 3 f")]),
            ("aborted", [("", "29 reader-0-0 saw t 1 7 c")]),
            ("uncommitted", [("", "3 reader-0-0 saw t 0 0 a")]), ("refused", [("", "30 hand-0 refused 1 committed INVALID_TXN_STATE")]),
            ("refused", [("", "30 writer-0 commit_failed 1 ...InvalidTxnStateException:")]), ("unfenced", [("", "30 hand-0 unfenced 1 batch NONE")]),
            ("hanging", [("", "30 last hanging t")]), ("lost", [("", "30 writer-0 offsets 1 g 1"), ("", "30 last final_offsets g -1")]),
            ("aborted", [("", "30 writer-0 offsets 2 g 2"), ("", "30 last final_offsets g 2")]),
            ("backwards", [("", "15 watcher committed_offset 0 5"), ("", "16 watcher committed_offset 0 4")])]
    for kind, changes in [*bad.items(), *also]:
        lines = list(good)
        for old, new in changes:
            lines = [line for line in lines if line != old] + ([new] if new else [])
        lines.sort(key=lambda line: int(line.split(" ")[0]))
        path = context.work / "made-up.tsv"
        path.write_text("".join(line.replace(" ", "\t").replace("_", " ") + "\n" for line in lines), encoding="utf-8")
        found = [name for name, cases in checker.check(checker.History(path)).items() if cases]
        expect_equal(kind in found if kind else not found, True, f"{kind} in {found}")


class Late:
    """A producer in whose network requests stay behind, and come again or for the first time when it is already at its next transaction."""

    def __init__(self, connection, name, version):
        self.me, self.new = raw.Producer(connection, f"late-{name}-v{version}"), version == 2
        self.topic = f"late-{name}-v{version}"
        probe.settled(self.me.coordinator)
        while not self.me.leader_known(self.topic):
            time.sleep(0.02)
        expect_equal(probe.settled(self.me.init), "NONE")

    def write(self, value, **options):
        if not self.new:
            expect_equal(probe.settled(lambda: self.me.add(self.topic)), "NONE")
        return probe.settled(lambda: self.me.produce(self.topic, 12 if self.new else 9, values=(value,), **options))

    def end(self, commit, **options):
        answer = probe.settled(lambda: self.me.end(commit, version=5 if self.new else 3, **options))
        return answer if isinstance(answer, str) else "NONE"

    def as_before(self, identity, ask):
        """With the identity that the request had when it was made."""
        own, sequences = self.me.identity, self.me.sequences
        self.me.take(identity)
        answer = ask()
        self.me.take(own)
        self.me.sequences = sequences
        return answer

    def committed(self):
        """What a reader of read_committed is given: what has a COMMIT behind it."""
        found, open_values = [], []
        for _, _, what in self.me.read(self.topic)[0]:
            if isinstance(what, list):
                open_values += what
            else:
                found += open_values if what == "COMMIT" else []
                open_values = []
        return found


def late_commit(connection, version):
    """The commit of one transaction, sent again as its answer was late, comes when the next is half done."""
    late = Late(connection, "commit", version)
    first = late.me.identity
    expect_equal([late.write(b"a"), late.end(True), late.write(b"b")], ["NONE"] * 3)
    answers = [late.as_before(first, lambda: late.end(True, goes_on=False))]
    if not late.new:
        wait_until("the marker", lambda: late.committed() == ["a", "b"])
    answers.append(late.me.produce(late.topic, 12 if late.new else 9, values=(b"c",)))  # it has added the partition already
    return [*answers, late.end(False), late.committed()]


def late_record(connection, version):
    """A record that its client has given up, and aborted the transaction, comes when the next has begun in the same partition."""
    late = Late(connection, "record", version)
    first = late.me.identity
    if version == 1:  # v2 would begin nothing by itself
        expect_equal(probe.settled(lambda: late.me.add(late.topic)), "NONE")
    else:
        expect_equal(late.write(b"x"), "NONE")
    expect_equal(late.end(False), "NONE")
    if version == 2:
        expect_equal(late.write(b"b"), "NONE")
    else:
        expect_equal(probe.settled(lambda: late.me.add(late.topic)), "NONE")
    answers = [late.as_before(first, lambda: late.me.produce(late.topic, 12 if version == 2 else 9, values=(b"given up",),
                                                             sequence=0 if version == 1 else 1)), late.end(True)]
    return [*answers, late.committed()]


def late_record_alone(connection, version):
    """The same, but no transaction has begun there."""
    late = Late(connection, "record-alone", version)
    first = late.me.identity
    expect_equal([late.write(b"x"), late.end(False)], ["NONE", "NONE"])
    wait_until("the marker", lambda: "ABORT" in [found[2] for found in late.me.read(late.topic)[0]])
    return late.as_before(first, lambda: late.me.produce(late.topic, 12 if version == 2 else 9, values=(b"given up",), sequence=1))


def test_what_v1_allows(context):
    """What the old protocol can't tell apart, on Kafka as well: README.md. With v2 each transaction has an epoch of its own."""
    broker = new_broker(context)
    with wire.Wire(broker) as connection:
        expect_equal(late_commit(connection, 1), ["NONE", "INVALID_TXN_STATE", "INVALID_TXN_STATE", ["a", "b"]], "an aborted read, v1")
        expect_equal(late_commit(connection, 2), ["PRODUCER_FENCED", "NONE", "NONE", ["a"]], "v2")
        expect_equal(late_record(connection, 1), ["NONE", "NONE", ["given up"]], "an aborted read, v1")
        expect_equal(late_record(connection, 2), ["INVALID_PRODUCER_EPOCH", "NONE", ["b"]], "v2")
        expect_equal([late_record_alone(connection, version) for version in (1, 2)], ["INVALID_TXN_STATE", "INVALID_PRODUCER_EPOCH"])
    if context.target != "kafka":
        expect_equal(broker.stop(), 0, "exit code")


def test_history(context):
    """Transactions v1 and v2 at the same time."""
    broker = new_broker(context)
    files = {of: context.work / f"history-{of.replace(' ', '-')}.tsv" for of in [*VERSIONS, "by hand"]}
    clients = [context.spawn(jars.java(VERSIONS[version], "HistoryClient", broker.bootstrap, f"history-{version}", SEED, SECONDS, path,
                                       log_level="ERROR"))
               for version, path in files.items() if version in VERSIONS]
    wait_until("the clients", lambda: check_alive(clients) or all("running" in client.text() for client in clients))
    hands = by_hand.Hands(broker, raw, SEED, files["by hand"])
    counts = trouble(context, broker, clients, hands)
    hands.finish()
    for client in clients:
        if client.wait() != 0:
            raise Failure(f"the clients failed: {client.text()[-2000:]}")
    notes, anomalies = [], []
    for version, path in files.items():
        history = checker.History(path)
        lines = checker.report(history, checker.check(history))
        context.say("\n".join([version, *lines]))
        notes.append(f"{version}: {lines[1]}")
        anomalies += [f"{version}: {line}" for line in lines[2:]]
    if context.target == "kafka" and anomalies and NO_MARKER in broker.log.read_text("utf-8"):
        return f"Kafka has left out markers (README.md): {len(anomalies)} anomalies and more, such as {anomalies[0]}"
    expect_equal(anomalies, [], "anomalies")
    if broker is not context.shared and context.target != "kafka":
        expect_equal(broker.stop(), 0, "exit code")
    return f"seed {SEED}, {counts['kill']} kills, {counts['pause']} pauses; " + "; ".join(notes)

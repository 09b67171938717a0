"""Producers by hand, for what no client can be brought to do at the right moment. Each has its own connection, and a transaction open
whenever something happens. The broker is killed right when it has been asked to end the transactions of all of them, or to take a
batch of each, and each asks again afterwards. Some are taken over by another instance while the first one goes on, some say nothing
for longer than their transactions may take, and with v2 requests of a transaction come when the next one is open.

Deterministic but for the broker: each has dice of its own, which say what it asks for next. The history has the lines of HistoryClient, and besides:
  refused number what answer          a producer that nobody has taken over, and whose transaction isn't too old, couldn't end it
                                      or send again what the broker may have taken before
  unfenced number what answer         somebody was heeded who must not be any more
  offsets number group offset         the transaction commits this offset of a group
  final offsets group offset          what is committed in the end
"""
import concurrent.futures
import os
import random
import select
import signal
import threading
import time

from harness import wire
from harness.broker import start_again
from harness.context import expect_equal
from harness.process import wait_until

TOPIC = "by-hand"
PARTITIONS = 4
PRODUCERS = 20  # of each version
THREADS = 8
LAZY = 3  # of each version besides, whose transactions take too long
LAZY_TIMEOUT_MS, TIMEOUT_MS = 300, 60_000
GHOSTS = 3  # of each kind in a round
GUARD_S = 20
FOR_A_WHILE = ("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "NOT_ENOUGH_REPLICAS",
               "NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "CONCURRENT_TRANSACTIONS")


def settled(ask):
    end = time.monotonic() + GUARD_S
    while True:
        answer = ask()
        if answer not in FOR_A_WHILE or time.monotonic() > end:
            return answer
        time.sleep(0.01)


class Instance:
    """Of a transactional id: the newest one, or one that was (`identity`)."""

    def __init__(self, hands, name, version, timeout_ms=TIMEOUT_MS, client=None, identity=None):
        self.hands, self.name, self.version, self.timeout_ms = hands, name, version, timeout_ms
        self.client, self.number, self.open, self.commits, self.ends = client or name, 0, False, False, False
        self.former = None  # as whom it ended the transaction before
        self.ghosts = 0  # that it has had
        self.batches, self.sequences, self.added = [], {}, set()  # batches: (partition, sequence, value) of the transaction
        self.dice = random.Random(f"{hands.seed} {self.client}")
        self.me = hands.raw.Producer(None, name)
        if identity:
            self.me.take(identity)
        self.sequences_of = self.me.identity

    def start(self):
        settled(self.me.coordinator)
        settled(lambda: self.me.coordinator(f"group-{self.name}"))
        self.take_over()

    def connect(self):
        self.me.connection = wire.Wire(self.hands.broker)
        return self

    def say(self, *what):
        self.hands.say(self.client, *what)

    def ghost(self, identity):
        self.ghosts += 1
        return Instance(self.hands, self.name, self.version, client=f"{self.name}-before-{self.ghosts}", identity=identity)

    def take_over(self):
        """By another instance, which ends what is open. Returns who its predecessor is."""
        before = self.ghost(self.me.identity)
        before.sequences = dict(self.sequences)
        answer = settled(lambda: self.me.init(timeout=self.timeout_ms))
        if answer != "NONE":
            self.say("refused", self.number, "init", answer)
        if self.open:
            self.closed("aborted")
        return before

    def closed(self, outcome):
        self.say(outcome, self.number)
        self.open = False

    def begin(self):
        if not self.open:
            self.number, self.open, self.batches, self.added = self.number + 1, True, [], set()

    def new_batch(self, partition):
        """What comes next in the partition."""
        if self.sequences_of != self.me.identity:
            self.sequences_of, self.sequences = self.me.identity, {}
        sequence, value = self.sequences.get(partition, 0), f"{self.client}.{self.number}.{len(self.batches)}"
        self.sequences[partition] = sequence + 1
        self.batches.append((partition, sequence, value))
        self.say("send", self.number, partition, value)
        return self.batches[-1]

    def add(self, partition):
        """With v2 it is the broker that does it."""
        if self.version == 2 or partition in self.added:
            return "NONE"
        answer = settled(lambda: self.me.add(TOPIC, partition=partition))
        if answer == "NONE":
            self.added.add(partition)
        return answer

    def send(self, partition, sequence, value):
        answer = self.add(partition)
        if answer == "NONE":
            answer = settled(lambda: self.me.produce(TOPIC, self.produce_version, partition, values=(value.encode(),), sequence=sequence))
        if answer == "NONE":
            self.say("sent", self.number, partition, self.me.offset, value)
        return answer

    @property
    def produce_version(self):
        return 12 if self.version == 2 else 9

    @property
    def end_version(self):
        return 5 if self.version == 2 else 3

    def commit_offset(self, adds=True):
        """Of a group of its own, the transaction's number."""
        group = f"group-{self.name}"
        answer = "NONE" if self.version == 2 or not adds else settled(lambda: self.me.add_offsets(group, version=3))
        if answer == "NONE":
            answer = settled(lambda: self.me.commit_offset(group, TOPIC, self.number, version=5 if self.version == 2 else 3))
        if answer == "NONE":
            self.say("offsets", self.number, group, self.number)
        return answer

    def write(self, among=range(PARTITIONS)):
        """Some records, and perhaps an offset; the first answer that isn't NONE, or that."""
        self.begin()
        answer = "NONE"
        for _ in range(1 + self.dice.randrange(6)):
            answer = self.send(*self.new_batch(self.dice.choice(among)))
            if answer != "NONE":
                return answer
        return self.commit_offset() if self.dice.random() < 0.5 else answer

    def must(self, what, answer):
        """It is the newest instance, in good time: whatever it asks for comes to pass."""
        if answer == "NONE":
            return True
        self.say("refused", self.number, what, answer)
        self.take_over()
        return False

    def decide(self):
        self.commits = self.dice.random() < 0.75
        if self.commits:
            self.say("commit", self.number)

    def last_request(self):
        """Before the broker dies: the end of the transaction, or another batch."""
        self.ends = self.dice.random() < 0.7
        if self.ends:
            self.decide()
            return wire.header(self.hands.raw.END, self.end_version, 2) + self.me.end_request(self.commits)
        partition, sequence, value = self.new_batch(self.dice.randrange(PARTITIONS))
        self.must("add", self.add(partition))
        return (wire.header(self.hands.raw.PRODUCE, self.produce_version, 2)
                + self.me.produce_request(TOPIC, partition, self.name, True, (value.encode(),), -1, sequence))

    def told(self, answer):
        """What comes of asking again has to agree with it."""
        if not self.ends:
            answer.varint(), answer.string(), answer.varint()
            _, error, offset = answer.take("ihq")
            if error == 0:
                self.say("sent", self.number, self.batches[-1][0], offset, self.batches[-1][2])
        elif answer.take("ih")[1] == 0:
            self.say("committed" if self.commits else "aborted", self.number)

    def end(self):
        self.former = self.me.identity
        answer = settled(lambda: self.me.end(self.commits, version=self.end_version))
        return answer if isinstance(answer, str) else "NONE"

    def again(self):
        """Whether or not the broker has heeded it before it died, and told us.

        The last batch in each partition is sent again; its answer may have got lost. Earlier ones a broker that was killed doesn't know
        any more: it makes a snapshot of its producers, with one batch of each, at the end of what it recovers (Kafka as well)."""
        if not self.ends:
            for batch in {batch[0]: batch for batch in self.batches}.values():
                if not self.must("batch", self.send(*batch)):
                    return
            self.decide()
        outcome = "committed" if self.commits else "aborted"
        if self.must(outcome, self.end()):
            self.closed(outcome)

    def begun(self):
        self.must("write", self.write())

    def wake(self):
        """Its transaction was aborted in the meantime, or wasn't. In any case it is one, whole or not at all; with partitions that were
        there before the broker would see by itself that they belong to none."""
        if self.open:
            answer = self.write(among=[2, 3])
            if answer == "NONE":
                self.decide()
                answer = self.end()
            if answer == "NONE":
                self.closed("committed" if self.commits else "aborted")
            else:
                self.take_over()
        if self.write(among=[0, 1]) != "NONE":  # already too late, on a busy machine
            self.take_over()


def haunt(ghost):
    """Somebody whose time is over asks for something. Nothing of it may be heeded while another's transaction is open. (It doesn't ask for
    another epoch, as KIP-360 lets it: that is refused, but only after it has aborted what is open. Kafka does so as well.)"""
    what = ghost.dice.choice(["batch", "batch", "commit", "abort", "offsets"])
    adds = ghost.dice.random() < 0.5  # else it has done so before
    if what == "batch":
        ghost.begin()
        ghost.added = set() if adds else set(range(PARTITIONS))
        answer = ghost.send(*ghost.new_batch(ghost.dice.randrange(PARTITIONS)))
        ghost.closed("aborted")
    elif what == "offsets":
        answer = ghost.commit_offset(adds)
    else:
        ghost.commits = what == "commit"
        answer = ghost.end()
    if answer == "NONE":
        ghost.say("unfenced", ghost.number, what, answer)


class Hands:
    def __init__(self, broker, raw, seed, path):
        self.broker, self.raw, self.seed, self.dice = broker, raw, seed, random.Random(f"{seed} by hand")
        self.passes = 0
        self.file, self.lock = path.open("w", encoding="utf-8"), threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(THREADS)
        self.reader = raw.Producer(None, "reader")
        self.producers = [Instance(self, f"hand-{number}-v{version}", version) for version in (1, 2) for number in range(PRODUCERS)]
        self.lazy = [Instance(self, f"lazy-{number}-v{version}", version, LAZY_TIMEOUT_MS) for version in (1, 2) for number in range(LAZY)]
        self.ghosts = []  # of the round
        self.connect()
        self.all(Instance.start, [*self.producers, *self.lazy])

    def all(self, what, instances):
        """At the same time."""
        list(self.pool.map(what, instances))

    def say(self, client, *what):
        with self.lock:
            self.file.write("\t".join(map(str, (time.monotonic_ns(), client, *what))) + "\n")

    def connect(self):
        self.reader.connection = wire.Wire(self.broker)
        wait_until("the topic", lambda: self.reader.leader_known(TOPIC))
        for partition in range(PARTITIONS):
            settled(lambda partition=partition: self.reader.end_offset(TOPIC, partition, False))
        for one in [*self.producers, *self.lazy, *self.ghosts]:
            one.connect()

    def wait_for_disk(self, yes):
        """What does so is in the middle for longer: a decision without a marker, a transaction with markers that isn't complete."""
        for topic in (TOPIC, "__transaction_state"):
            answer = self.reader.connection.ask(wire.alter_config(wire.TOPIC_RESOURCE, topic, "flush.messages", "1" if yes else None))
            expect_equal(wire.alter_config_error(answer), 0, "flush.messages")

    def crash(self):
        """A round, with SIGKILL in the middle."""
        self.wait_for_disk(True)
        self.all(Instance.wake, self.lazy)  # with what they have had since the round before
        self.summon_idle()
        self.all(Instance.begun, self.producers)
        self.summon()
        self.look()
        self.all(haunt, self.ghosts)
        self.kill([(one, one.last_request()) for one in self.producers])
        start_again(self.broker)
        self.connect()
        self.look()
        self.all(haunt, self.ghosts)
        self.wait_for_disk(False)
        self.all(Instance.again, self.producers)
        self.ghosts = []

    def summon_idle(self):
        """Those who had nothing open when they were taken over, so that only their epoch tells them."""
        for one in self.dice.sample(self.producers, GHOSTS):
            self.ghosts.append(one.take_over().connect())

    def summon(self):
        """Those whose transaction was aborted by their heirs, who have another one open; and, with v2, those of the transaction before."""
        for one in self.dice.sample(self.producers, GHOSTS):
            self.ghosts.append(one.take_over().connect())
            one.begun()
        late = [one for one in self.producers if one.version == 2 and one.former]
        for one in self.dice.sample(late, min(GHOSTS, len(late))):
            self.ghosts.append(one.ghost(one.former).connect())

    def kill(self, requests):
        """Right when the broker is asked for all this; what it has answered by then counts."""
        at_once, answered, moment = self.dice.random() < 0.5, self.dice.random() < 0.5, self.dice.random()
        if at_once:
            os.killpg(self.broker.child.pid, signal.SIGSTOP)
        for one, request in requests:
            one.me.connection.send(wire.frame(request))
        if at_once:
            os.killpg(self.broker.child.pid, signal.SIGCONT)
        if answered:
            select.select([one.me.connection.socket for one, _ in requests], [], [], GUARD_S)
        time.sleep(moment * (0.001 if answered else 0.003))
        self.broker.kill()
        for one, _ in requests:
            try:
                answer = self.raw.Reader(one.me.connection.read()[5:])
            except wire.Closed:
                continue
            one.told(answer)

    def look(self, final=False):
        """What a reader of read_committed is given, from the beginning."""
        self.passes += 1
        client, what = ("last", "final") if final else (f"reader-{self.passes}", "saw")
        for partition in range(PARTITIONS):
            for offset, value in committed(*self.reader.fetch(TOPIC, partition, True)):
                self.say(client, what, TOPIC, partition, offset, value)

    def stable(self):
        """Whether nothing is open any more."""
        return all(self.reader.end_offset(TOPIC, partition, True) == self.reader.end_offset(TOPIC, partition, False)
                   for partition in range(PARTITIONS))

    def finish(self):
        self.all(Instance.take_over, self.lazy)
        end = time.monotonic() + GUARD_S
        while not self.stable():
            if time.monotonic() > end:
                self.say("last", "hanging", TOPIC)
                break
            time.sleep(0.02)
        self.look(final=True)
        for partition in range(PARTITIONS):
            self.say("last", "end", TOPIC, partition, self.reader.end_offset(TOPIC, partition, False))
        for one in [*self.producers, *self.lazy]:
            group = f"group-{one.name}"
            self.say("last", "final offsets", group, settled(lambda group=group: self.offset_of(group)))
        self.file.close()
        self.pool.shutdown()

    def offset_of(self, group):
        """As string."""
        offset = self.reader.committed_offset(group, TOPIC, stable=True)
        return "CONCURRENT_TRANSACTIONS" if offset == "88" else str(offset)  # an error's number is text


def committed(batches, aborted):
    """(offset, value) of what is left when a client has left out what was aborted."""
    aborted, ended = sorted(aborted, key=lambda one: one[1]), set()
    for one in batches:
        while aborted and aborted[0][1] <= one.offset:
            ended.add(aborted.pop(0)[0])
        if one.control:
            ended.discard(one.producer)
        elif not one.transactional or one.producer not in ended:
            for number, (_, value) in enumerate(one.records):
                yield one.offset + number, value.decode()

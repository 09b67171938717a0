#!/usr/bin/env python3
"""Asks a broker what transactions v2 are, and prints its answers: argv = bootstrap. answers.txt has those of Kafka 4.3.1.

Producer ids are p0, p1 and so on, in the order in which a scenario meets them.
"""
import collections
import pathlib
import struct
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import wire  # noqa: E402

LAST_EPOCH = 32766
FOR_A_WHILE = ("CONCURRENT_TRANSACTIONS", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR",
               "NOT_ENOUGH_REPLICAS", "NOT_LEADER_OR_FOLLOWER")


def settled(ask, guard_s=60):
    """The answer, once it isn't one that asks for patience."""
    end = time.monotonic() + guard_s
    while True:
        answer = ask()
        if answer not in FOR_A_WHILE or time.monotonic() > end:
            return answer
        time.sleep(0.02)


class Scenario:
    def __init__(self, raw, connection, name):
        self.raw, self.connection, self.name = raw, connection, name
        self.lines, self.ids = [], {}

    def producer(self, suffix="", init=True, **options):
        made = self.raw.Producer(self.connection, self.name + suffix)
        settled(made.coordinator)
        if init:
            self.say("init" + suffix, (settled(lambda: made.init(**options)), made.identity))
        return made

    def topic(self, producer, suffix=""):
        topic = f"v2-{self.name}{suffix}"
        while not producer.leader_known(topic):
            time.sleep(0.02)
        return topic

    def plain(self, value):
        """With producer ids told apart by their order only; they are the first of a tuple of two or three."""
        if isinstance(value, (tuple, list)) and len(value) >= 2 and type(value[0]) is int and type(value[1]) is int:
            first = "none" if value[0] == -1 else self.ids.setdefault(value[0], f"p{len(self.ids)}")
            value = (first, *value[1:])
        if isinstance(value, (tuple, list)):
            return "(" + " ".join(self.plain(one) for one in value) + ")"
        return str(value)

    def say(self, what, answer):
        self.lines.append(f"{what}: {self.plain(answer)}")

    def as_another(self, producer, identity, what, ask):
        """The request with another identity in it."""
        own, sequences = producer.identity, producer.sequences
        producer.take(identity)
        self.say(what, settled(ask))
        producer.take(own)
        producer.sequences = sequences

    def state(self, producer, what="described"):
        def done():
            described = producer.describe()
            return "CONCURRENT_TRANSACTIONS" if described[0].startswith("Prepare") else described
        described = settled(done)
        state, identity, started, topics = described[0], described[1:3], described[3], described[4]
        self.say(what, (state, identity, "started" if started else "not started", sorted(topics.items())))


def ends(at):
    me = at.producer()
    topic = at.topic(me)
    first = me.identity
    at.say("produce", settled(lambda: me.produce(topic)))
    at.state(me)
    at.say("commit", me.end(True))
    at.state(me)
    at.as_another(me, first, "commit again", lambda: me.end(True, goes_on=False))
    at.as_another(me, first, "abort what is committed", lambda: me.end(False, goes_on=False))
    at.say("commit nothing", settled(lambda: me.end(True)))
    second = me.identity
    at.say("abort nothing", settled(lambda: me.end(False)))
    at.state(me)
    at.as_another(me, second, "abort again", lambda: me.end(False, goes_on=False))
    at.as_another(me, second, "commit what is aborted", lambda: me.end(True, goes_on=False))
    at.as_another(me, first, "abort two epochs before", lambda: me.end(False))
    at.as_another(me, (me.id, me.epoch + 1), "abort one epoch ahead", lambda: me.end(False))
    at.as_another(me, (me.id + 1_000_000, me.epoch), "abort as somebody else", lambda: me.end(False))
    at.say("v4: abort again", settled(lambda: me.end(False, version=4)))
    at.say("v4: commit what is aborted", settled(lambda: me.end(True, version=4)))
    at.as_another(me, second, "v4: abort one epoch before", lambda: me.end(False, version=4))
    at.say("produce", settled(lambda: me.produce(topic)))
    third = me.identity
    at.as_another(me, first, "commit two epochs before", lambda: me.end(True))
    at.as_another(me, second, "commit one epoch before", lambda: me.end(True))
    at.as_another(me, second, "abort one epoch before", lambda: me.end(False))
    at.say("abort", settled(lambda: me.end(False)))
    at.as_another(me, third, "abort again", lambda: me.end(False, goes_on=False))
    at.say("read committed", me.read(topic))
    unknown = at.producer("-unknown", init=False)
    unknown.take((1, 0))
    at.say("commit of an unknown id", unknown.end(True))
    unnamed = at.raw.Producer(at.connection, "")
    at.say("commit without an id", unnamed.end(True))


def nothing_begun(at):
    me = at.producer()
    first = me.identity
    at.say("commit nothing", me.end(True))
    at.say("v4: abort nothing", me.end(False, version=4))
    at.as_another(me, (me.id, me.epoch - 1), "abort nothing one epoch before", lambda: me.end(False))
    at.say("abort nothing", me.end(False))
    at.state(me)
    at.as_another(me, first, "abort again", lambda: me.end(False, goes_on=False))
    at.say("init", (settled(me.init), me.identity))
    at.as_another(me, (me.id, me.epoch - 1), "abort one epoch before", lambda: me.end(False))
    at.state(me)


def produce(at):
    me = at.producer()
    topic, other = at.topic(me), at.topic(me, "-other")
    at.say("v11 without adding", settled(lambda: me.produce(topic, version=11)))
    at.say("v10 without adding", settled(lambda: me.produce(topic, version=10)))
    at.state(me)
    at.say("one epoch ahead", settled(lambda: produce_as(me, topic, (me.id, me.epoch + 1))))
    at.say("one epoch before", settled(lambda: produce_as(me, topic, (me.id, me.epoch - 1))))
    at.say("somebody else's id", settled(lambda: produce_as(me, topic, (me.id + 1_000_000, me.epoch))))
    at.say("unknown transactional id", settled(lambda: me.produce(topic, name="none-such")))
    at.say("no transactional id", settled(lambda: me.produce(topic, name=None)))
    at.say("unknown topic", me.produce("none-such"))
    at.say("v12", settled(lambda: me.produce(topic)))
    at.say("v12 again", me.produce(topic))
    at.say("v12 the same again", me.produce(topic, sequence=1))
    at.say("v12 with a gap", me.produce(topic, sequence=7))
    at.say("v11 goes on", me.produce(topic, version=11))
    at.say("v11 to another partition", settled(lambda: me.produce(other, version=11)))
    at.say("v12 to another partition", settled(lambda: me.produce(other)))
    at.say("not transactional in the middle of it", me.produce(topic, transactional=False))
    at.state(me)
    first = me.identity
    at.say("commit", me.end(True))
    at.state(me)
    at.say("late batch", settled(lambda: produce_as(me, topic, first)))
    at.say("late batch that goes on", settled(lambda: produce_as(me, topic, first, sequence=3)))
    at.say("next epoch with a sequence that goes on", settled(lambda: me.produce(topic, sequence=3)))
    at.say("next epoch", settled(lambda: me.produce(topic, sequence=0)))
    at.state(me)
    at.say("abort", settled(lambda: me.end(False)))
    at.state(me)
    at.say("read committed", me.read(topic))
    at.say("read committed of the other", me.read(other))


def produce_as(producer, topic, identity, sequence=0):
    own, sequences = producer.identity, producer.sequences
    producer.take(identity)
    answer = producer.produce(topic, sequence=sequence)
    producer.take(own)
    producer.sequences = sequences
    return answer


def offsets(at):
    me, group = at.producer(), "v2-group"
    topic = at.topic(me)
    at.say("group", settled(lambda: me.coordinator(group)))
    at.say("v4 without adding", settled(lambda: me.commit_offset(group, topic, version=4)))
    at.say("v3 without adding", settled(lambda: me.commit_offset(group, topic, version=3)))
    at.state(me)
    at.say("v5", settled(lambda: me.commit_offset(group, topic, 5)))
    at.state(me)
    at.say("before the end", me.committed_offset(group, topic))
    at.say("before the end, if it must be stable", me.committed_offset(group, topic, stable=True))
    first = me.identity
    at.say("commit", me.end(True))
    at.state(me)
    at.say("after it", (settled(lambda: stable_offset(me, group, topic)),))
    at.say("late offset", settled(lambda: commit_as(me, group, topic, first)))
    at.say("one epoch ahead", settled(lambda: commit_as(me, group, topic, (me.id, me.epoch + 1))))
    at.say("somebody else", settled(lambda: commit_as(me, group, topic, (me.id + 1_000_000, me.epoch))))
    at.say("an unknown topic", settled(lambda: me.commit_offset(group, "none-such", 6)))
    at.say("an unknown member", settled(lambda: me.commit_offset(group, topic, 6, member=("ghost", 1))))
    at.say("v5", settled(lambda: me.commit_offset(group, topic, 6)))
    at.say("abort", settled(lambda: me.end(False)))
    at.state(me)
    at.say("after it", (settled(lambda: stable_offset(me, group, topic)),))
    at.say("added by hand", settled(lambda: me.add_offsets(group)))
    at.state(me)
    at.say("v5", settled(lambda: me.commit_offset(group, topic, 7)))
    at.say("v4", settled(lambda: me.commit_offset(group, topic, 8, version=4)))
    at.say("commit", settled(lambda: me.end(True)))
    at.say("after it", (settled(lambda: stable_offset(me, group, topic)),))


def stable_offset(producer, group, topic):
    offset = producer.committed_offset(group, topic, stable=True)
    return "CONCURRENT_TRANSACTIONS" if offset == "88" else offset


def commit_as(producer, group, topic, identity):
    own = producer.identity
    producer.id, producer.epoch = identity
    answer = producer.commit_offset(group, topic, 99)
    producer.id, producer.epoch = own
    return answer


def adding(at):
    me = at.producer()
    topic, other = at.topic(me), at.topic(me, "-other")
    at.say("v3", settled(lambda: me.add(topic)))
    at.state(me)
    at.say("v12 produces on", settled(lambda: me.produce(topic)))
    at.say("v12 adds another", settled(lambda: me.produce(other)))
    at.say("v5 commit", settled(lambda: me.end(True)))
    at.state(me)
    at.as_another(me, (me.id, me.epoch - 1), "v3 one epoch before", lambda: me.add(topic))
    at.as_another(me, (me.id + 1_000_000, me.epoch), "v3 as somebody else", lambda: me.add(topic))
    at.say("v3 of an unknown topic", me.add("none-such"))
    at.say("v4 verifies", settled(lambda: me.add(topic, version=4, verify=True)))
    at.say("v5 verifies", settled(lambda: me.add(topic, version=5, verify=True)))
    at.say("v4 adds", settled(lambda: me.add(topic, version=4)))
    at.say("v5 adds", settled(lambda: me.add(topic, version=5)))
    at.say("v5 verifies", settled(lambda: me.add(topic, version=5, verify=True)))
    at.say("v5 verifies another", settled(lambda: me.add(other, version=5, verify=True)))
    at.say("v4 commit", settled(lambda: me.end(True, version=4)))
    at.state(me)
    at.say("v4 commit again", settled(lambda: me.end(True, version=4)))
    at.say("v5 commit", settled(lambda: me.end(True)))
    at.say("v5 abort", settled(lambda: me.end(False)))
    at.state(me)
    at.say("v12", settled(lambda: me.produce(topic)))
    at.say("v4 abort", settled(lambda: me.end(False, version=4)))
    at.state(me)
    at.say("v12", settled(lambda: me.produce(topic)))
    at.say("v5 abort", settled(lambda: me.end(False)))
    at.say("read committed", me.read(topic))


def heirs(at):
    me = at.producer()
    topic = at.topic(me)
    first = me.identity
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("init", me.init())
    at.state(me)
    at.say("zombie's batch", settled(lambda: me.produce(topic)))
    at.say("zombie's commit", settled(lambda: me.end(True)))
    at.say("zombie's abort", settled(lambda: me.end(False, goes_on=False)))
    at.say("zombie goes on by KIP-360", (settled(lambda: me.init(expected=first)), me.identity))
    at.say("heir", (settled(me.init), me.identity))
    at.state(me)
    for epoch in (0, 1):
        at.as_another(me, (me.id, epoch), f"zombie's abort at {epoch}", lambda: me.end(False))
        at.as_another(me, (me.id, epoch), f"zombie's commit at {epoch}", lambda: me.end(True))
        at.as_another(me, (me.id, epoch), f"zombie's batch at {epoch}", lambda: me.produce(topic))
        at.say(f"zombie at {epoch} by KIP-360", settled(lambda: me.init(expected=(me.id, epoch))))
    at.say("heir's batch", settled(lambda: me.produce(topic)))
    at.say("heir's commit", settled(lambda: me.end(True)))
    at.say("goes on by KIP-360", (settled(lambda: me.init(expected=me.identity)), me.identity))
    at.say("the same again", (settled(lambda: me.init(expected=(me.id, me.epoch - 1))), me.identity))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("KIP-360 in the middle of it", settled(lambda: me.init(expected=me.identity)))
    at.state(me)
    at.say("read committed", me.read(topic))


def late(at):
    """The coordinator aborts what takes too long."""
    me = at.producer(timeout=500)
    topic = at.topic(me)
    at.say("produce", settled(lambda: me.produce(topic)))

    def aborted():
        return "CONCURRENT_TRANSACTIONS" if me.describe()[0] != "CompleteAbort" else "yes"
    at.say("aborted", settled(aborted))
    at.state(me)
    at.say("batch", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.say("v4 abort", settled(lambda: me.end(False, version=4)))
    at.say("abort", settled(lambda: me.end(False)))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.say("read committed", me.read(topic))


def overflow(at):
    me = at.producer()
    topic = at.topic(me)
    me.init_often(LAST_EPOCH - 1)
    at.say("nearly there", (me.identity,))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.state(me)
    last = me.identity
    at.say("produce with the last epoch", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.state(me)
    at.as_another(me, last, "commit again", lambda: me.end(True, goes_on=False))
    at.as_another(me, last, "abort what is committed", lambda: me.end(False, goes_on=False))
    at.as_another(me, (last[0], 32767), "commit with the highest epoch", lambda: me.end(True, goes_on=False))
    at.as_another(me, last, "late batch", lambda: me.produce(topic))
    at.say("goes on by KIP-360 from before", (settled(lambda: me.init(expected=last)), me.identity))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.as_another(me, last, "commit again", lambda: me.end(True, goes_on=False))
    at.say("abort", settled(lambda: me.end(False)))
    at.state(me)
    at.as_another(me, last, "commit again", lambda: me.end(True, goes_on=False))
    at.say("read committed", me.read(topic))


def overflow_of_a_fence(at):
    me = at.producer()
    topic = at.topic(me)
    me.init_often(LAST_EPOCH)
    last = me.identity
    at.say("there", (me.identity,))
    at.say("an old epoch by KIP-360", settled(lambda: me.init(expected=(me.id, 5))))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("init", me.init())
    at.state(me)
    at.as_another(me, last, "zombie's batch", lambda: me.produce(topic))
    at.as_another(me, last, "zombie's commit", lambda: me.end(True, goes_on=False))
    at.as_another(me, last, "zombie's abort", lambda: me.end(False, goes_on=False))
    at.say("heir", (settled(me.init), me.identity))
    at.as_another(me, last, "zombie's abort", lambda: me.end(False, goes_on=False))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.say("read committed", me.read(topic))


def markers(at):
    """By hand, as the tool does that ends what nobody ends."""
    me = at.producer()
    topic = at.topic(me)
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("v1: marker with the present epoch", me.write_marker(topic, False, version=1))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("commit", settled(lambda: me.end(True)))
    at.state(me)
    at.say("v2: marker with the present epoch, again", me.write_marker(topic, True))
    at.say("v2: marker one epoch before", me.write_marker(topic, True, producer=(me.id, me.epoch - 1)))
    at.say("produce", settled(lambda: me.produce(topic)))
    at.say("v2: marker with the present epoch", me.write_marker(topic, False))
    at.say("v2: marker one epoch before", me.write_marker(topic, False, producer=(me.id, me.epoch - 1)))
    at.say("v2 of transaction.version 0: marker with the present epoch", me.write_marker(topic, False, transaction_version=0))
    at.say("read", me.read(topic, committed=False)[0])


def listing(at):
    for number in range(3):
        at.producer(f"-{number}")
    ask = at.raw.Producer(at.connection, at.name)
    for pattern in (None, "", "listing-.*", "listing-[12]", "isting-1", ".*-1", "listing-(?=1)", "listing-[", "(", "listing-\\d", "LISTING-1"):
        error, ids = ask.list(pattern)
        at.say(f"pattern {pattern!r}", (error, [one for one in ids if one.startswith("listing")]))


def features(at):
    for version in (3, 4):
        body = wire.compact("probe") + wire.compact("1") + b"\0"
        answer = at.connection.ask(wire.header(wire.API_VERSIONS, version, 2) + body)
        reader = at.raw.Reader(answer[4:])
        reader.take("h")
        reader.array(lambda: (reader.take("hhh"), reader.tags()))
        reader.take("i")
        tags = reader.tags()
        for tag, kind in ((0, "supported"), (2, "finalized")):
            list_of = at.raw.Reader(tags.get(tag, b"\1"))
            levels = dict(list_of.array(lambda: (list_of.string(), (list_of.take("hh"), list_of.tags())[0])))  # noqa: B023
            at.say(f"v{version} {kind}", "transaction.version {}".format("{}-{}".format(*sorted(levels["transaction.version"])))
                   if "transaction.version" in levels else "none")
        at.say(f"v{version} epoch", "known" if struct.unpack(">q", tags[1])[0] >= 0 else "unknown")


SCENARIOS = [features, ends, nothing_begun, produce, offsets, adding, heirs, late, overflow, overflow_of_a_fence, markers, listing]
RECORDED = ["ends", "nothing_begun", "produce", "offsets", "heirs", "late", "overflow", "overflow_of_a_fence"]


def records(at):
    """What __transaction_state says of those before, in its order. Of clients without v2 less is told: Kafka writes their
    records in version 1 as well, we in version 0, which more can read."""
    ask, found = at.raw.Producer(at.connection, at.name), collections.defaultdict(list)
    for partition in range(4):
        for key, value in ask.records("__transaction_state", partition):
            name, record = at.raw.state_record(key, value)
            found[name].append(record)
    for name in RECORDED:
        at.ids = {}
        last, times = None, 0
        for record in [*found[name], None]:
            line = None
            if record:
                at.plain((record.id, 0))  # in order
                about = [record.state, (record.id, record.epoch), "started" if record.started else "not started"]
                about += [f"{topic} {numbers}" for topic, numbers in sorted((record.partitions or {}).items())]
                if record.client:
                    about += [f"version {record.version}", f"client {record.client}", "previous", (record.previous, 0), "next", (record.next, 0)]
                elif record.partitions is None:
                    about.append("no partitions")
                line = about
            if record and last and last[0] == "Empty" and line[0] == "Empty":
                times += 1
                last = line
                continue
            if last:
                at.say(name, [*last, f"after {times} like it"] if times else last)
            last, times = line, 0


def run(raw, bootstrap_or_broker, scenario):
    """The lines of one."""
    with wire.Wire(bootstrap_or_broker) as connection:
        at = Scenario(raw, connection, scenario.__name__)
        scenario(at)
        return at.lines


def load_raw():
    import importlib.util
    spec = importlib.util.spec_from_file_location("transactions_v2_raw", pathlib.Path(__file__).with_name("raw.py"))
    raw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(raw)
    return raw


if __name__ == "__main__":
    AT = collections.namedtuple("At", "port")(int(sys.argv[1].rsplit(":", 1)[1]))
    for one in [*SCENARIOS, records]:
        print(f"[{one.__name__}]")
        print("\n".join(run(load_raw(), AT, one)) + "\n", flush=True)

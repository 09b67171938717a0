"""The random history: plain steps from a seed, and a model of what they leave in each log.

A step is a tuple; its first word says what it is:
  ("do", words, answer)          the client does it on both sides; answer is what it must say, or None
  ("restart", kind, cuts)        one of RESTARTS; cuts: partition -> Cut, with `cut` in its name. Who plays it calls cut_off()
  ("check", whole)               whole: no transaction is open, so compacted logs can be compared record by record
"""
import random

from harness.log_client import text_of

T0 = 4_102_444_800_000  # the year 2100: producers and records aren't forgotten
LONG_AGO = 1_600_000_000_000
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
COMPACT = {"cleanup.policy": "compact", "segment.bytes": 3000, "index.interval.bytes": 200, "min.cleanable.dirty.ratio": 0.0,
           "delete.retention.ms": 3_155_760_000_000, "file.delete.delay.ms": 200}
# name -> partitions, settings. The README says why each is as it is.
TOPICS = {
    "plain": (2, {"segment.bytes": 20000, "index.interval.bytes": 300}),
    "append": (1, {"message.timestamp.type": "LogAppendTime", "segment.bytes": 6000}),
    "recompress": (1, {"compression.type": "zstd", "segment.bytes": 15000}),
    "bytes": (1, {"retention.bytes": 9000, "segment.bytes": 2500, "file.delete.delay.ms": 200}),
    "time": (1, {"retention.ms": 86_400_000, "segment.bytes": 1000, "file.delete.delay.ms": 200}),
    "compact": (2, COMPACT),
    "brief": (1, {**COMPACT, "delete.retention.ms": 1}),
    "both": (1, {**COMPACT, "cleanup.policy": "compact,delete", "retention.ms": -1}),
    "anew": (1, {"segment.bytes": 4000}),
}
COMPACTED = ("compact", "brief", "both")
TRIMMED = ("plain-0", "bytes-0", "time-0", "both-0")  # their log starts move on
RESTARTS = ["bounce", "kill-bounce",  # these concern Milena's side alone
            "stop", "kill", "kill-cut", "swap", "kill-swap", "kill-cut-swap"]
CUT = ("plain-0", "plain-1", "append-0", "recompress-0", "compact-0", "compact-1")  # whose ends may get lost
GROUPS = ["group-a", "group-b"]


class Partition:
    """What a log must hold: records are [offset, timestamp, key, value, headers, state]; state is `committed`, `aborted` or
    the name of the producer whose transaction is open."""

    def __init__(self, topic, number):
        self.topic, self.number, self.name = topic, number, f"{topic}-{number}"
        self.start = self.end = 0
        self.records = []
        self.tail = []  # where the batches begin behind which there are none but those of producers without sequences

    def last_stable(self):
        open_ones = [record[0] for record in self.records if record[5] not in ("committed", "aborted")]
        return max(self.start, min(open_ones, default=self.end))


class Cut:
    """A log file that ends within a batch, as after a loss of power."""

    def __init__(self, batches, which, part):
        self.batches, self.which, self.part = batches, which, part  # first offsets; the other two from 0 to 1

    def __repr__(self):
        return f"Cut({self.batches}, {self.which:.2f}, {self.part:.2f})"

    def choose(self, lowest):
        """One of the batches from that offset on, or None."""
        fitting = [offset for offset in self.batches if offset >= lowest]
        return fitting[int(self.which * len(fitting))] if fitting else None


class Producer:
    def __init__(self, name, kind, codec):
        self.name, self.kind, self.codec = name, kind, codec
        self.lasting = False  # never writes to a trimmed log
        self.open, self.touched, self.offsets = False, set(), {}
        self.trimmed = False  # has written to one


class History:
    """Generates steps one by one; the model is always what the steps given out so far leave behind."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.partitions = {f"{topic}-{number}": Partition(topic, number) for topic, (count, _) in TOPICS.items()
                           for number in range(count)}
        self.producers, self.made, self.clock = {}, 0, T0
        self.committed = {group: {} for group in GROUPS}

    def steps(self, count, restarts):
        """Of `count` steps, with `restarts` of those that restart Kafka too among them, evenly."""
        for topic, (partitions, settings) in TOPICS.items():
            yield ("do", ["create", topic, partitions, *self.words_of(settings)], "")
        for _ in range(5):
            yield from self.new_producer()
        kinds = self.restarts(restarts)
        every = count // (restarts + 1)
        for number in range(count):
            yield from self.random_step()
            if number % 50 == 49:
                yield ("check", False)
            if number % 90 == 45:
                yield from self.recreate("anew")
            if number % 40 == 20:
                yield from self.restart(self.random.choice(RESTARTS[:2]))
            if kinds and number % every == every - 1:
                if self.random.random() < 0.3:
                    yield from self.end_all()
                    yield ("check", True)
                yield from self.restart(kinds.pop(0))
                yield ("check", False)
        yield from self.end_all()
        yield ("check", True)

    @staticmethod
    def words_of(settings):
        return [f"{key}={value}" for key, value in settings.items()]

    def recreate(self, topic):
        """Nothing is left of the log, nor of the offsets that groups have there. Its last transactions end before."""
        partitions, settings = TOPICS[topic]
        names = [f"{topic}-{number}" for number in range(partitions)]
        for producer in list(self.producers.values()):
            if producer.touched & set(names) or any(name in names for _, name in producer.offsets):
                yield from self.end(producer)
        yield ("do", ["recreate", topic, partitions, *self.words_of(settings)], "")
        for number, name in enumerate(names):
            self.partitions[name] = Partition(topic, number)
            for offsets in self.committed.values():
                offsets.pop(name, None)

    def restart(self, kind):
        """A start forgets a producer of which nothing but a marker, or nothing at all, is left behind the log start, and an
        OUT_OF_ORDER_SEQUENCE may come of that, with Kafka as with Milena. As Milena is restarted more often here, no producer
        with sequences that wrote to such a log goes on; those that are lasting do."""
        renewed = [one for one in self.producers.values() if one.trimmed and not one.kind.startswith("acks-")]
        for producer in renewed:
            yield ("do", ["close", producer.name], "")
        cuts = {}
        if "cut" in kind:
            yield from self.make_tails()
            cuts = {name: Cut(self.partitions[name].tail[:], self.random.random(),
                              self.random.choice([0, 0.02, self.random.random(), 0.99]))
                    for name in CUT if self.partitions[name].tail}
        yield ("restart", kind, cuts)
        for producer in renewed:
            yield from self.back_again(producer)

    def make_tails(self):
        """Batches that may get lost: a producer with sequences would miss its own."""
        while not any(one.kind.startswith("acks-") for one in self.producers.values()):
            yield from self.make_producer(self.random.choice(["acks-0", "acks-1", "acks-all"]))
        for name in CUT:
            for _ in range(self.random.randrange(4)):
                yield from self.send(self.pick(lambda one: one.kind.startswith("acks-")), name)

    def cut_off(self, name, offset):
        """The log ends there now."""
        partition = self.partitions[name]
        partition.records = [record for record in partition.records if record[0] < offset]
        partition.tail = [first for first in partition.tail if first < offset]
        partition.end = offset

    def restarts(self, count):
        """Those that hand over first: few are enough for both."""
        kinds = []
        while len(kinds) < count:
            kinds += self.random.sample(["swap", "kill-cut-swap"], 2) + self.random.sample(RESTARTS[2:], 6)
        return kinds[:count]

    def random_step(self):
        weights = [(self.send, 60), (self.transaction_step, 25), (self.new_producer, 4), (self.forget_producer, 3),
                   (self.delete_records, 2), (self.alter, 2), (self.commit_group, 2), (self.unkeyed, 1), (self.lookup, 3)]
        step = self.random.choices([one for one, _ in weights], [weight for _, weight in weights])[0]
        yield from step()

    # Producers.

    def new_producer(self):
        kind = self.random.choice(["acks-0", "acks-1", "acks-all", "idempotent", "idempotent", "transactional", "transactional"])
        if len(self.producers) < 9:
            yield from self.make_producer(kind)

    def make_producer(self, kind):
        self.made += 1
        producer = Producer(f"{kind}-{self.made}", kind, self.random.choice(CODECS))
        producer.lasting = self.random.random() < 0.5
        self.producers[producer.name] = producer
        yield ("do", ["producer", producer.name, kind, producer.codec], "")

    def forget_producer(self):
        """Gone for good; or, for a transactional one, back under the same id."""
        if len(self.producers) < 4:
            return
        producer = self.random.choice(list(self.producers.values()))
        yield ("do", ["close", producer.name], "")
        if producer.kind != "transactional":
            del self.producers[producer.name]
        else:
            yield from self.back_again(producer)

    def back_again(self, producer):
        """Under the same id, if it has one; whatever was open is aborted."""
        yield ("do", ["producer", producer.name, producer.kind, producer.codec], "")
        producer.trimmed = False
        ends = self.finish(producer, "aborted")
        if ends:
            yield ("do", ["await", *ends], None)

    def pick(self, test=lambda producer: True):
        fitting = [producer for producer in self.producers.values() if test(producer)]
        return self.random.choice(fitting) if fitting else None

    # Records.

    def value(self, low, high):
        dice = self.random.random()
        if dice < 0.03:
            return b""
        if dice < 0.5:
            return self.random.randbytes(self.random.randrange(low, high))
        return bytes([97 + self.random.randrange(26)]) * self.random.randrange(low, high)

    def record(self, partition):
        keyed = partition.topic in COMPACTED or self.random.random() < 0.6
        key = f"key-{self.random.randrange(25)}".encode() if keyed else None
        if keyed and partition.topic not in COMPACTED and self.random.random() < 0.05:
            key = b""
        value = None if self.random.random() < 0.12 else self.value(0, 200)
        self.clock += self.random.randrange(-3, 20)
        headers = "-"
        if self.random.random() < 0.2:
            headers = ";".join(f"{name.hex()}={text}" for name, text in self.random.sample(
                [(b"a", "null"), (b"b", "empty"), ("\u00fc".encode(), "00ff"), (b"a", "61")], self.random.randrange(1, 4)))
        return self.clock, key, value, headers

    def records_for(self, partition):
        if partition.topic == "time":  # one batch is more than half a segment, and long gone or far ahead as a whole
            size = self.random.randrange(600, 850)
            time = LONG_AGO if self.random.random() < 0.6 else self.clock
            return [(time, None, self.random.randbytes(size), "-")]
        return [self.record(partition) for _ in range(self.random.choice([1, 1, 2, 3, 5, 10]))]

    def send(self, producer=None, name=None):
        producer = producer or self.pick(lambda one: one.kind != "transactional")
        if producer is None:
            return
        names = [name] if name else [each for each in self.partitions if self.may_write(producer, each)]
        partition = self.partitions[self.random.choice(names)]
        records = self.records_for(partition)
        words = [f"{time},{text_of(key)},{text_of(value)},{headers}" for time, key, value, headers in records]
        first = partition.end
        partition.tail = [*partition.tail, first] if producer.kind.startswith("acks-") else []
        for time, key, value, headers in records:
            partition.records.append([partition.end, time, key, value, headers, producer.name if producer.open else "committed"])
            partition.end += 1
        producer.trimmed |= partition.name in TRIMMED
        if producer.open:
            producer.touched.add(partition.name)
        known = ["-1" if producer.kind == "acks-0" else str(offset) for offset in range(first, partition.end)]
        yield ("do", ["send", producer.name, partition.name, *words], ",".join(known))
        if producer.kind == "acks-0":
            yield ("do", ["await", f"{partition.name}={partition.end}"], str(partition.end))
        if producer.open and partition.topic == "bytes":
            yield from self.end(producer)  # retention may take an open transaction's data, and a start then forgets it

    @staticmethod
    def may_write(producer, name):
        if producer.lasting and name in TRIMMED and not producer.kind.startswith("acks-"):
            return False
        return name != "time-0" or (producer.codec == "none" and not producer.open)

    def unkeyed(self):
        producer = self.pick(lambda one: one.kind in ("acks-1", "acks-all"))
        if producer:
            yield ("do", ["send", producer.name, "compact-0", f"{self.clock},null,61,-"], "InvalidRecordException")

    # Transactions.

    def transaction_step(self):
        producer = self.pick(lambda one: one.kind == "transactional")
        if producer is None:
            yield from self.new_producer()
        elif not producer.open:
            producer.open = True
            yield ("do", ["begin", producer.name], "")
            yield from self.send(producer)
        elif self.random.random() < 0.55:
            yield from self.send(producer)
        elif self.random.random() < 0.2:
            yield from self.offsets(producer)
        else:
            yield from self.end(producer)

    def offsets(self, producer):
        group, partition, offset = self.some_offset()
        if not self.is_pending(group, partition):
            producer.offsets[group, partition] = offset
            yield ("do", ["offsets", producer.name, group, partition, offset], "")

    def some_offset(self):
        return self.random.choice(GROUPS), self.random.choice(list(self.partitions)), self.random.randrange(1000)

    def is_pending(self, group, partition):
        """Which of two offsets for the same partition wins is not the question here."""
        return any((group, partition) in one.offsets for one in self.producers.values())

    def end(self, producer):
        commits = self.random.random() < 0.6
        ends = self.finish(producer, "committed" if commits else "aborted")
        yield ("do", ["commit" if commits else "abort", producer.name, *ends], None)

    def finish(self, producer, outcome):
        """The model after the end of a transaction: a marker in each partition that it touched. The ends to wait for."""
        ends = []
        for name in sorted(producer.touched):
            partition = self.partitions[name]
            for record in partition.records:
                if record[5] == producer.name:
                    record[5] = outcome
            partition.end += 1
            partition.tail = []
            ends.append(f"{name}={partition.end}")
        if outcome == "committed":
            for (group, partition), offset in producer.offsets.items():
                self.committed[group][partition] = f"{offset}:{producer.name}"
        producer.open, producer.touched, producer.offsets = False, set(), {}
        return ends

    def end_all(self):
        for producer in list(self.producers.values()):
            if producer.open:
                yield from self.end(producer)

    # The rest.

    def delete_records(self):
        """Some of the oldest, or, where retention is at work as well and nobody knows how far, all."""
        partition = self.partitions[self.random.choice(["plain-0", "bytes-0", "both-0"])]
        if partition.end > partition.start and not any(partition.name in one.touched for one in self.producers.values()):
            some = self.random.randrange(partition.start, min(partition.end, partition.start + 60) + 1)
            partition.start = partition.end if partition.topic == "bytes" else some
            partition.tail = [first for first in partition.tail if first > partition.start]
            yield ("do", ["delete-records", partition.name, partition.start], str(partition.start))

    def alter(self):
        topic = self.random.choice(["plain", "recompress"])
        key, values = self.random.choice([("compression.type", CODECS[1:] + ["producer", "uncompressed"]),
                                          ("segment.bytes", [3000, 9000, 25000]), ("index.interval.bytes", [100, 4096])])
        yield ("do", ["alter", topic, f"{key}={self.random.choice(values)}"], "")

    def commit_group(self):
        group, partition, offset = self.some_offset()
        if not self.is_pending(group, partition):
            self.committed[group][partition] = f"{offset}:plain"
            yield ("do", ["commit-group", group, partition, offset], "")

    def lookup(self):
        """Offsets by time, of logs that nothing but DeleteRecords shortens."""
        partition = self.partitions[self.random.choice(["plain-0", "plain-1", "recompress-0"])]
        times = [self.random.randrange(T0 - 5, self.clock + 30) for _ in range(3)]
        gone_until = max((record[1] for record in partition.records if record[0] < partition.start), default=T0 - 6)
        yield ("search", ["lookup", partition.name, *times], [time <= gone_until for time in times])

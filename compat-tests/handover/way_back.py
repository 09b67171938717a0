"""From Milena to Kafka 4.3.1, as far as it goes.

4.x has no ZooKeeper mode: a log directory as a whole can't be handed over, with Kafka 3.9's as little as with ours. Topics, their
configs and ids live in KRaft's metadata, not in znodes (3.9's own migration moves them). The partitions are the same, though: a KRaft
broker gets the topics first, then stops, and the partitions' directories take the place of those that it made, with the topic id of
KRaft in partition.metadata; the rows of the checkpoints go along; meta.properties and .kafka_cleanshutdown stay its own. The internal
topics go the same way, if they have as many partitions: groups, their offsets and transactions, open ones too, go on.
"""
import shutil

import golden
from harness.context import expect, expect_equal
from harness.kraft import Kraft

PARTITION_METADATA = "partition.metadata"
CHECKPOINTS = ("recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint")
TABLES = ("expected.tsv", "offsets.tsv", "producers.tsv")
GROUPS = ("groups.tsv", "group-offsets.tsv", "transactions.tsv")
INTERNAL = ("__consumer_offsets", "__transaction_state")


def write_more(client, side, codecs):
    """What Milena itself writes beside what was in the archive."""
    for number, codec in enumerate(codecs):
        topic = f"handed-{codec}"
        client.one(side, "create", topic, 1, "segment.bytes=3000")
        for kind in ("acks-1", "idempotent", "transactional"):
            client.one(side, "producer", f"{topic}-{kind}", kind, codec)
        for turn in range(5):
            rows = [f"{4_102_444_800_000 + turn},{key:02x},{'61' * 100},-" for key in range(10)]
            for kind in ("acks-1", "idempotent"):
                client.one(side, "send", f"{topic}-{kind}", f"{topic}-0", *rows)
            client.one(side, "begin", f"{topic}-transactional")
            client.one(side, "send", f"{topic}-transactional", f"{topic}-0", *rows)
            if turn < 4 or number % 2:  # the others stay open
                client.one(side, "offsets", f"{topic}-transactional", "handed-group", f"{topic}-0", turn)
                client.one(side, "abort" if turn % 2 else "commit", f"{topic}-transactional")
        client.one(side, "delete-records", f"{topic}-0", 3)


def tables_of(path, names):
    """Rows by table, without the internal topics, whose records a cleaner may take at any time."""
    return {name: sorted(row for row in golden.rows_of(path / name) if not set(INTERNAL) & set(row[:2]))
            for name in names if (path / name).exists()}


def partitions_of(seen):
    """{topic: count} of a dump."""
    counts = {}
    for row in golden.rows_of(seen / "offsets.tsv"):
        counts[row[0]] = counts.get(row[0], 0) + 1
    return counts


def exchange_partitions(ours, theirs, names):
    """These partitions of one data directory take the place of those of Kafka 4.3.1, whose checkpoints have no others."""
    for name in names:
        expect((theirs / name).is_dir(), f"{name} isn't a partition of Kafka 4.3.1")
        topic_id = (theirs / name / PARTITION_METADATA).read_bytes()
        shutil.rmtree(theirs / name)
        shutil.copytree(ours / name, theirs / name)
        (theirs / name / PARTITION_METADATA).write_bytes(topic_id)
    for checkpoint in CHECKPOINTS:
        lines = rows_of_checkpoint(ours / checkpoint, names)
        (theirs / checkpoint).write_text("\n".join(["0", str(len(lines)), *lines, ""]), encoding="utf-8")


def rows_of_checkpoint(path, names):
    lines = path.read_text(encoding="utf-8").splitlines()[2:] if path.exists() else []
    return [line for line in lines if "-".join(line.split()[:2]) in names]


class WayBack:
    def __init__(self, context, client, archives):
        self.context, self.client, self.archives = context, client, archives
        self.kraft = Kraft(context.work / "kraft", {
            "log.retention.ms": -1, "auto.create.topics.enable": "false", "offsets.retention.minutes": 2147483647,
            "offsets.topic.num.partitions": 50, "transaction.state.log.num.partitions": 50,
            "transactional.id.expiration.ms": golden.EXPIRATION_MS, "producer.id.expiration.ms": golden.EXPIRATION_MS,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 86400000,
        })
        context.brokers.append(self.kraft)

    def make_topics(self):
        self.kraft.start()
        self.client.one("kraft", "connect", self.kraft.bootstrap)
        for archive in self.archives:
            for topic, count in partitions_of(archive.seen).items():
                if topic not in INTERNAL:
                    self.client.one("kraft", "create", topic, count)
        self.client.one("kraft", "commit-group", "before", "in-0", 0)
        self.client.one("kraft", "producer", "before", "transactional", "none")
        self.client.one("kraft", "close", "before")
        expect_equal(self.kraft.stop() in (0, 143), True, "Kafka 4.3.1 ends")

    def exchange(self):
        rows = {name: [] for name in CHECKPOINTS}
        count = 0
        for archive in self.archives:
            data, topics = archive.broker.data, set(partitions_of(archive.seen)) | (set(INTERNAL) if archive.name == "internal" else set())
            moved = {path.name for path in data.iterdir() if path.is_dir() and path.name.rpartition("-")[0] in topics}
            for name in moved:
                ours, theirs = data / name, self.kraft.data / name
                expect(theirs.is_dir(), f"{name} of {archive.name} isn't a partition of Kafka 4.3.1")
                topic_id = (theirs / PARTITION_METADATA).read_bytes()
                shutil.rmtree(theirs)
                shutil.copytree(ours, theirs)
                (theirs / PARTITION_METADATA).write_bytes(topic_id)
            for checkpoint in CHECKPOINTS:
                rows[checkpoint] += rows_of_checkpoint(data / checkpoint, moved)
            count += len(moved)
        for checkpoint, lines in rows.items():
            (self.kraft.data / checkpoint).write_text("\n".join(["0", str(len(lines)), *lines, ""]), encoding="utf-8")
        return count

    def compare(self):
        """Rows that the clients of both saw, all equal."""
        self.kraft.start()
        into, count = self.context.work / "seen-by-kafka-4.3.1", 0
        self.client.one("kraft", "connect", self.kraft.bootstrap)
        ends = [f"{row[0]}-{row[1]}={row[3]}" for archive in self.archives for row in golden.rows_of(archive.seen / "offsets.tsv")
                if row[0] not in INTERNAL]
        for words in (("await", *ends), ("dump", into, "user"), ("groups", into), ("transactions", into)):
            self.client.one("kraft", *words)
        for name in (*TABLES, *GROUPS):
            wanted = [row for archive in self.archives if name in TABLES or archive.name == "internal"
                      for row in tables_of(archive.seen, (name,)).get(name, [])]
            found = tables_of(into, (name,))[name]
            if name == "groups.tsv":  # of a group whose offsets are all deleted Kafka 4 remembers the name until it looks for expired ones
                holders = {row[0] for row in golden.rows_of(into / "group-offsets.tsv")}
                found = [row for row in found if row[0] in holders or row[1:3] != ["Empty", "true"]]
            missing, strange = ([row for row in one if row not in other][:3] for one, other in ((wanted, found), (found, wanted)))
            expect(found == sorted(wanted), f"{name}: {len(found)} rows, wanted {len(wanted)}; missing {missing}; strange {strange}")
            count += len(wanted)
        return count

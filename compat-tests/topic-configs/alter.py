"""Each setting of a topic altered by IncrementalAlterConfigs while its log is open, and seen acting: bootstrap, log directory, and
the process if it is Milena.

Every case has a topic of its own, which has a record and works as usual before.
"""
import pathlib
import sys
import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

BOOTSTRAP, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
THREADS = pathlib.Path("/proc") / sys.argv[3] / "task" if len(sys.argv) > 3 else None
GUARD_S = 60
HOUR_MS = 3_600_000

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
producer = Producer({"bootstrap.servers": BOOTSTRAP, "acks": "all", "retries": 0, "linger.ms": 0, "message.max.bytes": 10_000_000})


class Topic:
    def __init__(self, name):
        self.name, self.directory = name, DATA / f"{name}-0"
        admin.create_topics([NewTopic(name, 1, 1)])[name].result()
        self.wait_for(lambda: self.send() is None, "it takes records")

    def wait_for(self, condition, what):
        end = time.monotonic() + GUARD_S
        while not condition():
            assert time.monotonic() < end, f"{self.name}: waited {GUARD_S} s in vain until {what}"
            time.sleep(0.02)

    def alter(self, settings, operation=AlterConfigOpType.SET):
        entries = [ConfigEntry(key, value, incremental_operation=operation) for key, value in settings.items()]
        resource = ConfigResource(ResourceType.TOPIC, self.name, incremental_configs=entries)
        for future in admin.incremental_alter_configs([resource]).values():
            future.result()

    def send(self, value="x" * 300, key="key", **more):
        """The error's code, if any."""
        outcome = []
        producer.produce(self.name, value, key, 0, on_delivery=lambda error, message: outcome.append(error and error.code()), **more)
        producer.flush()
        return outcome[0]

    def offsets(self):
        return consumer.get_watermark_offsets(TopicPartition(self.name, 0), timeout=30)

    def read(self, offset):
        consumer.assign([TopicPartition(self.name, 0, offset)])
        message = consumer.poll(30)
        assert message is not None and not message.error(), message and message.error()
        return message

    def files(self, pattern="*.log"):
        return sorted(self.directory.glob(pattern))

    def size(self, path):
        try:
            return path.stat().st_size
        except FileNotFoundError:  # it is being deleted
            return 0

    def rolls(self, times=1, timestamp=0):
        """Until there are so many segments more."""
        before = len(self.files())

        def one_more():
            assert self.send(timestamp=timestamp) is None
            return len(self.files()) >= before + times
        self.wait_for(one_more, "a segment is rolled")


def refused(topic, settings, code, **record):
    assert topic.send(**record) is None
    topic.alter(settings)
    topic.wait_for(lambda: topic.send(**record) == code, f"{settings} has {code} answered")
    topic.alter(dict.fromkeys(settings), AlterConfigOpType.DELETE)
    topic.wait_for(lambda: topic.send(**record) is None, f"{settings} is forgotten")


def segment_bytes(topic):
    for _ in range(10):
        assert topic.send() is None
    assert len(topic.files()) == 1
    topic.alter({"segment.bytes": "1000"})
    topic.rolls(3)


def segment_ms(topic):
    now = int(time.time() * 1000)
    for hour in range(3):
        assert topic.send(timestamp=now + hour * HOUR_MS) is None
    assert len(topic.files()) == 1
    topic.alter({"segment.ms": "1000"})
    topic.rolls(1, now + 3 * HOUR_MS)


def max_compaction_lag(topic):
    now = int(time.time() * 1000)
    topic.alter({"max.compaction.lag.ms": "1000"})
    time.sleep(0.5)
    for hour in range(3):
        assert topic.send(timestamp=now + hour * HOUR_MS) is None
    assert len(topic.files()) == 1, "it isn't compacted yet"
    topic.alter({"cleanup.policy": "compact"})
    topic.rolls(1, now + 3 * HOUR_MS)


def max_message_bytes(topic):
    refused(topic, {"max.message.bytes": "500"}, KafkaError.MSG_SIZE_TOO_LARGE, value="x" * 1000)


def timestamp_bounds(topic):
    refused(topic, {"message.timestamp.after.max.ms": "1000"}, KafkaError.INVALID_TIMESTAMP, timestamp=int(time.time() * 1000) + HOUR_MS)
    refused(topic, {"message.timestamp.before.max.ms": "1000"}, KafkaError.INVALID_TIMESTAMP, timestamp=int(time.time() * 1000) - HOUR_MS)


def timestamp_type(topic):
    topic.alter({"message.timestamp.type": "LogAppendTime"})

    def is_log_append_time():
        assert topic.send(timestamp=HOUR_MS) is None
        kind, timestamp = topic.read(topic.offsets()[1] - 1).timestamp()
        return kind == TIMESTAMP_LOG_APPEND_TIME and timestamp > HOUR_MS
    topic.wait_for(is_log_append_time, "records have the broker's time")


def compaction_needs_keys(topic):
    refused(topic, {"cleanup.policy": "compact"}, KafkaError.INVALID_RECORD, key=None)


def min_insync_replicas(topic):
    topic.alter({"min.insync.replicas": "2"})
    for _ in range(20):
        assert topic.send() is None, "no more than all replicas can be asked for"
        time.sleep(0.05)


def compression_type(topic):
    def codec_of_the_last():
        data, at = topic.files()[0].read_bytes(), 0
        while at + 12 + (length := int.from_bytes(data[at + 8:at + 12], "big")) < len(data) and length > 0:
            at += 12 + length
        return data[at + 22] & 7
    assert codec_of_the_last() == 0
    for codec, number in (("zstd", 4), ("gzip", 1), ("uncompressed", 0)):
        topic.alter({"compression.type": codec})
        topic.wait_for(lambda number=number: topic.send() is None and codec_of_the_last() == number, f"batches are {codec}")


def retention(topic):
    for _ in range(5):
        assert topic.send() is None
    topic.alter({"retention.bytes": "0"})
    topic.wait_for(lambda: topic.offsets() == (6, 6), "all is deleted")
    assert topic.files("*.log.deleted"), "file.delete.delay.ms is a minute"
    topic.alter({"retention.bytes": "-1"})
    assert topic.send(timestamp=HOUR_MS) is None
    topic.alter({"file.delete.delay.ms": "0", "retention.ms": "1"})
    topic.wait_for(lambda: topic.offsets() == (7, 7), "what is old is deleted")
    topic.wait_for(lambda: len(topic.files("*.log.deleted")) == 1, "its file goes at once, that of before stays")


def preallocation(topic):
    topic.alter({"preallocate": "true", "segment.bytes": "20000"})
    topic.rolls()
    topic.rolls()  # whichever of the two the broker heard of first
    assert topic.size(topic.files()[-1]) == 20000 > topic.size(topic.files()[-2])


def index_interval(topic):
    topic.alter({"segment.bytes": "2000"})
    topic.rolls(2)
    assert topic.size(topic.files("*.index")[-2]) == 0
    topic.alter({"index.interval.bytes": "1"})

    def is_indexed():
        topic.rolls(1)
        return topic.size(topic.files("*.index")[-2]) > 0
    topic.wait_for(is_indexed, "each batch has an entry")


def flush_messages(topic):
    """An fsync isn't seen from outside, but the threads are that wait for those of flush.messages alone."""
    def flushes():
        return any(path.read_text(encoding="utf-8").startswith("log-flush-") for path in THREADS.glob("*/comm"))
    assert topic.send() is None and not flushes()
    topic.alter({"flush.messages": "1"})
    topic.wait_for(lambda: topic.send() is None and flushes(), "what is sent is flushed")


def cleaning(topic):
    for _ in range(20):
        assert topic.send() is None
    assert topic.read(0).offset() == 0
    topic.alter({"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": "1000"})
    topic.rolls(3)
    topic.wait_for(lambda: topic.read(0).offset() > 0, "all but the newest of a key is gone")


def main():
    cases = [segment_bytes, segment_ms, max_compaction_lag, max_message_bytes, timestamp_bounds, timestamp_type, compaction_needs_keys,
             min_insync_replicas, compression_type, retention, preallocation, index_interval, cleaning]
    if THREADS:
        cases.append(flush_messages)
    for case in cases:
        case(Topic(case.__name__))
    consumer.close()
    print(f"{len(cases)} cases: {', '.join(case.__name__ for case in cases)}")


main()

"""librdkafka with group.protocol=consumer: static members, regular expressions, and copies in transactions: argv = bootstrap."""
import sys
import threading
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic, partitions):
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()


def send(topic, partitions, count, **settings):
    producer = Producer({"bootstrap.servers": BOOTSTRAP, **settings})
    if settings:
        producer.init_transactions(60)
        producer.begin_transaction()
    for number in range(count):
        producer.produce(topic, str(number), partition=number % partitions)
    if settings:
        producer.commit_transaction(60)
    producer.flush()


def consumer(group, topic, **more):
    made = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "group.protocol": "consumer", "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, **more})
    made.subscribe([topic])
    return made


def until(what, condition, *members):
    """Polls the members; what they have read is returned."""
    end, values = time.monotonic() + 60, []
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        for member in members:
            message = member.poll(0.01)
            if message is not None:
                assert message.error() is None, message.error()
                values.append(message.value().decode())
    return values


def has(member):
    return sorted((one.topic, one.partition) for one in member.assignment())


def static_members():
    """What a static member had waits for it; its id is refused to another while it is there."""
    create("kinds-static", 4)
    one, two = (consumer("kinds-static", "kinds-static", **{"group.instance.id": name}) for name in ("one", "two"))
    until("halves", lambda: len(has(one)) == len(has(two)) == 2, one, two)
    had, others = has(one), has(two)
    usurper = consumer("kinds-static", "kinds-static", **{"group.instance.id": "one"})
    refusals = []

    def refused():
        message = usurper.poll(0.01)
        if message is not None:
            refusals.append(message.error().code())
        return refusals
    until("a refusal", refused, one, two)
    assert refusals[0] in (KafkaError.UNRELEASED_INSTANCE_ID, KafkaError._FATAL), refusals  # pylint: disable=protected-access
    one.close()
    until("two intervals", (lambda end: lambda: time.monotonic() > end)(time.monotonic() + 0.7), two)
    assert has(two) == others, "what a static member had waits for it"
    back = consumer("kinds-static", "kinds-static", **{"group.instance.id": "one"})
    until("the old assignment", lambda: has(back) == had, back, two)
    assert has(two) == others, "nobody else noticed"
    for member in (back, two, usurper):
        member.close()


def regular_expressions():
    """Matched by the broker (RE2), for topics that come later too."""
    create("kinds-re-one", 1)
    create("other-kinds-re", 1)
    member = consumer("kinds-re", "^kinds-re-[a-z]+")
    until("the first topic", lambda: has(member) == [("kinds-re-one", 0)], member)
    create("kinds-re-two", 2)
    create("kinds-re-3", 1)
    send("kinds-re-two", 2, 10)
    topics = [("kinds-re-one", 0), ("kinds-re-two", 0), ("kinds-re-two", 1)]
    values = until("the second topic", lambda: has(member) == topics, member)
    end = time.monotonic() + 60
    while len(values) < 10 and time.monotonic() < end:
        message = member.poll(0.1)
        if message is not None and message.error() is None:
            values.append(message.value().decode())
    assert sorted(values, key=int) == [str(number) for number in range(10)], values
    member.close()


class Copier:
    """Copies what it reads in transactions that commit the group's offsets too; each third one is aborted."""

    def __init__(self, name):
        self.consumer = consumer("kinds-copiers", "kinds-source", **{"isolation.level": "read_committed", "fetch.wait.max.ms": 50})
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": f"kinds-{name}", "linger.ms": 2})
        self.producer.init_transactions(60)
        self.turns = self.aborted = 0

    def turn(self):
        messages = [one for one in self.consumer.consume(20, 0.02) if one.error() is None]
        if not messages:
            return
        self.turns += 1
        abort = self.turns % 3 == 0
        self.producer.begin_transaction()
        for one in messages:
            self.producer.produce("kinds-target", ("aborted " if abort else "") + one.value().decode(), partition=one.partition())
        try:
            self.producer.send_offsets_to_transaction(self.consumer.position(self.consumer.assignment()),
                                                      self.consumer.consumer_group_metadata(), 60)
            if not abort:
                self.producer.commit_transaction(60)
                return
            self.producer.flush()  # or some of it would never be sent
        except KafkaException as refused:  # the epoch is another one by now
            assert refused.args[0].txn_requires_abort(), refused
        self.producer.abort_transaction(60)
        self.aborted += 1
        for one in self.consumer.committed(self.consumer.assignment(), 30):
            self.consumer.seek(TopicPartition(one.topic, one.partition, max(0, one.offset)))


def read_target(isolation):
    """All values up to the end that the isolation level sees."""
    reader = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "kinds-reader", "enable.auto.commit": False,
                       "isolation.level": isolation, "enable.partition.eof": True})
    reader.assign([TopicPartition("kinds-target", number, 0) for number in range(4)])
    values, ended = [], set()
    while len(ended) < 4:
        message = reader.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()  # pylint: disable=protected-access
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    reader.close()
    return values


def transactions():
    """Two members of a group copy while one of them comes later and the other leaves."""
    total = 1200
    create("kinds-source", 4)
    create("kinds-target", 4)
    send("kinds-source", 4, total // 2, **{"transactional.id": "kinds-source"})
    first = Copier("first")

    def committed():
        request = confluent_kafka.ConsumerGroupTopicPartitions("kinds-copiers")
        found = admin.list_consumer_group_offsets([request])["kinds-copiers"].result().topic_partitions
        return sum(max(0, one.offset) for one in found)

    def copy_until(what, copiers, condition):
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}"
            for one in copiers:
                one.turn()
    copy_until("a first part", [first], lambda: first.turns >= 4)
    second = Copier("second")
    copy_until("halves", [first, second], lambda: len(has(first.consumer)) == len(has(second.consumer)) == 2)
    sender = threading.Thread(target=send, args=("kinds-source", 4, total // 2), kwargs={"transactional.id": "kinds-source"})
    sender.start()
    first.consumer.close()
    sender.join()
    # Two transactions with a marker in each partition; whether the last one is committed depends on what was fetched.
    copy_until("all of it", [second], lambda: committed() >= total + 4)
    second.consumer.close()
    values = read_target("read_committed")
    wanted = sorted([str(number) for number in range(total // 2)] * 2)
    assert sorted(values) == wanted, f"{len(values)} of {total}, {len(set(values))} distinct"
    assert len(read_target("read_uncommitted")) > total, "whoever doesn't care reads the aborted ones too"
    return first.aborted + second.aborted


failures = []


def run(function):
    try:
        function()
    except BaseException as failure:  # pylint: disable=broad-except
        failures.append((function.__name__, failure))
        raise


tasks = [threading.Thread(target=run, args=(one,)) for one in (static_members, regular_expressions, transactions)]
for task in tasks:
    task.start()
for task in tasks:
    task.join()
assert not failures, failures
print("kinds of librdkafka done,", confluent_kafka.libversion()[0])

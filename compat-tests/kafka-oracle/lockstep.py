"""Kafka and Milena get the same request at the same time, and their answers are compared."""
import struct
import time

import masks
import random_requests as requests
from harness import messages, wire
from harness.process import wait_until

GUARD_S = 120  # not an expectation: it ends what would never end
SETTLE_S = 5  # within it both must agree on what spreads behind an answer: metadata, configurations, markers of transactions
SETTINGS = {"offsets.topic.num.partitions": 3, "transaction.state.log.num.partitions": 2, "auto.create.topics.enable": "false",
            # The stream's batches are of 2023, and nobody should be thrown out for the machine being slow.
            "log.retention.ms": -1, "log.roll.ms": 1 << 60, "offsets.retention.check.interval.ms": 1 << 40,
            "zookeeper.session.timeout.ms": 120_000, "zookeeper.connection.timeout.ms": 120_000}
NOT_LOADED = {14, 15, 16}  # COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
CONCURRENT_TRANSACTIONS, UNKNOWN_MEMBER_ID = 51, 25
# Asked again when answers differ: they may be about what isn't done yet behind an earlier answer.
READS = {requests.FETCH, requests.LIST_OFFSETS, requests.METADATA, requests.OFFSET_FETCH, requests.DESCRIBE_GROUPS, requests.LIST_GROUPS,
         requests.DESCRIBE_CONFIGS, requests.DESCRIBE_LOG_DIRS, requests.LIST_REASSIGNMENTS, requests.DESCRIBE_CLUSTER,
         requests.DESCRIBE_PRODUCERS, requests.DESCRIBE_TRANSACTIONS, requests.LIST_TRANSACTIONS, requests.DESCRIBE_TOPIC_PARTITIONS,
         requests.OFFSET_FOR_LEADER_EPOCH}
CHANGES_TOPICS = {requests.CREATE_TOPICS, requests.DELETE_TOPICS, requests.CREATE_PARTITIONS}
CLOSED = "closes the connection"  # the only thing that isn't an answer and may be what both do


class Difference(Exception):
    """The two answered differently."""


class Side:
    """One broker, a connection to it, and the ids that it gave."""

    def __init__(self, name, broker):
        self.name, self.broker, self.wire = name, broker, None
        self.mask = masks.Mask(self)
        self.topic_ids, self.members, self.generations, self.session = {}, {}, {}, (0, 0)
        self.producers, self.epochs, self.sequences = {}, {}, {}

    def close(self):
        if self.wire:
            self.wire.socket.close()
            self.wire = None

    def send(self, key, version, values):
        if self.wire is None:
            self.wire = wire.Wire(self.broker, guard_s=GUARD_S)
        self.wire.send(wire.frame(messages.request(key, version, self.filled_in(values))))

    def read(self, key, version):
        """The answer as a dict, or else what happened instead as a text."""
        try:
            payload = self.wire.read()
        except wire.Closed:
            self.close()
            return CLOSED
        except TimeoutError:
            self.close()
            return f"doesn't answer within {GUARD_S} s"
        try:
            return messages.response(key, version, payload)
        except (ValueError, struct.error, IndexError) as error:
            self.close()
            return f"malformed: {error}: {payload.hex()}"

    def ask(self, key, version, values):
        self.send(key, version, values)
        return self.read(key, version)

    def told(self, key, version, values):
        """The answer to a question of the test's own, which has to be one."""
        answer = self.ask(key, version, values)
        if not isinstance(answer, dict):
            raise Difference(f"{messages.by_key()[key][0].name} v{version} {values}\n  {self.name} {answer}")
        return answer

    # What the stream leaves open

    def filled_in(self, value):
        if isinstance(value, dict):
            return {name: self.filled_in(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.filled_in(item) for item in value]
        return self.known(*value) if isinstance(value, tuple) else value

    def known(self, kind, *of):
        if kind == "topic id":
            return self.topic_ids.get(of[0], bytes(16))
        if kind == "member":
            return self.members.get(of[0], "")
        if kind == "producer id":
            return self.producers.get(of[0], masks.MADE_UP_NUMBER)
        if kind == "generation":
            return self.generations.get(of[0], 1)
        if kind == "producer epoch":
            return self.epochs.get(of[0], 0)
        if kind == "session id":
            return self.session[0]
        if kind == "session epoch":
            return self.session[1]
        if kind == "log dir":
            return str(self.broker.data)
        if of[0] not in self.producers:
            return wire.batch(wire.record(b"v"))
        epoch = self.epochs[of[0]] if of[1] is None else of[1]
        sequence = self.sequences.get((of[0], epoch, of[2][1]), 0) if isinstance(of[2], tuple) else of[2]
        return batch(self.producers[of[0]], epoch, sequence, of[3])

    def learn_sequences(self, values, answer):
        appended = {(topic["name"], partition["index"]) for topic in answer["responses"] for partition in topic["partition_responses"]
                    if partition["error_code"] == 0}
        for topic in values["topic_data"]:
            for partition in topic["partition_data"]:
                records, place = partition["records"], (topic["name"], partition["index"])
                if isinstance(records, tuple) and isinstance(records[3], tuple) and place in appended:
                    epoch = self.epochs.get(records[1]) if records[2] is None else records[2]
                    key = records[1], epoch, place
                    self.sequences[key] = self.sequences.get(key, 0) + 1

    def topic_name(self, topic_id):
        other = "an id" if any(topic_id) else "no id"
        return next((f"the id of {name}" for name, known in self.topic_ids.items() if known == topic_id), other)

    def learn(self, key, values, answer):
        """From an answer to a request as the stream has it."""
        if not isinstance(answer, dict):
            return
        if key == requests.JOIN_GROUP:
            group, member = values["group_id"], answer.get("member_id")
            if answer["error_code"] == UNKNOWN_MEMBER_ID and values["member_id"] == ("member", group):
                self.members.pop(group, None)
            elif member and member != "bogus":
                self.members[group] = member
            if answer["error_code"] == 0:
                self.generations[group] = answer["generation_id"]
        if key == requests.LEAVE_GROUP and answer["error_code"] == 0:  # several members have errors of their own
            if "members" not in answer or any(member["error_code"] == 0 for member in answer["members"]):
                self.members.pop(values["group_id"], None)
        if key == requests.INIT_PRODUCER_ID and answer["error_code"] == 0:
            self.producers[values["transactional_id"]] = answer["producer_id"]
            self.epochs[values["transactional_id"]] = answer["producer_epoch"]
        if key == requests.PRODUCE:
            self.learn_sequences(values, answer)
        if key == requests.FETCH and answer.get("session_id"):
            again = values.get("session_id") == ("session id",)
            self.session = answer["session_id"], self.session[1] + 1 if again else 1

    def learn_topics(self):
        answer = self.told(requests.METADATA, 12, {"topics": None})
        self.topic_ids = {topic["name"]: topic["topic_id"] for topic in answer["topics"]}
        return answer


def batch(producer_id, epoch, sequence, transactional):
    """One record of an idempotent producer."""
    record = wire.record(b"v")
    tail = struct.pack(">hiqqqhii", 0x10 if transactional else 0, 0, 1_700_000_000_000, 1_700_000_000_000, producer_id, epoch, sequence,
                       1) + record
    head = struct.pack(">iBI", -1, 2, wire.crc32c(tail)) + tail
    return struct.pack(">qi", 0, len(head)) + head


def error_codes(value):
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "error_code":
                yield item
            else:
                yield from error_codes(item)
    elif isinstance(value, list):
        for item in value:
            yield from error_codes(item)


class Lockstep:
    def __init__(self, kafka, milena):
        self.brokers = kafka, milena
        self.sides = Side("Kafka", kafka), Side("Milena", milena)
        self.asked = {}  # by API key, how many answers were equal; 0 if both only ever closed the connection
        self.unanswerable = set()  # API keys that this Kafka cannot answer where it runs

    def close(self):
        for side in self.sides:
            side.close()

    def versions(self):
        """What both serve, by API key."""
        client = {"client_software_name": "oracle", "client_software_version": "1"}
        served = [{api["api_key"]: (api["min_version"], api["max_version"])
                   for api in side.told(requests.API_VERSIONS, 3, client)["api_keys"]}
                  for side in self.sides]
        both = {}
        for key in served[0].keys() & served[1].keys():
            first, last = (choose(side[key][at] for side in served) for at, choose in enumerate((max, min)))
            if first <= last:
                both[key] = first, last
        return both

    def prepare(self):
        """The topics of the stream, and the internal ones, so that coordinators are there."""
        for side in self.sides:
            topics = [{"name": name, "num_partitions": count, "replication_factor": 1,
                       "configs": [{"name": "cleanup.policy", "value": "compact"}] if name == requests.COMPACTED else []}
                      for name, count in requests.TOPICS.items()]
            side.told(requests.CREATE_TOPICS, 7, {"topics": topics, "timeout_ms": 30_000})
        for key_type, key in enumerate(("g", "t")):
            for side in self.sides:
                find = {"key": key, "key_type": key_type}
                wait_until("a coordinator", lambda s=side, f=find: s.told(requests.FIND_COORDINATOR, 2, f)["error_code"] == 0)
        new = {"transactional_id": None, "transaction_timeout_ms": 1000}
        for side in self.sides:  # Kafka's first block of producer ids comes a little later
            wait_until("a producer id", lambda s=side: s.told(requests.INIT_PRODUCER_ID, 4, new)["error_code"] == 0)
        for side in self.sides:  # loaded, and with leaders everywhere
            wait_until("the groups", lambda s=side: s.told(requests.LIST_GROUPS, 4, {})["error_code"] == 0)
            ids = {"transactional_ids": [f"t{number}" for number in range(30)]}  # of all partitions of __transaction_state
            wait_until("the transactions", lambda s=side, i=ids: NOT_LOADED.isdisjoint(
                error_codes(s.told(requests.DESCRIBE_TRANSACTIONS, 0, i))))
        self.settle_topics()

    def settle_topics(self):
        """Until both say the same of all topics."""
        end = time.monotonic() + SETTLE_S
        while True:
            known = [side.mask.of_answer(requests.METADATA, side.learn_topics()) for side in self.sides]
            if known[0] == known[1]:
                return
            if time.monotonic() > end:
                raise Difference(f"all topics\n  Kafka  {known[0]}\n  Milena {known[1]}")
            time.sleep(0.01)

    def wait_for_deletion(self, name):
        """Kafka refuses a new topic of the name until the old one's znodes are gone, some time after it has left the metadata."""
        again = {"topics": [{"name": name, "num_partitions": 1, "replication_factor": 1}], "timeout_ms": 1000, "validate_only": True}
        for side in self.sides:
            wait_until("the deletion", lambda s=side: s.told(requests.CREATE_TOPICS, 4, again)["topics"][0]["error_code"] == 0, pause_s=0.01)

    def find_unanswerable(self):
        """Below a changed root (chroot) Java finds no file system for a directory, and Kafka describes none: -1 for each."""
        described = self.sides[0].told(requests.DESCRIBE_LOG_DIRS, 1, {"topics": []})
        if any(result["error_code"] == -1 for result in described["results"]):
            self.unanswerable.add(requests.DESCRIBE_LOG_DIRS)

    def run(self, key, version, values):
        """A step of the stream."""
        if key in self.unanswerable:
            return
        answers = self.answers(key, version, values)
        end = time.monotonic() + SETTLE_S
        while answers[0] != answers[1] and key in READS and values.get("session_id") != ("session id",) and time.monotonic() < end:
            time.sleep(0.02)
            answers = self.answers(key, version, values)
        if answers[0] != answers[1] or isinstance(answers[0], str) and answers[0] != CLOSED:
            raise Difference(f"{messages.by_key()[key][0].name} v{version} {values}\n  Kafka  {answers[0]}\n  Milena {answers[1]}")
        self.asked[key] = self.asked.get(key, 0) + (answers[0] != CLOSED)
        if key in CHANGES_TOPICS:
            self.settle_topics()
        if key == requests.DELETE_TOPICS and isinstance(answers[0], dict):
            for name in (each["name"] for each in answers[0]["responses"] if each["error_code"] == 0):
                self.wait_for_deletion(name)
        if key in (requests.END_TXN, requests.INIT_PRODUCER_ID) and values.get("transactional_id"):
            ids = {"transactional_ids": [values["transactional_id"]]}
            for side in self.sides:  # markers are written behind the answer
                wait_until("the markers", lambda s=side: not s.told(requests.DESCRIBE_TRANSACTIONS, 0, ids)["transaction_states"][0][
                    "transaction_state"].startswith("Prepare"), pause_s=0.01)

    def answers(self, key, version, values):
        for side in self.sides:
            side.send(key, version, values)
        answers = [side.read(key, version) for side in self.sides]
        for at, side in enumerate(self.sides):
            end = time.monotonic() + SETTLE_S
            while CONCURRENT_TRANSACTIONS in error_codes(answers[at]) and time.monotonic() < end:
                time.sleep(0.02)
                answers[at] = side.ask(key, version, values)
            side.learn(key, values, answers[at])
        return [side.mask.of_answer(key, answer) for side, answer in zip(self.sides, answers)]

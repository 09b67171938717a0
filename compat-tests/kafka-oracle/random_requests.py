"""The stream: valid requests of any API and version that both sides serve, drawn from a seed. What only a running side knows (an id
that it gave) is left open as a tuple, which lockstep.Side fills in. Fields are drawn by name, most of them from values that matter."""
import copy
import random

from harness import messages, wire

(PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP,
 DESCRIBE_GROUPS, LIST_GROUPS) = 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16
CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH = 19, 20, 21, 22, 23
ADD_PARTITIONS_TO_TXN, END_TXN, WRITE_TXN_MARKERS, TXN_OFFSET_COMMIT = 24, 26, 27, 28
DESCRIBE_CONFIGS, ALTER_CONFIGS, DESCRIBE_LOG_DIRS, CREATE_PARTITIONS, ELECT_LEADERS, INCREMENTAL_ALTER_CONFIGS = 32, 33, 35, 37, 43, 44
ALTER_REASSIGNMENTS, LIST_REASSIGNMENTS, DESCRIBE_CLUSTER, DESCRIBE_PRODUCERS = 45, 46, 60, 61
DESCRIBE_TRANSACTIONS, LIST_TRANSACTIONS = 65, 66
OFFSET_DELETE, API_VERSIONS, DESCRIBE_TOPIC_PARTITIONS = 47, 18, 75
# Between brokers, or (18) different by right; README.md says which.
LEFT_OUT = {4, 5, 6, 7, 18, 56, 58, 67, 68, 69}
APART, OLD = "x", "y"  # first letters of groups that one side may list and the other not: README.md says which
FLOW_BEGINS, FLOW_GOES_ON = 0.06, 0.7  # of all requests; between its steps anything comes
MEANT_OTHERWISE = 0.02  # of the fields of a flow
NEW_NAMES_EVERY = 60  # requests: groups and transactional ids are those of an episode
TOPICS = {"orders": 3, "bills": 1, "compacted": 1, "tuned": 1}  # that both sides have from the beginning, with their partitions
COMPACTED = "compacted"
LOGGER, CONFIG_TYPES = 8, {2, 4, 8, 16}  # of resources with configs

TOPIC_NAMES = ["orders", "orders", "orders", "bills", "bills", "compacted", "none-such", "bad name", "", "__x"]
CONFIGS = [("retention.ms", "100000"), ("cleanup.policy", "compact"), ("cleanup.policy", "delete"), ("retention.ms", "x"), ("bogus", "1"),
           ("segment.bytes", "20000"), ("max.message.bytes", "-1"), ("log.cleaner.threads", "1"), ("compression.type", "producer"),
           ("min.insync.replicas", "1"), ("broker.id", "3"), ("consumer.session.timeout.ms", "50000"), ("", ""), ("retention.ms", "")]
WRONG_VALUES = {("retention.ms", "x"), ("retention.ms", ""), ("max.message.bytes", "-1")}
NO_TOPICS = {"bogus", "log.cleaner.threads", "broker.id", "consumer.session.timeout.ms", ""}  # names that aren't of topics' configs
# A log hears of its new configuration a little later, and each broker deletes at ticks of its own. So only a topic gets these to which
# nobody produces.
CHANGE_LOGS = {"cleanup.policy", "retention.ms", "segment.bytes"}
# By the field's name, lists of one value by another list of ours.
VALUES = {
    "acks": [-1, -1, 1, 1, 2, -2], "timeout_ms": [5000, 5000, 1000], "transaction_timeout_ms": [900_000] * 4 + [0, -1, 900_001],
    "max_wait_ms": [0, 10, 50], "min_bytes": [0, 1, 100], "max_bytes": [1 << 20, 1 << 20, 100, 0, 1],
    "partition_max_bytes": [1 << 20, 1 << 20, 100, 0, 1], "isolation_level": [0, 1, 1, 2],
    "fetch_offset": [0, 0, 1, 2, 5, 100, -1, -2], "offset": [0, 0, 1, 2, 5, 100, -1, -2], "committed_offset": [0, 0, 1, 2, 5, 100, -1, -2],
    "log_start_offset": [-1, 0, 5], "timestamp": [-1, -2, -3, -4, -5, -6, 0, 1_700_000_000_000, 1_700_000_000_001, 1 << 60],
    "current_leader_epoch": [-1, -1, 0, 0, 1, 5, -2], "leader_epoch": [-1, -1, 0, 0, 1, 5, -2],
    "committed_leader_epoch": [-1, -1, 0, 0, 1, 5, -2], "last_fetched_epoch": [-1, -1, -1, 0, 1, -2],
    "generation_id": [-1, 0, 1, 1, 2, 3], "generation_id_or_member_epoch": [-1, 0, 1, 1, 2, 3],
    "session_timeout_ms": [600_000] * 4 + [5000, 2_000_000], "rebalance_timeout_ms": [600_000],
    "replica_id": [-1, -1, -1, -1, -2, 0, 5], "producer_epoch": [0, 0, 1, 2, -1], "key_type": [0, 0, 1, 2, -1],
    "resource_type": [2, 2, 2, 4, 8, 0, 1, 16, 3], "config_operation": [0, 0, 1, 2, 3], "election_type": [0, 1, 5],
    "num_partitions": [1, 2, -1, 0, -2], "replication_factor": [1, 1, -1, 0, 2], "count": [1, 2, 3, 4, 4, 5],
    "retention_time_ms": [-1, -1, 100_000], "commit_timestamp": [-1, -1, 1], "endpoint_type": [1, 1, 2, 5],
    "response_partition_limit": [2000, 1, 0, -1], "duration_filter": [-1, 0, 3_600_000], "coordinator_epoch": [-1, 0, 1],
    "max_num_offsets": [1, 2, 0, -1],
    "protocol_type": ["consumer"] * 3 + ["connect", ""], "protocol_name": ["range", "range", "roundrobin"],
    "resource_name": ["tuned", "tuned", "bills", "0", "", "none-such", "9", "x"], "reason": ["why"],
    "states_filter": ["Stable", "Empty", "stable", "bogus"], "state_filters": ["Ongoing", "CompleteCommit", "CompleteAbort", "bogus"],
    "types_filter": ["classic", "consumer", "bogus"], "committed_metadata": ["", "meta", "m" * 4097, "m" * 4096],
    "mechanism": ["PLAIN", "bogus"], "group_instance_id": ["i1", "i2"], "configuration_keys": [name for name, _ in CONFIGS],
    "principal": ["User:a", "*", ""], "host": ["*", "127.0.0.1", ""], "principal_filter": ["User:a", "*"], "host_filter": ["*"],
}
VALUES |= {name: [0, 0, 0, 1, 2, 3, -1, 9] for name in ("partition_index", "partition", "index", "partitions", "partition_indexes",
                                                        "partition_id")}
VALUES |= {name: [0, 0, 0, 7, -1] for name in ("broker_ids", "replicas")}
VALUES |= {name: [0, 1, 2, 3, 4, 5] for name in ("resource_type_filter", "pattern_type_filter", "operation", "permission_type",
                                                 "resource_pattern_type")}
UNKNOWN_ID = bytes([9]) * 16
# What ConsumerProtocol says of a member that subscribes to orders.
SUBSCRIPTION = bytes.fromhex("0000000000010006") + b"orders" + bytes.fromhex("00000000")


class Stream:
    """versions: api key -> the versions that both sides serve, as (first, last). draw_flow: flows.draw."""

    def __init__(self, seed, versions, draw_flow):
        self.random, self.versions, self.drawn, self.episode = random.Random(seed), versions, 0, 0
        self.keys = [key for key in sorted(versions) if key not in LEFT_OUT]
        self.key = self.version = self.message = None
        self.draw_flow, self.flow, self.meant = draw_flow, [], {}  # the next steps of a flow; of this step, values by field name

    def next(self):
        """(api key, version, values)"""
        if self.drawn % NEW_NAMES_EVERY == 0:
            self.episode += 1
        self.drawn += 1
        if not self.flow and self.chance(FLOW_BEGINS):
            self.flow = self.draw_flow(self)
        if self.flow and self.chance(FLOW_GOES_ON):
            self.key, self.meant = self.flow.pop(0)
        else:
            self.key, self.meant = self.random.choice(self.keys), {}
        self.message = messages.by_key()[self.key][0]
        self.version = self.random.randint(*self.versions[self.key])
        return self.key, self.version, self.corrected(self.struct(self.message.fields))

    # What a request mustn't do here

    def corrected(self, values):
        if self.key == METADATA and "allow_auto_topic_creation" in values:
            values["allow_auto_topic_creation"] = False
        if self.key == JOIN_GROUP:
            self.join_at_once(values)
        if self.key in (OFFSET_COMMIT, OFFSET_FETCH) and self.version == 0:
            values["group_id"] = self.name(OLD)
        if self.key in (OFFSET_COMMIT, TXN_OFFSET_COMMIT):
            self.name_once(values)
            if self.version == 0 and self.key == OFFSET_COMMIT:  # of these the znode of an offset knows nothing
                for each in (each for topic in values["topics"] for each in topic["partitions"]):
                    each["committed_offset"], each["committed_metadata"] = max(each["committed_offset"], 0), ""
        if self.key == PRODUCE:
            self.produce_as_clients_do(values)
        if self.key == OFFSET_FETCH and values.get("groups") == []:
            values["groups"] = [self.struct(self.message.structs["OffsetFetchRequestGroup"])]
        if self.key in (ALTER_CONFIGS, INCREMENTAL_ALTER_CONFIGS):
            for each in values["resources"]:
                if each["resource_name"] in TOPICS and not CHANGE_LOGS.isdisjoint(config["name"] for config in each["configs"]):
                    each["resource_name"] = "tuned"
            values["resources"] = list({(each["resource_type"] if each["resource_type"] in CONFIG_TYPES else 0, each["resource_name"]): each
                                        for each in values["resources"]}.values())
            self.keep_one_wrong_value(values["resources"])
            for each in values["resources"]:  # of a topic that isn't there Kafka looks at the operations first
                for config in each["configs"] if each["resource_name"] not in TOPICS else []:
                    if config.get("config_operation", 0) > 1:
                        config["config_operation"] = 0
        if self.key == CREATE_TOPICS:  # Kafka passes over a partition below 0, and fails with it at the end
            self.keep_one_wrong_value(values["topics"])
            for each in (each for topic in values["topics"] for each in topic["assignments"]):
                each["partition_index"] = abs(each["partition_index"])
                if 0 not in each["broker_ids"]:  # of a partition that no broker can lead none of Kafka's ever hears
                    each["broker_ids"].append(0)
        if self.key == ALTER_REASSIGNMENTS:
            for partition in (partition for topic in values["topics"] for partition in topic["partitions"]):
                if partition["replicas"] == [0]:  # Kafka's partition gets a new leader epoch from what changes nothing
                    partition["replicas"] = [7]
        if self.key == FETCH and values.get("session_id") == ("session id",):
            values["session_epoch"] = ("session epoch",)
        if self.key == ADD_PARTITIONS_TO_TXN and "transactions" in values:  # Kafka mixes up two of one id
            values["transactions"] = list({each["transactional_id"]: each for each in values["transactions"]}.values())
            if not values["transactions"]:  # to which Kafka says nothing
                values["transactions"] = [self.struct(self.message.structs["AddPartitionsToTxnTransaction"])]
        if self.key == LIST_TRANSACTIONS and values.get("duration_filter", -1) > 0:  # since when one is Empty differs
            values["state_filters"] = ["Ongoing", "CompleteCommit", "CompleteAbort"]
        if self.key == WRITE_TXN_MARKERS:  # Kafka may never answer two markers, or one that names a partition twice
            del values["markers"][1:]
            for marker in values["markers"]:
                if isinstance(marker["producer_id"], tuple):  # a newer coordinator's marker would fence its own for good, on both sides
                    marker["coordinator_epoch"] = min(marker["coordinator_epoch"], 0)
                marker["topics"] = list({topic["name"]: topic for topic in marker["topics"]}.values())
                for topic in marker["topics"]:
                    topic["partition_indexes"] = sorted(set(topic["partition_indexes"]))
        return values

    def join_at_once(self, values):
        """Only who is alone in his group is answered at once: a group has one member, dynamic in one and static in the other."""
        if values["group_id"] == self.name("s"):
            if self.version < 5:
                values["group_id"] = self.name("g")
            else:
                values["group_instance_id"] = "i1"
        if values["group_id"] != self.name("s") and "group_instance_id" in values:
            values["group_instance_id"] = None
        values["protocols"] = list({each["name"]: each for each in values["protocols"]}.values())
        if values["member_id"] != "bogus":
            values["member_id"] = ("member", values["group_id"])

    @staticmethod
    def keep_one_wrong_value(with_configs):
        """Which of several is told depends on their order in a table."""
        for each in with_configs:
            values = [config for config in each["configs"] if (config["name"], config["value"]) in WRONG_VALUES]
            names = [config for config in each["configs"] if config["name"] in NO_TOPICS]
            each["configs"] = [config for config in each["configs"] if config not in values[1:] + names[1:]]

    @staticmethod
    def name_once(values):
        values["topics"] = list({topic["name"]: topic for topic in values["topics"]}.values())
        for topic in values["topics"]:
            topic["partitions"] = list({partition["partition_index"]: partition for partition in topic["partitions"]}.values())

    def produce_as_clients_do(self, values):
        named = [(topic["name"], partition["index"]) for topic in values["topic_data"] for partition in topic["partition_data"]]
        if values["acks"] not in (-1, 1) or len(set(named)) < len(named):
            for partition in (partition for topic in values["topic_data"] for partition in topic["partition_data"]):
                partition["records"] = wire.batch(wire.record(b"v"))
        if values.get("transactional_id") == "":
            values["transactional_id"] = self.name("t")
        in_transaction = values.get("transactional_id") is not None
        for topic in values["topic_data"]:
            for partition in (partition for partition in topic["partition_data"] if isinstance(partition["records"], tuple)):
                _, name, epoch, sequence, transactional = partition["records"]
                if in_transaction and transactional:
                    partition["records"] = "batch", name, epoch, ("next", (topic["name"], partition["index"])), True
                else:  # of the producer without transactions
                    partition["records"] = "batch", None, epoch, sequence, False

    # Drawing

    def one_of(self, values):
        return self.random.choice(values)

    def chance(self, of):
        return self.random.random() < of

    def name(self, letter):
        return f"{letter}{self.episode}"

    def struct(self, fields):
        values = {field.name: self.field(field) for field in fields if messages.has(field, self.version) and field.tag is None}
        if "name" in values and "value" in values:  # an entry of a configuration: the two belong together
            values["name"], values["value"] = self.one_of(CONFIGS)
        return values

    def field(self, field):
        if field.name in self.meant and not self.chance(MEANT_OTHERWISE):
            return copy.deepcopy(self.meant[field.name])
        null = messages.may_be_null(field, self.version)
        if field.is_array:
            if null and self.chance(0.2):
                return None
            return [self.one(field) for _ in range(self.one_of([0, 1, 1, 1, 1, 2, 2]))]
        if null and field.type == "records":
            null = False  # Kafka never answers it where anything is wrong
        if null and self.chance(0.5 if field.is_struct else 0.3):
            return None
        return self.one(field)

    def one(self, field):
        if field.is_struct:
            return self.struct(self.message.structs[field.type])
        if field.type == "bool":
            return self.chance(0.5)
        if field.type == "uuid" and self.key == DELETE_TOPICS:
            return self.one_of([("topic id", self.name("n")), ("topic id", self.name("m")), UNKNOWN_ID])
        if field.type == "uuid":
            return self.one_of([("topic id", "orders"), ("topic id", "orders"), ("topic id", "bills"), UNKNOWN_ID,
                                UNKNOWN_ID if self.key == FETCH else bytes(16)])  # Kafka fails with two partitions of none
        if field.type == "records":
            return self.records()
        if field.type == "bytes":
            return self.one_of([SUBSCRIPTION, SUBSCRIPTION, b"", b"\1\2"])
        return self.text(field.name) if field.type == "string" else self.number(field.name)

    def number(self, name):
        if name == "producer_id" or name == "v3_and_below_producer_id":
            usual = "producer id", self.name("t")
            return self.one_of([-1, usual, usual, ("producer id", self.name("u")), 7777])
        if name == "v3_and_below_producer_epoch":
            name = "producer_epoch"
        if name == "session_id":
            return self.one_of([0, 0, 0, ("session id",), 5])
        if name == "session_epoch":
            return self.one_of([-1, -1, 0, 1])
        if name == "replica_id" and self.key == FETCH:
            return -1  # only followers have one
        if name == "timeout_ms" and self.key in (CREATE_TOPICS, CREATE_PARTITIONS, ELECT_LEADERS):
            short = self.one_of([2000, 300])  # a partition without a leader is waited for
            return short if self.key == ELECT_LEADERS else 60_000  # every new one gets a leader, on a slow machine as well
        return self.one_of(VALUES.get(name, [0, 1, -1]))

    def text(self, name):
        if name == "name" and self.key == JOIN_GROUP:
            return self.one_of(["range", "range", "roundrobin"])
        if name in ("name", "topic", "topic_name", "topics", "topic_names"):
            return self.topic()
        if name == "group_id" and self.key == TXN_OFFSET_COMMIT:
            return self.name(APART)
        if name in ("group_id", "groups_names", "groups", "group_ids"):
            return self.one_of([self.name("g"), self.name("g"), self.name("s"), self.name("s"), self.name("h"), "", "none"])
        if name in ("transactional_id", "v3_and_below_transactional_id", "transactional_ids"):
            return self.one_of([self.name("t"), self.name("t"), self.name("u"), ""])
        if name in ("key", "coordinator_keys"):
            return self.one_of([self.name("g"), self.name("t"), "none", ""])
        if name == "member_id":
            return self.one_of([("member", self.name("g")), ("member", self.name("g")), ("member", self.name("s")), "", "bogus"])
        if name == "path":
            return self.one_of([("log dir",), "/none-such"])
        return self.one_of(VALUES.get(name, ["a", "*", "User:a", self.name("g")]))

    def topic(self):
        if self.key == CREATE_TOPICS:
            return self.one_of([self.name("n"), self.name("n"), self.name("m"), "orders", "bad name", "", "..", "none.such"])
        if self.key in (DELETE_TOPICS, CREATE_PARTITIONS):
            return self.one_of([self.name("n"), self.name("m"), "none-such", "bad name"])
        return self.one_of(TOPIC_NAMES)

    def records(self):
        kind = self.random.random()
        plain = wire.batch(wire.record(b"v%d" % self.random.randrange(9)))
        if kind < 0.4:
            return plain
        if kind < 0.7:
            return ("batch", self.name("t"), self.one_of([0, 0, 0, 1]), self.one_of([0, 0, 1, 2]), self.chance(0.5))
        odd = [b"", plain[:-1], plain + plain, plain[:20] + b"\0" + plain[21:], plain[:16] + b"\1" + plain[17:],
               wire.batch(wire.record(b"v") + wire.record(b"v", 1), count=2)]
        return self.one_of(odd)

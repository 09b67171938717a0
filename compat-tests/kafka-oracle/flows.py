"""What clients ask in their order: a group's member, a transaction, an idempotent producer, a topic from its beginning to its end. A step is
an API key and the values of fields by name, wherever they are in its request; whatever else it has is drawn at random."""
import random_requests as requests

ADD_OFFSETS_TO_TXN, DELETE_GROUPS = 25, 42
SKIPPED = 0.08  # of all steps, so that the state of the next one is another


def draw(stream):
    """The steps of one flow: (API key, values by field name)."""
    steps = stream.one_of([member, member, transaction, transaction, idempotent_producer, topic])(stream)
    return [step for step in steps if step[0] in stream.versions and not stream.chance(SKIPPED)]


def offsets(stream):
    """For commits: what OffsetCommit and TxnOffsetCommit have."""
    partitions = [{"partition_index": number, "committed_offset": stream.one_of([0, 1, 5]), "committed_metadata": stream.one_of(["", "meta"])}
                  for number in range(stream.one_of([1, 2]))]
    return {"topics": [{"name": stream.one_of(["orders", "orders", "tuned"]), "partitions": partitions}]}


def fetched(group):
    """All offsets of a group, in each version's way."""
    asked = [{"name": "orders", "partition_indexes": [0, 1]}, {"name": "tuned", "partition_indexes": [0]}]
    return requests.OFFSET_FETCH, {"group_id": group, "topics": asked, "groups": [{"group_id": group, "topics": asked}]}


def member(stream):
    static = stream.chance(0.3)
    group = stream.name("s" if static else "g")
    instance = "i1" if static else None
    who = {"group_id": group, "member_id": ("member", group), "group_instance_id": instance, "generation_id": ("generation", group),
           "generation_id_or_member_epoch": ("generation", group), "protocol_type": "consumer", "protocol_name": "range",
           "session_timeout_ms": 600_000}
    join = requests.JOIN_GROUP, who | {"protocols": [{"name": "range", "metadata": requests.SUBSCRIPTION}]}
    sync = requests.SYNC_GROUP, who | {"assignments": [{"member_id": ("member", group), "assignment": b"\1\2"}]}
    heartbeat = requests.HEARTBEAT, who
    describe = requests.DESCRIBE_GROUPS, {"groups": [group]}
    commit = requests.OFFSET_COMMIT, who | offsets(stream)
    delete = requests.OFFSET_DELETE, {"group_id": group, "topics": [
        {"name": name, "partitions": [{"partition_index": 0}]} for name in ("orders", "tuned")]}
    leave = requests.LEAVE_GROUP, who | {"members": [{"member_id": "" if static else ("member", group), "group_instance_id": instance}]}
    again = [join, heartbeat, sync] if stream.chance(0.3) else []
    return [join, join, heartbeat, sync, heartbeat, commit, describe, *again, fetched(group), delete, (requests.LIST_GROUPS, {}), leave,
            describe, delete, (DELETE_GROUPS, {"groups_names": [group]}), describe]


def produce(transactional_id, partition, sequence):
    """One record of the producer's present epoch."""
    records = "batch", transactional_id, None, sequence, transactional_id is not None
    data = [{"index": partition, "records": records}]
    return requests.PRODUCE, {"transactional_id": transactional_id, "acks": -1, "timeout_ms": 5000,
                              "topic_data": [{"name": "orders", "partition_data": data}]}


def transaction(stream):
    name, group = stream.name(stream.one_of("tu")), stream.name(requests.APART)
    who = {"transactional_id": name, "producer_id": ("producer id", name), "producer_epoch": ("producer epoch", name), "group_id": group,
           "generation_id": -1, "member_id": "", "group_instance_id": None, "transactional_ids": [name]}
    again = stream.chance(0.3)
    begin = requests.INIT_PRODUCER_ID, who | {"transaction_timeout_ms": 900_000} | ({} if again else {"producer_id": -1, "producer_epoch": -1})
    partitions = [{"name": "orders", "partitions": [0, 1]}]
    add = requests.ADD_PARTITIONS_TO_TXN, who | {
        "v3_and_below_transactional_id": name, "v3_and_below_producer_id": who["producer_id"],
        "v3_and_below_producer_epoch": who["producer_epoch"], "v3_and_below_topics": partitions,
        "transactions": [{field: who[field] for field in ("transactional_id", "producer_id", "producer_epoch")} | {
            "verify_only": False, "topics": partitions}]}
    looks = [(requests.DESCRIBE_TRANSACTIONS, who), (requests.LIST_TRANSACTIONS, {"state_filters": [], "duration_filter": -1}),
             (requests.DESCRIBE_PRODUCERS, {"topics": [{"name": "orders", "partition_indexes": [0, 1]}]}),
             (requests.LIST_OFFSETS, {"topics": [{"name": "orders", "partitions": [{"partition_index": 0, "timestamp": -1}]}]}),
             (requests.FETCH, {"session_id": 0, "session_epoch": -1, "topics": [{
                 "topic": "orders", "topic_id": ("topic id", "orders"),
                 "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1,
                                 "last_fetched_epoch": -1, "log_start_offset": -1}]}]}),
             fetched(group)]
    offset_steps = [(ADD_OFFSETS_TO_TXN, who), (requests.TXN_OFFSET_COMMIT, who | offsets(stream))] if stream.chance(0.6) else []
    end = requests.END_TXN, who | {"committed": stream.chance(0.6)}
    return [begin, add, produce(name, 0, 0), produce(name, 1, 0), stream.one_of(looks), produce(name, 0, 1), *offset_steps,
            stream.one_of(looks), end, stream.one_of(looks), stream.one_of(looks), end]


def idempotent_producer(stream):
    begin = requests.INIT_PRODUCER_ID, {"transactional_id": None, "producer_id": -1, "producer_epoch": -1}
    # In order, one again, and one too early.
    return [begin] + [produce(None, 2, sequence) for sequence in (0, 1, stream.one_of([0, 1, 1]), 2, stream.one_of([3, 5]))]


def topic(stream):
    name = stream.name(stream.one_of("nm"))
    new = {"name": name, "num_partitions": stream.one_of([1, 2]), "replication_factor": 1, "assignments": []}
    create = requests.CREATE_TOPICS, {"topics": [new | {"configs": []}], "timeout_ms": 60_000, "validate_only": False}
    more = requests.CREATE_PARTITIONS, {"topics": [{"name": name, "count": 3, "assignments": None}], "timeout_ms": 60_000, "validate_only": False}
    commit = requests.OFFSET_COMMIT, {
        "group_id": stream.name("h"), "generation_id_or_member_epoch": -1, "member_id": "", "group_instance_id": None,
        "topics": [{"name": name, "partitions": [{"partition_index": 0, "committed_offset": 3, "committed_metadata": ""}]}]}
    fetch = requests.OFFSET_FETCH, {"group_id": stream.name("h"), "topics": None, "groups": [{"group_id": stream.name("h"), "topics": None}]}
    tell = requests.METADATA, {"topics": [{"name": name, "topic_id": bytes(16)}]}
    configs = requests.DESCRIBE_CONFIGS, {"resources": [{"resource_type": 2, "resource_name": name, "configuration_keys": None}]}
    delete = requests.DELETE_TOPICS, {"topics": [{"name": name, "topic_id": bytes(16)}], "topic_names": [name], "timeout_ms": 60_000}
    return [create, tell, configs, more, tell, commit, fetch, delete, fetch, tell]

"""What differs between two brokers by right is made equal; README.md says which and why."""
import re

import random_requests as requests
from harness import wire

# Of these fields only whether they are there. (Only v0 has is_default.)
ANY = {"throttle_time_ms", "port", "cluster_id", "total_bytes", "usable_bytes", "log_dir", "documentation", "is_default"}
# A negative one says something.
POSITIVE = {"transaction_start_time_ms", "last_timestamp", "session_id", "producer_id", "log_append_time_ms"}
ORDERED = {"old_style_offsets", "synonyms"}  # the newest first; the one that counts first
NAMES_EVERY_TOPIC = {requests.METADATA, requests.DESCRIBE_TOPIC_PARTITIONS}
PARTITION_LISTS = ("partitions", "partition_responses", "results_by_partition", "partition_result")
TOPIC_NAMES = ("name", "topic", "topic_name", "topic_id")
NEWEST_OF_STREAM = 1_700_000_000_001  # of the records' timestamps
MADE_UP_NUMBER = 7777  # a producer id of the stream, which nobody gave


def batch_heads(data):
    """What a log says of its batches; a part of one at the end by its size alone."""
    reader, found = wire.Reader(data), []
    while len(data) - reader.at >= 17:
        offset, size, epoch, magic = reader.take("qiib")
        if magic < 2 or len(data) - reader.at < max(size - 5, 44):
            break
        end = reader.at + size - 5
        _, attributes, last, _, _, producer, producer_epoch, sequence, count = reader.take("Ihiqqqhii")
        found.append((offset, size, epoch, attributes, last, producer >= 0, producer_epoch, sequence, count))
        reader.at = end
        if len(data) < end:
            return found
    return found + [("rest", len(data) - reader.at if len(data) > reader.at else 0)]


def is_empty_topic(item):
    """A topic without partitions, as a request may name one; Kafka forgets it in most answers."""
    return isinstance(item, dict) and any(item.get(name) == [] for name in PARTITION_LISTS) and not item.get("error_code")


def once(value):
    if isinstance(value, dict):
        return {name: once(item) for name, item in value.items()}
    return [once(item) for at, item in enumerate(value) if item not in value[:at]] if isinstance(value, list) else value


def joined(items):
    """Topics that a request names twice: sometimes all partitions are together, sometimes they aren't."""
    found = {}
    for item in items:
        names = [item[name] for name in TOPIC_NAMES if item.get(name) is not None] if isinstance(item, dict) else []
        key = tuple(names)  # a name may be empty
        lists = [name for name in PARTITION_LISTS if names and name in item]
        if lists and key in found:
            found[key] = {**found[key], lists[0]: (found[key][lists[0]] or []) + (item[lists[0]] or [])}
        else:
            found[key if lists else len(found)] = item
    return list(found.values())


class Mask:
    """For the answers of one side."""

    def __init__(self, side):
        self.side, self.keeps_empty_topics = side, False

    def of_answer(self, key, answer):
        if not isinstance(answer, dict):
            return answer
        self.keeps_empty_topics = key in NAMES_EVERY_TOPIC
        masked = self.of(answer)
        if key == requests.LIST_GROUPS:
            masked["groups"] = [group for group in masked["groups"] if not group["group_id"].startswith((requests.APART, requests.OLD))]
        if key in (requests.ADD_PARTITIONS_TO_TXN, requests.OFFSET_DELETE):  # a partition that is named twice may be answered twice
            masked = once(masked)
        if key == requests.PRODUCE:  # where it was refused, only the place in the code decides
            for partition in (partition for topic in masked["responses"] for partition in topic["partition_responses"]):
                if partition["error_code"] != 0 and "log_start_offset" in partition:
                    partition["log_start_offset"] = "*"
        if key == requests.DESCRIBE_CONFIGS:  # each has loggers of its own
            for result in (result for result in masked["results"] if result["resource_type"] == requests.LOGGER):
                result["configs"] = "some" if result["configs"] else "none"
        if key == requests.DESCRIBE_TRANSACTIONS:  # README.md says why
            for state in (state for state in masked["transaction_states"] if state["transaction_state"] == "Empty"):
                state["transaction_start_time_ms"] = "*"
        if key == requests.DESCRIBE_LOG_DIRS:
            for topic in (topic for log_dir in masked["results"] for topic in log_dir["topics"] if topic["name"].startswith("__")):
                for partition in topic["partitions"]:
                    partition["partition_size"] = "*"
        return masked

    def of(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.of(item, key) for key, item in value.items()}
        if isinstance(value, list):  # Kafka's order is often that of a hash table
            found = [self.of(item, name) for item in joined(value) if self.keeps_empty_topics or not is_empty_topic(item)]
            return found if name in ORDERED else sorted(found, key=repr)
        if value is None:
            return value
        if name in ANY:
            return "*"
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            if name == "timestamp" and NEWEST_OF_STREAM < value < 1 << 60:  # of a transaction's marker
                return "*"
            return "*" if name in POSITIVE and value > 0 or name == "producer_id" and value == 0 else value
        return self.of_bytes(value, name) if isinstance(value, bytes) else self.of_text(value)

    def of_bytes(self, value, name):
        if len(value) == 16 and (name == "topic_id" or name.endswith("_id")):
            return self.side.topic_name(value)
        return batch_heads(value) if name == "records" else value

    def of_text(self, value):
        value = value.replace(str(self.side.broker.directory), "DIRECTORY").replace(str(self.side.broker.port), "PORT")
        value = value.replace(self.side.broker.coordinator.connect, "COORDINATOR")
        value = re.sub(r"Unexpected (node id. Expected|broker id, expected) 0, but received .*", "Unexpected id", value)
        return re.sub(r"\b(test-|i\d-)?[0-9a-f]{8}-[0-9a-f-]{27}", r"\1UUID", value)

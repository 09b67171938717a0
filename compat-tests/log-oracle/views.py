"""What clients saw of one side, compared with the model and with the other side."""
import pathlib

import history
from harness.log_client import text_of

SHORTENED = ("bytes", "time")  # by retention: the start isn't known to the model


class Difference(Exception):
    """With what differs, and where."""


class View:
    """The tables that LogDump wrote."""

    def __init__(self, directory):
        def rows(name):
            text = (pathlib.Path(directory) / name).read_text(encoding="utf-8")
            return [line.split("\t") for line in text.splitlines()]

        self.records = {}  # isolation, partition -> rows of offset, timestamp type, timestamp, key, value, headers
        for isolation, topic, number, offset, kind, time, _, key, value, headers in rows("expected.tsv"):
            time = "now" if kind == "LogAppendTime" else time
            self.records.setdefault((isolation, f"{topic}-{number}"), []).append((int(offset), kind, time, key, value, headers))
        self.offsets = {f"{row[0]}-{row[1]}": tuple(map(int, row[2:5])) for row in rows("offsets.tsv")}
        self.newest = {f"{row[0]}-{row[1]}": tuple(row[5:7]) for row in rows("offsets.tsv")}
        self.producers = {}
        for topic, number, _, epoch, sequence, time, _, first in rows("producers.tsv"):
            marked = "now" if int(time) < history.T0 - 1_000_000 and int(time) != history.LONG_AGO else time  # a marker's
            self.producers.setdefault(f"{topic}-{number}", []).append((int(epoch), int(sequence), marked, first))
        for states in self.producers.values():
            states.sort()

    def read(self, isolation, name):
        return self.records.get((isolation, name), [])


def topic_of(name):
    return name.rsplit("-", 1)[0]


def expected_rows(partition, isolation, start, end):
    kind = "LogAppendTime" if partition.topic == "append" else "CreateTime"
    return [(offset, kind, "now" if partition.topic == "append" else str(time), text_of(key), text_of(value), headers)
            for offset, time, key, value, headers, state in partition.records
            if start <= offset < end and (isolation == "ru" or state == "committed")]


def newest_by_key(rows):
    found = {row[3]: row for row in rows}
    return sorted(row for row in found.values() if row[4] != "null")


def first_difference(what, actual, expected):
    if actual == expected:
        return
    for place, (one, other) in enumerate(zip(actual, expected)):
        if one != other:
            raise Difference(f"{what}, row {place}: {one}\n  instead of {other}")
    rest = (actual if len(actual) > len(expected) else expected)[min(len(actual), len(expected)):]
    kind = "too many" if len(actual) > len(expected) else "missing"
    raise Difference(f"{what}: {len(actual)} rows instead of {len(expected)}; {kind}: {rest[:3]}")


def check_with_model(view, partition, who):
    name = partition.name
    start, end, stable = view.offsets[name]
    known = partition.topic not in SHORTENED
    if end != partition.end or start < partition.start or (known and start != partition.start):
        raise Difference(f"{who}: {name} is from {start} to {end} instead of {partition.start} to {partition.end}")
    if stable != max(start, partition.last_stable()):
        raise Difference(f"{who}: {name} is stable to {stable} instead of {max(start, partition.last_stable())}")
    for isolation, last in (("ru", end), ("rc", stable)):
        rows, wanted = view.read(isolation, name), expected_rows(partition, isolation, start, last)
        what = f"{who}: {name} read {isolation}"
        if partition.topic not in history.COMPACTED:
            first_difference(what, rows, wanted)
            continue
        if sorted(set(row[0] for row in rows)) != [row[0] for row in rows]:
            raise Difference(f"{what}: offsets aren't ascending")
        strange = set(rows) - set(wanted)
        if strange:
            raise Difference(f"{what}: never written, or not to be seen: {sorted(strange)[:3]}")
        if isolation == "rc":
            first_difference(f"{what}, newest by key", newest_by_key(rows), newest_by_key(wanted))


def compare(one, other, partitions, whole):
    """Of two sides that both fit the model: what the model doesn't tell. With `whole`, the cleaners are done."""
    for partition in partitions.values():
        name = partition.name
        compacted = partition.topic in history.COMPACTED
        if partition.topic in SHORTENED:
            first_difference(f"{name}: log start and so on", [other.offsets[name]], [one.offsets[name]])
        if not compacted or (whole and partition.topic != "brief"):
            for isolation in ("ru", "rc"):
                first_difference(f"{name} read {isolation}", other.read(isolation, name), one.read(isolation, name))
        # Which segment is asked for the largest time depends on where they begin, which `alter` leaves to chance.
        if not compacted and partition.topic != "append" and one.offsets[name][0] == 0:
            first_difference(f"{name}: the largest time", [other.newest[name]], [one.newest[name]])
        # A recovery forgets producers of which nothing is left behind the log start; Milena is killed more often than Kafka.
        if not compacted and partition.topic not in ("append", *SHORTENED) and one.offsets[name][0] == 0:
            first_difference(f"{name}: producers", other.producers.get(name, []), one.producers.get(name, []))

#!/usr/bin/env python3
"""Compares our schemas with those of Kafka 3.9.2 and 4.3.1 (testdata/schemas-*.tsv.gz): every field's place, type, versions,
nullability, tag and default. Ours are the union of both releases without unstable versions and without KRaft."""
import gzip
import pathlib
import sys

sys.dont_write_bytecode = True
import cpp
import schema

PROTOCOL = pathlib.Path(__file__).resolve().parent.parent
RELEASES = ("3.9.2", "4.3.1")
ARTIFACTS_WITHOUT = {"kafka-metadata", "kafka-raft", "kafka-storage", "kafka-streams"}  # KRaft, tiered storage, Streams
RECORDS_WITHOUT = {"KRaftVersionRecord", "LeaderChangeMessage", "SnapshotFooterRecord", "SnapshotHeaderRecord",
                   "VotersRecord"}                                                      # KRaft
UNSTABLE_RECORDS = {("3.9.2", "ShareGroup")}
# The facts print null, but a field without tag is the empty value in the bytes that Kafka writes.
EMPTY_DEFAULTS = {"assignment_epochs", "last_assignment_configs", "classic_member_metadata"}


def cut(a, b):
    if a is None or b is None:
        return None
    first, last = max(a[0], b[0]), min(a[1], b[1])
    return (first, last) if first <= last else None


def fact_range(text):
    if text in ("", "none"):
        return None
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def snake_path(path):
    return ".".join(cpp.snake(name.replace("KRaft", "Kraft")) for name in path.split("."))


def our_messages():
    messages = {}
    for path in sorted((PROTOCOL / "schemas").rglob("*.schema")):
        for message in schema.parse_file(path).messages:
            messages[message.name] = message
    return messages


def our_fields(message, valid):
    """Dotted path -> (field, versions, nullable versions), as far as `valid` reaches, in wire order."""
    structs = {struct.name: struct for struct in message.structs}
    found = {}

    def walk(struct, prefix, versions):
        for field in struct.fields:
            own = cut(field.versions or versions, versions)
            nullable = cut(field.nullable or own, own) if field.is_nullable else None
            found[prefix + field.name] = (field, own, nullable)
            if field.is_struct and own:
                walk(structs[field.type], prefix + field.name + ".", own)

    walk(message.root, "", valid)
    return found


def read_facts(release):
    messages = {}
    with gzip.open(PROTOCOL / "testdata" / f"schemas-{release}.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t") + [""] * 15
            if cells[0] == "M":
                messages[cells[1]] = (cells, [])
            elif cells[0] == "F":
                messages[cells[1]][1].append(cells)
    return messages


def kraft_only():
    lines = (PROTOCOL / "testdata" / "api-versions.tsv").read_text(encoding="utf-8").splitlines()
    return {int(cells[0]) for cells in (line.split("\t") for line in lines if line[0] != "#") if cells[5] == "no"}


def default_of(field):
    zero = {"bool": "false"}.get(field.type, "0")
    if field.default is None:
        is_number = not field.is_array and not field.is_struct and field.type not in ("string", "bytes", "records", "uuid")
        return zero if is_number else ""
    return field.default


def fact_default(cells, field):
    if cells[9] == "0x7fffffff":
        return "2147483647"
    if cells[9] == "null" and (field.name in EMPTY_DEFAULTS):
        return ""
    return cells[9] or default_of(schema_zero(field))


def schema_zero(field):
    zero = schema.Field(field.name)
    zero.type, zero.is_array = field.type, field.is_array
    return zero


class Comparison:
    def __init__(self):
        self.complaints = []
        self.fields = 0
        self.messages = set()
        self.without_versions = ""   # start of the paths below such a field
        self.seen = set()            # (message, path) that some release has

    def message(self, release, ours, head, rows):
        name = f"{release} {ours.name}"
        valid = fact_range(head[5])
        shift = 0
        if head[2] == "coordinator-key":    # 4.3.1 calls the version of 3.9.2 a record type
            shift = int(head[3])
        valid = cut((valid[0] + shift, valid[1] + shift), ours.versions)
        flexible = None if head[6] == "none" else int(head[6].rstrip("+"))
        if flexible != ours.flexible:
            self.complaints.append(f"{name}: flexible from {ours.flexible}, not {flexible}")
        fields = our_fields(ours, valid)
        order = []
        self.without_versions = ""
        for cells in rows:
            path = snake_path(cells[2])
            order.append(path)
            self.seen.add((ours.name, path))
            if path not in fields:
                if cut(self.shifted(cells[5], shift), valid) is not None:
                    self.complaints.append(f"{name}: no {path}")
                continue
            self.field(f"{name} {path}", cells, fields[path], valid, shift)
        known = [path for path in fields if path in order]
        if known != [path for path in order if path in fields]:
            self.complaints.append(f"{name}: fields in another order")
        for path, (field, versions, _) in fields.items():
            if path not in order and versions is not None and field.tag is None and ours.key is not None:
                self.complaints.append(f"{name}: has no {path}")
        self.messages.add(ours.name)

    @staticmethod
    def shifted(text, shift):
        versions = fact_range(text)
        return versions and (versions[0] + shift, versions[1] + shift)

    def field(self, name, cells, ours, valid, shift):
        field, versions, nullable = ours
        expected_type = f"[{cells[3][2:]}]" if cells[3].startswith("[]") else cells[3]
        our_type = f"[{field.type}]" if field.is_array else field.type
        facts = [cut(self.shifted(cells[column], shift), valid) for column in (5, 6, 7)]
        if not cells[4] and cells[8]:        # the facts leave the versions of such a field out: all flexible ones
            facts = [versions, nullable, versions]
            self.without_versions = cells[2] + "."
        elif self.without_versions and cells[2].startswith(self.without_versions):
            facts = [versions, nullable, None]
        compared = [("type", our_type, expected_type), ("versions", versions, facts[0]), ("nullable", nullable, facts[1]),
                    ("tagged", versions if field.tag is not None else None, facts[2]),
                    ("tag", "" if field.tag is None else str(field.tag), cells[8]),
                    ("default", default_of(field), fact_default(cells, field))]
        if cells[10] == "y":
            compared.append(("ignorable", field.ignorable, True))
        compared.append(("inflexible", field.inflexible, cells[14] == "none"))
        if versions is None and facts[0] is None:
            return
        for what, is_now, should_be in compared:
            if is_now != should_be:
                self.complaints.append(f"{name}: {what} {is_now}, not {should_be}")
        self.fields += 1


def is_without(release, head):
    name, artifact = head[1], head[9]
    if head[3] and head[2] in ("request", "response"):
        if int(head[3]) in kraft_only():
            return True
        # All of an API's versions are unstable in 3.9.2.
        return release == "3.9.2" and int(head[3]) in set(range(76, 80)) | set(range(83, 88))
    if artifact in ARTIFACTS_WITHOUT and name != "ProducerSnapshot" or name in RECORDS_WITHOUT:
        return True
    return any(release == r and name.startswith(prefix) and head[2] not in ("request", "response")
               for r, prefix in UNSTABLE_RECORDS)


def main():
    ours, comparison = our_messages(), Comparison()
    for release in RELEASES:
        for name, (head, rows) in read_facts(release).items():
            if head[5] == "none" or is_without(release, head) or name.startswith("LegacyOffsetCommit"):
                continue
            if name.startswith("ListClientMetricsResources"):
                continue             # version 0 of ListConfigResources, with other names; the vectors prove the bytes
            if name not in ours:
                comparison.complaints.append(f"{release}: no schema for {name}")
                continue
            comparison.message(release, ours[name], head, rows)
    for name in sorted(set(ours) - comparison.messages):
        comparison.complaints.append(f"{name} is in neither release")
    for name, message in ours.items():
        for path in our_fields(message, message.versions):
            if (name, path) not in comparison.seen:
                comparison.complaints.append(f"{name} {path} is in neither release")
    for complaint in comparison.complaints:
        print(complaint)
    print(f"{len(comparison.messages)} messages, {comparison.fields} fields, {len(comparison.complaints)} complaints")
    return 1 if comparison.complaints or comparison.fields < 2800 else 0


sys.exit(main())

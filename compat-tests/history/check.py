#!/usr/bin/env python3
"""Checks what HistoryClient has recorded: argv = file. Ends with 1 if anything is there that shouldn't be.

What is looked for, in the words of Jepsen's workload for Kafka where it has one:
  lost         a committed record that isn't there, or not at the offset that the client was told
  duplicated   a record that is there twice
  aborted      a record of an aborted transaction that a reader of read_committed saw (G1a)
  torn         a transaction of which a part is there
  unwritten    a record that nobody wrote
  inconsistent one offset with two records
  skipped      a record that a reader passed by, which was there before and after (poll skip)
  backwards    a reader, or the offsets of the group, that went back (nonmonotonic poll)
  reordered    one client's committed transactions in another order than it made them
  uncommitted  a record that a reader of read_committed saw before its commit was asked for
  refused      the end of a transaction, or a batch sent again, that the broker had to accept
  unfenced     somebody was heeded after another instance had taken over, or in the next transaction
  hanging      a transaction that nobody ends
  miscopied    what was copied within transactions isn't what there was to copy, each record once
"""
import collections
import sys

KINDS = ["lost", "duplicated", "aborted", "torn", "unwritten", "inconsistent", "skipped", "backwards", "reordered", "uncommitted", "refused", "unfenced",
         "hanging", "miscopied"]


class History:
    """topic of a client's writes: writers write to the topic, copiers to its copy."""

    def __init__(self, path):
        self.sent, self.acknowledged, self.outcome, self.asked = {}, {}, {}, set()
        self.saw, self.final = collections.defaultdict(list), collections.defaultdict(list)
        self.watched, self.topics = collections.defaultdict(list), []
        self.events, self.carried = 0, 0
        self.asked_at, self.saw_at = {}, {}  # transaction, (topic, partition, value) -> event, the first one
        self.told = []  # (kind, what)
        self.offsets, self.final_offsets = collections.defaultdict(list), {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.events += 1
                _, client, what, *rest = line.rstrip("\n").split("\t")
                self.take(client, what, rest)

    def take(self, client, what, rest):
        if what == "send":
            number, partition, value = rest
            self.sent.setdefault((client, int(number)), []).append((int(partition), value))
        elif what == "sent":
            number, partition, offset, value = rest
            self.acknowledged.setdefault((client, int(number)), []).append((int(partition), int(offset), value))
        elif what == "carried":
            number, partition, value, later, offset = rest
            self.sent[(client, int(number))].remove((int(partition), value))
            self.sent.setdefault((client, int(later)), []).append((int(partition), value))
            self.acknowledged.setdefault((client, int(later)), []).append((int(partition), int(offset), value))
            self.carried += 1
        elif what in ("committed", "aborted", "unknown"):
            self.outcome[(client, int(rest[0]))] = what
        elif what == "commit":
            self.asked.add((client, int(rest[0])))
            self.asked_at.setdefault((client, int(rest[0])), self.events)
        elif what == "saw":
            topic, partition, offset, value = rest
            self.saw[(client, topic, int(partition))].append((int(offset), value))
            self.saw_at.setdefault((topic, int(partition), value), self.events)
        elif what == "final":
            topic, partition, offset, value = rest
            self.final[(topic, int(partition))].append((int(offset), value))
        elif what == "end":
            self.topics.append((rest[0], int(rest[1]), int(rest[2])))
        elif what in ("refused", "unfenced", "hanging"):
            self.told.append((what, (client, *rest)))
        elif what == "commit failed" and "InvalidTxnState" in rest[1]:
            self.told.append(("refused", (client, *rest)))
        elif what == "offsets":
            number, group, offset = rest
            self.offsets[group].append((client, int(number), offset))
        elif what == "final offsets":
            self.final_offsets[rest[0]] = rest[1]
        elif what == "committed offset":
            self.watched[int(rest[0])].append(int(rest[1]))


def topic_of(history, client):
    names = sorted({topic for topic, _, _ in history.topics}, key=len)
    return names[1] if client.startswith("copier") else names[0]


def check(history):
    found = {kind: [] for kind in KINDS}
    places = collections.defaultdict(list)  # (topic, partition, value) -> offsets
    at = {}
    for (topic, partition), records in history.final.items():
        for offset, value in records:
            places[(topic, partition, value)].append(offset)
            at[(topic, partition, offset)] = value
    check_transactions(history, places, found)
    check_readers(history, at, places, found)
    check_copies(history, places, found)
    check_offsets(history, found)
    for kind, case in history.told:
        found[kind].append(case)
    return found


def check_transactions(history, places, found):
    written = set()
    last_of = {}  # (client, partition) -> highest offset of its transactions before
    for one in sorted(history.sent):
        client, number = one
        outcome = history.outcome.get(one, "unknown" if one in history.asked else "aborted")
        topic, copies = topic_of(history, client), client.startswith("copier")
        sent = history.sent[one]
        written |= {(topic, partition, value) for partition, value in sent}
        acknowledged = {(partition, value): offset for partition, offset, value in history.acknowledged.get(one, [])}
        there = []
        for partition, value in sent:
            offsets = places.get((topic, partition, value), [])
            told = acknowledged.get((partition, value))
            there.append(told in offsets if copies else bool(offsets))
            if outcome == "committed" and (told not in offsets if told is not None else not offsets):
                found["lost"].append((*one, partition, value, told, offsets))
            if outcome == "aborted" and (told in offsets if copies else offsets):
                found["aborted"].append((*one, partition, value, offsets))
            if outcome == "committed":
                before = last_of.get((client, partition), (-1, -1))
                if told is not None:
                    if before[0] < number and told < before[1]:
                        found["reordered"].append((*one, partition, value, told, before))
                    last_of[(client, partition)] = (number, max(told, before[1]))
            seen_at = None if copies else history.saw_at.get((topic, partition, value))
            if seen_at is not None and outcome != "aborted" and seen_at < history.asked_at[one]:
                found["uncommitted"].append((*one, partition, value))
        if 0 < sum(there) < len(there):
            found["torn"].append((*one, outcome, there))
    for place, offsets in places.items():
        if place not in written:
            found["unwritten"].append((place, offsets))
        if len(offsets) > 1:
            found["duplicated"].append((place, offsets))


def check_readers(history, at, places, found):
    for (reader, topic, partition), records in history.saw.items():
        offsets = [offset for offset, _ in records]
        for before, after in zip(offsets, offsets[1:]):
            if after <= before:
                found["backwards"].append((reader, topic, partition, before, after))
        for offset, value in records:
            there = at.get((topic, partition, offset))
            if there is None and not places.get((topic, partition, value)):
                found["aborted"].append((reader, topic, partition, offset, value))
            elif there != value:
                found["inconsistent"].append((reader, topic, partition, offset, value, there))
        # Every pass begins at 0, so that all there is up to the last one seen must have been seen.
        seen = set(offsets)
        for offset, value in history.final[(topic, partition)]:
            if offsets and offset < offsets[-1] and offset not in seen:
                found["skipped"].append((reader, topic, partition, offset, value))
    for partition, offsets in history.watched.items():
        for before, after in zip(offsets, offsets[1:]):
            if after < before:
                found["backwards"].append(("group", partition, before, after))


def check_offsets(history, found):
    """Of groups to which one client alone commits."""
    for group, offset in history.final_offsets.items():
        outcomes = [(history.outcome.get((client, number)), told) for client, number, told in history.offsets[group]]
        expected = [told for outcome, told in outcomes if outcome == "committed"][-1:] or ["-1"]
        if offset != expected[0]:
            kind = "aborted" if ("aborted", offset) in outcomes else "lost"
            found[kind].append(("offset of a group", group, offset, "instead of", expected[0]))


def check_copies(history, places, found):
    names = sorted({topic for topic, _, _ in history.topics}, key=len)
    if len(names) < 2:
        return
    source = {(partition, value) for topic, partition, value in places if topic == names[0]}
    copied = {(partition, value) for topic, partition, value in places if topic == names[1]}
    for one in source - copied:
        found["miscopied"].append(("not copied", *one))
    for one in copied - source:
        found["miscopied"].append(("from nowhere", *one))


def report(history, found):
    kinds = collections.Counter(history.outcome.values())
    lines = [", ".join(f"{kind} {len(found[kind])}" for kind in KINDS)]
    records = sum(len(records) for records in history.final.values())
    reads = sum(len(records) for records in history.saw.values())
    lines.append(f"{history.events} events: {kinds['committed']} transactions committed, {kinds['aborted']} aborted, "
                 f"{kinds['unknown']} of unknown outcome; {records} records, {reads} reads; "
                 f"{history.carried} records that their client took along into the next transaction")
    for kind in KINDS:
        lines += [f"{kind}: {one}" for one in found[kind][:5]]
    return lines


if __name__ == "__main__":
    HISTORY = History(sys.argv[1])
    FOUND = check(HISTORY)
    print("\n".join(report(HISTORY, FOUND)))
    sys.exit(1 if any(FOUND.values()) else 0)

"""Members of the classic and of the newer protocol in one group, by hand: they tell what they are answered, and what is
written into __consumer_offsets."""
import collections
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mixed_wire import (ADD_OFFSETS, CONSUMER_DESCRIBE, CONSUMER_HEARTBEAT, CREATE_TOPICS, DESCRIBE, FIND_COORDINATOR, HEARTBEAT,
                        INIT_PRODUCER_ID, JOIN,
                        LEAVE, LIST, METADATA, OFFSET_COMMIT, OFFSETS_PARTITIONS, PARTITIONS, STATES, SYNC, TOPIC,
                        TXN_OFFSET_COMMIT, Connection, Reader, array, assignment, blob, counted, fetch, name_of, nullable,
                        read_assignment, subscription, wire)  # noqa: E402


class Group:
    """What its members do, and what comes of it, as lines."""

    def __init__(self, bootstrap, group_id, topic_id, out):
        self.bootstrap, self.id, self.topic_id, self.out = bootstrap, group_id, topic_id, out
        self.names, self.connection = {}, Connection(bootstrap)
        self.at, self.producer = {}, None
        while self.loads():
            time.sleep(0.05)
        self.records(quiet=True)

    def loads(self):
        """Or its coordinator isn't there yet: the topic that it keeps its groups in appears when somebody asks for it."""
        self.connection.ask(FIND_COORDINATOR, 1, wire.string(self.id) + b"\0", kind=1)
        reader = self.connection.ask(DESCRIBE, 6, array([wire.compact(self.id)]) + b"\0\0")
        reader.take("i")
        assert reader.varint() == 2
        return reader.take("h") in (14, 15, 16)

    def say(self, line):
        self.out.append(line.rstrip())

    def name(self, member_id):
        if not member_id:
            return "nobody"
        return self.names.get(member_id, "somebody")

    def pause(self, seconds=1.1):
        """By default, until the next target may be computed."""
        time.sleep(seconds)

    def transaction(self):
        """Id and epoch of a producer in a transaction that knows of the group, whose name is its transactional id."""
        if self.producer is None:
            for _ in range(200):
                self.connection.ask(FIND_COORDINATOR, 1, wire.string(self.id) + b"\1", kind=1)
                reader = self.connection.ask(INIT_PRODUCER_ID, 4, wire.compact(self.id) + struct.pack(">iqh", 60_000, -1, -1) + b"\0")
                reader.take("i")
                code, producer = reader.take("h"), reader.bytes(10)
                if code == 0:
                    break
                time.sleep(0.05)
            reader = self.connection.ask(ADD_OFFSETS, 3, wire.compact(self.id) + producer + wire.compact(self.id) + b"\0")
            assert reader.take("ih")[1] == 0
            self.producer = producer
        return self.producer

    # What is there

    def described(self):
        reader = self.connection.ask(LIST, 5, array([]) + array([]) + b"\0")
        reader.take("i")
        assert reader.take("h") == 0

        def group():
            values = [reader.string() for _ in range(4)]
            reader.tags()
            return values
        for group_id, protocol, state, kind in reader.array(group):
            if group_id == self.id:
                self.say(f"listed: {protocol or '-'} {state} {kind}")
        reader = self.connection.ask(DESCRIBE, 6, array([wire.compact(self.id)]) + b"\0\0")
        reader.take("i")

        def classic():
            code, message, _, state, kind, protocol = reader.take("h"), *[reader.string() for _ in range(5)]

            def member():
                names = [reader.string() for _ in range(4)]
                metadata, assigned = reader.blob(), reader.blob()
                reader.tags()
                # Unlike Kafka 3.9 and Milena, 4.3 also shows assignments that are over.
                has = counted(read_assignment(assigned)[1]) if state == "Stable" else "-"
                return f"{self.name(names[0])} {names[1] or '-'} {len(metadata)} {has}"
            members = reader.array(member)
            reader.take("i")
            reader.tags()
            self.say(f"as a classic group: {name_of(code)} {(message or '').replace(self.id, 'G')} {state} {kind or '-'} {protocol or '-'} "
                     + "; ".join(sorted(members)))
        reader.array(classic)
        reader = self.connection.ask(CONSUMER_DESCRIBE, 1, array([wire.compact(self.id)]) + b"\0\0")
        reader.take("i")

        def newer():
            code, message, _, state = reader.take("h"), *[reader.string() for _ in range(3)]
            epoch, assigned_epoch = reader.take("ii")
            assignor = reader.string()

            def topic():
                reader.bytes(16)
                reader.string()
                values = reader.array(lambda: reader.take("i"))
                reader.tags()
                return values

            def assigned():
                topics = reader.array(topic)
                reader.tags()
                return counted([one for of_topic in topics for one in of_topic])

            def member():
                member_id, instance, rack = [reader.string() for _ in range(3)]
                at = reader.take("i")
                reader.string(), reader.string()
                reader.array(reader.string)
                regex = reader.string()
                has, target, kind = assigned(), assigned(), reader.take("b")
                reader.tags()
                return f"{self.name(member_id)} {instance or '-'} {rack or '-'} {at} '{regex}' {has} -> {target} kind {kind}"
            members = reader.array(member)
            reader.take("i")
            reader.tags()
            self.say(f"as a newer group: {name_of(code)} {(message or '').replace(self.id, 'G')} {state} {epoch}/{assigned_epoch} "
                     f"{assignor or '-'} " + "; ".join(sorted(members)))
        reader.array(newer)

    # What is written

    def records(self, quiet=False):
        """Since the last call, in order; those of one kind that follow each other by the names of their members."""
        lines = []
        for partition in range(OFFSETS_PARTITIONS):
            while True:
                found, end = fetch(self.connection, "__consumer_offsets", partition, self.at.get(partition, 0))
                for key, value in found:
                    line = self.record(key, value)
                    if line:
                        lines.append(line)
                if self.at.get(partition, 0) == end or not found:
                    break
                self.at[partition] = end
            self.at[partition] = end
        if quiet:
            return
        run = []
        for line in [*lines, None]:
            if run and (line is None or line.split()[0] != run[0].split()[0]):
                for one in sorted(run):
                    self.say(f"  {one}")
                run = []
            run.append(line)

    def record(self, key, value):
        reader = Reader(key)
        kind, group = reader.take("h"), reader.old_string()
        if group != self.id or kind < 2:
            return None
        data = Reader(value) if value is not None else None
        gone = " gone" if data is None else ""
        version = data.take("h") if data else None
        if kind == 2:
            line = "classic-group" + (gone or self.classic_value(data, version))
            return None if line.startswith("classic-group  0 ") else line  # of nobody: only Kafka 4 writes it, when the first comes
        if kind == 3:
            return "epoch" + (gone or f" {data.take('i')}" + (" hashed" if any(data.tags().values()) else ""))
        if kind == 4:
            return "subscription-metadata" + gone
        if kind == 6:
            return "target-epoch" + (gone or f" {data.take('i')}" + (" timed" if any(data.tags().values()) else ""))
        member = self.name(reader.old_string())
        if kind == 5:
            return f"member {member}" + (gone or self.member_value(data))
        if kind == 7:
            return f"target {member}" + (gone or " " + counted(self.topics(data, False)))
        if kind == 8:
            return f"current {member}" + (gone or self.current_value(data))
        return f"{kind} {member}{gone}"

    def topics(self, reader, with_epochs):
        found = []

        def topic():
            assert reader.bytes(16) == self.topic_id
            ones = reader.array(lambda: reader.take("i"))
            tags = reader.tags()
            if with_epochs:
                epochs = Reader(tags[0])
                found.extend(epochs.array(lambda: epochs.take("i")))
            else:
                found.extend(ones)
        reader.array(topic)
        return found

    def current_value(self, reader):
        epoch, previous, state = reader.take("iib")
        has, leaves = self.topics(reader, True), self.topics(reader, True)
        text = lambda epochs: "nothing" if not epochs else " ".join(
            f"{count} since {epoch}" for epoch, count in sorted(collections.Counter(epochs).items()))
        return f" {epoch} after {previous} {STATES[state]}: {text(has)}; leaves {text(leaves)}"

    def member_value(self, reader):
        instance, rack, _, _ = [reader.string() for _ in range(4)]
        topics, regex = reader.array(reader.string), reader.string()
        timeout, assignor = reader.take("i"), reader.string()
        tags = reader.tags()
        classic = "newer"
        inner = Reader(tags[0]) if 0 in tags else None
        if inner and inner.take("b") == 1:
            session = inner.take("i")

            def protocol():
                name, metadata = inner.string(), inner.blob()
                inner.tags()
                return f"{name} {len(metadata)}"
            classic = f"classic {session} " + ", ".join(inner.array(protocol))
        return f" {instance or '-'} {rack or '-'} {topics} '{regex}' {timeout} {assignor or '-'} {classic}"

    def classic_value(self, reader, version):
        flexible = version >= 4
        string, data = (reader.string, reader.blob) if flexible else (reader.old_string, reader.old_blob)
        kind, generation, protocol, leader = string(), reader.take("i"), string(), string()
        timed = reader.take("q") > 0

        def member():
            member_id, instance, _, _ = [string() for _ in range(4)]
            rebalance, session = reader.take("ii")
            metadata, assigned = data(), data()
            if flexible:
                reader.tags()
            return (f"{self.name(member_id)} {instance or '-'} {rebalance} {session} {len(metadata)} "
                    f"v{read_assignment(assigned)[0]} {counted(read_assignment(assigned)[1])}")
        members = (reader.array if flexible else reader.old_array)(member)
        # Of several, any may lead.
        leads = self.name(leader) if leader is None or len(members) == 1 else "one of them"
        return (f" {kind} {generation} {protocol} led by {leads}{' timed' if timed else ''}: "
                + "; ".join(sorted(members)))


class Classic:
    """A member of the classic protocol. What it keeps of what it has, it says when it joins again."""

    def __init__(self, group, name, instance=None, protocols=("range",), version=3, topics=(TOPIC,), kind="consumer",
                 rebalance_ms=20_000, session_ms=10_000, raw=None):
        self.group, self.name, self.instance, self.protocols, self.version, self.topics = group, name, instance, protocols, version, topics
        self.kind, self.rebalance_ms, self.session_ms, self.raw = kind, rebalance_ms, session_ms, raw
        self.connection = Connection(group.bootstrap)
        self.id, self.generation, self.has, self.protocol = "", -1, set(), protocols[0]

    def say(self, text):
        self.group.say(f"{self.name} {text}")

    def named(self, member_id):
        if member_id and member_id not in self.group.names:
            self.group.names[member_id] = self.name
        self.id = member_id or self.id

    def start_join(self, kept=None):
        if kept is not None:
            self.has &= set(kept)
        metadata = self.raw if self.raw is not None else subscription(self.topics, self.has, self.version)
        body = (wire.compact(self.group.id) + struct.pack(">ii", self.session_ms, self.rebalance_ms) + wire.compact(self.id)
                + nullable(self.instance) + wire.compact(self.kind)
                + array([wire.compact(one) + blob(metadata) + b"\0" for one in self.protocols]) + b"\0\0")
        self.connection.send(JOIN, 9, body)

    def end_join(self):
        reader = self.connection.read()
        reader.take("i")
        code, generation = reader.take("hi")
        kind, protocol, leader, skip = reader.string(), reader.string(), reader.string(), reader.take("b")
        member_id = reader.string()

        def member():
            values = reader.string(), reader.string(), reader.blob()
            reader.tags()
            return self.group.name(values[0])
        members = reader.array(member)
        if code in (0, 79):
            self.named(member_id)
        told = "its id" if member_id == self.id and member_id else "no id" if not member_id else "another id"
        if code == 0:
            self.generation, self.protocol = generation, protocol
            lead = "" if not members else " and leads " + str(len(members))
            self.say(f"joins: generation {generation} {kind} {protocol} leader {'somebody' if leader else 'nobody'} "
                     f"skip {skip} {told}{lead}")
        else:
            self.say(f"joins: {name_of(code)} {generation} {kind or '-'} {protocol or '-'} {told}")
        return code

    def join(self, kept=None):
        self.start_join(kept)
        if self.end_join() == 79:
            self.start_join(kept)
            self.end_join()

    def sync(self, shares=None, generation=None, protocol=None, kind="consumer", user_data=None):
        shares = {member_id: assignment(ones, user_data) for member_id, ones in (shares or {}).items()}
        body = (wire.compact(self.group.id) + struct.pack(">i", self.generation if generation is None else generation)
                + wire.compact(self.id) + nullable(self.instance) + wire.compact(kind)
                + wire.compact(protocol or self.protocol)
                + array([wire.compact(one) + blob(data) + b"\0" for one, data in shares.items()]) + b"\0")
        reader = self.connection.ask(SYNC, 5, body)
        reader.take("i")
        code, kind, protocol, data = reader.take("h"), reader.string(), reader.string(), reader.blob()
        if code != 0:
            self.say(f"syncs: {name_of(code)} {kind or '-'} {protocol or '-'}")
            return
        if user_data is not None:
            self.say("syncs: bytes of its own")
            return
        version, self.has = read_assignment(data)
        self.say(f"syncs: {kind} {protocol} v{version} {counted(self.has)}")

    def beat(self, generation=None, instance=None):
        reader = self.connection.ask(HEARTBEAT, 4, wire.compact(self.group.id)
                                     + struct.pack(">i", self.generation if generation is None else generation)
                                     + wire.compact(self.id) + nullable(instance or self.instance) + b"\0")
        reader.take("i")
        self.say(f"beats: {name_of(reader.take('h'))}")

    def leave(self, *others):
        """Or has others removed, as an admin may: (member id, instance id)."""
        one = lambda member_id, instance: wire.compact(member_id) + nullable(instance) + b"\0\0"
        members = others or [(self.id, self.instance)]
        reader = self.connection.ask(LEAVE, 5, wire.compact(self.group.id) + array([one(*each) for each in members]) + b"\0")
        reader.take("i")
        code = reader.take("h")

        def member():
            values = reader.string(), reader.string(), reader.take("h")
            reader.tags()
            return f"{self.group.name(values[0])} {name_of(values[2])}"
        self.say(f"leaves: {name_of(code)}; " + "; ".join(reader.array(member)))

    def commit(self, partition, generation=None, version=8):
        commit(self, partition, self.generation if generation is None else generation, version)

    def commit_transactional(self, partition, generation=None):
        commit_transactional(self, partition, self.generation if generation is None else generation)


class Newer:
    """A member of the newer protocol. It gives up at once what it must."""

    def __init__(self, group, name, instance=None):
        self.group, self.name, self.instance = group, name, instance
        self.connection = Connection(group.bootstrap)
        self.id, self.epoch, self.has, self.interval_ms = os.urandom(8).hex(), 0, set(), 0
        group.names[self.id] = name

    def ask(self, epoch, joins):
        owned = b"\0" if epoch < 0 else array([self.group.topic_id + array([struct.pack(">i", one) for one in sorted(self.has)]) + b"\0"]
                                              if self.has else [])
        body = (wire.compact(self.group.id) + wire.compact(self.id) + struct.pack(">i", epoch) + nullable(self.instance) + b"\0"
                + struct.pack(">i", 20_000 if joins else -1) + (array([wire.compact(TOPIC)]) if joins else b"\0") + b"\0\0"
                + owned + b"\0")
        reader = self.connection.ask(CONSUMER_HEARTBEAT, 1, body)
        reader.take("i")
        code, message, _ = reader.take("h"), reader.string(), reader.string()
        epoch, self.interval_ms = reader.take("ii")

        def topic():
            assert reader.bytes(16) == self.group.topic_id
            values = reader.array(lambda: reader.take("i"))
            reader.tags()
            return values
        given = None
        if reader.take("b") == 1:
            given = {one for of_topic in reader.array(topic) for one in of_topic}
        return code, message, epoch, given

    def beat(self, epoch=None, verb="beats"):
        joins = verb == "joins"
        if joins:
            self.has = set()
        code, message, told, given = self.ask((0 if joins else self.epoch) if epoch is None else epoch, joins)
        if code != 0:
            self.group.say(f"{self.name} {verb}: {name_of(code)} {(message or '').replace(self.group.id, 'G').replace(self.id, self.name)}")
            return
        if told >= 0:
            self.epoch = told
        self.has = self.has if given is None else given
        self.group.say(f"{self.name} {verb}: epoch {told}" + ("" if given is None else " " + counted(given)))

    def join(self):
        self.beat(verb="joins")

    def leave(self, epoch=-1):
        self.beat(epoch, "leaves")

    def commit(self, partition, epoch=None, version=9):
        commit(self, partition, self.epoch if epoch is None else epoch, version)

    def commit_transactional(self, partition, epoch=None):
        commit_transactional(self, partition, self.epoch if epoch is None else epoch)


def commit(member, partition, generation, version):
    body = (wire.compact(member.group.id) + struct.pack(">i", generation) + wire.compact(member.id) + nullable(member.instance)
            + array([wire.compact(TOPIC) + array([struct.pack(">iqi", partition, 1, -1) + b"\0\0"]) + b"\0"]) + b"\0")
    reader = member.connection.ask(OFFSET_COMMIT, version, body)
    reader.take("i")
    codes = []

    def topic():
        reader.string()
        reader.array(lambda: (codes.append(reader.take("ih")[1]), reader.tags()))
        reader.tags()
    reader.array(topic)
    member.group.say(f"{member.name} commits by {generation - (member.generation if isinstance(member, Classic) else member.epoch):+}"
                     f" v{version}: {name_of(codes[0])}")


def commit_transactional(member, partition, generation):
    producer = member.group.transaction()
    body = (wire.compact(member.group.id) + wire.compact(member.group.id) + producer + struct.pack(">i", generation)
            + wire.compact(member.id) + nullable(member.instance)
            + array([wire.compact(TOPIC) + array([struct.pack(">iqi", partition, 1, -1) + b"\0\0"]) + b"\0"]) + b"\0")
    reader = member.connection.ask(TXN_OFFSET_COMMIT, 3, body)
    reader.take("i")
    codes = []

    def topic():
        reader.string()
        reader.array(lambda: (codes.append(reader.take("ih")[1]), reader.tags()))
        reader.tags()
    reader.array(topic)
    member.group.say(f"{member.name} commits within a transaction: {name_of(codes[0])}")


def prepare(bootstrap):
    """The topic's id."""
    connection = Connection(bootstrap)
    connection.ask(CREATE_TOPICS, 5, array([wire.compact(TOPIC) + struct.pack(">ih", PARTITIONS, 1) + array([]) + array([]) + b"\0"])
                   + struct.pack(">i", 30_000) + b"\0\0")
    for _ in range(200):
        reader = connection.ask(METADATA, 12, array([b"\0" * 16 + wire.compact(TOPIC) + b"\0"]) + b"\0\0\0")
        reader.take("i")

        def broker():
            reader.take("i"), reader.string(), reader.take("i"), reader.string(), reader.tags()
        reader.array(broker)
        reader.string(), reader.take("i")
        reader.varint()
        code, _, topic_id = reader.take("h"), reader.string(), reader.bytes(16)
        if code == 0 and topic_id != b"\0" * 16:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the topic doesn't appear")
    return topic_id

"""Plays the scripts of classic groups (src/broker/group/testdata/scripts, whose words are told in testing/classic_world.h) by hand on
a broker, in real time: each scenario is a group. `python3 groups.py bootstrap` plays all."""
import pathlib
import struct
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.path.insert(0, str(ROOT / "compat-tests" / "consumer-groups"))
sys.path.insert(0, str(ROOT / "compat-tests" / "scripts"))
import script  # noqa: E402
from mixed_wire import (DESCRIBE, FIND_COORDINATOR, HEARTBEAT, JOIN, LEAVE, OFFSET_COMMIT, SYNC, Connection, Reader, array, blob, fetch,
                        name_of, nullable, old_array, wire)  # noqa: E402

SCRIPTS = ROOT / "src/broker/group/testdata/scripts"
NAMES = ("kip-345.txt", "kip-394.txt", "kip-429.txt")
ELSEWHERE = ("set ", "coordinator moves", "records ")  # scenarios with such steps need a world of their own
TOPIC = "t"
OFFSET_FETCH = 9


def old_nullable(text):
    return struct.pack(">h", -1) if text is None else wire.string(text)


def old_blob(data):
    return struct.pack(">i", len(data)) + data


def partitions_of(numbers):
    return old_array([wire.string(TOPIC) + old_array([struct.pack(">i", one) for one in sorted(numbers)])] if numbers else [])


def numbers_from(text):
    return set() if text == "nothing" else {int(one) for one in text.split(",")}


def text_of(numbers):
    return ",".join(str(one) for one in sorted(numbers)) or "nothing"


def read_partitions(data, what_is_before):
    """Of a subscription or an assignment."""
    if not data:
        return None
    reader = Reader(data)
    reader.take("h")
    what_is_before(reader)
    topics = reader.old_array(lambda: (reader.old_string(), reader.old_array(lambda: reader.take("i"))))
    return {one for _, numbers in topics for one in numbers}


def owned_in(subscription):
    return read_partitions(subscription, lambda reader: (reader.old_array(reader.old_string), reader.old_blob()))


def assigned_in(assignment):
    return read_partitions(assignment, lambda reader: None) or set()


class Member:
    def __init__(self, name):
        self.name, self.id, self.generation, self.instance, self.version = name, "", -1, None, 9
        self.type, self.protocols, self.owned, self.session_ms, self.rebalance_ms = "consumer", ["range"], set(), 10_000, 30_000
        self.heartbeat = "NONE"


class Play(script.Play):
    """One scenario on one group."""

    def __init__(self, bootstrap, group):
        super().__init__()
        self.bootstrap, self.group = bootstrap, group
        self.members, self.ids, self.counts = {}, {}, {}
        self.connection, self.at = Connection(bootstrap), 0
        while True:
            self.connection.ask(FIND_COORDINATOR, 1, wire.string(group) + b"\0", kind=1)
            if self.describe() != "COORDINATOR":
                break
            time.sleep(0.05)
        self.records()
        self.events.clear()

    def name(self, member_id):
        if not member_id:
            return "nobody"
        with self.lock:
            for name, known in self.ids.items():
                if known == member_id:
                    return name
            prefix = member_id[:-37] or member_id
            self.counts[prefix] = self.counts.get(prefix, 0) + 1
            name = f"{prefix}-{self.counts[prefix]}"
            self.ids[name] = member_id
            return name

    def ask(self, name, api, version, body, done, kind=1):
        """On a connection of its own, as the answer may take its time. Returns at once; `done` gets the answer."""
        def work():
            with wire.Wire(self.connection_port(), guard_s=120) as own:
                data = own.ask(wire.header(api, version, kind, client=name) + body)
            reader = Reader(data[5 if kind == 2 else 4:])
            reader.take("i")  # throttle time
            done(reader)
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.1)

    def connection_port(self):
        class Port:
            port = int(self.bootstrap.rsplit(":", 1)[1])
        return Port

    # Steps

    def step(self, words):
        subject = words.words.pop(0)
        if subject == "after":
            return self.wait(words)
        if subject == "group":
            return self.say(self.describe())
        if subject == "offset":
            return self.say(self.offset(int(words.words[0])))
        verb = words.words.pop(0)
        if subject == "admin":
            return self.leave([("", instance) for instance in words.words])
        member = self.members.setdefault(subject, Member(subject))
        return getattr(self, verb)(member, words)

    def wait(self, words):
        count, unit = int(words.words[0]), words.words[1]
        beating = words.words[3:-1] if "while" in words.words else []
        end = time.monotonic() + count * (1 if unit == "s" else 0.001)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 1))
            for name in beating:
                member = self.members[name]
                answer = self.beat(member)
                if answer != member.heartbeat:
                    self.say(f"{name}: {answer}")
                member.heartbeat = answer

    def speaker(self, member, words):
        """Id, instance and generation as this one request tells them."""
        member_id = words.after("being") or member.id
        member_id = "" if member_id == "nobody" else self.ids.get(member_id, member_id)
        generation = member.generation
        if words.take("in"):
            generation = int(words.after("generation"))
        return member_id, words.after("as") or member.instance, generation

    def joins(self, member, words):
        member.instance = words.after("as") or member.instance
        owned, protocols = words.after("owning"), words.after("by")
        member.owned = member.owned if owned is None else numbers_from(owned)
        member.protocols = protocols.split(",") if protocols else member.protocols
        member.session_ms = words.milliseconds_after("session") or member.session_ms
        member.rebalance_ms = words.milliseconds_after("rebalance") or member.rebalance_ms
        for version in (3, 5, 9):
            member.version = version if words.take(f"v{version}") else member.version
        # Whoever may be told its id first is asked by v4 and later, and v3 has no instance.
        assert member.version >= 5 or not member.instance
        member_id, instance, _ = self.speaker(member, words)
        member.heartbeat = "NONE"
        subscription = (struct.pack(">h", 3) + old_array([wire.string(TOPIC)]) + struct.pack(">i", -1) + partitions_of(member.owned)
                        + struct.pack(">ih", -1, -1))
        times, flexible = struct.pack(">ii", member.session_ms, member.rebalance_ms), member.version >= 6
        if flexible:
            body = (wire.compact(self.group) + times + wire.compact(member_id) + nullable(instance) + wire.compact(member.type)
                    + array([wire.compact(one) + blob(subscription) + b"\0" for one in member.protocols]) + b"\0\0")
        else:
            body = (wire.string(self.group) + times + wire.string(member_id) + (old_nullable(instance) if member.version >= 5 else b"")
                    + wire.string(member.type)
                    + old_array([wire.string(one) + old_blob(subscription) for one in member.protocols]))
        self.ask(member.name, JOIN, member.version, body, lambda reader: self.joined(member, reader), 2 if flexible else 1)

    def joined(self, member, reader):
        new, has_instances = member.version >= 6, member.version >= 5
        text = reader.string if new else reader.old_string
        error, generation = name_of(reader.take("h")), reader.take("i")
        if new:
            reader.string()
        protocol, leader = text(), text()
        skips = bool(reader.take("b")) if new else False
        member_id = text()

        def one():
            each, instance = text(), text() if has_instances else None
            owned = owned_in(reader.blob() if new else reader.old_blob())
            if new:
                reader.tags()
            return self.name(each) + (f" ({instance})" if instance else "") + (f" owning {text_of(owned)}" if owned else "")
        members = sorted(reader.array(one) if new else reader.old_array(one))
        line = f"{member.name} joined"
        if error in ("NONE", "MEMBER_ID_REQUIRED"):
            member.id = member_id
            line += f" as {self.name(member_id)}"
        if error != "NONE":
            return self.say(f"{line}: {error}")
        member.generation = generation
        line += f": generation {generation}, {protocol}, leader {self.name(leader)}"
        line += f", members {' '.join(members)}" if members else ""
        return self.say(line + (", skips the assignment" if skips else ""))

    def restarts(self, member, _):
        member.id, member.generation = "", -1

    def syncs(self, member, words):
        shares = []
        if words.take("giving"):
            shares = [one.rsplit(":", 1) for one in words.words if ":" in one]
            words.words = [one for one in words.words if ":" not in one]
        member_id, instance, generation = self.speaker(member, words)
        given = [wire.string(self.members[name].id)
                 + old_blob(struct.pack(">h", 3) + partitions_of(numbers_from(numbers)) + struct.pack(">i", -1)) for name, numbers in shares]

        def synced(reader):
            error, data = name_of(reader.take("h")), reader.old_blob()
            self.say(f"{member.name} synced: {error if error != 'NONE' else text_of(assigned_in(data))}")
        self.ask(member.name, SYNC, 3, wire.string(self.group) + struct.pack(">i", generation) + wire.string(member_id)
                 + old_nullable(instance) + old_array(given), synced)

    def beat(self, member, who=None):
        member_id, instance, generation = who or (member.id, member.instance, member.generation)
        reader = self.connection.ask(HEARTBEAT, 3, wire.string(self.group) + struct.pack(">i", generation) + wire.string(member_id)
                                     + old_nullable(instance), kind=1)
        return name_of(reader.take("ih")[1])

    def heartbeats(self, member, words):
        self.say(self.beat(member, self.speaker(member, words)))

    def leaves(self, member, words):
        member_id, instance, _ = self.speaker(member, words)
        self.leave([(member_id, instance)])

    def leave(self, members):
        body = wire.string(self.group) + old_array([wire.string(one) + old_nullable(instance) for one, instance in members])
        reader = self.connection.ask(LEAVE, 3, body, kind=1)
        error = name_of(reader.take("ih")[1])
        if error != "NONE":
            return self.say(error)
        return self.say(" ".join(reader.old_array(lambda: (reader.old_string(), reader.old_string(), name_of(reader.take("h")))[2])))

    def commits(self, member, words):
        offset = int(words.after("at"))
        member_id, instance, generation = self.speaker(member, words)
        body = (wire.string(self.group) + struct.pack(">i", generation) + wire.string(member_id) + old_nullable(instance)
                + old_array([wire.string(TOPIC) + old_array([struct.pack(">iqi", int(words.words[0]), offset, -1) + wire.string("")])]))
        reader = self.connection.ask(OFFSET_COMMIT, 7, body, kind=1)
        reader.take("ii"), reader.old_string(), reader.take("i")
        self.say(f"{member.name} committed: {name_of(reader.take('ih')[1])}")

    def offset(self, partition):
        reader = self.connection.ask(OFFSET_FETCH, 5, wire.string(self.group) + old_array(
            [wire.string(TOPIC) + old_array([struct.pack(">i", partition)])]), kind=1)
        reader.take("ii"), reader.old_string(), reader.take("i")
        found = reader.take("iq")[1]
        return "none" if found < 0 else str(found)

    def describe(self):
        reader = self.connection.ask(DESCRIBE, 4, old_array([wire.string(self.group)]) + b"\0", kind=1)
        reader.take("ii")
        error = name_of(reader.take("h"))
        if error != "NONE":
            return "COORDINATOR" if "COORDINATOR" in error else error
        reader.old_string()
        state, _, protocol = reader.old_string(), reader.old_string(), reader.old_string()

        def one():
            member_id, instance = reader.old_string(), reader.old_string()
            reader.old_string(), reader.old_string(), reader.old_blob()
            assigned = assigned_in(reader.old_blob())
            return (self.name(member_id) + (f" ({instance})" if instance else "")
                    + (f" {text_of(assigned)}" if state == "Stable" else ""))
        members = sorted(reader.old_array(one))
        return state + (f", {protocol}" if protocol else "") + (f": {'; '.join(members)}" if members else "")

    # What is written

    def records(self):
        found, self.at = fetch(self.connection, "__consumer_offsets", 0, self.at)
        for key, value in found:
            reader = Reader(key)
            kind, group = reader.take("h"), reader.old_string()
            if group == self.group:
                self.say("record: " + (self.offset_record(reader, value) if kind < 2 else self.group_record(value)))

    @staticmethod
    def offset_record(key, value):
        key.old_string()
        text = f"offset of {key.take('i')}"
        if value is None:
            return f"{text} gone"
        return f"{text} {Reader(value).take('hq')[1]}"

    def group_record(self, value):
        if value is None:
            return "group gone"
        reader = Reader(value)
        assert reader.take("h") == 3
        reader.old_string()
        generation, protocol, leader = reader.take("i"), reader.old_string(), reader.old_string()
        reader.take("q")

        def one():
            member_id, instance = reader.old_string(), reader.old_string()
            reader.old_string(), reader.old_string(), reader.take("ii"), reader.old_blob()
            return f"{self.name(member_id)}" + (f" ({instance})" if instance else "") + f" {text_of(assigned_in(reader.old_blob()))}"
        members = sorted(reader.old_array(one))
        if not members:
            return f"group in generation {generation}, empty"
        return f"group in generation {generation}, {protocol}, leader {self.name(leader)}: {'; '.join(members)}"


def play(bootstrap):
    return script.play(bootstrap, Play, [SCRIPTS / name for name in NAMES], ELSEWHERE)


if __name__ == "__main__":
    for what, wrong in play(sys.argv[1]).items():
        print(what, *wrong, sep="\n  ")

"""Plays the script of KIP-848 (src/broker/group/testdata/scripts/kip-848.txt, whose words are told in testing/mixed_world.h) by hand on a
broker, in real time: each scenario is a group. Records aren't looked at: compat-tests/consumer-groups/mixed.txt has them.
`python3 consumer_groups.py bootstrap` plays all."""
import pathlib
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.path.insert(0, str(ROOT / "compat-tests" / "consumer-groups"))
sys.path.insert(0, str(ROOT / "compat-tests" / "scripts"))
import script  # noqa: E402
from mixed_wire import (CONSUMER_DESCRIBE, CONSUMER_HEARTBEAT, ERRORS, FIND_COORDINATOR, METADATA, OFFSET_COMMIT, Connection, array,
                        nullable, wire)  # noqa: E402

SCRIPT = ROOT / "src/broker/group/testdata/scripts/kip-848.txt"
ELSEWHERE = ("partitions ", "restart")  # scenarios with such steps need a world of their own
NOT_OF_KAFKA = ("N1 joins matching",)  # nor is this one as Kafka does it
TOPIC = "t"
REBALANCE_MS = 30_000
ASSIGNMENT_INTERVAL_S = 1.1  # until the next target may be computed


def name_of(code):
    return {**ERRORS, 128: "INVALID_REGULAR_EXPRESSION"}.get(code, str(code))


def numbers_from(text):
    return {int(one) for one in text if one != "-"}


def text_of(numbers):
    return "".join(str(one) for one in sorted(numbers)) or "-"


class Member:
    def __init__(self):
        self.epoch, self.instance, self.owned = 0, None, set()


class Play(script.Play):
    """One scenario on one group."""

    def __init__(self, bootstrap, group):
        super().__init__()
        self.group, self.connection, self.members = group, Connection(bootstrap), {}
        self.connection.ask(FIND_COORDINATOR, 1, wire.string(group) + b"\0", kind=1)
        while self.describe() in ("14", "15", "16", *("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR")):
            time.sleep(0.05)
        reader = self.connection.ask(METADATA, 12, array([b"\0" * 16 + wire.compact(TOPIC) + b"\0"]) + b"\0\0\0")
        reader.take("i")

        def broker():
            reader.take("i"), reader.string(), reader.take("i"), reader.string(), reader.tags()
        reader.array(broker)
        reader.string(), reader.take("i")
        assert reader.varint() == 2 and reader.take("h") == 0
        reader.string()
        self.topic_id = reader.bytes(16)

    def run(self, steps):
        return super().run([one for one in steps if one[1] != "records"])

    def records(self):
        pass

    def step(self, words):
        if words.take("pass"):
            return time.sleep(int(words.words[0]) / 1000)
        if words.take("group"):
            return self.say(self.describe())
        name, verb = words.words.pop(0), words.words.pop(0)
        if verb in ("joins", "leaves"):
            time.sleep(ASSIGNMENT_INTERVAL_S)
        if verb == "joins":
            self.members[name] = Member()
        member = self.members.setdefault(name, Member())
        if verb == "commits":
            return self.commit(name, member, words)
        member.instance = words.after("as") or member.instance
        keeps, epoch, pattern = words.after("keeping"), words.after("at"), words.after("matching")
        member.owned = member.owned if keeps is None else numbers_from(keeps)
        member.epoch = member.epoch if epoch is None else int(epoch)
        leaves = {"for": -2}.get(words.words[0] if words.words else "", -1) if verb == "leaves" else None
        return self.heartbeat(name, member, verb == "joins", pattern, leaves)

    def heartbeat(self, name, member, joins, pattern, leaves):
        topics = b"\0" if not joins else array([] if pattern else [wire.compact(TOPIC)])
        owned = [self.topic_id + array([struct.pack(">i", one) for one in sorted(member.owned)]) + b"\0"] if member.owned else []
        body = (wire.compact(self.group) + wire.compact(name) + struct.pack(">i", member.epoch if leaves is None else leaves)
                + nullable(member.instance) + b"\0" + struct.pack(">i", REBALANCE_MS if joins else -1) + topics + nullable(pattern) + b"\0"
                + array(owned) + b"\0")
        reader = self.connection.ask(CONSUMER_HEARTBEAT, 1, body)
        error = reader.take("ih")[1]
        reader.string()
        if error != 0:
            return self.say(name_of(error))
        reader.string()
        epoch, _ = reader.take("ii")
        member.epoch = epoch if epoch >= 0 else member.epoch
        if reader.take("b") < 0:
            return self.say(f"epoch {epoch}")
        member.owned = self.partitions(reader, False)
        return self.say(f"epoch {epoch} {text_of(member.owned)}")

    @staticmethod
    def partitions(reader, with_names):
        def topic():
            reader.bytes(16)
            if with_names:
                reader.string()
            numbers = reader.array(lambda: reader.take("i"))
            reader.tags()
            return numbers
        return {one for numbers in reader.array(topic) for one in numbers}

    def commit(self, name, member, words):
        epoch, partition = int(words.after("at")), int(words.words[0])
        one = struct.pack(">iqi", partition, 1, -1) + wire.compact("") + b"\0"
        body = (wire.compact(self.group) + struct.pack(">i", epoch) + wire.compact(name) + nullable(member.instance)
                + array([wire.compact(TOPIC) + array([one]) + b"\0"]) + b"\0")
        reader = self.connection.ask(OFFSET_COMMIT, 9, body)
        reader.take("i"), reader.varint(), reader.string(), reader.varint()
        self.say(name_of(reader.take("ih")[1]))

    def describe(self):
        reader = self.connection.ask(CONSUMER_DESCRIBE, 1, array([wire.compact(self.group)]) + b"\0\0")
        reader.take("i")
        assert reader.varint() == 2
        error = reader.take("h")
        reader.string(), reader.string()
        state, epochs = reader.string(), reader.take("ii")
        if error != 0:
            return name_of(error)
        reader.string()

        def assigned():
            numbers = self.partitions(reader, True)
            reader.tags()
            return text_of(numbers)

        def one():
            name = reader.string()
            reader.string(), reader.string()
            epoch = reader.take("i")
            reader.string(), reader.string(), reader.array(reader.string), reader.string()
            line = f"; {name} at {epoch}: {assigned()} -> {assigned()}"
            reader.take("b"), reader.tags()
            return line
        return f"newer {state} {epochs[0]}/{epochs[1]}" + "".join(sorted(reader.array(one)))


def play(bootstrap, target="kafka"):
    return script.play(bootstrap, Play, [SCRIPT], ELSEWHERE + (NOT_OF_KAFKA if target == "kafka" else ()))


if __name__ == "__main__":
    for what, wrong in play(sys.argv[1]).items():
        print(what, *wrong, sep="\n  ")

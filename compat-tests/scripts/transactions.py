"""Plays the scripts of transactions (src/broker/transaction/testdata/scripts, whose words are told in testing/transaction_world.h) by
hand on a broker, in real time: each scenario is a transactional id. Markers aren't looked for: that the transaction is complete tells
of them. `python3 transactions.py bootstrap kip-360.txt` plays a file."""
import importlib.util
import pathlib
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.path.insert(0, str(ROOT / "compat-tests" / "consumer-groups"))
sys.path.insert(0, str(ROOT / "compat-tests" / "scripts"))
import script  # noqa: E402
from mixed_wire import Connection, Reader, array, fetch, old_array, wire  # noqa: E402

# Under a name of its own: other folders have a raw.py, too.
_spec = importlib.util.spec_from_file_location("transactions_v2_raw", ROOT / "compat-tests" / "transactions-v2" / "raw.py")
raw = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(raw)
ADD_PARTITIONS, DESCRIBE, END, FIND_COORDINATOR, INIT, name_of = (raw.ADD_PARTITIONS, raw.DESCRIBE, raw.END, raw.FIND_COORDINATOR,
                                                                  raw.INIT, raw.name_of)

SCRIPTS = ROOT / "src/broker/transaction/testdata/scripts"
ELSEWHERE = ("set ", "known ", "records ", "markers ", "coordinator moves")  # scenarios with such steps need a world of their own
NOT_OF_KAFKA = ("heir adds t-0 v3",)  # nor is this one as Kafka does it
STATES = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead"]
STRANGER = 1_000_000_000  # a producer id that nobody has


class Producer:
    def __init__(self, transactional_id):
        self.id, self.epoch, self.timeout_ms, self.transactional_id = -1, -1, 60_000, transactional_id
        self.init, self.add, self.end = 4, 3, 4  # versions


class Play(script.Play):
    """One scenario with one transactional id."""

    def __init__(self, bootstrap, name):
        super().__init__()
        self.name, self.connection, self.at, self.producers, self.ids = name, Connection(bootstrap), 0, {}, []
        for one in (name, f"{name}-unknown"):
            while self.connection.ask(FIND_COORDINATOR, 1, wire.string(one) + b"\1", kind=1).take("ih")[1] != 0:
                time.sleep(0.05)
            while self.describe(one) in ("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE"):
                time.sleep(0.05)
        self.records()
        self.events.clear()

    def run(self, steps):
        # DescribeTransactions tells nothing of versions.
        return super().run([(number, step, [one.split(",")[0] if step == "describe" else one for one in expected if "marker:" not in one])
                            for number, step, expected in steps])

    def step(self, words):
        subject = words.words.pop(0)
        if subject == "after":
            return time.sleep(int(words.words[0]) * (1 if words.words[1] == "s" else 0.001))
        if subject == "describe":
            return self.say(self.describe(self.name))
        verb = words.words.pop(0)
        producer = self.producers.setdefault(subject, Producer(self.name))
        if words.after("of"):
            producer.transactional_id = f"{self.name}-unknown"
        kind = {"inits": "init", "adds": "add", "verifies": "add", "commits": "end", "aborts": "end"}[verb]
        for version in range(6):
            if words.take(f"v{version}"):
                setattr(producer, kind, version)
        producer.timeout_ms = words.milliseconds_after("timeout") or producer.timeout_ms
        other = words.after("as")
        who = self.real(other) if other else (producer.id, producer.epoch)
        if verb == "inits":
            return self.init(subject, producer, who if words.take("going") else (-1, -1))
        if kind == "add":
            return self.add(subject, producer, who, words.words, verb == "verifies")
        return self.end(subject, producer, who, verb)

    # p0 is the first producer id that was seen here.
    def real(self, text):
        number, epoch = text[1:].split("/")
        known = int(number) < len(self.ids)
        return (self.ids[int(number)] if known else STRANGER + int(number)), int(epoch)

    def called(self, producer_id, epoch):
        if producer_id not in self.ids:
            self.ids.append(producer_id)
        return f"p{self.ids.index(producer_id)}/{epoch}"

    def init(self, subject, producer, who):
        body = (wire.compact(producer.transactional_id) + struct.pack(">iqh", producer.timeout_ms, *who) + b"\0")
        while True:
            _, error, producer_id, epoch = self.connection.ask(INIT, producer.init, body).take("ihqh")
            if name_of(error) != "COORDINATOR_LOAD_IN_PROGRESS":  # Kafka gets its first producer ids
                break
            time.sleep(0.05)
        if error != 0:
            return self.say(f"{subject} inits: {name_of(error)}")
        producer.id, producer.epoch = producer_id, epoch
        return self.say(f"{subject} is {self.called(producer_id, epoch)}")

    def add(self, subject, producer, who, partitions, verifies):
        numbers = sorted(int(one.rsplit("-", 1)[1]) for one in partitions)
        version = max(producer.add, 4) if verifies else producer.add
        words = [struct.pack(">i", one) for one in numbers]
        identity = struct.pack(">qh", *who)
        if version < 3:
            reader = self.connection.ask(ADD_PARTITIONS, version, wire.string(producer.transactional_id) + identity + old_array(
                [wire.string("t") + old_array(words)]), kind=1)
            reader.take("i")
            errors = reader.old_array(lambda: (reader.old_string(), reader.old_array(lambda: reader.take("ih"))))[0][1]
        else:
            topics = array([wire.compact("t") + array(words) + b"\0"])
            one = wire.compact(producer.transactional_id) + identity
            body = one + topics + b"\0" if version == 3 else array([one + struct.pack(">b", verifies) + topics + b"\0"]) + b"\0"
            reader = self.connection.ask(ADD_PARTITIONS, version, body)
            reader.take("i" if version == 3 else "ih")

            def partition():
                value = reader.take("ih")
                reader.tags()
                return value

            def topic():
                reader.string()
                values = reader.array(partition)
                reader.tags()
                return values

            def transaction():
                reader.string()
                values = reader.array(topic)
                reader.tags()
                return values
            errors = (reader.array(topic) if version == 3 else reader.array(transaction)[0])[0]
        names = [name_of(error) for _, error in sorted(errors)]
        if verifies and not set(names) <= {"NONE", "TRANSACTION_ABORTABLE"} or not verifies:
            names = sorted(set(names))
        self.say(f"{subject} {'verifies' if verifies else 'adds'}: {' '.join(names)}")

    def end(self, subject, producer, who, verb):
        commit = struct.pack(">qhb", *who, verb == "commits")
        if producer.end < 3:
            reader = self.connection.ask(END, producer.end, wire.string(producer.transactional_id) + commit, kind=1)
        else:
            reader = self.connection.ask(END, producer.end, wire.compact(producer.transactional_id) + commit + b"\0")
        error = reader.take("ih")[1]
        line = f"{subject} {verb}: {name_of(error)}"
        if error == 0 and producer.end >= 5:
            producer.id, producer.epoch = reader.take("qh")
            line += f", and is {self.called(producer.id, producer.epoch)}"
        self.say(line)

    def describe(self, name):
        reader = self.connection.ask(DESCRIBE, 0, array([wire.compact(name)]) + b"\0")
        reader.take("i")
        assert reader.varint() == 2
        error = reader.take("h")
        if error != 0:
            return name_of(error)
        reader.string()
        state = reader.string()
        reader.take("iq")
        identity = self.called(*reader.take("qh"))

        def topic():
            topic, numbers = reader.string(), reader.array(lambda: reader.take("i"))
            reader.tags()
            return [f" {topic}-{one}" for one in sorted(numbers)]
        return f"{state} {identity}" + "".join(sum(reader.array(topic), []))

    # What is written

    def records(self):
        found, self.at = fetch(self.connection, "__transaction_state", 0, self.at)
        for key, value in found:
            reader = Reader(key)
            if reader.take("h") == 0 and reader.old_string() == self.name:
                self.say("record: " + ("gone" if value is None else self.record(Reader(value))))

    def record(self, reader):
        version = reader.take("h")
        producer_id, epoch, _, state = reader.take("qhib")

        def topic():
            if version == 0:
                name, numbers = reader.old_string(), reader.old_array(lambda: reader.take("i"))
            else:
                name, numbers = reader.string(), reader.array(lambda: reader.take("i"))
                reader.tags()
            return [f" {name}-{one}" for one in sorted(numbers)]
        if version == 0:
            count = reader.take("i")
            topics = [topic() for _ in range(max(count, 0))]
        else:
            topics = [topic() for _ in range(max(reader.varint() - 1, 0))]
        text = f"{STATES[state]} {self.called(producer_id, epoch)}" + "".join(sum(topics, []))
        reader.take("qq")
        if version == 0:
            return text
        tags = reader.tags()
        before, following = (struct.unpack(">q", tags[tag])[0] if tag in tags else -1 for tag in (0, 1))
        client = struct.unpack(">h", tags[2])[0] if 2 in tags else 0
        if client == 0:
            return text
        text += f", v{client}"
        text += f", before {self.called(before, 0).split('/')[0]}" if before != producer_id else ""
        return text + (f", next {self.called(following, 0).split('/')[0]}" if following != -1 else "")


def play(bootstrap, name, target="kafka"):
    return script.play(bootstrap, Play, [SCRIPTS / name], ELSEWHERE + (NOT_OF_KAFKA if target == "kafka" else ()))


if __name__ == "__main__":
    for what, wrong in play(*sys.argv[1:]).items():
        print(what, *wrong, sep="\n  ")

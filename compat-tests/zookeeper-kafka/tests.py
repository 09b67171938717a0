"""Kafka 3.9.2 brokers, JVMs, on our coordinator: a cluster of three, and a secure one whose ZooKeeper is exchanged under it."""
import json
import os
import re
import subprocess

from harness import tools, venv
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.process import wait_until
from harness.runner import only

LONG = os.environ.get("MILENA_LONG") == "1"
# Not expectations: how long to wait for what should come soon.
GUARD_S = 240
# A small broker that doesn't move leaders by itself.
SMALL = {
    "num.network.threads": 1, "num.io.threads": 2, "background.threads": 2, "log.cleaner.enable": "false",
    "auto.leader.rebalance.enable": "false", "offsets.topic.num.partitions": 3, "zookeeper.session.timeout.ms": 30000,
    "replica.lag.time.max.ms": 30000, "controlled.shutdown.retry.backoff.ms": 200,
}
# DIGEST-MD5, and znodes that belong to who made them.
LOGIN = ("kafka", "kafka secret")
DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule required"
JAAS = (f'Server {{\n  {DIGEST} user_kafka="{LOGIN[1]}";\n}};\n'
        f'Client {{\n  {DIGEST} username="{LOGIN[0]}" password="{LOGIN[1]}";\n}};\n')


class Znodes:
    """Reads znodes by a kazoo process that lives as long as the coordinator's port."""

    def __init__(self, context, server, login=()):
        program = context.root / "compat-tests" / "zookeeper-kafka" / "znodes.py"
        self.child = context.spawn([venv.python(context), program, server.connect, *login], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)

    def read(self, *paths):
        self.child.popen.stdin.write((json.dumps(paths) + "\n").encode())
        self.child.popen.stdin.flush()
        line = self.child.popen.stdout.readline()
        expect(line, self.child.text())
        found = json.loads(line)
        return [found[path] for path in paths]

    def children(self, path):
        return self.read(path)[0]["children"]

    def rules(self, topic):
        """Who may do what to each znode that stays, those of one topic alone as TOPIC."""
        found, paths = {}, ["/"]
        while paths:
            nodes = dict(zip(paths, self.read(*paths)))
            found.update({path: node["rules"] for path, node in nodes.items() if node})
            paths = [f"{path.rstrip('/')}/{child}" for path, node in nodes.items() if node for child in node["children"]]
        passing = r"/(zookeeper|admin|isr_change_notification|config/changes|(brokers|config)/topics)/.*"
        wanted = {path: rules for path, rules in found.items() if f"/{topic}/" in path + "/" or not re.match(passing, path)}
        return {path.replace(topic, "TOPIC"): rules for path, rules in wanted.items()}


CONTROLLER = 2


class Cluster:
    """Three brokers, of which the last is the controller at first. Its session may be a short one."""

    def __init__(self, context, kind, session_of_controller_ms, secure=False):
        self.context = context
        provider = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"} if secure else {}
        self.server = context.new_coordinator(kind, start=False, settings={"maxSessionTimeout": 60000, **provider})
        jaas = context.work / context.name("jaas")
        jaas.write_text(JAAS)
        options = [f"-Djava.security.auth.login.config={jaas}"] if secure else []
        self.server.java_options += options
        self.server.start()
        self.znodes = Znodes(context, self.server, LOGIN if secure else ())
        self.brokers = []
        for number in range(3):
            settings = {**SMALL, "broker.id": number, "offsets.topic.replication.factor": 3}
            if number == CONTROLLER:
                settings["zookeeper.session.timeout.ms"] = session_of_controller_ms
            if secure:
                settings["zookeeper.set.acl"] = "true"
            broker = Broker("kafka", context.work / context.name("broker"), settings=settings, coordinator=self.server)
            broker.heap = "320m"
            broker.java_options = broker.java_options + options
            context.brokers.append(broker)
            self.brokers.append(broker)
        self.brokers[CONTROLLER].launch()
        wait_until("the controller", lambda: self.znodes.read("/controller") != [None], GUARD_S)
        for broker in self.brokers[:CONTROLLER]:
            broker.launch()
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers)
        self.tools = tools.ToolServer(context, "3.9.2")
        self.wait_for_brokers(range(3))

    def tool(self, name, *arguments, code=0):
        return self.tools.run(name, "--bootstrap-server", self.bootstrap, *arguments, code=code).out

    def close(self):
        if self.tools is None:
            return
        self.tools.__exit__()
        self.tools = None
        self.znodes.child.kill()
        for broker in self.brokers:
            broker.kill()
        self.server.kill()

    def wait_for_brokers(self, numbers):
        wanted = sorted(numbers)
        wait_until(f"brokers {wanted}", lambda: sorted(one["id"] for one in self.metadata()["brokers"]) == wanted, GUARD_S)

    def metadata(self, topic=None):
        """What a broker that answers says; nobody and nothing if none does."""
        for broker in self.brokers:
            if not broker.running():
                continue
            done = self.context.run(["kcat", "-b", broker.bootstrap, "-L", "-J", *(["-t", topic] if topic else [])], code=None)
            if done.code == 0 and done.out.startswith("{"):
                return json.loads(done.out)
        return {"brokers": [], "topics": []}

    def partitions(self, topic):
        """partition -> (leader, replicas, sorted ISR)"""
        for one in self.metadata(topic)["topics"]:
            return {part["partition"]: (part["leader"], [replica["id"] for replica in part["replicas"]],
                                        sorted(replica["id"] for replica in part["isrs"])) for part in one["partitions"]}
        return {}

    def wait_for(self, topic, condition, what):
        """The condition gets the partitions as (leader, replicas, ISR)."""
        last = [None]

        def holds():
            last[0] = self.partitions(topic)
            return last[0] and all(condition(*part) for part in last[0].values())

        try:
            wait_until(f"{topic}: {what}", holds, GUARD_S)
        finally:
            self.context.say(f"{topic}: {last[0]}")

    def create(self, topic, partitions, replication):
        out = self.tool("kafka-topics", "--create", "--topic", topic, "--partitions", partitions, "--replication-factor",
                        replication, "--config", "min.insync.replicas=" + str(max(1, replication - 1)))
        expect_in(f"Created topic {topic}.", out)
        self.wait_for(topic, lambda leader, replicas, isr: leader in replicas and len(isr) == replication, "whole ISR")

    def send(self, topic, words, idempotent="true"):
        self.context.run(["kcat", "-b", self.bootstrap, "-P", "-t", topic, "-X", "acks=all", "-X",
                          f"enable.idempotence={idempotent}", "-X", "message.timeout.ms=120000"],
                         stdin="".join(word + "\n" for word in words))

    def expect_records(self, topic, words):
        out = self.context.run(["kcat", "-b", self.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]).out
        expect_equal(sorted(out.splitlines()), sorted(words), f"records of {topic}")

    def registrations(self):
        """What would change if a session were lost: who made the nodes of the brokers and of the controller, and when."""
        paths = [f"/brokers/ids/{number}" for number in range(len(self.brokers))] + ["/controller", "/controller_epoch"]
        found = self.znodes.read(*paths, "/brokers/ids")
        whole = {path: (node["czxid"], node["owner"], node["data"]) for path, node in zip(paths, found)}
        whole["/brokers/ids"] = found[-1]["cversion"]
        return whole

    def controller(self):
        """Its number and its epoch; nothing while there is none."""
        controller, epoch = self.znodes.read("/controller", "/controller_epoch")
        return (json.loads(controller["data"])["brokerid"], int(epoch["data"])) if controller else None

    def wait_until_attached(self, registrations):
        """Each broker's session has a connection again."""
        owners = {hex(node[1]) for path, node in registrations.items() if path.startswith("/brokers/ids/")}
        wait_until("the brokers' sessions", lambda: all(f"sid={owner}," in self.server.command(b"cons") for owner in owners),
                   GUARD_S)


def cluster(context):
    if not hasattr(context, "cluster"):
        context.cluster = Cluster(context, "milena", 6000)
    return context.cluster


WORDS = [f"word-{number}" for number in range(3000)]


@only("milena")
def test_three_brokers_and_topics(context):
    three = cluster(context)
    expect_equal(three.znodes.children("/brokers/ids"), ["0", "1", "2"], "registered")
    three.create("first", 6, 3)
    three.send("first", WORDS)
    three.expect_records("first", WORDS)
    out = context.run(["kcat", "-b", three.bootstrap, "-G", "readers", "-X", "auto.offset.reset=earliest", "-e", "-q",
                       "first"]).out
    expect_equal(sorted(out.splitlines()), sorted(WORDS), "read in a group")
    for number in range(5):
        three.create(f"passing-{number}", 3, 3)
    three.tool("kafka-topics", "--delete", "--topic", "passing-.*")
    wait_until("deleted topics", lambda: not [name for name in three.znodes.children("/brokers/topics") if "passing" in name]
               and not three.znodes.children("/admin/delete_topics"), GUARD_S)
    expect_equal([name for name in three.znodes.children("/config/topics") if "passing" in name], [], "configurations left")
    three.create("passing-1", 1, 3)
    three.expect_records("passing-1", [])


@only("milena")
def test_election_and_reassignment(context):
    three = cluster(context)
    three.create("moved", 3, 3)
    three.send("moved", WORDS)
    plan = context.work / "reassign.json"

    def reassign(replicas):
        plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "moved", "partition": part, "replicas": replicas}
                                                                 for part in range(3)]}))
        expect_in("Successfully started partition reassignments", three.tool(
            "kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute"))
        three.wait_for("moved", lambda leader, now, isr: now == replicas and isr == sorted(replicas), f"on {replicas}")
        wait_until("the end of the reassignment", lambda: three.tool(
            "kafka-reassign-partitions", "--reassignment-json-file", plan, "--verify").count("is completed.") == 3, GUARD_S)

    for preferred in (1, 0):  # another order of the same replicas moves no data, and no leader
        others = [number for number in range(3) if number != preferred]
        reassign([preferred, *others])
        three.tool("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
        three.wait_for("moved", lambda leader, replicas, isr: leader == preferred, f"leader {preferred}")
    reassign([1])  # away from the leader
    three.wait_for("moved", lambda leader, replicas, isr: leader == 1, "leader 1")
    reassign([2, 0, 1])
    three.expect_records("moved", WORDS)
    expect_equal(three.znodes.read("/admin/reassign_partitions"), [None], "reassignments left")


@only("milena")
def test_coordinator_restarts_and_crashes(context):
    three = cluster(context)
    three.create("lasting", 3, 3)
    sent = []
    before = three.registrations()
    for how in ("stop", "kill"):
        getattr(three.server, how)()
        # Brokers serve without it, but can't give out producer ids.
        words = [f"{how}-without-{word}" for word in WORDS[:500]]
        three.send("lasting", words, "false")
        sent += words
        three.server.start()
        three.wait_until_attached(before)
        three.create(f"after-{how}", 3, 3)
        words = [f"{how}-after-{word}" for word in WORDS[:500]]
        three.send("lasting", words)
        sent += words
        expect_equal(three.registrations(), before, f"registrations after {how}")
    three.expect_records("lasting", sent)
    for broker in three.brokers:
        expect("Session expired" not in broker.child.text(), f"{broker.log}: a session expired")
    return "stop, SIGKILL: the same sessions and epochs"


@only("milena")
def test_killed_broker(context):
    three = cluster(context)
    three.create("spread", 3, 3)
    three.wait_for("spread", lambda leader, replicas, isr: len(isr) == 3, "whole ISR")
    before = three.registrations()
    led = [part for part, state in three.partitions("spread").items() if state[0] == 2]
    expect_equal(len(led), 1, "partitions that 2 leads")
    number, epoch = three.controller()
    expect_equal(number, CONTROLLER, "the controller")
    three.brokers[2].kill()
    wait_until("the end of its session", lambda: three.znodes.children("/brokers/ids") == ["0", "1"], GUARD_S)
    three.wait_for("spread", lambda leader, replicas, isr: leader in (0, 1) and isr == [0, 1], "leaders 0 and 1")
    three.wait_for_brokers([0, 1])
    next_number, next_epoch = three.controller()
    expect(next_number in (0, 1) and next_epoch == epoch + 1, f"controller {next_number} of epoch {next_epoch} after {epoch}")
    three.send("spread", WORDS)  # acks=all with two in sync
    three.brokers[2].launch()
    three.wait_for("spread", lambda leader, replicas, isr: isr == [0, 1, 2], "whole ISR again")
    three.tool("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    three.wait_for("spread", lambda leader, replicas, isr: leader == replicas[0], "preferred leaders")
    after = three.registrations()
    expect(after["/brokers/ids/2"][0] > before["/brokers/ids/2"][0], "a new epoch")
    for number in (0, 1):
        expect_equal(after[f"/brokers/ids/{number}"], before[f"/brokers/ids/{number}"], f"broker {number}")
    three.expect_records("spread", WORDS)
    three.expect_records("first", WORDS)


def expect_open_to_kafka_alone(rules):
    """What set.acl asks for, and that nothing but what Kafka leaves open on purpose is anybody's."""
    everybody, kafka = [1, "world", "anyone"], [31, "sasl", "kafka"]
    expect_equal(rules["/brokers/topics/TOPIC/partitions/1/state"], [everybody, kafka], "a partition's rules")
    expect_equal(rules["/brokers/ids/1"], [everybody, kafka], "a broker's rules")
    expect_equal(rules["/config/users"], [kafka], "the rules of passwords")
    writable = {path for path, who in rules.items() if [31, "world", "anyone"] in who}
    expect_equal(writable, {"/", "/consumers", "/zookeeper"}, "what anybody may write")


def takeover(context, kind, secure):
    """The coordinator is exchanged under three brokers that go on, and handed back: one dataDir, one port. Ours is killed, too.
    A secure cluster logs in to each anew, and its znodes belong to it under each by the same rules."""
    if hasattr(context, "cluster"):
        context.cluster.close()
    three = Cluster(context, kind, 30000, secure)
    before = three.registrations()
    words, rules = {}, {}

    def turn(name):
        three.create(name, 2, 3)
        for topic in (*words, name):
            more = [f"{name}-{word}" for word in WORDS[:300]]
            three.send(topic, more)
            words[topic] = words.get(topic, []) + more
        for topic, expected in words.items():
            three.expect_records(topic, expected)
        expect_equal([topic for topic in three.znodes.children("/brokers/topics") if topic in words], sorted(words), "topics")
        expect_equal(three.registrations(), before, f"registrations in turn {name}")
        rules[name] = three.znodes.rules(name)
        expect_equal(rules[name], rules["a-real"], f"rules in turn {name}")

    turn("a-real")
    if secure:
        expect_open_to_kafka_alone(rules["a-real"])
    for name, next_kind in (("b-ours", "milena"), ("c-real-again", kind), ("d-ours-again", "milena")):
        three.server.stop()
        three.server.kind, three.server.binary = next_kind, context.binary
        three.server.start()
        if next_kind == "milena":
            three.wait_until_attached(before)
            three.server.kill()
            three.server.start()
        three.wait_until_attached(before)
        turn(name)
        if name.startswith("c") and not LONG:
            break
    for broker in three.brokers:
        expect("Session expired" not in broker.child.text(), f"{broker.log}: a session expired")
    three.tool("kafka-topics", "--delete", "--topic", "a-real")
    wait_until("the deletion", lambda: "a-real" not in three.znodes.children("/brokers/topics"), GUARD_S)
    three.close()
    return f"the same sessions and epochs throughout, and the rules of {len(rules['a-real'])} znodes"


@only("milena")
def test_takeover_under_live_brokers_3_9_4(context):
    return takeover(context, "zookeeper", secure=True)


if LONG:
    @only("milena")
    def test_takeover_under_live_brokers_3_8_4(context):
        return takeover(context, "kafka", secure=False)

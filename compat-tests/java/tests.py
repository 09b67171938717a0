"""Kafka's own tools and plain Java clients, 3.9.2 and 4.3.1 (the client also 1.1.1)."""
import json
import re

from harness import jars, tools
from harness.context import expect, expect_equal, expect_in
from harness.process import wait_until
from harness.runner import sanitizer_workload

VERSIONS = ["3.9.2", "4.3.1"]


def quickstart(context, version):
    """Kafka's quickstart, each step a process of its own."""
    broker = context.broker()
    topic = f"quickstart-events-{version}"
    server = ["--bootstrap-server", broker.bootstrap]

    def tool(name, *arguments, **options):
        return context.run(tools.command(version, name, *arguments), **options)

    out = tool("kafka-topics", "--create", "--topic", topic, *server).out
    expect_in(f"Created topic {topic}.", out)
    out = tool("kafka-topics", "--describe", "--topic", topic, *server).out
    expect(re.search(rf"Topic: {topic}\s+TopicId: \S{{22}}\s+PartitionCount: 1\s+ReplicationFactor: 1\s+Configs:", out),
           f"describe: {out}")
    expect(re.search(rf"Topic: {topic}\s+Partition: 0\s+Leader: 0\s+Replicas: 0\s+Isr: 0", out), f"describe: {out}")
    tool("kafka-console-producer", "--topic", topic, *server, stdin="This is my first event\nThis is my second event\n")
    done = tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", "2", *server)
    expect_equal(done.out, "This is my first event\nThis is my second event\n", "consumed")
    expect_in("Processed a total of 2 messages", done.err)


def test_quickstart_3_9_2(context):
    quickstart(context, "3.9.2")


def test_quickstart_4_3_1(context):
    quickstart(context, "4.3.1")


def topics_tool(server, at, label):
    name = f"tool-{label}"
    out = server.run("kafka-topics", *at, "--create", "--topic", name, "--partitions", "3", "--replication-factor", "1",
                     "--config", "retention.ms=100000").out
    expect_in(f"Created topic {name}.", out)
    again = server.run("kafka-topics", *at, "--create", "--topic", name, code=1)
    expect_in(f"Topic '{name}' already exists.", again.out + again.err)
    server.run("kafka-topics", *at, "--create", "--topic", name, "--if-not-exists")
    expect_in(name + "\n", server.run("kafka-topics", *at, "--list").out)
    out = server.run("kafka-topics", *at, "--describe", "--topic", name).out
    expect(re.search(r"PartitionCount: 3\s+ReplicationFactor: 1\s+Configs:.*retention.ms=100000", out), out)
    server.run("kafka-topics", *at, "--alter", "--topic", name, "--partitions", "4")
    expect_in("PartitionCount: 4", server.run("kafka-topics", *at, "--describe", "--topic", name).out)
    less = server.run("kafka-topics", *at, "--alter", "--topic", name, "--partitions", "2", code=1)
    expect_in("currently has 4 partitions", less.out + less.err)
    expect_equal(server.run("kafka-topics", *at, "--describe", "--under-replicated-partitions").out.strip(), "")
    expect_equal(server.run("kafka-topics", *at, "--describe", "--unavailable-partitions").out.strip(), "")
    missing = server.run("kafka-topics", *at, "--describe", "--topic", "none-such", code=1)
    expect(re.search("Topic '.*none-such.*' does not exist as expected", missing.out + missing.err), missing.err)
    bad = server.run("kafka-topics", *at, "--create", "--topic", "x" + label, "--replication-factor", "2", code=1)
    expect_in("Replication factor: 2 larger than available brokers: 1.", bad.out + bad.err)
    server.run("kafka-topics", *at, "--delete", "--topic", name)


def described_soon(server, at, entity, wanted):
    """Kafka answers before the change has gone round by the config notification."""
    wait_until(wanted, lambda: wanted in server.run("kafka-configs", *at, *entity, "--describe").out)


def configs_tool(server, at, label):
    name = f"configured-{label}"
    server.run("kafka-topics", *at, "--create", "--topic", name)
    topic = ["--entity-type", "topics", "--entity-name", name]
    out = server.run("kafka-configs", *at, *topic, "--alter", "--add-config", "max.message.bytes=4000,flush.ms=77").out
    expect_in(f"Completed updating config for topic {name}.", out)
    described_soon(server, at, topic, "max.message.bytes=4000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:"
                   "max.message.bytes=4000, DEFAULT_CONFIG:message.max.bytes=1048588}")
    big = server.run("kafka-console-producer", *at, "--topic", name, stdin="y" * 5000 + "\n")
    expect_in("RecordTooLarge", big.out + big.err, "the limit is live")
    server.run("kafka-configs", *at, *topic, "--alter", "--delete-config", "max.message.bytes")
    out = server.run("kafka-configs", *at, *topic, "--describe").out
    expect("max.message.bytes" not in out and "flush.ms=77" in out, out)
    bad = server.run("kafka-configs", *at, *topic, "--alter", "--add-config", "retention.ms=never", code=1)
    expect_in("Invalid value never for configuration retention.ms: Not a number of type LONG", bad.out + bad.err)
    broker = ["--entity-type", "brokers", "--entity-name", "0"]
    server.run("kafka-configs", *at, *broker, "--alter", "--add-config", "log.cleaner.threads=2")
    described_soon(server, at, broker, "log.cleaner.threads=2 sensitive=false")
    server.run("kafka-configs", *at, *broker, "--alter", "--delete-config", "log.cleaner.threads")
    every = ["--entity-type", "brokers", "--entity-default"]
    server.run("kafka-configs", *at, *every, "--alter", "--add-config", "log.cleaner.threads=2")
    described_soon(server, at, every, "log.cleaner.threads=2")
    server.run("kafka-configs", *at, *every, "--alter", "--delete-config", "log.cleaner.threads")
    out = server.run("kafka-configs", *at, *broker, "--describe", "--all").out
    expect_in("broker.id=0 sensitive=false synonyms={STATIC_BROKER_CONFIG:broker.id=0, DEFAULT_CONFIG:broker.id=-1}", out)
    expect(out.count("\n") > 200, f"only {out.count(chr(10))} keys are described")


def groups_tool(server, at, label):
    topic, group = f"grouped-{label}", f"group-{label}"
    server.run("kafka-console-producer", *at, "--topic", topic, stdin="".join(f"{n}\n" for n in range(10)))
    server.run("kafka-console-consumer", *at, "--topic", topic, "--group", group, "--from-beginning", "--max-messages",
               "10")
    expect_in(group + "\n", server.run("kafka-consumer-groups", *at, "--list").out)
    done = server.run("kafka-consumer-groups", *at, "--describe", "--group", group)
    expect_in(f"Consumer group '{group}' has no active members.", done.out + done.err)
    expect(re.search(rf"{group}\s+{topic}\s+0\s+(-\s+)?10\s+10\s+0\s+-\s+-\s+-", done.out), done.out)
    out = server.run("kafka-consumer-groups", *at, "--describe", "--group", group, "--state").out
    expect(re.search(rf"{group}\s+127.0.0.1:\d+\s+\(0\).*\s+Empty\s+.*0\s*$", out), out)
    out = server.run("kafka-consumer-groups", *at, "--group", group, "--topic", topic, "--reset-offsets",
                     "--to-offset", "4", "--execute").out
    expect(re.search(rf"{group}\s+{topic}\s+0\s+4", out), out)
    out = server.run("kafka-console-consumer", *at, "--topic", topic, "--group", group, "--max-messages", "6").out
    expect_equal(out, "4\n5\n6\n7\n8\n9\n", "after the reset")
    out = server.run("kafka-consumer-groups", *at, "--group", group, "--all-topics", "--reset-offsets",
                     "--shift-by", "-2", "--execute").out
    expect(re.search(rf"{group}\s+{topic}\s+0\s+8", out), out)
    out = server.run("kafka-consumer-groups", *at, "--delete", "--group", group).out
    expect_in(f"Deletion of requested consumer groups ('{group}') was successful.", out)
    gone = server.run("kafka-consumer-groups", *at, "--describe", "--group", group, code=None)
    # 4.x asks with DescribeGroups v6, which answers as 4.x brokers do; 3.9 serves v5 at most.
    expect(re.search(f"Consumer group '{group}' does not exist.|GroupIdNotFoundException: Group {group} not found",
                     gone.out + gone.err), gone.out + gone.err)
    server.run("kafka-console-consumer", *at, "--topic", topic, "--group", group, "--from-beginning", "--max-messages",
               "10")
    out = server.run("kafka-consumer-groups", *at, "--delete-offsets", "--group", group, "--topic", topic).out
    expect(re.search("Request succeed(ed)? for deleting offsets", out), out)
    expect(re.search(rf"{topic}\s+0\s+Successful", out), out)
    # Kafka 4 in KRaft mode keeps such a group until it next looks for old ones.
    expect(group not in server.run("kafka-consumer-groups", *at, "--list").out, "a group without members goes with its last offset")


def offsets_tools(context, server, at, label):
    topic = f"cut-{label}"
    server.run("kafka-console-producer", *at, "--topic", topic, stdin="".join(f"{n}\n" for n in range(10)))
    expect_equal(server.run("kafka-get-offsets", *at, "--topic", topic).out, f"{topic}:0:10\n", "latest")
    expect_equal(server.run("kafka-get-offsets", *at, "--topic", topic, "--time", "earliest").out, f"{topic}:0:0\n")
    cut = context.work / f"cut-{label}.json"
    cut.write_text(json.dumps({"partitions": [{"topic": topic, "partition": 0, "offset": 3}], "version": 1}))
    out = server.run("kafka-delete-records", *at, "--offset-json-file", cut).out
    expect_in(f"partition: {topic}-0\tlow_watermark: 3", out)
    expect_equal(server.run("kafka-get-offsets", *at, "--topic", topic, "--time", "-2").out, f"{topic}:0:3\n")
    out = server.run("kafka-console-consumer", *at, "--topic", topic, "--from-beginning", "--max-messages", "7").out
    expect_equal(out, "3\n4\n5\n6\n7\n8\n9\n", "what is left")
    out = server.run("kafka-log-dirs", *at, "--describe", "--topic-list", topic).out
    described = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    partition = described["brokers"][0]["logDirs"][0]["partitions"][0]
    expect_equal((partition["partition"], partition["offsetLag"], partition["isFuture"]), (f"{topic}-0", 0, False))
    expect(partition["size"] > 0, "size on disk")
    out = server.run("kafka-leader-election", *at, "--election-type", "preferred", "--topic", topic, "--partition", "0")
    expect_in("Valid replica already elected for partitions", out.out + out.err)


def active_group(context, server, at, label):
    """A classic group with a member: who it is, where it is, what it has."""
    topic, group = f"watched-{label}", f"watchers-{label}"
    server.run("kafka-topics", *at, "--create", "--topic", topic, "--partitions", "2")
    context.run(["kcat", "-b", at[1], "-P", "-t", topic, "-p", "0"], stdin="a\nb\nc\n")
    context.run(["kcat", "-b", at[1], "-P", "-t", topic, "-p", "1"], stdin="d\n")
    member = context.spawn(["kcat", "-b", at[1], "-X", "client.id=night-watch", "-X", "auto.offset.reset=earliest",
                            "-X", "auto.commit.interval.ms=100", "-X", "partition.assignment.strategy=range", "-G", group, topic])

    def describe(*what):
        return server.run("kafka-consumer-groups", *at, "--describe", "--group", group, *what).out

    who = r"(night-watch-\S+)\s+/127\.0\.0\.1\s+night-watch"
    # 4.x puts the leader epoch of the committed offset before it.
    rows = [rf"{group}\s+{topic}\s+0\s+([-0-9]+\s+)?3\s+3\s+0\s+{who}", rf"{group}\s+{topic}\s+1\s+([-0-9]+\s+)?1\s+1\s+0\s+{who}"]
    try:
        out = wait_until("both partitions at their ends", lambda: (lambda text: text if all(
            re.search(row, text) for row in rows) else None)(describe()))
        names = {re.search(row, out)[2] for row in rows}
        expect_equal(len(names), 1, "one member has both")
        member_row = rf"{group}\s+{re.escape(names.pop())}\s+/127\.0\.0\.1\s+night-watch\s+2\b"
        members, verbose = describe("--members"), describe("--members", "--verbose")
        expect(re.search(member_row, members), members)
        expect(re.search(rf"{member_row}.*({topic})?[(:]0,1", verbose), verbose)  # 3.9.2 leaves the topic's name out
        state = describe("--state")
        expect(re.search(rf"{group}\s+127\.0\.0\.1:\d+\s+\(0\)\s+range\s+Stable\s+.*1\s*$", state), state)
        out = server.run("kafka-consumer-groups", *at, "--list", "--state", "stable").out
        expect(re.search(rf"{group}\s+(\S+\s+)?Stable", out), out)
        refused = server.run("kafka-consumer-groups", *at, "--group", group, "--topic", topic, "--reset-offsets", "--to-earliest",
                             "--execute", code=None)
        expect_in("but the current state is Stable", refused.out + refused.err)
    finally:
        member.kill()


def expected_versions(context):
    """API key -> range: of the table of versions, the column that this broker is held to."""
    rows = [line.split("\t") for line in (context.root / "src/protocol/testdata/api-versions.tsv").read_text().splitlines()[1:]]
    return {int(row[0]): row[2] if context.target == "kafka" else row[5] for row in rows}


def versions_tool(context, server, at):
    out = server.run("kafka-broker-api-versions", *at).out
    told = {int(key): f"{first}-{last or first}" for key, first, last in
            re.findall(r"\w+\((\d+)\): (\d+)(?: to (\d+))? \[(?:un)?usable", out)}
    told |= {int(key): f"{first}-{last or first}" for key, first, last in
             re.findall(r"UNKNOWN\((\d+)\): (\d+)(?: to (\d+))?", out)}
    expected = expected_versions(context)
    expect_equal({key: told[key] for key in sorted(told)}, {key: expected[key] for key in sorted(told)}, "ranges")
    least = 60 if context.target == "kafka" else 46
    expect(len(told) >= least, f"only {len(told)} APIs: {out}")


def acls_tool(server, at):
    for arguments in (["--list"], ["--add", "--force", "--allow-principal", "User:a", "--operation", "Read", "--topic", "t"],
                      ["--remove", "--force", "--allow-principal", "User:a", "--operation", "Read", "--topic", "t"]):
        refused = server.run("kafka-acls", *at, *arguments, code=None)
        expect_in("SecurityDisabledException: No Authorizer is configured", refused.out + refused.err, " ".join(arguments))


def perf_tools(context, server, at, label):
    topic = f"perf-{label}"
    count = int(20000 * context.scale)
    out = server.run("kafka-producer-perf-test", "--topic", topic, "--num-records", count, "--record-size", "200",
                     "--throughput", "-1", "--producer-props", f"bootstrap.servers={at[1]}", "acks=all").out
    expect_in(f"{count} records sent, ", out)
    expect_in("99.9th", out)
    out = server.run("kafka-consumer-perf-test", *at, "--topic", topic, "--messages", count).out
    rows = [line for line in out.splitlines() if re.match(r"\d{4}-", line)]
    expect(rows and int(float(rows[-1].split(",")[4])) >= count, out)


def verifiable_tools(context, at, version):
    """As processes: they do their last work in a hook of the JVM's end."""
    topic = f"verifiable-{version}"
    out = context.run(tools.command(version, "kafka-verifiable-producer", *at, "--topic", topic, "--max-messages", "500", "--acks",
                                    "-1")).out
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    sent = [event for event in events if event["name"] == "producer_send_success"]
    expect_equal([event["offset"] for event in sent], list(range(500)), "acknowledged offsets")
    out = context.run(tools.command(version, "kafka-verifiable-consumer", *at, "--topic", topic, "--group-id",
                                    f"verifiers-{version}", "--max-messages", "500", "--reset-policy", "earliest")).out
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    names = [event["name"] for event in events]
    expect("partitions_assigned" in names and "offsets_committed" in names, str(set(names)))
    expect(all(event["success"] for event in events if event["name"] == "offsets_committed"), "commits succeed")
    expect_equal(sum(event["count"] for event in events if event["name"] == "records_consumed"), 500, "consumed")


def every_tool(context, version):
    broker = context.broker()
    at = ["--bootstrap-server", broker.bootstrap]
    failures = []
    steps = [
        ("topics", lambda server: topics_tool(server, at, version)),
        ("configs", lambda server: configs_tool(server, at, version)),
        ("consumer-groups", lambda server: groups_tool(server, at, version)),
        ("offsets", lambda server: offsets_tools(context, server, at, version)),
        ("active-group", lambda server: active_group(context, server, at, version)),
        ("api-versions", lambda server: versions_tool(context, server, at)),
        ("acls", lambda server: acls_tool(server, at)),
        ("perf", lambda server: perf_tools(context, server, at, version)),
        ("verifiable", lambda server: verifiable_tools(context, at, version)),
    ]
    server = None
    for name, step in steps:
        try:
            # The JVM of a step that failed may be in any state: the next one gets a new JVM.
            server = server or tools.ToolServer(context, version)
            step(server)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append((name, failure))
            server.__exit__()
            server = None
    if server:
        server.__exit__()
    expect(not failures, "\n".join(f"{name}: {type(failure).__name__} {failure}" for name, failure in failures))


def test_every_tool_3_9_2(context):
    every_tool(context, "3.9.2")


def test_every_tool_4_3_1(context):
    every_tool(context, "4.3.1")


def plain_client(context, version, records, *more):
    broker = context.broker()
    out = context.run(jars.java(version, "PlainClient", broker.bootstrap, version, records, *more)).out
    expect_in("plain client done", out)
    return out.strip()


@sanitizer_workload
def test_plain_client_3_9_2(context):
    return plain_client(context, "3.9.2", int(3000 * context.scale), "new")


def test_plain_client_4_3_1(context):
    return plain_client(context, "4.3.1", 3000, "new")


def test_plain_client_1_1_1(context):
    return plain_client(context, "1.1.1", 3000)

"""Clients from before record batches and before ApiVersions: what they produce is converted on the way in, what others
produced on the way out to them, and each record is the same for all."""
from harness import jars
from harness.context import expect, expect_equal
from harness.process import wait_until

CODECS = ["none", "gzip", "snappy", "lz4"]
COUNT = 200  # of each codec
FALLBACK = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0"]


def create(context, broker, topic):
    context.run(jars.java("3.9.2", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker.bootstrap, "--create",
                          "--topic", topic, "--partitions", 2))
    context.wait_for_topic(broker, topic)


def kcat_produce(context, broker, topic, prefix, codec, *options):
    """COUNT records, half in each partition; answers them by partition."""
    sent = {}
    for partition in (0, 1):
        sent[partition] = [(f"k{number}", f"{prefix}-{codec}-{number}") for number in range(partition, COUNT, 2)]
        context.run(["kcat", "-P", "-b", broker.bootstrap, "-t", topic, "-p", partition, "-K", ":", "-z", codec, *options],
                    stdin="".join(f"{key}:{value}\n" for key, value in sent[partition]))
    return sent


def kcat_consume(context, broker, topic, *options):
    """Partition -> [(offset, key, value)] by a consumer of today, or of the options."""
    found = {0: [], 1: []}
    for partition in found:
        out = context.run(["kcat", "-C", "-q", "-e", "-b", broker.bootstrap, "-t", topic, "-p", partition, "-o", "beginning",
                           "-f", "%o %k %s\\n", *options]).out
        found[partition] = [tuple(line.split(" ")) for line in out.splitlines()]
    return found


def expect_all(found, sent):
    """Every record sent, in order, at offsets without gaps."""
    for partition in (0, 1):
        wanted = [(str(offset), *pair) for offset, pair in enumerate(sent[partition])]
        expect(found[partition] == wanted, f"partition {partition}: "
               f"{[pair for pair in zip(found[partition], wanted) if pair[0] != pair[1]][:3]} of {len(wanted)}")


def java_client(context, version, consumes=True):
    broker = context.broker()
    topic = f"java-{version}"
    create(context, broker, topic)
    sent = {0: [], 1: []}
    for codec in CODECS:
        for partition, pairs in kcat_produce(context, broker, topic, "new", codec).items():
            sent[partition] += pairs
    out = context.run(jars.java(version, "OldClient", broker.bootstrap, topic, COUNT, COUNT * len(CODECS), *CODECS)).out
    for codec in CODECS:
        for number in range(COUNT):
            sent[number % 2].append((f"k{number}", f"old-{codec}-{number}"))
    expect_all(kcat_consume(context, broker, topic), sent)
    if not consumes:
        return "producer only"
    found = {0: [], 1: []}
    for line in out.splitlines():
        partition, *rest = line.split(" ")
        found[int(partition)].append(tuple(rest))
    expect_all(found, sent)
    return f"{sum(map(len, found.values()))} records both ways"


def test_java_0_8_2(context):
    return java_client(context, "0.8.2.2", consumes=False)


def test_java_0_9_0(context):
    return java_client(context, "0.9.0.1")


def test_java_0_10_2(context):
    return java_client(context, "0.10.2.2")


def test_java_0_11_0(context):
    return java_client(context, "0.11.0.3")


def test_librdkafka_with_fallback(context):
    """librdkafka that doesn't ask for versions and takes the broker for a 0.9.0."""
    broker = context.broker()
    topic = "fallback"
    create(context, broker, topic)
    sent = {0: [], 1: []}
    for prefix, options in (("new", []), ("old", FALLBACK)):
        for codec in CODECS:
            for partition, pairs in kcat_produce(context, broker, topic, prefix, codec, *options).items():
                sent[partition] += pairs
    expect_all(kcat_consume(context, broker, topic), sent)
    expect_all(kcat_consume(context, broker, topic, *FALLBACK), sent)
    total = sum(map(len, sent.values()))
    group = context.spawn(["kcat", "-b", broker.bootstrap, "-G", "fallback", *FALLBACK, "-q", "-X", "auto.offset.reset=earliest",
                           "-c", total, "-f", "%p %o %k %s\\n", topic])
    wait_until("the group's records", lambda: not group.running(), 120)
    found = {0: [], 1: []}
    for line in group.text().splitlines():
        if line.startswith(("0 ", "1 ")):
            found[int(line[0])].append(tuple(line.split(" ")[1:]))
    expect_all(found, sent)
    expect_equal(group.wait(), 0, "kcat's exit code")
    return f"{total} records"

"""The same log directories and znodes, in turn under Milena and under Kafka 3.9.2: the door opens both ways."""
from harness.broker import Broker
from harness.context import expect_equal, expect_in
from harness.runner import only

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def produce(context, broker, turn):
    for codec in CODECS:
        data = "".join(f"{turn} {codec} {number}\n" for number in range(1000))
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", f"handed-{codec}", "-p", "0", "-z", codec, "-X",
                     "enable.idempotence=true"], stdin=data)


def check(context, broker, turns):
    for codec in CODECS:
        context.wait_for_topic(broker, f"handed-{codec}")
        expected = "".join(f"{turn} {codec} {number}\n" for turn in turns for number in range(1000))
        out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", f"handed-{codec}", "-p", "0", "-o", "beginning",
                           "-e", "-q"]).out
        expect_equal(out == expected, True, f"{codec} after {turns}")


def read_on_in_group(context, broker, turn):
    """The group's offsets go along: each turn reads only what the turn wrote."""
    out = context.run(["kcat", "-b", broker.bootstrap, "-G", "handed-group", "-X", "auto.offset.reset=earliest", "-e", "-q",
                       "handed-none"]).out
    expect_equal(out, "".join(f"{turn} none {number}\n" for number in range(1000)), f"group in turn {turn}")


@only("milena")
def test_back_and_forth(context):
    coordinator = context.new_coordinator("milena")
    settings = {"zookeeper.session.timeout.ms": 6000}
    first = Broker("milena", context.work / "broker", context.binary, settings, coordinator=coordinator)
    context.brokers.append(first)
    turns = []
    for kind in ("milena", "kafka", "milena", "kafka"):
        first.kind = kind
        first.start()
        turn = f"{len(turns)}-{kind}"
        if turns:
            check(context, first, turns)
        produce(context, first, turn)
        turns.append(turn)
        check(context, first, turns)
        read_on_in_group(context, first, turn)
        if len(turns) == 1:
            context.run(["kcat", "-b", first.bootstrap, "-P", "-t", "made-by-milena"], stdin="x\n")
        else:
            out = context.run(["kcat", "-b", first.bootstrap, "-L"]).out
            expect_in('topic "made-by-milena" with 1 partitions', out)
        first.stop()
    coordinator.stop()
    return " -> ".join(turns)

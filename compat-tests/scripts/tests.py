"""The scenarios of KIPs that the unit tests play in simulated time (src/broker/group/testdata/scripts and that of transactions), in real
time on a broker. With --target kafka they show that the scripts tell the truth of Kafka: 3.9.2, and 4.3.1 for what came after it."""
import concurrent.futures
import importlib.util
import pathlib

from harness.context import expect_equal
from harness.kraft import Kraft

HERE = pathlib.Path(__file__).parent


def player(name):
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


groups, consumer_groups, transactions = player("groups"), player("consumer_groups"), player("transactions")
SETTINGS = {"num.partitions": 10, "offsets.topic.num.partitions": 1, "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 3000, "group.min.session.timeout.ms": 6000}


def with_topic(context, broker):
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", groups.TOPIC, "-p", "0"], stdin="first\n")
    return broker


def of_kafka_4(context, settings):
    if context.target == "milena":
        return context.new_broker(settings)
    broker = Kraft(context.work / context.name("kraft"), settings)
    context.brokers.append(broker)
    return broker.start()


def classic_groups(context):
    """KIP-345, 394 and 429."""
    broker = with_topic(context, context.new_broker(SETTINGS))
    return broker, lambda: groups.play(broker.bootstrap), 29


def producers_that_go_on(context):
    """KIP-360."""
    broker = with_topic(context, context.new_broker(SETTINGS))
    return broker, lambda: transactions.play(broker.bootstrap, "kip-360.txt"), 8


def transactions_v2(context):
    """KIP-890."""
    broker = with_topic(context, of_kafka_4(context, SETTINGS))
    return broker, lambda: transactions.play(broker.bootstrap, "kip-890.txt", context.target), 7 if context.target == "milena" else 6


def consumer_protocol(context):
    """KIP-848."""
    broker = with_topic(context, of_kafka_4(context, {**SETTINGS, "num.partitions": 4}))
    return broker, lambda: consumer_groups.play(broker.bootstrap, context.target), 10 if context.target == "milena" else 9


def test_kips(context):
    """Milena plays all at once: they mostly wait. Kafka one by one."""
    count = 0
    parts = [classic_groups, producers_that_go_on, transactions_v2, consumer_protocol]
    at_once = len(parts) if context.target == "milena" else 1
    for begin in range(0, len(parts), at_once):
        made = [part(context) for part in parts[begin:begin + at_once]]
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            played = list(pool.map(lambda one: one[1](), made))
        for (broker, _, expected), results in zip(made, played):
            wrong = [f"{what}\n  " + "\n  ".join(lines) for what, lines in results.items() if lines]
            expect_equal(wrong, [], "\n".join(wrong))
            expect_equal(len(results), expected, "scenarios that were played; the rest of the file needs simulated time")
            broker.stop()
            count += expected
    return f"{count} scenarios"

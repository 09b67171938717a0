"""The scenarios of KIPs that the unit tests play in simulated time (src/broker/group/testdata/scripts and that of transactions), in real
time on a broker. With --target kafka they show that the scripts tell the truth of Kafka: 3.9.2, and 4.3.1 for what came after it."""
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


def check(broker, results):
    wrong = [f"{what}\n  " + "\n  ".join(lines) for what, lines in results.items() if lines]
    expect_equal(wrong, [], "\n".join(wrong))
    broker.stop()
    return f"{len(results)} scenarios"


def test_classic_groups(context):
    """KIP-345, 394 and 429."""
    broker = with_topic(context, context.new_broker(SETTINGS))
    return check(broker, groups.play(broker.bootstrap))


def test_producers_that_go_on(context):
    """KIP-360."""
    broker = with_topic(context, context.new_broker(SETTINGS))
    return check(broker, transactions.play(broker.bootstrap, "kip-360.txt"))


def test_transactions_v2(context):
    """KIP-890."""
    broker = with_topic(context, of_kafka_4(context, SETTINGS))
    return check(broker, transactions.play(broker.bootstrap, "kip-890.txt", context.target))


def test_consumer_groups(context):
    """KIP-848."""
    broker = with_topic(context, of_kafka_4(context, {**SETTINGS, "num.partitions": 4}))
    return check(broker, consumer_groups.play(broker.bootstrap, context.target))

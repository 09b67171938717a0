"""The scenarios of KIP-345, 394 and 429 that the unit tests play in simulated time (src/broker/group/testdata/scripts), in real time on
a broker. With --target kafka they show that the scripts tell the truth of Kafka 3.9.2."""
import importlib.util
import pathlib

from harness.context import expect_equal

_spec = importlib.util.spec_from_file_location("group_scripts_player", pathlib.Path(__file__).with_name("player.py"))
player = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(player)


def test_classic_groups(context):
    broker = context.new_broker({"num.partitions": 10, "offsets.topic.num.partitions": 1, "group.initial.rebalance.delay.ms": 3000,
                                 "group.min.session.timeout.ms": 6000})
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", player.TOPIC, "-p", "0"], stdin="first\n")
    results = player.play(broker.bootstrap)
    wrong = [f"{what}\n  " + "\n  ".join(lines) for what, lines in results.items() if lines]
    expect_equal(wrong, [], "\n".join(wrong))
    broker.stop()
    return f"{len(results)} scenarios"

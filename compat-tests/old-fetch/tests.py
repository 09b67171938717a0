"""Fetch v0 to v3 by hand: limits that fall into a batch, records that grow and shrink in older formats, what can't or mustn't
be converted. Each answer is Kafka 3.9.2's, to the byte where compressors don't differ."""
import importlib.util
import pathlib

from harness import recorded
from harness.context import expect_equal

HERE = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("old_fetch_probe", HERE / "probe.py")
probe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(probe)


def test_answers(context):
    expected, count = recorded.answers(HERE / "answers.txt"), 0
    expect_equal(set(expected), {scenario.__name__ for scenario in probe.SCENARIOS}, "scenarios")
    broker = context.broker()
    for scenario in probe.SCENARIOS:
        lines = probe.run(broker, scenario)
        context.say("\n".join([f"[{scenario.__name__}]", *lines]))
        wanted = expected[scenario.__name__]
        for line, should in zip(lines, wanted):
            expect_equal(line, should, scenario.__name__)
        expect_equal(len(lines), len(wanted), scenario.__name__)
        count += len(lines)
    return f"{count} answers"

"""confluent-kafka and kafka-python, each a program in a virtual environment with pinned versions."""
from harness import venv
from harness.context import expect_in


def run_program(context, name, count, done):
    program = context.root / "compat-tests" / "python" / name
    out = context.run([venv.python(context), program, context.broker().bootstrap, int(count * context.scale)]).out
    expect_in(done, out)
    return out.strip()


def test_confluent_kafka(context):
    return run_program(context, "confluent.py", 5000, "confluent-kafka done")


def test_kafka_python(context):
    return run_program(context, "kafka_python.py", 3000, "kafka-python done")

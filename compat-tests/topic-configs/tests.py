"""A topic's settings, altered from outside while its log is open, act on it."""
from harness import venv


def test_altered_live(context):
    broker = context.new_broker({"log.retention.check.interval.ms": 100, "log.initial.task.delay.ms": 100, "log.cleaner.backoff.ms": 100,
                                 "log.cleaner.dedupe.buffer.size": 4_194_304})
    program = context.root / "compat-tests" / "topic-configs" / "alter.py"
    process = [broker.child.pid] if broker.kind == "milena" else []
    out = context.run([venv.python(context), program, broker.bootstrap, broker.data, *process]).out.strip()
    broker.stop()
    return out

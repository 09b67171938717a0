"""SIGKILL again and again under an idempotent producer with acks=all and a committing consumer; then with transactions
and a compacted topic beside it."""
import os
import random
import subprocess
import sys
import time

from harness import cmake, jars, venv
from harness.broker import start_again
from harness.context import expect, expect_in
from harness.process import Failure, wait_until

ROUNDS = 10
BUSY_ROUNDS = int(os.environ.get("MILENA_CRASH_ROUNDS", "200" if os.environ.get("MILENA_LONG") == "1" else "5"))


class Writer:
    """`compat_crash produce`: records with acks=all, and a consumer that commits."""

    def __init__(self, context, broker, topic, *arguments):
        self.context, self.broker, self.topic = context, broker, topic
        self.program = cmake.program(context, "compat_crash", "compat-tests/librdkafka")
        self.acknowledged = context.work / f"{topic}-acknowledged.txt"
        self.child = context.spawn([self.program, "produce", broker.bootstrap, topic, self.acknowledged, *arguments],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def count(self):
        if not self.child.running():
            raise Failure(f"the producer ended: {self.child.text()[-2000:]}")
        self.child.popen.stdin.write(b"?")
        self.child.popen.stdin.flush()
        acks, commits = map(int, self.child.popen.stdout.readline().split())
        return acks, commits

    def goes_on(self, more, what):
        acks, commits = self.count()
        wait_until(f"{more} more acknowledged records and 3 more commits {what}",
                   lambda: self.count() >= (acks + more, 0) and self.count()[1] >= commits + 3, guard_s=120)

    def end(self):
        self.child.popen.stdin.close()
        summary = self.child.popen.stdout.read().decode().strip()
        expect(self.child.wait() == 0, "the producer failed")
        return summary

    def verify(self):
        out = self.context.run([self.program, "verify", self.broker.bootstrap, self.topic, self.acknowledged], code=None).out.strip()
        expect_in("lost 0, duplicated 0", out)
        expect_in("out of order 0, committed offsets lost 0 of 3", out)
        return out.replace("\n", "; ")


def test_killed_ten_times(context):
    return killed_again_and_again(context, {})


def test_killed_with_a_flush_for_each_message(context):
    """Acknowledgements, commits of the group among them, that each wait for an fsync on another thread."""
    return killed_again_and_again(context, {"log.flush.interval.messages": 1})


def killed_again_and_again(context, settings):
    broker = context.new_broker(settings)
    writer = Writer(context, broker, "crashing")
    for number in range(ROUNDS):
        writer.goes_on(2000, f"after {number} kills")
        broker.kill()
        start_again(broker)
    writer.goes_on(2000, "after the last restart")
    summary, out = writer.end(), writer.verify()
    code = broker.stop()
    expect(code in (0, 143), f"exit code {code} at the end")
    # Once more, after the clean stop.
    broker.start()
    again = writer.verify()
    expect(again == out, f"after a clean restart: {again}")
    broker.stop()
    return f"{ROUNDS} kills; {summary}; {out}"


class Lines:
    """A child that writes a journal."""

    def __init__(self, context, word, *command):
        self.word, self.journal = word, command[-1]
        self.child = context.spawn(command)

    def count(self):
        if not self.child.running():
            raise Failure(f"{self.child.command[1]} ended: {self.child.text()[-2000:]}")
        return self.journal.read_text(encoding="utf-8").count(self.word) if self.journal.exists() else 0

    def goes_on(self, more, what):
        before = self.count()
        wait_until(f"{more} more of {self.word!r} {what}", lambda: self.count() >= before + more, guard_s=120)


def cleaned_to(broker, topic):
    path = broker.data / "cleaner-offset-checkpoint"
    rows = path.read_text(encoding="utf-8").splitlines()[2:] if path.exists() else []
    return next((int(row.split()[2]) for row in rows if row.startswith(topic + " ")), 0)


def test_killed_while_busy(context):
    """Everything at once: idempotent records, commits, transactions with a read_committed consumer that follows them, and a
    topic that is compacted all the time."""
    broker = context.new_broker({
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 300, "log.cleaner.backoff.ms": 1,
        "log.initial.task.delay.ms": 100, "log.cleaner.dedupe.buffer.size": 4_194_304, "offsets.topic.segment.bytes": 20_000,
        "transaction.state.log.segment.bytes": 20_000, "log.cleaner.min.cleanable.ratio": 0.01,
    })
    python, here = venv.python(context), context.root / "compat-tests"
    keyed, transactions = here / "crash" / "compacted.py", here / "transactions" / "crash.py"
    context.run([python, keyed, "create", broker.bootstrap, "keyed", "-"])
    writer = Writer(context, broker, "busy", 5)
    ended = Lines(context, "committed ", python, transactions, "produce", broker.bootstrap, "ended", context.work / "ended.txt")
    ended.goes_on(1, "at the beginning")
    watcher = Lines(context, "\n", python, transactions, "watch", broker.bootstrap, "ended", context.work / "watched.txt")
    acknowledged = Lines(context, "\n", python, keyed, "produce", broker.bootstrap, "keyed", context.work / "keyed.txt")
    dice, cleanings, last = random.Random(4711), 0, 0
    for number in range(BUSY_ROUNDS + 1):
        for child, more in ((writer, 500), (acknowledged, 300), (ended, 5), (watcher, 30)):
            child.goes_on(more, f"after {number} kills")
            context.say(f"{child.child.command[1]} {child.child.command[2]} goes on after {number} kills")
        if number == BUSY_ROUNDS:
            break
        time.sleep(dice.random() / 3)
        broker.kill()
        cleanings += cleaned_to(broker, "keyed") > last
        last = cleaned_to(broker, "keyed")
        start_again(broker)
    summary = writer.end()
    for one in (acknowledged, ended):
        one.child.kill()
    expect(cleanings >= BUSY_ROUNDS // 2, f"the cleaner came on in {cleanings} rounds only")
    results = [summary, writer.verify()]
    out = context.run([python, keyed, "verify", broker.bootstrap, "keyed", acknowledged.journal]).out.strip()
    expect_in("keys lost 0, out of order or twice 0", out)
    results.append(out)
    out = context.run([python, transactions, "verify", broker.bootstrap, "ended", ended.journal, watcher.journal]).out.strip()
    expect_in("lost 0, torn 0, aborted but seen 0, doubled 0, never ended but seen 0", out)
    expect_in("the follower saw nothing else", out)
    results.append(out)
    watcher.child.kill()
    broker.stop()
    if broker.kind == "milena":
        context.run([context.binary, "log", "verify", broker.data])
    check = here / "log-tools" / "check_logs.py"
    context.run([sys.executable, check, "--cleaned", broker.data], env={"KAFKA_LIBS": str(jars.jar_dir("3.9.2"))})
    return f"{BUSY_ROUNDS} kills, the cleaner came on in {cleanings} rounds; " + "; ".join(results).replace("\n", "; ")


def test_killed_after_a_topic_was_made_anew(context):
    """The checkpoints say where the old topic began and how far it was flushed. The new one has its name, and no share in that."""
    broker = context.new_broker({"log.flush.start.offset.checkpoint.interval.ms": 5_000, "log.initial.task.delay.ms": 100})
    command = [venv.python(context), context.root / "compat-tests" / "crash" / "anew.py", broker.bootstrap]
    starts = broker.data / "log-start-offset-checkpoint"
    results = []
    for number, count in enumerate((100, 1200)):
        topic = f"anew-{number}"
        context.run([*command, topic, "long"])
        wait_until("the checkpoint of its log start",
                   lambda topic=topic: starts.exists() and f"{topic} 0 1000" in starts.read_text(encoding="utf-8"), guard_s=60)
        context.run([*command, topic, "anew", count])
        broker.kill()
        start_again(broker)
        results.append(context.run([*command, topic, "verify", count]).out.strip())
    broker.stop()
    return "; ".join(results)

"""SIGKILL again and again under an idempotent producer with acks=all and a committing consumer."""
import subprocess
import time

from harness import cmake
from harness.context import expect, expect_in
from harness.process import Failure, wait_until

ROUNDS = 10


def restart(broker):
    """After SIGKILL the old session may still own the broker's znode: Kafka refuses to start until it has expired."""
    end = time.monotonic() + 60
    while True:
        try:
            return broker.start()
        except Failure:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def test_killed_ten_times(context):
    program = cmake.program(context, "compat_crash", "compat-tests/librdkafka")
    broker = context.new_broker()
    acknowledged = context.work / "acknowledged.txt"
    producer = context.spawn([program, "produce", broker.bootstrap, "crashing", acknowledged], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)

    def count():
        if not producer.running():
            raise Failure(f"the producer ended: {producer.text()[-2000:]}")
        producer.popen.stdin.write(b"?")
        producer.popen.stdin.flush()
        acks, commits = map(int, producer.popen.stdout.readline().split())
        return acks, commits

    def goes_on(what):
        acks, commits = count()
        wait_until(f"2,000 more acknowledged records and 3 more commits {what}",
                   lambda: count() >= (acks + 2000, 0) and count()[1] >= commits + 3, guard_s=120)

    for number in range(ROUNDS):
        goes_on(f"after {number} kills")
        broker.kill()
        restart(broker)
    goes_on("after the last restart")
    producer.popen.stdin.close()
    summary = producer.popen.stdout.read().decode().strip()
    expect(producer.wait() == 0, "the producer failed")
    out = context.run([program, "verify", broker.bootstrap, "crashing", acknowledged], code=None).out.strip()
    expect_in("lost 0, duplicated 0", out, summary)
    expect_in("out of order 0, committed offsets lost 0 of 3", out, summary)
    code = broker.stop()
    expect(code in (0, 143), f"exit code {code} at the end")
    # Once more, after the clean stop.
    broker.start()
    again = context.run([program, "verify", broker.bootstrap, "crashing", acknowledged]).out.strip()
    expect(again == out, f"after a clean restart: {again}")
    broker.stop()
    return f"{ROUNDS} kills; {summary}; " + out.replace("\n", "; ")

"""The scripts of bin/, which bear the names of Kafka's."""
import os
import pathlib
import re
import shutil
import signal
import socket

from harness.broker import READY
from harness.context import expect, expect_equal, expect_in
from harness.process import wait_until
from harness.runner import only


@only("milena")
def test_scripts_with_kafkas_names(context):
    """bin/*.sh as scripts and supervisors use them."""
    broker = context.new_broker(start=False)
    scripts = context.root / "bin"
    environment = {"MILENA_BINARY": str(context.binary), "LOG_DIR": str(context.work)}
    coordinator = context.spawn([scripts / "zookeeper-server-start.sh", broker.coordinator.properties], env=environment)
    wait_until("the coordinator", lambda: socket.socket().connect_ex(("127.0.0.1", broker.coordinator.port)) == 0)
    server = context.spawn([scripts / "kafka-server-start.sh", broker.properties, "--override", "num.partitions=7"],
                           env=environment)
    wait_until("the broker", lambda: READY in server.text() or not server.running())
    expect(server.running(), server.text()[-2000:])
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "seven"], stdin="x\n")
    out = context.run(["kcat", "-b", broker.bootstrap, "-L", "-t", "seven"]).out
    expect_in('topic "seven" with 7 partitions', out)
    server.terminate()
    coordinator.terminate()
    usage = context.run([scripts / "kafka-server-start.sh"], code=1, env=environment)
    expect_in("USAGE", usage.out + usage.err)
    bad = context.work / "bad.properties"
    bad.write_text("broker.id=none\n")
    context.run([scripts / "kafka-server-start.sh", bad], code=1, env=environment)


class Checkout:
    """The scripts beside a copy of the binary, so that the stop scripts, which look for processes by it, find no others."""

    def __init__(self, context):
        self.context = context
        self.home = context.work / "checkout"
        shutil.copytree(context.root / "bin", self.home / "bin")
        self.binary = self.home / "build" / "release" / "milena"
        (context.work / "built" / "release").mkdir(parents=True)
        (self.home / "build").symlink_to(context.work / "built")
        shutil.copy(context.binary, self.binary)

    def run(self, script, *arguments, code=0, log_dir=None):
        environment = {"MILENA_BINARY": str(self.binary), "LOG_DIR": str(log_dir or self.home / "logs")}
        return self.context.run([self.home / "bin" / script, *arguments], code=code, env=environment)

    def processes(self):
        found = []
        for link in pathlib.Path("/proc").glob("[0-9]*/exe"):
            try:
                if link.readlink() == self.binary.resolve():
                    found.append(int(link.parent.name))
            except OSError:
                pass
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes():
            os.kill(process, signal.SIGKILL)


@only("milena")
def test_scripts_in_the_background_and_their_end(context):
    """-daemon with $LOG_DIR, the stop scripts, --version, --help: exit codes and words are those of Kafka's scripts."""
    with Checkout(context) as checkout:
        broker = context.new_broker(start=False)
        log_dir = context.work / "script-logs"
        for what in ("kafka", "zookeeper"):
            expect_equal(checkout.run(f"{what}-server-stop.sh", code=1).out, f"No {what} server to stop\n", "nothing runs")
        output = log_dir / "kafkaServer.out"
        log_dir.mkdir()
        output.write_text("why the last one crashed\n")
        checkout.run("zookeeper-server-start.sh", "-daemon", broker.coordinator.properties, log_dir=log_dir)
        wait_until("the coordinator", broker.coordinator.serves)
        checkout.run("kafka-server-start.sh", "-daemon", broker.properties, "--override", "num.partitions=7", log_dir=log_dir)
        wait_until("the broker", lambda: READY in output.read_text())
        expect(output.read_text().startswith("why the last one crashed\n"), "the log of the run before is kept")
        expect_in("binding to port", (log_dir / "zookeeper.out").read_text(), "the coordinator's output")
        expect_equal(len(checkout.processes()), 2, "processes")
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "seven"], stdin="x\n")
        for other in ("--node-id=77", "--process-role=broker"):
            expect_equal(checkout.run("kafka-server-stop.sh", other, code=1).out, "No kafka server to stop\n", "another one is meant")
        expect_in("usage", checkout.run("kafka-server-stop.sh", "--all", code=1).err)
        expect_equal(len(checkout.processes()), 2, "processes")
        checkout.run("kafka-server-stop.sh", "--node-id=0")
        wait_until("the end of the broker", lambda: len(checkout.processes()) == 1)
        expect_in("shut down completed", output.read_text(), "a clean end")
        expect(broker.coordinator.serves(), "the coordinator runs on")
        expect_in("No kafka server to stop", checkout.run("kafka-server-stop.sh", code=1).out)
        checkout.run("zookeeper-server-stop.sh")
        wait_until("the end of the coordinator", lambda: not checkout.processes())

        expect(re.fullmatch(r"Milena \d+\.\d+\.\d+ \(compatible with Kafka 3\.9\.2\)\n",
                            checkout.run("kafka-server-start.sh", "--version").out), "--version")
        expect_in("--override", checkout.run("kafka-server-start.sh", "--help").out)
        for script in ("kafka-server-start.sh", "zookeeper-server-start.sh"):
            expect_in("USAGE: ", checkout.run(script, code=1).out, "no arguments")
        missing = checkout.run("zookeeper-server-start.sh", context.work / "none.properties", code=2)
        expect_in("none.properties", missing.out + missing.err)
        bad = context.work / "bad-zookeeper.properties"
        bad.write_text("dataDir=/tmp/x\nclientPort=many\n")
        refused = checkout.run("zookeeper-server-start.sh", bad, code=2)
        expect(any("clientPort" in line and "many" in line for line in (refused.out + refused.err).splitlines()), refused.out)

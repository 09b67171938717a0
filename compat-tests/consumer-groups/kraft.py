"""Kafka 4.3.1 in KRaft mode, one process: it has the groups that Kafka 3.9.2 with ZooKeeper hasn't."""
import pathlib

from harness import jars, wire
from harness.broker import READY_GUARD_S, write_properties
from harness.process import Child, Failure, free_port, wait_until


class Kraft:
    def __init__(self, context, settings):
        self.context, self.port, controller = context, free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.directory = pathlib.Path(context.work / context.name("kraft"))
        self.directory.mkdir(parents=True)
        self.log = self.directory / "server.log"
        self.properties = write_properties(self.directory / "server.properties", {
            "process.roles": "broker,controller", "node.id": 1, "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER", "log.dirs": self.directory / "data",
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 10, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "group.initial.rebalance.delay.ms": 0, **settings})
        self.child = None
        context.run(jars.java("4.3.1", "kafka.tools.StorageTool", "format", "--config", self.properties, "--cluster-id",
                              "q1Sh-9_ISia_zwGINzRvyQ"))

    def serves(self):
        try:
            with wire.Wire(self, guard_s=5) as connection:
                answer = connection.ask(wire.header(wire.METADATA, 1) + b"\0\0\0\0")
                return int.from_bytes(answer[4:8], "big") > 0
        except (OSError, wire.Closed):
            return False

    def start(self):
        self.child = Child(jars.java("4.3.1", "kafka.Kafka", self.properties, heap="512m", log_level="INFO"), self.log)
        wait_until("Kafka 4.3.1", lambda: self.serves() or not self.child.running(), READY_GUARD_S)
        if not self.child.running():
            raise Failure(f"Kafka 4.3.1 ended at once:\n{self.child.text()[-3000:]}")
        return self

    def running(self):
        return self.child is not None and self.child.running()

    def stop(self):
        child, self.child = self.child, None
        return child.terminate() if child else None

    def kill(self):
        if self.child:
            self.child.kill()
            self.child = None

    dispose = kill

"""Apache Kafka 4.3.1, one node with KRaft: what shows that a test of things newer than 3.9 is true."""
import pathlib

from harness import jars
from harness.broker import READY_GUARD_S, Broker, write_properties
from harness.process import Child, Failure, free_port, wait_until

VERSION = "4.3.1"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


class Kraft:
    def __init__(self, directory, settings=None, features=(), as_kafka=False):
        self.as_kafka = as_kafka  # with the heap and the flags of Kafka's start script
        self.features = features  # "transaction.version=0": other than what this version has from the beginning
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.log = self.directory / "server.log"
        self.data = self.directory / "kafka-logs"
        self.properties = write_properties(self.directory / "server.properties", {
            "process.roles": "broker,controller", "node.id": 0, "controller.quorum.voters": f"0@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER", "log.dirs": self.data, "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "offsets.topic.num.partitions": 10, "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0, **(settings or {}),
        })
        self.child = None

    def start(self):
        if not self.data.exists():
            format_log = Child(jars.java(VERSION, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", self.properties,
                                          *(part for feature in self.features for part in ("--feature", feature))),
                               self.directory / "format.log")
            if format_log.wait() != 0:
                raise Failure(f"the directory can't be formatted:\n{format_log.text()[-2000:]}")
        self.child = Child(jars.java(VERSION, "kafka.Kafka", self.properties, heap="1g" if self.as_kafka else "512m", log_level="INFO",
                                     as_kafka=self.as_kafka), self.log)
        wait_until("Kafka 4.3.1", lambda: Broker.serves(self) or not self.child.running(), READY_GUARD_S)
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

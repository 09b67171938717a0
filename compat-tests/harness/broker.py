"""A broker with its coordinator: Milena, or Apache Kafka 3.9.2 with ZooKeeper, which shows that a test is true."""
import pathlib
import socket
import time

from harness import jars, wire
from harness.process import Child, Failure, free_port, wait_until

READY = "started (kafka.server.KafkaServer)"
READY_GUARD_S = 90


def write_properties(path, values):
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
    return path


class ZooKeeper:
    """A coordinator alone: kind `milena` is `milena coordinator`, `zookeeper` Apache ZooKeeper 3.9.4,
    `zookeeper-<version>` an older one, `kafka` the ZooKeeper that Kafka 3.9.2 ships."""

    def __init__(self, kind, directory, binary=None, as_kafka=False, settings=None):
        self.kind, self.binary, self.as_kafka = kind, binary, as_kafka
        self.heap, self.java_flags = "512m", None
        self.java_options = ["-Dzookeeper.jmx.log4j.disable=true"]  # ours reads them from the environment
        self.environment = {}
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.connect = f"127.0.0.1:{self.port}"
        self.properties = write_properties(self.directory / "zookeeper.properties", {
            "dataDir": self.directory / "data", "clientPort": self.port, "clientPortAddress": "127.0.0.1",
            "maxClientCnxns": 0, "admin.enableServer": "false", "4lw.commands.whitelist": "*", "tickTime": 2000, **(settings or {}),
        })
        self.log = self.directory / "zookeeper.log"
        self.child = None

    def launch(self):
        """Starts without waiting."""
        if self.kind == "milena":
            command = [self.binary, "coordinator", self.properties]
        else:
            jars_of = {"zookeeper": jars.ZOOKEEPER, "kafka": "3.9.2"}
            command = jars.java(jars_of.get(self.kind, self.kind), "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.properties,
                                log_level="INFO", options=self.java_options,
                                as_kafka=self.as_kafka, heap=self.heap, flags=self.java_flags)
        self.child = Child(command, self.log, env={"KAFKA_OPTS": " ".join(self.java_options), **self.environment})
        return self.child

    def start(self):
        self.launch()
        wait_until("the coordinator", lambda: self.serves() or not self.child.running(), READY_GUARD_S)
        if not self.child.running():
            raise Failure(f"the coordinator ended at once:\n{self.child.text()[-2000:]}")
        return self

    def serves(self):
        """It accepts connections a little before it serves."""
        return "Mode: " in self.command(b"srvr")

    def command(self, word):
        """The answer to a four-letter word; nothing if it can't be reached."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(word)
                data = b""
                while part := connection.recv(65536):
                    data += part
                return data.decode()
        except OSError:
            return ""

    def stop(self):
        if self.child:
            child, self.child = self.child, None
            return child.terminate()
        return None

    def kill(self):
        if self.child:
            self.child.kill()
            self.child = None


class Broker:
    """kind `milena` runs broker and coordinator in one process unless a coordinator is given; `kafka` two JVMs (with
    as_kafka: with the heap and the flags of Kafka's start scripts)."""

    def __init__(self, kind, directory, binary=None, settings=None, coordinator=None, as_kafka=False):
        self.kind, self.binary, self.as_kafka = kind, binary, as_kafka
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.heap = "1g" if as_kafka else "512m"  # of a JVM
        self.java_options, self.environment = [], {}
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.log = self.directory / "server.log"
        self.data = self.directory / "kafka-logs"
        self.own_coordinator = coordinator is None
        self.coordinator = coordinator or ZooKeeper(kind, self.directory / "coordinator", binary, as_kafka)
        self.embedded = kind == "milena" and self.own_coordinator
        self.settings = {
            "broker.id": 0, "listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "log.dirs": self.data,
            "zookeeper.connect": self.coordinator.connect, "zookeeper.session.timeout.ms": 6000,
            "offsets.topic.replication.factor": 1, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "offsets.topic.num.partitions": 10,
            "transaction.state.log.num.partitions": 4, "group.initial.rebalance.delay.ms": 0,
            # Tests connect by the thousand; a full backlog (50) would cost them a second each time.
            "socket.listen.backlog.size": 1000, **(settings or {}),
        }
        self.properties = self.directory / "server.properties"
        self.write_properties()
        self.child = None

    def write_properties(self):
        write_properties(self.properties, self.settings)

    def command(self):
        if self.kind == "milena":
            if self.embedded:
                return [self.binary, "start", "--server", self.properties, "--coordinator", self.coordinator.properties]
            return [self.binary, "broker", self.properties]
        return jars.java("3.9.2", "kafka.Kafka", self.properties, heap=self.heap, log_level="INFO",
                         options=self.java_options, as_kafka=self.as_kafka)

    def launch(self):
        """Starts without waiting."""
        self.child = Child(self.command(), self.log, env={"KAFKA_OPTS": " ".join(self.java_options), **self.environment})
        return self.child

    def start(self):
        if self.own_coordinator and not self.embedded and self.coordinator.child is None:
            self.coordinator.start()
        self.launch()
        wait_until("the broker", lambda: READY in self.child.text() or not self.child.running(), READY_GUARD_S)
        if not self.child.running():
            raise Failure(f"the broker ended at once:\n{self.child.text()[-3000:]}")
        if self.kind == "kafka":
            wait_until("the broker in its own Metadata", lambda: self.serves() or not self.child.running(), READY_GUARD_S)
        return self

    def serves(self):
        """Metadata names a broker. Kafka says that it started a little before: until then it refuses to create topics."""
        try:
            with wire.Wire(self, guard_s=5) as connection:
                answer = connection.ask(wire.header(wire.METADATA, 1) + b"\0\0\0\0")
                return int.from_bytes(answer[4:8], "big") > 0
        except (OSError, wire.Closed):
            return False

    def running(self):
        return self.child is not None and self.child.running()

    def stop(self):
        """Stops the broker cleanly; its coordinator too if it is its own. Returns the broker's exit code."""
        code = None
        if self.child:
            child, self.child = self.child, None
            code = child.terminate()
        if self.own_coordinator:
            self.coordinator.stop()
        return code

    def stop_broker_only(self):
        child, self.child = self.child, None
        return child.terminate()

    def kill(self):
        """SIGKILL; a separate coordinator stays."""
        if self.child:
            self.child.kill()
            self.child = None

    def dispose(self):
        self.kill()
        if self.own_coordinator:
            self.coordinator.kill()


def start_again(broker):
    """After SIGKILL. The old session may still own the broker's znode: Kafka refuses to start until it has expired."""
    end = time.monotonic() + 60
    while True:
        try:
            return broker.start()
        except Failure:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)

"""One of the two brokers that a benchmark compares, and what is done with it."""
import os
import subprocess
import time

from harness.broker import Broker
from harness.process import cpu_seconds, rss_bytes, wait_until


class Side:
    """A broker of one kind with what was measured on it: row -> list of values. `load_program` is bench_load."""

    def __init__(self, kind, work, binary, load_program):
        self.kind, self.work, self.binary, self.load_program = kind, work, binary, load_program
        self.values = {}
        self.topics = 0
        self.broker = None

    def new_broker(self, name, settings=None):
        return Broker(self.kind, self.work / f"{self.kind}-{name}", self.binary,
                      {"offsets.topic.num.partitions": 50, "log.segment.delete.delay.ms": 500, **(settings or {})}, as_kafka=True)

    def topic(self):
        self.topics += 1
        return f"bench-{self.topics}"

    def add(self, row, value):
        self.values.setdefault(row, []).append(value)

    def cpu(self):
        return cpu_seconds(self.broker.child.pid)

    def rss(self, broker=None):
        broker = broker or self.broker
        total = rss_bytes(broker.child.pid)
        if broker.coordinator.child is not None:
            total += rss_bytes(broker.coordinator.child.pid)
        return total

    def load_command(self, mode, topic, *more, broker=None):
        return [str(self.load_program), mode, (broker or self.broker).bootstrap, topic, *map(str, more)]

    def load(self, mode, topic, *more, broker=None, processor=None):
        """One command of bench_load, on `processor` alone if one is given; its answer as name -> number."""
        command = self.load_command(mode, topic, *more, broker=broker)
        if processor is not None:
            command = ["taskset", "-c", str(processor), *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"bench_load {mode} on {self.kind}: {done.stderr}")
        return {key: float(value) for key, value in (pair.split("=") for pair in done.stdout.split())}

    def delete(self, topic):
        """Until its files are gone: removing them isn't a part of what is measured next."""
        self.load("delete", topic)
        wait_until(f"the files of {topic} to be gone", lambda: not list(self.broker.data.glob(f"{topic}-*")), 60)

    def leaders(self, topic):
        done = subprocess.run(["kcat", "-b", self.broker.bootstrap, "-L", "-t", topic], capture_output=True, text=True,
                              check=False)
        return done.stdout.count("leader 0")

    def restart(self, topic, partitions):
        """Seconds from exec until every partition of the topic has its leader; the broker is down."""
        started = time.perf_counter()
        first_metadata(self.broker, self.broker.launch)
        wait_until(f"{partitions} leaders", lambda: self.leaders(topic) == partitions, 300, 0.002)
        return time.perf_counter() - started


def first_metadata(broker, launch):
    """Seconds from exec to the first answered Metadata that names a broker."""
    started = time.perf_counter()
    launch()

    def answered():
        if broker.serves():
            return True
        if not broker.running():
            raise RuntimeError(broker.child.text()[-2000:])
        return False

    wait_until("Metadata", answered, 300, 0.0005)
    return time.perf_counter() - started


def touch_memory(scratch, megabytes):
    """In a virtual machine, memory that was not used for a while costs a fault on the host when it is touched again: as much
    as all else that a broker does with these bytes, and by chance. So the page cache of a measure is touched before."""
    with scratch.open("wb") as file:
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    scratch.unlink()


def settle():
    """Deleting and writing back what earlier measures left on the disk isn't a part of a later one."""
    time.sleep(3)  # until deleted topics are gone from the disk
    os.sync()


def build_load(root, with_broker, *more):
    """Builds bench_load, and Milena too, and more targets; the path of bench_load."""
    build = root / "build" / "release"
    if not (build / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(build), "--target", "bench_load", "answering_loop", *more,
                    *(["milena"] if with_broker else [])], check=True, stdout=subprocess.DEVNULL)
    return build / "bench" / "bench_load"

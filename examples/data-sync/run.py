#!/usr/bin/env python3
"""usage: run.sh                     two databases kept in step; Ctrl-C ends it
       run.sh --check [--seed N]  the same for half a minute, while processes are killed, and a comparison at the end"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import prepare  # noqa: E402
from harness.broker import start_again, write_properties  # noqa: E402
from harness.jars import JAVA  # noqa: E402
from harness.process import Child, Failure, free_port, wait_until  # noqa: E402
from postgres import Postgres  # noqa: E402

SECONDS, ROUNDS = 30, 2  # of --check; in each round every part is killed once


class Connect:
    """A worker of Kafka Connect with Debezium's connector."""

    def __init__(self, work, bootstrap):
        self.work, self.port, self.child = work, free_port(), None
        self.class_path = prepare.class_path(HERE)
        json_converter = "org.apache.kafka.connect.json.JsonConverter"
        self.properties = write_properties(work / "connect.properties", {
            "bootstrap.servers": bootstrap, "group.id": "data-sync", "listeners": f"http://127.0.0.1:{self.port}",
            "key.converter": json_converter, "key.converter.schemas.enable": "false",
            "value.converter": json_converter, "value.converter.schemas.enable": "false",
            "config.storage.topic": "connect-configs", "offset.storage.topic": "connect-offsets", "status.storage.topic": "connect-status",
            "config.storage.replication.factor": 1, "offset.storage.replication.factor": 1, "status.storage.replication.factor": 1,
            "offset.storage.partitions": 3, "status.storage.partitions": 1, "offset.flush.interval.ms": 1000,
            # There's one worker only: when it comes back after a crash, nobody else need be waited for.
            "scheduled.rebalance.max.delay.ms": 0, "session.timeout.ms": 6000, "heartbeat.interval.ms": 2000,
        })

    def start(self):
        self.child = Child(["java", *prepare.JAVA_FLAGS, f"-Dlog4j.configuration=file:{JAVA / 'log4j-warn.properties'}", "-cp",
                            self.class_path, "org.apache.kafka.connect.cli.ConnectDistributed", self.properties], self.work / "connect.log")

    def create_connector(self, postgres):
        config = {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput", "topic.prefix": "shop",
            "database.hostname": "127.0.0.1", "database.port": str(postgres.port), "database.user": "shop",
            "database.password": "not asked for", "database.dbname": "postgres", "table.include.list": "public.products,public.orders",
            "publication.autocreate.mode": "filtered", "decimal.handling.mode": "string", "tombstones.on.delete": "false",
            "poll.interval.ms": "100", "slot.retry.delay.ms": "1000", "retriable.restart.connector.wait.ms": "1000",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/connectors/shop/config", json.dumps(config).encode(),
                                         {"Content-Type": "application/json"}, method="PUT")

        def created():
            try:
                return urllib.request.urlopen(request, timeout=90).status in (200, 201)
            except urllib.error.HTTPError as refused:
                if refused.code == 400:
                    raise Failure(refused.read().decode()) from refused
                return False  # it says so while it isn't ready
            except OSError:
                return False
        wait_until("Kafka Connect", created, guard_s=120, pause_s=0.5)


class Sync:
    """All processes of the example, with their logs and data in the directory `work`."""

    def __init__(self, work, broker):
        self.work, self.python, self.copy = work, prepare.python(HERE), work / "copy.db"
        self.postgres, self.broker, self.sink = Postgres(work / "postgres.log"), broker, None
        self.connect, self.trade = Connect(work, self.broker.bootstrap), None

    def start(self):
        self.postgres.start()
        if self.script("shop", self.postgres.url, "create").wait() != 0:
            raise Failure("the tables can't be created: " + (self.work / "shop.log").read_text(encoding="utf-8"))
        self.broker.start()
        self.start_sink()
        self.connect.start()
        self.connect.create_connector(self.postgres)

    def stop(self):
        for child in (self.trade, self.sink, self.connect.child):
            if child:
                child.kill()
        self.postgres.stop()
        self.broker.dispose()

    def script(self, name, *arguments):
        return Child([self.python, HERE / f"{name}.py", *arguments], self.work / f"{name}.log")

    def start_trade(self, rate, seconds):
        self.trade = self.script("shop", self.postgres.url, "trade", rate, seconds)

    def start_sink(self):
        self.sink = self.script("sink", self.broker.bootstrap, self.copy)
        wait_until("the sink", lambda: "following" in self.sink.text() or not self.sink.running())

    def parts(self):
        """The processes that may be killed, and how each is started again."""
        return {"the broker": (self.broker.child, lambda: start_again(self.broker)), "Kafka Connect": (self.connect.child, self.connect.start),
                "the sink": (self.sink, self.start_sink)}

    def restart_ended(self, say):
        for name, (child, start) in self.parts().items():
            if not child.running():
                if child.popen.returncode != -signal.SIGKILL:
                    raise Failure(f"{name} ended: {child.text()[-2000:]}")
                say(f"{name} was killed; starting it again")
                start()

    def compare(self, *patience):
        done = subprocess.run([self.python, HERE / "compare.py", self.postgres.url, self.copy, *patience], capture_output=True, text=True,
                              check=False)
        return done.returncode == 0, done.stdout.strip() or done.stderr.strip()


def check(sync, seed, say, seconds=SECONDS, rounds=ROUNDS):
    """Returns a line that says what was found; a Failure if the copy isn't equal."""
    say(f"at the beginning: {sync.compare('60')[1]}")
    dice = random.Random(seed)
    sync.start_trade(150, seconds)
    for _ in range(rounds):
        for name in dice.sample(sorted(sync.parts()), 3):
            time.sleep(2 + 3 * dice.random())
            sync.restart_ended(say)
            os.kill(sync.parts()[name][0].pid, signal.SIGKILL)
            sync.parts()[name][0].popen.wait()
            sync.restart_ended(say)
    if sync.trade.wait() != 0:
        raise Failure(sync.trade.text())
    equal, line = sync.compare("60")
    line = f"seed {seed}, each part killed {rounds} times; {sync.trade.text().strip()}; {line}"
    if not equal:
        say(line)
        sync.restart_ended(say)  # tells why, if one of them has ended by itself
        raise Failure("The copy isn't equal.")
    return line


def show(sync, say):
    say(f"PostgreSQL: psql {sync.postgres.url}\nCopy:       sqlite3 {sync.copy}\nLogs:       {sync.work}\n"
        "To kill:    " + ", ".join(f"{name} {child.pid}" for name, (child, _) in sync.parts().items()) + "\nCtrl-C ends it.")
    equal = True
    while True:
        if equal and not (sync.trade and sync.trade.running()):
            sync.start_trade(20, 3)
        time.sleep(2)
        sync.restart_ended(say)
        equal, line = sync.compare()
        say(line)


def main():
    parser = argparse.ArgumentParser(prog="run.sh", usage=__doc__.removeprefix("usage: "))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seed", type=int, default=20261129)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(text):
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="data-sync-") as work:
        work = pathlib.Path(work)
        sync = Sync(work, prepare.new_broker(work))
        try:
            sync.start()
            say(check(sync, arguments.seed, say)) if arguments.check else show(sync, say)
        except Failure as failure:
            print(failure, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
        finally:
            sync.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""usage: run.sh [--bootstrap HOST:PORT] [--speed N]   the shop, with a live page; Ctrl-C ends it
       run.sh --check [--seed N]                    everything once, while processes are killed, and a comparison at the end"""
import argparse
import pathlib
import random
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import prepare  # noqa: E402
from harness.broker import start_again  # noqa: E402
from harness.process import Child, Failure, free_port, wait_until  # noqa: E402

MINUTES = 366  # of the events
INSTANCES = 2
SPEED, SESSION_TIMEOUT_MS = 60, 6000
CHECK_SPEED, CHECK_SESSION_TIMEOUT_MS = 1100, 2000  # all events in 20 s; a dead instance isn't waited for long


class Storefront:
    """The processes of the example on one broker, with their logs and states in the directory `work`. Each instance of the
    application has a class path; with none given, they all have the same."""

    def __init__(self, work, bootstrap, class_paths=None):
        self.work, self.bootstrap = work, bootstrap
        self.class_paths, self.python = class_paths or [prepare.class_path(HERE)] * INSTANCES, prepare.python(HERE)
        self.started = 0
        # The events end now: with times of 2023, they would be too old for the broker to keep.
        self.start_ms = (int(time.time()) // 60 - MINUTES) * 60_000

    def script(self, name, *arguments):
        return Child([self.python, HERE / f"{name}.py", self.bootstrap, *arguments], self.work / f"{name}.log")

    def replay(self, speed):
        """Returns when the topics are there; sends for a long time after that."""
        child = self.script("replay", self.start_ms, speed)
        wait_until("the topics", lambda: "topics are there" in child.text() or not child.running())
        if not child.running():
            raise Failure(child.text())
        return child

    def instance(self, number, session_timeout_ms):
        """Each starts with an empty directory and gets its state from the changelogs. With that of one that was killed, Streams 4.3.1
        doesn't start if SIGKILL came while RocksDB made or removed its files."""
        self.started += 1
        return Child(["java", *prepare.JAVA_FLAGS, "-cp", self.class_paths[number], "storefront.Storefront", self.bootstrap,
                      self.work / f"state-{number}-{self.started}", session_timeout_ms], self.work / f"instance-{number}.log")

    def page(self):
        port = free_port()
        return self.script("page", port), f"http://127.0.0.1:{port}/"


def trouble(shop, broker, instances, replay, checker, dice, say):
    """Until all events are sent, one process after the other is killed with SIGKILL and started again, each time after the
    application has come on a little."""
    counts, seen, victims = {"broker": 0, "instance": 0}, 0, []
    while replay.running():
        if not checker.running():
            raise Failure(checker.text())
        if checker.text().count("\n") == seen:
            time.sleep(0.05)
            continue
        time.sleep(1.5 * dice.random())
        victims = victims or dice.sample(["broker", *range(INSTANCES)], 1 + INSTANCES)
        victim = victims.pop()
        if victim == "broker":
            say("kill -9 of the broker")
            broker.kill()
            start_again(broker)
            counts["broker"] += 1
        else:
            say(f"kill -9 of instance {victim}")
            instances[victim].kill()
            instances[victim] = shop.instance(victim, CHECK_SESSION_TIMEOUT_MS)
            counts["instance"] += 1
        seen = checker.text().count("\n")
    return counts


def check(work, broker, seed, say, class_paths=None, speed=CHECK_SPEED):
    """Returns a line that says what was found; a Failure if the outputs aren't what they must be."""
    shop = Storefront(work, broker.bootstrap, class_paths)
    replay = shop.replay(speed)
    instances = [shop.instance(number, CHECK_SESSION_TIMEOUT_MS) for number in range(INSTANCES)]
    checker = shop.script("check", shop.start_ms)
    try:
        counts = trouble(shop, broker, instances, replay, checker, random.Random(seed), say)
        if replay.wait() != 0:
            raise Failure(replay.text())
        say("all events are sent; waiting for the outputs")
        right = checker.wait() == 0
        codes = [instance.terminate() for instance in instances]
    finally:
        for child in [replay, checker, *instances]:
            child.kill()
    found = checker.text().split("--\n")[-1].strip()
    line = f"seed {seed}, kill -9 of the broker {counts['broker']} times, of an instance {counts['instance']} times; {found}"
    if not right:
        raise Failure(line)
    for instance, code in zip(instances, codes):
        if code != 143:
            raise Failure(f"exit codes {codes} of the instances after SIGTERM; {instance.output}:\n{instance.text()[-4000:]}")
    return line


def show(work, bootstrap, speed):
    shop = Storefront(work, bootstrap)
    replay = shop.replay(speed)
    children = {"the application": shop.instance(0, SESSION_TIMEOUT_MS)}
    children["the page"], address = shop.page()
    print(f"Broker: {bootstrap}\nLogs:   {work}\nPage:   {address}\nCtrl-C ends it.", flush=True)
    said = False
    while True:
        time.sleep(0.5)
        for name, child in children.items():
            if not child.running():
                raise Failure(f"{name} ended: {child.text()[-2000:]}")
        if not replay.running() and not said:
            if replay.wait() != 0:
                raise Failure(replay.text())
            said = True
            print("All events are sent. The page stays until Ctrl-C.", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="run.sh", usage=__doc__.removeprefix("usage: "))
    parser.add_argument("--bootstrap", help="a broker that runs already; without it, one is started")
    parser.add_argument("--speed", type=float, default=SPEED, help="how many times as fast as the events' clock")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seed", type=int, default=20261129)
    arguments = parser.parse_args()
    if arguments.check and arguments.bootstrap:
        parser.error("--check needs a broker that it may kill")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    broker = None
    with tempfile.TemporaryDirectory(prefix="storefront-") as work:
        work = pathlib.Path(work)
        try:
            if not arguments.bootstrap:
                broker = prepare.new_broker(work).start()
            if arguments.check:
                print(check(work, broker, arguments.seed, lambda text: print(text, flush=True)))
            else:
                show(work, arguments.bootstrap or broker.bootstrap, arguments.speed)
        except Failure as failure:
            print(failure, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
        finally:
            Child.kill_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())

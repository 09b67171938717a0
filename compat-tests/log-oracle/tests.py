"""Kafka 3.9.2 and Milena live through the same random history, and now and then take over each other's directories."""
import collections
import os
import pathlib
import subprocess
import sys
import time

from harness import jars
from harness.context import expect
from harness.log_client import LogClient
from harness.process import Failure
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import history  # noqa: E402
import views  # noqa: E402
from sides import Sides  # noqa: E402

LONG = os.environ.get("MILENA_LONG") == "1"
SEEDS = os.environ.get("MILENA_LOG_ORACLE_SEEDS", ",".join(map(str, range(1, 21))) if LONG else "1")
STEPS = int(os.environ.get("MILENA_LOG_ORACLE_STEPS", "1500" if LONG else "200"))  # for each seed
RESTARTS = int(os.environ.get("MILENA_LOG_ORACLE_RESTARTS", "8" if LONG else "2"))  # of both brokers; Milena's own come on top
PATIENCE_S = 30  # for retention to have done on both sides what it has to do


class Play:
    """One history."""

    def __init__(self, context, seed, client):
        self.context, self.client, self.history = context, client, history.History(seed)
        self.sides = Sides(context)
        self.counts = collections.Counter()
        for side, broker in enumerate(self.sides.brokers):
            client.one(side, "connect", broker.bootstrap)

    def step(self, step):
        self.context.say(f"step {step!r}"[:300])
        if step[0] == "do":
            self.do(step[1], step[2])
        elif step[0] == "search":
            self.search(step[1], step[2])
        elif step[0] == "restart":
            self.counts[step[1]] += 1
            for name, end in self.sides.restart(step[1], self.starts(), step[2]).items():
                self.counts["cuts"] += 1
                self.history.cut_off(name, end)
            # A broker that has just started doesn't know its partitions yet.
            self.do(["await", *(f"{name}={one.end}" for name, one in self.history.partitions.items())], None)
        else:
            self.check(step[1])

    def who(self, side):
        return f"side {side} ({self.sides.brokers[int(side)].kind})"

    def do(self, words, wanted):
        answers = self.ask(words)
        for side, answer in answers.items():
            if wanted is not None and answer != wanted:
                raise views.Difference(f"{self.who(side)} says {answer!r} instead of {wanted!r}")
        if len(set(answers.values())) != 1:
            raise views.Difference(f"the sides say {answers}")

    def search(self, words, may_be_gone):
        """Where a segment that DeleteRecords has emptied isn't removed yet, a search for a time in it finds nothing."""
        answers = self.ask(words)
        for found, gone in zip(zip(*(answer.split(",") for answer in answers.values()), strict=True), may_be_gone, strict=True):
            if len(set(found) - ({"-1:-1"} if gone else set())) > 1:
                raise views.Difference(f"the sides say {answers}")

    def ask(self, words):
        self.counts[words[0]] += 1
        answers = self.client.each(*words)
        for side, answer in answers.items():
            if answer.startswith("error "):
                raise views.Difference(f"{self.who(side)} says {answer!r}")
        return answers

    def starts(self):
        return {name: one.start for name, one in self.history.partitions.items()}

    def check(self, whole):
        """Retention may be at work: where the model doesn't know how far it is, both sides get time to agree."""
        self.counts["check"] += 1
        partitions = self.history.partitions
        if whole:
            self.check_groups()
            self.sides.wait_cleaned([name for name, one in partitions.items() if one.topic in ("compact", "both")],
                                    self.starts())
        end = time.monotonic() + PATIENCE_S
        while True:
            seen = []
            for side in self.client.sides:
                self.client.one(side, "dump", self.context.work / f"dump-{side}", "user")
                seen.append(views.View(self.context.work / f"dump-{side}"))
                for partition in partitions.values():
                    if partition.topic not in views.SHORTENED:
                        views.check_with_model(seen[-1], partition, self.who(side))
            try:
                self.compare(seen, whole)
                self.counts["rows"] += sum(len(rows) for rows in seen[0].records.values())
                return
            except views.Difference:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def compare(self, seen, whole):
        for side, view in enumerate(seen):
            for name in views.SHORTENED:
                views.check_with_model(view, self.history.partitions[f"{name}-0"], self.who(side))
        views.compare(*seen, self.history.partitions, whole)

    def check_groups(self):
        for group, offsets in self.history.committed.items():
            wanted = "{" + ",".join(f"{name}={offset}" for name, offset in sorted(offsets.items())) + "}"
            self.do(["committed", group], wanted)


def run_seed(context, seed):
    number, step = 0, None
    with LogClient(context, (0, 1)) as client:
        play = Play(context, seed, client)
        try:
            for number, step in enumerate(play.history.steps(STEPS, RESTARTS)):
                play.step(step)
        except (views.Difference, Failure) as difference:
            raise Failure(f"seed {seed}, step {number} {str(step)[:200]}: {difference}\nrun it again: MILENA_LOG_ORACLE_SEEDS={seed} "
                          f"MILENA_LOG_ORACLE_STEPS={STEPS} MILENA_LOG_ORACLE_RESTARTS={RESTARTS} "
                          f"compat-tests/run --only log-oracle --keep") from difference
    play.sides.stop()
    check_files(context, play.sides, seed)
    for broker in play.sides.brokers:
        context.brokers.remove(broker)
        context.brokers.remove(broker.coordinator)
    return play.counts


def check_files(context, sides, seed):
    """Kafka's own tool and ours, over what the history has left on both sides."""
    check, directories = context.root / "compat-tests" / "log-tools" / "check_logs.py", [broker.data for broker in sides.brokers]
    done = subprocess.run([sys.executable, check, "--cleaned", "--together", *directories], capture_output=True, text=True, check=False,
                          env={**os.environ, "KAFKA_LIBS": str(jars.jar_dir("3.9.2"))})
    expect(done.returncode == 0, f"seed {seed}, {directories}: {done.stdout}{done.stderr}")
    for directory in directories:
        context.run([context.binary, "log", "verify", directory])


@only("milena")
def test_same_history(context):
    counts, seeds = collections.Counter(), [int(seed) for seed in SEEDS.split(",")]
    for seed in seeds:
        started = time.monotonic()
        done = run_seed(context, seed)
        counts += done
        if len(seeds) > 1:
            print(f"           seed {seed}: {time.monotonic() - started:.0f} s, {dict(done)}", flush=True)
    restarts = ", ".join(f"{counts[kind]} {kind}" for kind in history.RESTARTS if counts[kind])
    restarts += f"; {counts['cuts']} log files cut off"
    return (f"seeds {SEEDS}: {counts['send']} batches, {counts['commit']} commits and {counts['abort']} aborts, "
            f"{counts['check']} comparisons of {counts['rows']} rows; restarts: {restarts}")

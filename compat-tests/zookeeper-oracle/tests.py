"""ZooKeeper 3.9.4 and Milena get the same random operations; answers, events, trees and directories must be the same."""
import os
import pathlib
import re
import sys
import time

from harness.context import expect, expect_equal
from harness.process import Failure, wait_until
from harness.runner import broker_complaints, only, sanitizer_workload

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import codec  # noqa: E402
import oracle  # noqa: E402
import stream  # noqa: E402

LONG = os.environ.get("MILENA_LONG") == "1"
SEEDS = [int(seed) for seed in os.environ.get("MILENA_ORACLE_SEEDS", "1,2,3,4").split(",")]
OPERATIONS = int(os.environ.get("MILENA_ORACLE_OPERATIONS", "2500"))  # for each seed
SETTLE_EVERY = 40  # steps
SANITIZED_SHARE = 0.6  # of the operations, under a sanitizer
SHRINK_S = 120  # a failure is reported after this, small or not
SETTINGS = {
    "extendedTypesEnabled": "true", "snapCount": 700, "maxSessionTimeout": 600000, "preAllocSize": 256,
    "znode.container.checkIntervalMs": 3600000, "DigestAuthenticationProvider.superDigest": stream.digest(b"super:secret"),
}


def share(context, operations):
    return operations if context.scale == 1.0 else int(operations * SANITIZED_SHARE)


def expect_no_complaints(context):
    complaints = broker_complaints(context)
    expect(not complaints, "\n".join(complaints))


class Pair:
    """ZooKeeper and Milena on fresh directories, or on these two."""

    def __init__(self, context, settings=None, directories=(None, None)):
        self.context, self.directories, self.servers = context, [], []
        for kind, directory in zip(("zookeeper", "milena"), directories):
            own = {"dataDir": directory} if directory else {}
            if kind == "zookeeper":  # half of the time was its disk's; no test here takes the power away
                own["forceSync"] = "no"
            server = context.new_coordinator(kind, start=False, settings={**SETTINGS, **(settings or {}), **own})
            # No key of zoo.cfg, but a system property without prefix. The sweeper's time is another test's.
            interval = {**SETTINGS, **(settings or {})}["znode.container.checkIntervalMs"]
            server.java_options = server.java_options + [f"-Dznode.container.checkIntervalMs={interval}"]
            self.directories.append(directory or server.directory / "data")
            self.servers.append(server)
            server.start()
        self.lockstep = oracle.Lockstep(*(server.port for server in self.servers))

    def stop(self, kill=False):
        self.lockstep.close()
        for server in self.servers:
            server.kill() if kill else server.stop()
            if server in self.context.brokers:
                self.context.brokers.remove(server)


def play(lockstep, steps):
    """Returns nothing, or the number of the step that showed a difference, and the difference."""
    for number, step in enumerate(steps):
        try:
            lockstep.run(step)
            if number % SETTLE_EVERY == SETTLE_EVERY - 1:
                lockstep.settle()
        except oracle.Difference as difference:
            return number, difference
    try:
        lockstep.settle()
        sides = [oracle.masked(oracle.walk(side)) for side in lockstep.sides]
        oracle.compare_trees(*sides, "at the end")
    except oracle.Difference as difference:
        return len(steps) - 1, difference
    return None


def fails(context, steps, settings):
    pair = Pair(context, settings)
    try:
        return play(pair.lockstep, steps)
    finally:
        pair.stop(kill=True)


def shrink(context, steps, failure, settings):
    """Leaves out halves, quarters… of the steps, then single requests, as long as what is left still shows a difference."""
    end = time.monotonic() + SHRINK_S
    steps, failure = shrink_steps(context, steps, failure, settings, end)
    for at in range(len(steps) - 1, -1, -1):
        number = len(steps[at][2]) - 1 if steps[at][0] == "requests" else -1
        while number >= 0 and len(steps[at][2]) > 1 and time.monotonic() < end:
            step = ("requests", steps[at][1], steps[at][2][:number] + steps[at][2][number + 1:])
            fewer = steps[:at] + [step] + steps[at + 1:]
            found = fails(context, fewer, settings)
            if found:
                steps, failure = fewer, found
            number -= 1
    return steps, failure


def shrink_steps(context, steps, failure, settings, end):
    steps, size = steps[:failure[0] + 1], max(1, failure[0] // 2)
    while size >= 1 and time.monotonic() < end:
        at, smaller = 0, False
        while at < len(steps) - 1 and time.monotonic() < end:
            fewer = steps[:at] + steps[min(at + size, len(steps) - 1):]
            found = fails(context, fewer, settings)
            if found:
                steps, failure, smaller = fewer[:found[0] + 1], found, True
                size = min(size, max(1, len(steps) // 2))
            else:
                at += size
        if size == 1 and not smaller:
            break
        size = max(1, size // 2) if size > 1 else (1 if smaller else 0)
    return steps, failure


def report(context, seed, steps, failure, settings):
    full = context.work / f"seed-{seed}-steps.py"
    full.write_text("steps = [\n" + "".join(f"    {step!r},\n" for step in steps) + "]\n", encoding="utf-8")
    fewer, found = shrink(context, steps, failure, settings)
    text = "".join(f"  {oracle.short(step)}\n" for step in fewer)
    raise Failure(f"seed {seed}, step {failure[0]} of {len(steps)} ({full}): {failure[1]}\n"
                  f"the fewest steps found that show a difference ({len(fewer)}):\n{text}{found[1]}")


def run_seed(context, seed, operations):
    """A pair that has played the seed's stream without a difference, still running."""
    enforced_quotas = seed % 2 == 0
    steps = stream.steps(seed, operations, enforced_quotas)
    settings = {"enforceQuota": "true"} if enforced_quotas else {}
    pair = Pair(context, settings)
    failure = play(pair.lockstep, steps)
    if failure:
        pair.stop(kill=True)
        report(context, seed, steps, failure, settings)
    return pair


@only("milena")
@sanitizer_workload
def test_random_streams(context):
    replies = events = told = 0
    seeds = SEEDS if context.scale == 1.0 else SEEDS[:1]
    if LONG:
        seeds = range(1, 41)
    for seed in seeds:
        pair = run_seed(context, seed, share(context, OPERATIONS) * (4 if LONG else 1))
        replies += pair.lockstep.replies
        events += pair.lockstep.events
        told += pair.lockstep.told
        pair.stop()
    expect_no_complaints(context)
    return f"{len(seeds)} seeds, {replies} replies, {events} events and {told} lines of words equal"


def swapped(pair):
    """Both killed; then each server on the other's directory, with the sessions that are in there."""
    pair.stop(kill=True)
    after = Pair(pair.context, directories=pair.directories[::-1])
    for side, before in zip(after.lockstep.sides, pair.lockstep.sides[::-1]):
        side.labels, side.sessions = before.labels, before.sessions
        side.sessions.pop(oracle.WALKER_SLOT, None)
    for name in ("zxid", "xid", "versions", "sequential", "closings"):
        setattr(after.lockstep, name, getattr(pair.lockstep, name))
    return after


@only("milena")
@sanitizer_workload
def test_directories_both_ways(context):
    """Times and all: what one server had, the other serves; sessions go on; and the same again on the way back."""
    pair = run_seed(context, 21, share(context, 1200))
    nodes = 0
    for turn in range(2):
        before = [oracle.walk(side) for side in pair.lockstep.sides]
        after = swapped(pair)
        if turn == 0:  # all in there is Milena's; of its own fuzzy snapshots ZooKeeper may say that
            expect("not matching" not in after.servers[0].log.read_text("utf-8", "replace"), "ZooKeeper found a wrong digest")
        try:
            for side, expected in zip(after.lockstep.sides, before[::-1]):
                oracle.compare_trees(expected, oracle.walk(side), f"{side.name} on the other's directory, turn {turn}")
        except oracle.Difference as difference:
            raise Failure(str(difference)) from difference
        failure = play(after.lockstep, stream.steps(2100 + turn, share(context, 300)))
        if failure:
            raise Failure(f"turn {turn}, step {failure[0]}: {failure[1]}")
        nodes += sum(map(len, before))
        pair = after
    pair.stop()
    expect_no_complaints(context)
    return f"{nodes} nodes the same on the other's server"


def until_gone(lockstep, paths):
    """Waits until both servers have deleted these, each in its own time."""
    def gone():
        for side in lockstep.sides:
            connection = side.connections[0]
            connection.pending = [("getAllChildrenNumber", "/")]
            connection.send(codec.frame_of(connection.pending[0], 1))
            side.seen = side.seen + connection.read_replies()
            connection.pending = [("exists", path, False) for path in paths]
            connection.send(b"".join(codec.frame_of(request, 2) for request in connection.pending))
            frames = connection.read_replies()
            side.seen += frames
            if any(frame[0] == "reply" and frame[3] == 0 for frame in frames):
                return False
        return True
    for side in lockstep.sides:
        side.seen = []
    wait_until(f"{paths} to go", gone, guard_s=120, pause_s=0.2)
    events = [sorted(frame for frame in side.seen if frame[0] == "event") for side in lockstep.sides]
    expect_equal(events[1], events[0], f"events as {paths} went")
    lockstep.zxid = max(frame[1] for frame in events[0])
    return events[0]


@only("milena")
def test_what_time_does(context):
    """The sweeper of container and TTL nodes, one at a time so that zxids are the same; a session that expires."""
    pair = Pair(context, {"znode.container.checkIntervalMs": 300, "tickTime": 300})
    lockstep = pair.lockstep
    try:
        for slot in (0, 1):
            lockstep.connect(slot, 500000)
        lockstep.requests(0, [("addWatch", "/", 1), ("addWatch", "/c", 0), ("addWatch", "/t", 0)])
        lockstep.requests(1, [("createContainer", "/c", b"", stream.OPEN, 4), ("create", "/c/child", b"", stream.OPEN, 0)])
        lockstep.requests(1, [("createContainer", "/never-used", b"", stream.OPEN, 4)])
        lockstep.settle()
        lockstep.requests(1, [("delete", "/c/child", -1)])
        events = len(until_gone(lockstep, ["/c"]))
        lockstep.requests(1, [("createTTL", "/t", b"", stream.OPEN, 5, 1)])
        events += len(until_gone(lockstep, ["/t"]))
        lockstep.connect(2, 3000)
        lockstep.requests(2, [("create", "/e1", b"", stream.OPEN, 1), ("create", "/e2", b"", stream.OPEN, 1)])
        for side in lockstep.sides:
            side.connections[2].close()
        events += len(until_gone(lockstep, ["/e1", "/e2"]))
        answer = lockstep.attach(2, "right")
        expect_equal(answer[2:4], (0, 0), "re-attaching an expired session")
        lockstep.settle()
        sides = [oracle.masked(oracle.walk(side)) for side in lockstep.sides]
        oracle.compare_trees(*sides, "at the end")
    except oracle.Difference as difference:
        raise Failure(str(difference)) from difference
    pair.stop()
    return f"{events} events equal"


def audit_lines(server, side):
    """What the audit log of a server says, with what differs by right made equal: session ids; the order of a client's
    names, and of the ephemerals that go together; of digests in lists we tell the user alone; control characters are '?', and those of two bytes escaped, of which none can end a line."""
    lines = []
    text = re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f]|\\\\xc2\\\\x[89][0-9a-f]", "?", server.log.read_text("utf-8"))
    for line in re.findall(r"(?:session=0x[0-9a-f]+\t)?user=[^\t]*\t(?:ip=[^\t]*\t)?operation=.*?result=[a-z]+", text):
        fields = dict(field.split("=", 1) for field in line.split("\t"))
        if "session" in fields:
            fields["session"] = side.label(int(fields["session"], 16))
        fields["user"] = ",".join(sorted(fields["user"].split(",")))
        if "acl" in fields:
            fields["acl"] = re.sub(r"(digest:[^:]*):[^:]*:", r"\1:x:", fields["acl"])
        lines.append("\t".join(f"{name}={value}" for name, value in fields.items()))
    start = 0
    for end, line in enumerate(lines + [""]):
        if "operation=ephemeralZNodeDeletion" not in line or line.split("\t")[0] != lines[start].split("\t")[0]:
            lines[start:end] = sorted(lines[start:end])
            start = end if "operation=ephemeralZNodeDeletion" in line else end + 1
    return lines


@only("milena")
def test_audit_log(context):
    """audit.enable: the same lines for the same requests."""
    compared = operations = 0
    settings = {"audit.enable": "true"}
    for seed in SEEDS:
        pair = Pair(context, settings)
        steps = stream.steps(seed, OPERATIONS)
        failure = play(pair.lockstep, steps)
        if failure:
            pair.stop(kill=True)
            report(context, seed, steps, failure, settings)
        sides, servers = pair.lockstep.sides, list(pair.servers)
        pair.stop()
        theirs, ours = (audit_lines(server, side) for server, side in zip(servers, sides))
        for number, (expected, found) in enumerate(zip(theirs + ["none"], ours + ["none"])):
            expect_equal(found, expected, f"seed {seed}, line {number} of the audit log")
        compared += len(ours)
        operations += len({re.search("operation=([a-zA-Z]*)", line)[1] + line.rsplit("=", 1)[1] for line in ours})
    expect(compared > 0, "nothing was audited")
    return f"{compared} lines equal, {operations} kinds over {len(SEEDS)} seeds"

"""One record a request, one request at a time: what a request costs each broker, and a loop that only answers.

Where the client and the server run decides more than their code does: a thread that wakes one on another, sleeping processor pays for
that (in a virtual machine several times what all else of such a request costs), and a scheduler stays with what it has chosen for
seconds. So both placements are measured by themselves, and in many short parts what the scheduler makes of it."""
import os
import pathlib

from harness.process import Child, cpu_seconds, free_port, wait_until

PRODUCE, OFFSET_COMMIT = 0, 8  # api keys
PACE = 1000  # requests a second
PLACEMENTS = {  # the processor of the server and that of the client, as indices; None: as the scheduler likes
    "": None,
    ", on one processor": (0, 0),
    ", on two processors": (0, 1),
}


class Loop:
    """A loop that does nothing but write and answer the requests of one API (answering_loop.cpp), before a broker that answers all else."""

    def __init__(self, side, work, number, api_key=PRODUCE, settings=None):
        self.port = free_port()
        self.side = side
        self.broker = side.new_broker(f"behind-loop-{number}", {
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}", **(settings or {})}).start()
        self.child = Child([side.load_program.parent / "answering_loop", self.port, self.broker.port, work / "answered", api_key], work / "loop.log")
        wait_until("the loop", lambda: "listening" in self.child.text())

    def stop(self):
        self.child.kill()
        self.broker.stop()


class Target:
    """Whom the requests go to: `row_end` tells the loop's rows from those of the broker of the same side."""

    def __init__(self, side, broker, pid, row_end):
        self.side, self.broker, self.pid, self.row_end = side, broker, pid, row_end
        self.topic = side.topic()
        self.load("create", 1)

    def load(self, mode, *more, processor=None):
        return self.side.load(mode, self.topic, *more, broker=self.broker, processor=processor)

    def place(self, processors):
        """All threads of the server, and those that they will start."""
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            try:
                os.sched_setaffinity(int(thread), processors)
            except ProcessLookupError:
                pass  # it has ended

    def measure(self, count, rate, placement, processors):
        name = "one record a request" + (f", {rate:,} a second" if rate else "") + placement[0]
        server, client = placement[1] or (None, None)
        self.place({processors[server]} if server is not None else set(processors))
        try:
            before = cpu_seconds(self.pid)
            got = self.load("single", 100, count, *([rate] if rate else []), processor=None if client is None else processors[client])
            used = cpu_seconds(self.pid) - before
        finally:
            self.place(set(processors))
        if not rate and not self.row_end:
            self.side.add(f"{name}: requests/s", got["requests_per_s"])
        self.side.add(f"{name}{self.row_end}: CPU us", used / count * 1e6)


def measure(sides, work: pathlib.Path, number, share):
    """Round `number`; `share` of the full count of requests."""
    processors = sorted(os.sched_getaffinity(0))
    targets = [Target(side, side.broker, side.broker.child.pid, "") for side in sides]
    loops = [Loop(side, work, number) for side in sides if side.kind == "milena"]
    targets += [Target(loop.side, loop.broker, loop.child.pid, ", to a loop that only answers") for loop in loops]
    for target in targets:
        target.load("single", 100, 5000)
    for placement in PLACEMENTS.items():
        if placement[1] and max(placement[1]) >= len(processors):
            continue
        for rate, count, parts in ((None, 10_000, 10 if not placement[1] else 3), (PACE, 2_000, 2)):
            for _ in range(parts):
                for target in targets:
                    target.measure(int(count * share), rate, placement, processors)
    for target in targets[:len(sides)]:
        target.side.delete(target.topic)
    for loop in loops:
        loop.stop()

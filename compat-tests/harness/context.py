"""What a test gets: a work directory, a log, brokers, and commands whose output and exit code it checks."""
import pathlib
import subprocess
import time

from harness.broker import Broker, ZooKeeper
from harness.process import HANG_GUARD_S, Child, Failure, wait_until


class Finished:
    def __init__(self, code, out, err):
        self.code, self.out_bytes, self.err_bytes = code, out, err
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")


class Context:
    def __init__(self, target, binary, work, root):
        self.target, self.binary = target, binary
        self.root = pathlib.Path(root)
        self.cache = self.root / "build" / "compat"
        self.work = pathlib.Path(work)
        self.log_path = self.work / "test.log"
        self.brokers = []
        self.shared = None
        self.sanitized = False  # the broker is built with a sanitizer, which keeps freed memory and shadows all of it
        self.scale = 1.0  # the share of the usual load; less under a sanitizer
        self.unique = 0
        self.starts_failed = 0

    def say(self, text):
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def name(self, stem):
        self.unique += 1
        return f"{stem}-{self.unique}"

    def new_broker(self, settings=None, start=True, **options):
        broker = Broker(self.target, self.work / self.name("broker"), self.binary, settings, **options)
        self.brokers.append(broker)
        return broker.start() if start else broker

    def new_coordinator(self, kind=None, start=True, settings=None):
        coordinator = ZooKeeper(kind or self.target, self.work / self.name("coordinator"), self.binary, settings=settings)
        self.brokers.append(coordinator)
        return coordinator.start() if start else coordinator

    def broker(self):
        """The broker that the tests of one folder share."""
        if self.shared is None or not self.shared.running():
            if self.starts_failed >= 2:
                raise Failure("the broker didn't start twice before")
            self.starts_failed += 1
            self.shared = self.new_broker()
            self.starts_failed = 0
        return self.shared

    def spawn(self, command, **options):
        self.say("$ " + " ".join(map(str, command)))
        return Child(command, self.work / (self.name("child") + ".log"), **options)

    def run(self, command, stdin=b"", code=0, guard_s=HANG_GUARD_S, env=None, cwd=None):
        """Runs to the end; `code` None allows any exit code."""
        import os
        self.say("$ " + " ".join(map(str, command)))
        if isinstance(stdin, str):
            stdin = stdin.encode()
        try:
            done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, timeout=guard_s,
                                  env={**os.environ, **(env or {})}, cwd=cwd, check=False)
        except subprocess.TimeoutExpired as late:
            self.say(f"stdout: {(late.stdout or b'')[-3000:]!r}\nstderr: {(late.stderr or b'')[-3000:]!r}")
            raise Failure(f"still running after {guard_s} s: {' '.join(map(str, command))}") from late
        result = Finished(done.returncode, done.stdout, done.stderr)
        self.say(f"-> {result.code}\n{result.out[-6000:]}{result.err[-6000:]}")
        if code is not None and result.code != code:
            raise Failure(f"exit code {result.code} instead of {code}: {' '.join(map(str, command))[:300]}\n"
                          f"{result.out[-1500:]}{result.err[-1500:]}")
        return result

    def wait_for_topic(self, broker, topic):
        """A broker that has just started gets its metadata from the controller a little later."""
        def known():
            out = self.run(["kcat", "-b", broker.bootstrap, "-L", "-t", topic], code=None).out
            return "leader 0" in out and "Broker:" not in out
        wait_until(f"topic {topic}", known)

    def dispose(self):
        for broker in reversed(self.brokers):
            if hasattr(broker, "dispose"):
                broker.dispose()
            else:
                broker.kill()
        self.brokers = []
        self.shared = None


def expect(condition, what):
    if not condition:
        raise Failure(what)


def expect_equal(actual, expected, what=""):
    if actual != expected:
        raise Failure(f"{what}: {str(actual)[:1000]!r} instead of {str(expected)[:1000]!r}")


def expect_in(part, whole, what=""):
    if part not in whole:
        raise Failure(f"{what}: no {part!r} in\n{whole[-2000:]}")

"""Child processes that never outlive a test, and free ports."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

HANG_GUARD_S = int(os.environ.get("COMPAT_HANG_GUARD_S", "300"))  # not an expectation: it ends what would never end


class Failure(Exception):
    """A test's expectation that did not hold."""


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it in the meantime."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(what, condition, guard_s=60, pause_s=0.05):
    end = time.monotonic() + guard_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {guard_s} s in vain for {what}")
        time.sleep(pause_s)


class Child:
    """A process in its own group with its output in a file."""

    alive = set()

    def __init__(self, command, output, cwd=None, env=None, stdin=None, stdout=None):
        self.command = [str(part) for part in command]
        self.output = pathlib.Path(output)
        self.file = self.output.open("ab")
        self.offset = self.file.tell()
        self.popen = subprocess.Popen(self.command, stdin=stdin or subprocess.DEVNULL, stdout=stdout or self.file,
                                      stderr=self.file, cwd=cwd, env={**os.environ, **(env or {})},
                                      start_new_session=True)
        self.pid = self.popen.pid
        Child.alive.add(self)

    def text(self):
        """What it has written since it started."""
        with self.output.open("rb") as file:
            file.seek(self.offset)
            return file.read().decode("utf-8", "replace")

    def running(self):
        return self.popen.poll() is None

    def wait(self, guard_s=HANG_GUARD_S):
        try:
            code = self.popen.wait(guard_s)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise Failure(f"still running after {guard_s} s: {' '.join(self.command)}") from late
        self._forget()
        return code

    def terminate(self, guard_s=60):
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
        return self.wait(guard_s)

    def kill(self):
        if self.running():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()
        self._forget()

    def _forget(self):
        Child.alive.discard(self)
        self.file.close()

    @classmethod
    def kill_all(cls):
        for child in list(cls.alive):
            child.kill()


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def cpu_seconds(pid):
    """Of all its threads, also those that have ended, to the nanosecond: /proc has hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid(3) names

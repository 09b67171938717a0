"""A PostgreSQL server in a temporary directory, as an unprivileged user, on a free port. The server that Debian's package may have set
up on port 5432 isn't touched."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from harness.process import Child, Failure, free_port, wait_until

USER = "postgres"  # as whom it runs if we are root: initdb and the server refuse that


class Postgres:
    def __init__(self, log):
        installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not installed:
            raise Failure("PostgreSQL isn't installed")
        self.programs, self.port = installed[-1], free_port()
        self.url = f"postgresql://shop@127.0.0.1:{self.port}/postgres"
        # Not below a directory of root's, where its user couldn't go.
        self.log, self.directory = log, pathlib.Path(tempfile.mkdtemp(prefix="postgres-"))
        self.as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.geteuid() == 0 else []
        if self.as_user:
            shutil.chown(self.directory, USER, USER)
        self.child = None

    def _command(self, program, *arguments):
        return [*self.as_user, self.programs / program, *arguments]

    def _run(self, program, *arguments):
        done = subprocess.run(self._command(program, *arguments), cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{program} failed: {done.stdout}{done.stderr}")

    def start(self):
        self._run("initdb", "--pgdata", self.directory, "--username=shop", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "wal_level": "logical"}
        self.child = Child(self._command("postgres", "-D", self.directory, *(f"--{key}={value}" for key, value in settings.items())),
                           self.log, cwd="/")
        wait_until("PostgreSQL", lambda: "ready to accept connections" in self.child.text() or not self.child.running())
        if not self.child.running():
            raise Failure(self.child.text())
        return self

    def stop(self):
        """Fast: clients are sent away. The directory is gone after that."""
        if self.child and self.child.running():
            self.child.popen.send_signal(signal.SIGINT)
            self.child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

"""Kafka's DumpLogSegments on log directories that our own log wrote, after a clean shutdown and after a recovery."""
import os
import pathlib
import subprocess
import sys

from harness import cmake, jars
from harness.context import expect
from harness.runner import only


@only("milena")
def test_dump_log_segments(context):
    program = cmake.program(context, "log_test", "src/log")
    directory = context.work / "written"
    context.run([program, "--gtest_filter=WrittenLogs.*"], env={"MILENA_WRITTEN_LOGS": str(directory)})
    check = pathlib.Path(__file__).with_name("check_logs.py")
    done = subprocess.run([sys.executable, check, directory / "clean", directory / "crashed"], capture_output=True,
                          text=True, env={**os.environ, "KAFKA_LIBS": str(jars.jar_dir("3.9.2"))}, check=False)
    expect(done.returncode == 0, done.stdout + done.stderr)
    for state in ("clean", "crashed"):
        for logs in sorted(path.parent for path in (directory / state).rglob("meta.properties")) or [directory / state]:
            context.run([context.binary, "log", "verify", logs])
    return "; ".join(line.split(": ", 1)[1] for line in done.stdout.splitlines())

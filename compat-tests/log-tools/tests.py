"""Kafka's DumpLogSegments on log directories that our own log wrote, after a clean shutdown and after a recovery."""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

from harness import cmake, jars
from harness.context import expect, expect_in
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import faults  # noqa: E402


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


@only("milena")
def test_verify_exit_codes(context):
    """0 for what a broker left, 1 with file and position for each kind of fault, 2 for a wrong command line."""
    good = context.work / "txn"
    with tarfile.open(context.root / "src" / "log" / "testdata" / "txn.tar.gz") as archive:
        archive.extractall(good)
    verify = [context.binary, "log", "verify"]
    expect_in("no fault", context.run([*verify, good / "log"], code=0).out)
    names = [name for name, *_ in faults.of(good / "log")]
    for number, name in enumerate(names):
        bad = context.work / f"bad-{number}"
        shutil.copytree(good / "log", bad)
        _, file, position, make = faults.of(bad)[number]
        make()
        out = context.run([*verify, bad], code=1).out
        expect_in(f"{file}:{'' if position is None else f'{position}: '}", out, name)
    expect_in("no fault", context.run([*verify, good / "log", context.work / "bad-0"], code=1).out, "the good one of two")
    for words in ([], ["--batches"], ["--batches-only"]):
        expect_in("usage: ", context.run([*verify, *words], code=2).err)
    context.run([*verify, context.work / "nowhere"], code=1)
    return f"{len(names)} kinds of faults: {', '.join(names)}"

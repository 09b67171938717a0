"""Finds tests.py in each folder, runs its test_* functions in the order written, and keeps the logs of failures."""
import argparse
import atexit
import importlib.util
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from harness.context import Context
from harness.process import Child, Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Cheap first.
FOLDERS = ["kcat", "python", "librdkafka", "node", "go", "start", "start-scripts", "bad-input", "java", "old-clients", "old-fetch", "transactions", "transactions-v2", "history", "streams", "data-sync", "topic-configs", "consumer-groups", "scripts", "group-bounds", "mirror-maker", "metrics", "zookeeper", "zookeeper-probe", "zookeeper-clients",
           "zookeeper-kafka", "zookeeper-sasl", "zookeeper-tls", "zookeeper-admin", "zookeeper-config", "zookeeper-oracle", "zookeeper-disk", "zookeeper-crash", "log-tools", "log-dirs", "handover", "kafka-oracle", "log-oracle", "compaction", "crash"]


def only(*targets):
    """Marks a test that makes sense for these targets only."""
    def mark(function):
        function.targets = targets
        return function
    return mark


def sanitizer_workload(function):
    """Marks a test as part of the workload that a broker built with a sanitizer is put under."""
    function.workload = True
    return function


def load(folder):
    path = ROOT / "compat-tests" / folder / "tests.py"
    if not path.exists():
        return []
    spec = importlib.util.spec_from_file_location(folder.replace("-", "_") + "_tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [(folder, name, value) for name, value in vars(module).items()
            if name.startswith("test_") and callable(value)]


def broker_complaints(context):
    """Sanitizer reports and crashes in the logs of brokers that a test had."""
    found = []
    for log in context.work.rglob("*.log"):
        text = log.read_text("utf-8", "replace")
        for sign in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:"):
            if sign in text and log.name in ("server.log", "zookeeper.log"):
                found.append(f"{log.name}: {text[max(0, text.index(sign) - 200):text.index(sign) + 4000]}")
    return found


class Runner:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="milena-compat-"))
        self.passed, self.failed = [], []
        atexit.register(self.clean)

    def clean(self):
        Child.kill_all()
        if not self.failed and not self.arguments.keep:
            shutil.rmtree(self.work, ignore_errors=True)

    def run_folder(self, folder, tests):
        directory = self.work / folder
        directory.mkdir()
        context = Context(self.arguments.target, self.arguments.binary, directory, ROOT)
        context.sanitized = self.arguments.sanitizer_workload
        context.scale = 0.1 if context.sanitized else 1.0
        failed_before = len(self.failed)
        try:
            for _, name, function in tests:
                self.run_test(context, folder, name, function)
            self.stop_brokers(context, folder)
        finally:
            context.dispose()
        if len(self.failed) == failed_before and not self.arguments.keep:
            shutil.rmtree(directory, ignore_errors=True)

    def run_test(self, context, folder, name, function):
        label = f"{folder}/{name.removeprefix('test_')}"
        context.log_path = context.work / f"{name}.log"
        context.say(label)
        started = time.monotonic()
        print(f"[ run    ] {label}", flush=True)
        try:
            note = function(context)
            self.passed.append(label)
            print(f"[     ok ] {label} ({time.monotonic() - started:.1f} s){': ' + note if note else ''}", flush=True)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # pylint: disable=broad-except
            self.fail(context, label, error)

    def fail(self, context, label, error):
        self.failed.append(label)
        text = str(error) if isinstance(error, Failure) else "".join(traceback.format_exception(error))
        context.say(f"FAILED {text}")
        print(f"[ FAILED ] {label}\n{text[:3000]}\n  log: {context.log_path}", flush=True)
        lines = context.log_path.read_text("utf-8", "replace").splitlines()
        print("\n".join("  | " + line[:300] for line in lines[-8:] if line not in text), flush=True)
        for broker in context.brokers[-1:]:
            if broker.log.exists():
                print(f"  {broker.log}:", flush=True)
                for line in broker.log.read_text("utf-8", "replace").splitlines()[-6:]:
                    print("  | " + line[:300], flush=True)

    def stop_brokers(self, context, folder):
        """The shared broker must still be there, must stop cleanly, and no sanitizer may have complained."""
        label = f"{folder}/clean stop"
        if context.shared is None:
            return
        try:
            if context.shared.child is None or not context.shared.child.running():
                raise Failure("the broker died")
            code = context.shared.stop()
            complaints = broker_complaints(context)
            if complaints:
                raise Failure("\n".join(complaints))
            if code not in (0, 143):  # 143: a JVM that was stopped by SIGTERM
                raise Failure(f"exit code {code} after SIGTERM")
            self.passed.append(label)
        except Failure as error:
            self.fail(context, label, error)


def main():
    parser = argparse.ArgumentParser(description="Stock clients and tools against a broker.")
    parser.add_argument("--only", action="append", help="folder, or part of folder/test; may be given again")
    parser.add_argument("--target", choices=["milena", "kafka"], default="milena")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "milena")
    parser.add_argument("--results", type=pathlib.Path, help="append `STAGE passed failed skipped` to this file")
    parser.add_argument("--stage", default="compat")
    parser.add_argument("--sanitizer-workload", action="store_true", help="the subset for sanitizer builds, less load")
    parser.add_argument("--keep", action="store_true", help="keep all directories")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    runner = Runner(arguments)
    for folder in FOLDERS:
        tests = [test for test in load(folder)
                 if arguments.target in getattr(test[2], "targets", ("milena", "kafka"))
                 and (not arguments.sanitizer_workload or getattr(test[2], "workload", False))
                 and (not arguments.only or any(part in f"{folder}/{test[1]}" for part in arguments.only))]
        if arguments.list:
            print("\n".join(f"{test[0]}/{test[1]}" for test in tests), end="\n" if tests else "")
        elif tests:
            runner.run_folder(folder, tests)
    if arguments.list:
        return 0
    print(f"{len(runner.passed)} passed, {len(runner.failed)} failed, 0 skipped", flush=True)
    for label in runner.failed:
        print(f"  FAILED {label}")
    if arguments.results:
        with arguments.results.open("a", encoding="utf-8") as file:
            file.write(f"{arguments.stage} {len(runner.passed)} {len(runner.failed)} 0\n")
    return 1 if runner.failed or not runner.passed else 0

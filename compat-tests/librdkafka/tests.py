"""GoogleTest programs on Debian's librdkafka."""
import re

from harness import cmake
from harness.context import expect
from harness.runner import sanitizer_workload


def run_suite(context, suite):
    program = cmake.program(context, "compat_librdkafka", "compat-tests/librdkafka")
    out = context.run([program, f"--gtest_filter={suite}.*"], guard_s=600,
                      env={"COMPAT_BOOTSTRAP": context.broker().bootstrap, "COMPAT_SCALE": str(context.scale)}).out
    passed = re.search(r"\[  PASSED  \] (\d+) test", out)
    expect(passed and int(passed.group(1)) > 0, out)
    return f"{passed.group(1)} tests"


@sanitizer_workload
def test_idempotent_producer(context):
    return run_suite(context, "IdempotentProducer")


def test_producer(context):
    return run_suite(context, "Producer")


@sanitizer_workload
def test_groups(context):
    return run_suite(context, "Group")


@sanitizer_workload
def test_admin(context):
    return run_suite(context, "Admin")

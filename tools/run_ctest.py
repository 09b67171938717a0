#!/usr/bin/env python3
"""usage: tools/run_ctest.py BUILD_DIR RESULTS_FILE STAGE [ctest options]

Runs ctest and appends one line `STAGE passed failed skipped` to RESULTS_FILE. GoogleTest cases are counted one
by one; a ctest test that isn't a GoogleTest binary, or that died before it could report, counts as one.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def count_gtest(report):
    suites = ElementTree.parse(report).getroot()
    skipped = len(suites.findall(".//testcase/skipped")) + int(suites.get("disabled", 0))
    failed = int(suites.get("failures", 0)) + int(suites.get("errors", 0))
    return int(suites.get("tests", 0)) - failed - skipped, failed, skipped


def main():
    build, results, stage = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3]
    reports = build / "test-reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    junit = reports / "ctest.junit"
    environment = dict(os.environ, GTEST_OUTPUT=f"xml:{reports}/")
    # A hung test must not hang the whole run. Alone on the machine no test comes near this; an option of the caller counts instead.
    code = subprocess.run(["ctest", "--test-dir", str(build), "--output-on-failure", "--output-junit", str(junit),
                           "--timeout", "1200", *sys.argv[4:]], env=environment).returncode
    passed = failed = skipped = 0
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        report = reports / (case.get("name") + ".xml")
        good = case.get("status") == "run"
        counts = count_gtest(report) if report.exists() else (0, 0, 0)
        if not any(counts) or (not good and counts[1] == 0):
            counts = (counts[0] + good, counts[1] + (not good), counts[2])
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    if passed + failed == 0 or (code != 0 and failed == 0):
        failed += 1
    with results.open("a", encoding="utf-8") as file:
        file.write(f"{stage} {passed} {failed} {skipped}\n")
    return 1 if failed else 0


sys.exit(main())

#!/usr/bin/env python3
"""usage: check_logs.py [--cleaned] [--together] DIR…   with KAFKA_LIBS naming a folder of Kafka's jars

Has Kafka's DumpLogSegments read every file of the log directories, as a stopped broker left them, and fails on any sign
of trouble: a batch that isn't valid, an exception, an index that doesn't fit its log, bytes left over.
--cleaned: a batch that a cleaner has emptied keeps its largest timestamp, which the tool misses in the log (of Kafka's
own directories, too), so that one remark is let pass; and a segment may be so small that its index is empty.
--together: one run of the tool for all directories, which takes less time.
"""
import os
import pathlib
import re
import subprocess
import sys

JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
TROUBLE = re.compile(r"isvalid: false|Exception|Mismatches in|Index offset: .*log offset|Found timestamp mismatch|"
                     r"Found out of order|misindexed|invalid bytes|Corrupt")
PASSED = re.compile(r"Found timestamp mismatch")


class Trouble(Exception):
    pass


def dump(libs, files, *flags, cleaned=False):
    """DumpLogSegments over the files; its output, once nothing in it is suspicious."""
    if not files:
        return ""
    package = "org.apache.kafka.tools" if list(pathlib.Path(libs).glob("kafka-tools-4.*")) else "kafka.tools"
    command = [*JAVA, "-cp", f"{libs}/*", f"{package}.DumpLogSegments", *flags, "--files", ",".join(map(str, files))]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    bad = [line for line in done.stdout.splitlines() if TROUBLE.search(line) and not line.startswith("SLF4J")
           and not (cleaned and PASSED.search(line))]
    if done.returncode != 0 or bad:
        lines = bad or done.stdout.splitlines()[-10:]
        raise Trouble(f"DumpLogSegments {' '.join(flags)}: exit code {done.returncode}\n" + "\n".join(lines[:20]))
    return done.stdout


def check(libs, directories, cleaned):
    def files(suffix):
        found = (path for directory in directories for path in pathlib.Path(directory).glob(f"*/*.{suffix}"))
        return sorted(path for path in found if not path.parent.name.endswith("-delete"))

    logs = [path for path in files("log") if path.stat().st_size > 0]
    if not logs:
        raise Trouble(f"no log files in {directories}")
    batches = dump(libs, logs, "--deep-iteration").count("isvalid: true")
    for path in files("log"):
        for suffix in (".index", ".timeindex"):
            if not path.with_suffix(suffix).exists():
                raise Trouble(f"{path} has no {suffix}")
    indexes = [path for path in files("index") + files("timeindex") if path.with_suffix(".log").stat().st_size > 0]
    dump(libs, indexes, "--verify-index-only", cleaned=cleaned)
    sanity = dump(libs, indexes, "--index-sanity-check", cleaned=cleaned)
    sane = sanity.count("passed sanity check") + (sanity.count(".index is empty") if cleaned else 0)
    if sane != len(indexes):
        raise Trouble(f"{sane} of {len(indexes)} indexes passed the sanity check")
    entries = len(re.findall(r"^(?:offset|timestamp): ", dump(libs, indexes, cleaned=cleaned), re.MULTILINE))
    producers = dump(libs, files("snapshot")).count("producerId: ")
    aborted = dump(libs, files("txnindex")).count("lastStableOffset: ")
    return (f"{len(logs)} segments, {batches} batches valid, {len(indexes)} indexes sane with {entries} entries, "
            f"{len(files('snapshot'))} snapshots with {producers} producers, {aborted} aborted transactions")


def main():
    libs = os.environ.get("KAFKA_LIBS", "")
    directories = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if not libs or not directories:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for group in [directories] if "--together" in sys.argv else [[directory] for directory in directories]:
            print(f"{' '.join(group)}: {check(libs, group, '--cleaned' in sys.argv)}")
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

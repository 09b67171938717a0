#!/usr/bin/env python3
"""Every key of schemas/broker_config.tsv is read by the code of the broker, or said to be without effect in
schemas/without_effect.tsv; never both."""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from generate_tables import rows_of, without_effect

HERE = pathlib.Path(__file__).resolve().parent
# They look at keys without acting by them.
ONLY_LOOKS = {"broker_config_checks.cpp", "broker_config_warnings.cpp", "config_entry.cpp", "dynamic_config.cpp"}
# What other values stop the start of needs no warning.
REFUSES = "broker_config_support.cpp"
# The bounds of other keys.
BOUNDS = {f"group.consumer.{bound}.{what}" for bound in ("min", "max") for what in ("assignment.interval.ms", "heartbeat.interval.ms", "session.timeout.ms")}


def literals():
    """What stands in quotes in the code that acts, and in the one that refuses."""
    acting, refusing = set(), set()
    for path in sorted(HERE.parent.rglob("*")):
        if path.suffix not in (".cpp", ".h") or path.name.endswith("_test.cpp") or "testing" in path.parts:
            continue
        if path.name not in ONLY_LOOKS:
            found = refusing if path.name == REFUSES else acting
            found.update(re.findall(r'"([a-zA-Z.0-9]+)"', path.read_text(encoding="utf-8")))
    return acting, refusing


def main():
    schemas = HERE / "schemas"
    keys = [row["name"] for row in rows_of(schemas / "broker_config.tsv")]
    listed = without_effect(schemas, keys)
    of_topics = {row["broker_key"] for row in rows_of(schemas / "topic_config.tsv")}
    acting, refusing = literals()
    complaints = [f"{key}: nothing reads it; it belongs into schemas/without_effect.tsv"
                  for key in keys if key not in listed and key not in acting | refusing | of_topics | BOUNDS]
    complaints += [f"{key}: it is read, and schemas/without_effect.tsv says that it has no effect"
                   for key in keys if key in listed and key in acting]
    print("\n".join(complaints) or f"{len(keys)} keys, {len(listed)} of them without effect")
    sys.exit(1 if complaints else 0)


main()

#!/usr/bin/env python3
"""Turns schemas/broker_config.tsv and schemas/topic_config.tsv into C++ tables: generate_tables.py SCHEMAS OUTPUT"""
import fnmatch
import pathlib
import re
import sys

TYPES = {"BOOLEAN": "boolean", "STRING": "string", "INT": "int32", "SHORT": "int16", "LONG": "int64", "DOUBLE": "float64",
         "LIST": "list", "CLASS": "java_class", "PASSWORD": "password"}
RULES = {"non-null string": "not_null", "non-empty string": "not_empty",
         "-1 or [1,...]": "minus_one_or_positive", "host:port,...": "host_and_port_list", "id@host:port,...": "voter_list",
         "[partitionId]:[brokerId],[partitionId]:[brokerId],...": "throttled_replicas"}
NUMBER = r"(-?[0-9.]+)"


def rule_of(allowed):
    """The rule with its minimum, maximum and choices."""
    if not allowed:
        return "any", 0, 0, ""
    if allowed in RULES:
        return RULES[allowed], 0, 0, ""
    if match := re.fullmatch(rf"\[{NUMBER},\.\.\.\]", allowed):
        return "at_least", match[1], 0, ""
    if match := re.fullmatch(rf"\[{NUMBER},\.\.\.,{NUMBER}\]( or -1)?", allowed):
        return "between_or_minus_one" if match[3] else "between", match[1], match[2], ""
    if match := re.fullmatch(r"(version |\(case insensitive\) )?\[(.*)\]", allowed):
        return {None: "one_of", "version ": "version"}.get(match[1], "one_of_ignoring_case"), 0, 0, match[2]
    sys.exit(f"no rule is written like this: {allowed}")


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rows_of(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[0].lstrip("#").split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    if [row["name"] for row in rows] != sorted(row["name"] for row in rows):
        sys.exit(f"{path.name} isn't sorted by name")
    return rows


def without_effect(schemas, keys):
    """What schemas/without_effect.tsv says of each key that it means: the longest pattern that fits counts."""
    patterns = {row["name"]: row["instead"] for row in rows_of(schemas / "without_effect.tsv")}
    found = {}
    for key in keys:
        fitting = [pattern for pattern in patterns if fnmatch.fnmatchcase(key, pattern)]
        if fitting:
            found[key] = patterns[max(fitting, key=len)]
    for pattern in patterns:
        if not fnmatch.filter(keys, pattern):
            sys.exit(f"without_effect.tsv: no broker key is called {pattern}")
    return found


def cpp_row(row, instead):
    rule, minimum, maximum, choices = rule_of(row["allowed"])
    default = "std::nullopt" if row["default"] == "null" else literal(row["default"])
    update = row.get("update_mode", "cluster-wide").replace("-", "_")
    flags = row["flags"].split(",")
    return (f'    {{{literal(row["name"])}, ConfigType::{TYPES[row["type"]]}, {default}, Rule::{rule}, {minimum}, {maximum},\n'
            f'     {literal(choices)}, {literal(row["allowed"].removeprefix("version "))}, Importance::{row["importance"].lower()},\n'
            f'     UpdateMode::{update}, {str("sensitive" in flags).lower()}, {str("internal" in flags).lower()}, {str("own" in flags).lower()},\n'
            f'     {literal(row.get("broker_key", ""))}, {literal(row["documentation"])}, {literal(instead)}}},\n')


def main():
    schemas, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = '// Generated from schemas/*.tsv.\n#include "broker/config/config_key.h"\n\nnamespace broker::config {\nnamespace {\n\n'
    for kind in ("broker", "topic"):
        keys = rows_of(schemas / f"{kind}_config.tsv")
        instead = without_effect(schemas, [key["name"] for key in keys]) if kind == "broker" else {}
        rows = "".join(cpp_row(key, instead.get(key["name"], "")) for key in keys)
        text += f"constexpr ConfigKey k{kind.capitalize()}Keys[] = {{\n{rows}}};\n\n"
    text += "}  // namespace\n\n"
    for kind in ("broker", "topic"):
        text += f"std::span<const ConfigKey> {kind}_keys() {{ return k{kind.capitalize()}Keys; }}\n"
    text += "\n}  // namespace broker::config\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

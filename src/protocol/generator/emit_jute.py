"""ZooKeeper's records: one header with all of them."""
from cpp import INTEGERS, member_name

SCALARS = {"int32": INTEGERS["int32"], "int64": INTEGERS["int64"], "bool": "bool", "string": "Nullable<std::string>",
           "bytes": "std::optional<std::string>"}


def member(field):
    element = SCALARS.get(field.type, field.type)
    if field.is_array:
        return f"Nullable<std::vector<{element}>> {member_name(field)};"
    initial = {"int32": " = 0", "int64": " = 0", "bool": " = false"}.get(field.type, "")
    return f"{element} {member_name(field)}{initial};"


def in_order_of_use(messages):
    named, done, ordered = {message.name: message for message in messages}, set(), []

    def add(message):
        if message.name in done:
            return
        done.add(message.name)
        for field in message.root.fields:
            if field.is_struct:
                add(named[field.type])
        ordered.append(message)

    for message in messages:
        add(message)
    return ordered


def struct_lines(message):
    fields = message.root.fields
    out = ["", f"struct {message.name} {{", f'  static constexpr const char* kName = "{message.name}";', "",
           f"  {message.name}() = default;"]
    out += [f"  {member(field)}" for field in fields]
    out += ["", "  template <class Self, class Visitor>", "  static void fields(Self& self, Visitor& visit) {"]
    out += [f'    visit("{field.name}", self.{member_name(field)});' for field in fields]
    out.append("  }")
    if all(field.type in ("int32", "int64", "bool") and not field.is_array for field in fields):
        out.append(f"  bool operator==(const {message.name}&) const = default;")
    return out + ["};"]


def outputs(files):
    messages = in_order_of_use([message for file in files for message in file.messages])
    out = ["// Generated from src/zk/proto/schemas. Do not edit.", "#pragma once", "", "#include <cstdint>",
           "#include <optional>", "#include <string>", "#include <vector>", "", '#include "zk/proto/nullable.h"', "",
           "namespace zk::proto {"]
    for message in messages:
        out += struct_lines(message)
    out += ["", "// All of them, for tests and tools: visit.template operator()<Record>() for each.",
            "template <class Visitor>", "void for_each_record(Visitor&& visit) {"]
    out += [f"  visit.template operator()<{message.name}>();" for message in messages]
    out += ["}", "", "}  // namespace zk::proto", ""]
    return {"zk/proto/records.h": "\n".join(out)}

#!/usr/bin/env python3
"""House rules as a test: which source folder may include which, how long files and functions may be, and that each folder says what
it is for."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# folder -> the folders whose headers it may include (itself always). The longest matching prefix decides.
ALLOWED = {
    "base": [],
    "protocol": ["base"],
    "log": ["base", "protocol"],
    "zk/proto": ["base"],
    "zk/sasl": ["base"],
    "zk/tree": ["base", "zk/proto"],
    "zk/client": ["base", "zk/proto", "zk/sasl"],
    "zk/server": ["base", "zk/proto", "zk/sasl", "zk/tree"],
    "zk/admin": ["base", "zk/proto", "zk/tree", "zk/server"],
    "broker/config": ["base", "protocol", "log"],
    "broker/metadata": ["base", "protocol", "broker/config"],
    "broker/partition": ["base", "protocol", "log", "broker/config", "broker/metadata"],
    "broker/controller": ["base", "protocol", "log", "zk/client", "zk/proto", "broker/config", "broker/metadata",
                          "broker/partition"],
    "broker/coordinator": ["base", "protocol"],
    "broker/group": ["base", "protocol", "broker/config", "broker/coordinator", "broker/metadata"],
    "broker/transaction": ["base", "protocol", "broker/config", "broker/coordinator"],
    "broker/api": ["base", "protocol", "log", "broker/config", "broker/metadata", "broker/partition",
                   "broker/controller", "broker/coordinator", "broker/group", "broker/transaction"],
    "broker/metrics": ["base", "protocol", "log", "broker/metadata", "broker/partition", "broker/coordinator", "broker/group",
                       "broker/api"],
    "broker/net": ["base", "protocol", "broker/config", "broker/api"],
    "broker": ["base", "protocol", "log", "zk", "broker"],
}

# Files that may be longer, each with its reason.
LONG_FILES = {}
LONG_FUNCTIONS = {
    "src/protocol/error.cpp:std::string_view name_of(ErrorCode code) {": "one line for each error code",
}


def folder_of(path):
    names = [name for name in ALLOWED if path == name or path.startswith(name + "/")]
    return max(names, key=len) if names else None


def check_includes(path, text, complaints):
    inside = path.relative_to(ROOT / "src").as_posix()
    folder = folder_of(inside.rsplit("/", 1)[0])
    if folder is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'#include "([^"]+)/[^/"]+"', line)
        if not match:
            continue
        target = folder_of(match.group(1))
        if target is None or target == folder:
            continue
        if not any(target == ok or target.startswith(ok + "/") for ok in ALLOWED[folder]):
            complaints.append(f"src/{inside}:{number}: {folder} must not include {match.group(1)}")


def check_lengths(path, text, complaints):
    name = path.relative_to(ROOT).as_posix()
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX and name not in LONG_FILES:
        complaints.append(f"{name}: {len(lines)} lines, {FILE_LINES_MAX} at most")
    start = None
    for number, line in enumerate(lines, 1):
        # clang-format puts a function's closing brace in the column of its first line.
        if start is None and re.match(r"\S.*\)[^;]*\{$", line) and not re.match(r"(namespace|struct|class|enum|extern)\b", line):
            start = number
        elif start is not None and line.startswith("}"):
            if number - start > FUNCTION_LINES_MAX and f"{name}:{lines[start - 1]}" not in LONG_FUNCTIONS:
                complaints.append(f"{name}:{start}: function of {number - start} lines, {FUNCTION_LINES_MAX} at most")
            start = None


def check_readmes(complaints):
    """Of testdata the folder above tells; __pycache__ may lie about."""
    for folder in sorted(path for path in [ROOT / "src", *(ROOT / "src").rglob("*")] if path.is_dir()):
        if "testdata" in folder.parts or folder.name == "__pycache__":
            continue
        readme = folder / "README.md"
        if not readme.is_file() or len(readme.read_text(encoding="utf-8").strip()) < 60:
            complaints.append(f"{folder.relative_to(ROOT).as_posix()}: it needs a README.md that says what it is for")


def main():
    complaints = []
    check_readmes(complaints)
    sources = [p for p in sorted((ROOT / "src").rglob("*")) if p.suffix in (".h", ".cpp")]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        check_includes(path, text, complaints)
        check_lengths(path, text, complaints)
    for complaint in complaints:
        print(complaint)
    print(f"{len(sources)} files, {len(complaints)} complaints")
    return 1 if complaints or not sources else 0


sys.exit(main())

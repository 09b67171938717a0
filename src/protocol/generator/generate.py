#!/usr/bin/env python3
"""Makes C++ from schema files (Kafka's messages, ZooKeeper's records). Standard library only; runs during the build.

    generate.py messages|jute SCHEMA_FOLDER OUTPUT_FOLDER    writes what has changed
    generate.py --list messages|jute SCHEMA_FOLDER           prints the paths that it would write, for CMake
"""
import pathlib
import sys

sys.dont_write_bytecode = True  # the source tree stays clean
import emit_jute
import emit_messages
import schema


def texts_of(language, folder):
    paths = sorted(folder.rglob("*.schema"))
    files = [schema.parse_file(path, check_types=language == "messages") for path in paths]
    if language == "jute":
        return emit_jute.outputs(files)
    places = {id(file): "src/protocol/schemas/" + path.relative_to(folder).as_posix()
              for file, path in zip(files, paths)}
    return emit_messages.outputs(files, lambda file: places[id(file)])


def write_changed(path, text):
    """An unchanged file keeps its time, so that nothing is compiled again for it."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(arguments):
    listing = arguments[:1] == ["--list"]
    if listing:
        arguments = arguments[1:]
    if len(arguments) != (2 if listing else 3) or arguments[0] not in ("messages", "jute"):
        sys.exit(__doc__)
    try:
        texts = texts_of(arguments[0], pathlib.Path(arguments[1]))
    except schema.SchemaError as error:
        sys.exit(str(error))
    if listing:
        print(";".join(sorted(texts)), end="")
        return
    for name, text in texts.items():
        write_changed(pathlib.Path(arguments[2]) / name, text)


main(sys.argv[1:])

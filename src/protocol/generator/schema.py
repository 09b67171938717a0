"""Reads schema files into plain objects. The format is described in schemas/README.md."""
import re

BASE_TYPES = {"bool", "int8", "int16", "int32", "int64", "uint16", "uint32", "float64", "string", "bytes", "records",
              "uuid"}


class SchemaError(Exception):
    pass


class Field:
    def __init__(self, name):
        self.name = name
        self.type = None             # a base type, or the name of a struct
        self.is_array = False
        self.versions = None         # (first, last), None: wherever its struct is
        self.is_nullable = False
        self.nullable = None         # (first, last), None: wherever the field is
        self.tag = None
        self.default = None          # text as written, None: the type's zero
        self.ignorable = False
        self.inflexible = False      # keeps the fixed-width length in flexible versions

    @property
    def is_struct(self):
        return self.type not in BASE_TYPES


class Struct:
    def __init__(self, name):
        self.name = name
        self.fields = []


class Message:
    """One top-level struct and the structs used in it, innermost first."""

    def __init__(self, kind, name, key, versions, flexible):
        self.kind = kind             # request, response, message, record
        self.name = name
        self.key = key               # the api key, None for headers and records
        self.versions = versions
        self.flexible = flexible     # first flexible version, None: none is
        self.root = Struct(name)
        self.structs = []


class File:
    def __init__(self, stem):
        self.stem = stem
        self.messages = []


def parse_range(text, last):
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"not a version range: {text}")
    first = int(match.group(1))
    if match.group(2) is None:
        return first, first
    return first, last if match.group(2) == "+" else int(match.group(3))


def parse_field(line, last):
    words = line.split()
    if len(words) < 2:
        raise SchemaError("a field needs a name and a type")
    field = Field(words[0])
    match = re.fullmatch(r"(\[?)(\w+)(\]?)(\??)([\d+-]*)", words[1])
    if not match or bool(match.group(1)) != bool(match.group(3)) or (match.group(5) and not match.group(4)):
        raise SchemaError(f"not a type: {words[1]}")
    field.is_array, field.type, field.is_nullable = bool(match.group(1)), match.group(2), bool(match.group(4))
    if match.group(5):
        field.nullable = parse_range(match.group(5), last)
    rest = words[2:]
    if rest and rest[0][0].isdigit():
        field.versions = parse_range(rest.pop(0), last)
    while rest:
        word = rest.pop(0)
        if word == "tag":
            field.tag = int(rest.pop(0))
        elif word == "=":
            field.default = rest.pop(0)
        elif word in ("ignorable", "inflexible"):
            setattr(field, word, True)
        else:
            raise SchemaError(f"unknown word: {word}")
    return field


class Parser:
    def __init__(self, path, check_types):
        self.path = path
        self.check_types = check_types
        self.file = File(path.stem)
        self.head = None
        self.message = None
        self.known = {}              # structs of the current message
        self.stack = []              # (indent, struct) being filled

    def parse(self):
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.split("#")[0].rstrip()
            if not text:
                continue
            try:
                if text[0] == " ":
                    self.field_line(text)
                else:
                    self.head_line(text.split())
            except SchemaError as error:
                raise SchemaError(f"{self.path}:{number}: {error}") from None
        self.finish()
        return self.file

    def head_line(self, words):
        if words[0] in ("request", "response"):
            if self.head is None:
                raise SchemaError(f"{words[0]} before api")
            key, name, versions, flexible = self.head
            self.begin(Message(words[0], name + words[0].capitalize(), key, versions, flexible))
            return
        key = None
        if words[0] == "api":
            key = int(words.pop(1))
        elif words[0] not in ("message", "record"):
            raise SchemaError(f"unknown word: {words[0]}")
        options = dict(zip(words[2::2], words[3::2]))
        versions = parse_range(options.pop("versions", "0"), None)
        flexible = options.pop("flexible", None)
        if options:
            raise SchemaError(f"unknown words: {' '.join(options)}")
        flexible = parse_range(flexible, versions[1])[0] if flexible else None
        if words[0] == "api":
            self.head = (key, words[1], versions, flexible)
        else:
            self.begin(Message(words[0], words[1], None, versions, flexible))

    def begin(self, message):
        self.finish()
        self.message = message
        self.file.messages.append(message)
        self.known = {}
        self.stack = [(2, message.root)]

    def field_line(self, text):
        if self.message is None:
            raise SchemaError("a field before any message")
        indent = len(text) - len(text.lstrip())
        while self.stack and self.stack[-1][0] > indent:
            self.leave()
        if self.stack[-1][0] < indent:
            parent = self.stack[-1][1].fields[-1]
            if indent != self.stack[-1][0] + 2 or not parent.is_struct or parent.type in self.known:
                raise SchemaError("unexpected indentation")
            self.known[parent.type] = Struct(parent.type)
            self.stack.append((indent, self.known[parent.type]))
        self.stack[-1][1].fields.append(parse_field(text, self.message.versions[1]))

    def leave(self):
        self.message.structs.append(self.stack.pop()[1])

    def finish(self):
        while len(self.stack) > 1:
            self.leave()
        if self.message is not None and self.check_types:
            self.check(self.message)

    def check(self, message):
        named = {struct.name: struct for struct in message.structs}
        for struct in message.structs + [message.root]:
            names = [field.name for field in struct.fields]
            tags = [field.tag for field in struct.fields if field.tag is not None]
            if len(set(names)) != len(names) or len(set(tags)) != len(tags):
                raise SchemaError(f"{self.path}: a name or tag is used twice in {struct.name}")
            for field in struct.fields:
                if field.is_struct and field.type not in named:
                    raise SchemaError(f"{self.path}: unknown type {field.type} of {field.name}")
                if field.tag is not None and message.flexible is None:
                    raise SchemaError(f"{self.path}: {field.name} has a tag, but {message.name} is never flexible")


def parse_file(path, check_types=True):
    """check_types: whether every struct must be defined inside its message (ZooKeeper's records share theirs)."""
    return Parser(path, check_types).parse()

"""Requests and responses of every version as plain dicts, laid out by the schemas of src/protocol: nothing here knows a field."""
import functools
import pathlib
import struct
import sys

from harness import wire

PROTOCOL = pathlib.Path(__file__).resolve().parents[2] / "src" / "protocol"
sys.path.insert(0, str(PROTOCOL / "generator"))
import schema  # noqa: E402

LAYOUTS = {"bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint16": "H", "uint32": "I", "float64": "d"}
ZEROS = {"bool": False, "float64": 0.0, "string": "", "bytes": b"", "records": None, "uuid": bytes(16)}
API_VERSIONS = 18  # its response header has no tags in any version, for whoever doesn't know its versions yet


class Message:
    """A message of the schemas. A struct of it is a dict by field name."""

    def __init__(self, parsed):
        self.name, self.key, self.versions, self.flexible = parsed.name, parsed.key, parsed.versions, parsed.flexible
        self.fields = parsed.root.fields
        self.structs = {struct_.name: struct_.fields for struct_ in parsed.structs}

    def is_flexible(self, version):
        return self.flexible is not None and version >= self.flexible


@functools.cache
def by_key():
    """Api key -> (request, response)."""
    found = {}
    for path in sorted((PROTOCOL / "schemas").glob("*.schema")):
        pair = {one.kind: Message(one) for one in schema.parse_file(path).messages if one.key is not None}
        if pair:
            found[pair["request"].key] = pair["request"], pair["response"]
    return found


def has(field, version):
    return field.versions is None or field.versions[0] <= version <= field.versions[1]


def may_be_null(field, version):
    return field.is_nullable and (field.nullable is None or field.nullable[0] <= version <= field.nullable[1])


def default_of(field, version):
    if field.default == "null":
        return None
    if field.default is not None:
        return field.default == "true" if field.type == "bool" else field.default if field.type == "string" else int(field.default)
    if field.is_array:
        return []
    if field.is_struct:
        return None if may_be_null(field, version) else {}
    return ZEROS.get(field.type, 0)


class Encoder:
    def __init__(self, message, version):
        self.message, self.version, self.flexible = message, version, message.is_flexible(version)

    def struct(self, fields, values):
        unknown = set(values) - {field.name for field in fields}
        if unknown:
            raise KeyError(f"{self.message.name} has no {unknown}")
        body, tagged = b"", {}
        for field in fields:
            if not has(field, self.version):
                continue
            value = values.get(field.name, default_of(field, self.version))
            if field.tag is None:
                body += self.value(field, value)
            elif field.name in values:
                tagged[field.tag] = self.value(field, value)
        if self.flexible:
            body += wire.varint(len(tagged))
            for tag, data in sorted(tagged.items()):
                body += wire.varint(tag) + wire.varint(len(data)) + data
        return body

    def size(self, field, value, layout):
        """The length in front of a string or an array; None is null."""
        if self.flexible and not field.inflexible:
            return wire.varint(0 if value is None else len(value) + 1)
        return struct.pack(">" + layout, -1 if value is None else len(value))

    def value(self, field, value):
        if field.is_array:
            return self.size(field, value, "i") + b"".join(self.one(field, item) for item in value or [])
        if field.is_struct and may_be_null(field, self.version):
            return b"\xff" if value is None else b"\x01" + self.one(field, value)
        return self.one(field, value)

    def one(self, field, value):
        if field.is_struct:
            return self.struct(self.message.structs[field.type], value)
        if field.type in LAYOUTS:
            return struct.pack(">" + LAYOUTS[field.type], value)
        if field.type == "uuid":
            return value
        data = value.encode() if isinstance(value, str) else value
        return self.size(field, data, "h" if field.type == "string" else "i") + (data or b"")


class Decoder:
    def __init__(self, message, version, reader):
        self.message, self.version, self.reader = message, version, reader
        self.flexible = message.is_flexible(version)

    def struct(self, fields):
        """Tagged fields that don't stand there aren't in the dict; an unknown one is by its number."""
        values = {field.name: self.value(field) for field in fields if field.tag is None and has(field, self.version)}
        if self.flexible:
            by_tag = {field.tag: field for field in fields if field.tag is not None and has(field, self.version)}
            for _ in range(self.reader.varint()):
                tag, size = self.reader.varint(), self.reader.varint()
                end = self.reader.at + size
                if tag in by_tag:
                    values[by_tag[tag].name] = self.value(by_tag[tag])
                else:
                    values[tag] = self.reader.bytes(size)
                if self.reader.at != end:
                    raise ValueError(f"tag {tag} of {self.message.name} isn't as long as it says")
        return values

    def size(self, field, layout):
        return self.reader.varint() - 1 if self.flexible and not field.inflexible else self.reader.take(layout)

    def value(self, field):
        if field.is_array:
            count = self.size(field, "i")
            return None if count < 0 else [self.one(field) for _ in range(count)]
        if field.is_struct and may_be_null(field, self.version) and self.reader.take("b") < 0:
            return None
        return self.one(field)

    def one(self, field):
        if field.is_struct:
            return self.struct(self.message.structs[field.type])
        if field.type in LAYOUTS:
            return self.reader.take(LAYOUTS[field.type])
        if field.type == "uuid":
            return self.reader.bytes(16)
        size = self.size(field, "h" if field.type == "string" else "i")
        if size < 0:
            return None
        data = bytes(self.reader.bytes(size))
        return data.decode() if field.type == "string" else data


def request(key, version, values):
    """A whole request behind its length. Fields that aren't in `values` have their defaults."""
    message = by_key()[key][0]
    kind = 2 if message.is_flexible(version) else 1
    return wire.header(key, version, kind) + Encoder(message, version).struct(message.fields, values)


def response(key, version, payload):
    """What stands in a whole response behind its length; an error if bytes are left over."""
    message = by_key()[key][1]
    reader = wire.Reader(payload)
    if reader.take("i") != wire.CORRELATION:
        raise ValueError("an answer to another request")
    if message.is_flexible(version) and key != API_VERSIONS and reader.varint() != 0:
        raise ValueError("tags in a response header")
    values = Decoder(message, version, reader).struct(message.fields)
    if reader.at != len(payload):
        raise ValueError(f"{len(payload) - reader.at} bytes behind {message.name} v{version}: {payload.hex()}")
    return values

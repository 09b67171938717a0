"""Kafka's messages: one header per schema file, and the .cpp files that instantiate the codec for them."""
from cpp import INTEGERS, SCALARS, member_name, snake

INSTANTIATION_FILES = 10
INT16_MAX = 32767


def element_type(field):
    if field.type == "int16" and field.name.endswith("error_code") and not field.is_array:
        return "ErrorCode"
    return SCALARS.get(field.type, field.type)


def member_type(field):
    plain = element_type(field)
    if field.is_array:
        plain = f"std::vector<{plain}>"
    # Records know themselves whether they are null.
    return f"std::optional<{plain}>" if field.is_nullable and field.type != "records" else plain


def initialiser(field):
    if field.is_nullable and field.type != "records":
        if field.default == "null":
            return ""
        inner = f"std::vector<{element_type(field)}>" if field.is_array else element_type(field)
        return f" = {inner}()"
    if field.is_array or field.is_struct or field.type in ("string", "bytes", "records", "uuid"):
        return ""
    if field.type == "bool":
        return f" = {field.default or 'false'}"
    if element_type(field) == "ErrorCode":
        return f" = static_cast<ErrorCode>({field.default or 0})"
    if field.default == "-9223372036854775808":
        return " = std::numeric_limits<std::int64_t>::min()"
    return f" = {field.default or 0}"


def specification(field):
    parts = [f'.name = "{field.name}"']
    if field.versions:
        parts.append(f".first = {field.versions[0]}")
        parts.append(f".last = {field.versions[1]}")
    if field.is_nullable:
        first, last = field.nullable or (0, INT16_MAX)
        parts.append(f".nullable_first = {first}")
        parts.append(f".nullable_last = {last}")
    if field.tag is not None:
        parts.append(f".tag = {field.tag}")
    if field.ignorable:
        parts.append(".ignorable = true")
    if field.inflexible:
        parts.append(".inflexible = true")
    if field.default == "null":
        parts.append(".default_is_null = true")
    elif field.default == "true":
        parts.append(".default_number = 1")
    elif field.default is not None and field.default != "false":
        parts.append(f".default_number = {field.default}")
    return "{" + ", ".join(parts) + "},"


def defined_outside(struct, message):
    """Whether a std::optional of it is a member of the outer struct. clang then asks whether it can be made before it has
    seen the initialisers inside, and gets it wrong, unless the constructor is defined after the outer struct."""
    return any(field.type == struct.name and field.is_nullable and not field.is_array
               for user in message.structs + [message.root] for field in user.fields)


def struct_lines(struct, message, indent, nested):
    pad = " " * indent
    out = [f"{pad}struct {struct.name} {{"]
    if struct is message.root:
        if message.key is not None:
            out.append(f"{pad}  static constexpr ApiKey kApiKey = ApiKey::{snake(api_name(message))};")
        flexible = INT16_MAX if message.flexible is None else message.flexible
        out.append(f'{pad}  static constexpr const char* kName = "{message.name}";')
        out.append(f"{pad}  static constexpr std::int16_t kVersionMin = {message.versions[0]};")
        out.append(f"{pad}  static constexpr std::int16_t kVersionMax = {message.versions[1]};")
        out.append(f"{pad}  static constexpr std::int16_t kFlexibleFrom = {flexible};")
    for inner in nested:
        out += [""] + struct_lines(inner, message, indent + 2, [])
    if nested or struct is message.root:
        out.append("")
    out.append(f"{pad}  {struct.name}()" + (";" if defined_outside(struct, message) else " = default;"))
    for field in struct.fields:
        out.append(f"{pad}  {member_type(field)} {member_name(field)}{initialiser(field)};")
    if message.flexible is not None:
        out.append(f"{pad}  UnknownTags unknown_tags;")
    out += [""] + visit_lines(struct, pad + "  ")
    out.append(f"{pad}}};")
    return out


def visit_lines(struct, pad):
    tagged = sorted((field.tag, index) for index, field in enumerate(struct.fields) if field.tag is not None)
    out = [f"{pad}static constexpr bool kHasTags = {'true' if tagged else 'false'};"]
    if struct.fields:
        out.append(f"{pad}static constexpr FieldSpec kFields[] = {{")
        out += [f"{pad}    {specification(field)}" for field in struct.fields]
        out.append(f"{pad}}};")
    self_name, visit_name = ("self", "visit") if struct.fields else ("", "")
    out.append(f"{pad}template <class Self, class Visitor>")
    out.append(f"{pad}static void fields(Self& {self_name}, Visitor& {visit_name}) {{")
    for index, field in enumerate(struct.fields):
        out.append(f"{pad}  visit(kFields[{index}], self.{member_name(field)});")
    out.append(f"{pad}}}")
    if tagged:
        out.append(f"{pad}template <class Self, class Visitor>")
        out.append(f"{pad}static void tagged_fields(Self& self, Visitor& visit) {{  // by tag")
        out += [f"{pad}  visit(kFields[{index}], self.{member_name(struct.fields[index])});" for _, index in tagged]
        out.append(f"{pad}}}")
    return out


def api_name(message):
    return message.name[:-len(message.kind)]


def header(file, source):
    out = [f"// Generated from {source}. Do not edit.", "#pragma once", "",
           '#include "protocol/codec/message.h"']
    if any(message.key is not None for message in file.messages):
        out.append('#include "protocol/messages/api_key.h"')
    out += ["", "namespace protocol {"]
    for message in file.messages:
        out += [""] + struct_lines(message.root, message, 0, message.structs)
        out += [f"inline {message.name}::{struct.name}::{struct.name}() = default;" for struct in message.structs
                if defined_outside(struct, message)]
    out += ["", "}  // namespace protocol", ""]
    return "\n".join(out)


def apis_of(files):
    """(key, name, request, response) of every api, by key."""
    apis = []
    for file in files:
        by_kind = {message.kind: message for message in file.messages if message.key is not None}
        if by_kind:
            apis.append((by_kind["request"].key, api_name(by_kind["request"]), by_kind["request"], by_kind["response"]))
    return sorted(apis)


def api_key_header(files):
    out = ["// Generated from src/protocol/schemas. Do not edit.", "#pragma once", "", "#include <cstdint>", "",
           "namespace protocol {", "", "enum class ApiKey : std::int16_t {"]
    out += [f"  {snake(name)} = {key}," for key, name, _, _ in apis_of(files)]
    out += ["};", "", "}  // namespace protocol", ""]
    return "\n".join(out)


def api_table(files):
    out = ["// Generated from src/protocol/schemas. Do not edit.", '#include "protocol/codec/api_table.h"', "",
           "namespace protocol {", "", "namespace {", "constexpr ApiInfo kApis[] = {"]
    for key, name, request, _ in apis_of(files):
        flexible = INT16_MAX if request.flexible is None else request.flexible
        out.append(f'    {{ApiKey::{snake(name)}, "{name}", {request.versions[0]}, {request.versions[1]}, {flexible}}},')
    out += ["};", "}  // namespace", "", "std::span<const ApiInfo> all_apis() { return kApis; }", "",
            "}  // namespace protocol", ""]
    return "\n".join(out)


def handlers_header(files):
    out = ["// Generated from src/protocol/schemas. Do not edit.",
           "// One declaration per API. Those that are served are defined in src/broker/api and listed in its registry.",
           "#pragma once", "", '#include "broker/api/answer.h"', "", "namespace protocol {"]
    for _, name, _, _ in apis_of(files):
        out += [f"struct {name}Request;", f"struct {name}Response;"]
    out += ["}  // namespace protocol", "", "namespace broker::api {", "", "class RequestContext;", ""]
    for _, name, _, _ in apis_of(files):
        out.append(f"Answer<protocol::{name}Response> handle(RequestContext& context, protocol::{name}Request request);")
    out += ["", "}  // namespace broker::api", ""]
    return "\n".join(out)


def include_of(file, message):
    return f'#include "protocol/{"records" if message.kind == "record" else "messages"}/{file.stem}.h"'


def instantiations(files):
    """Texts of the .cpp files, about equal in size."""
    weighed = []
    for file in files:
        weight = sum(len(struct.fields) + 4 for m in file.messages for struct in m.structs + [m.root])
        weighed.append((weight, file))
    share = sum(weight for weight, _ in weighed) / INSTANTIATION_FILES
    groups, filled = [[] for _ in range(INSTANTIATION_FILES)], 0
    for weight, file in weighed:
        groups[min(int(filled / share), INSTANTIATION_FILES - 1)].append(file)
        filled += weight
    texts = []
    for group in groups:
        out = ["// Generated from src/protocol/schemas. Do not edit.", '#include "protocol/codec/instantiate.h"']
        out += sorted({include_of(file, message) for file in group for message in file.messages})
        out += ["", "namespace protocol {"]
        for message in (message for file in group for message in file.messages):
            out.append(f"template Decoded decode({message.name}&, std::int16_t, base::ByteView);")
            out.append(f"template EncodedMessage encode(const {message.name}&, std::int16_t, std::size_t);")
            out.append(f"template std::string print(const {message.name}&, std::int16_t);")
        out += ["}  // namespace protocol", ""]
        texts.append("\n".join(out))
    return texts


def all_messages(files):
    out = ["// Generated from src/protocol/schemas. Do not edit.", '#include "protocol/codec/all_messages.h"', "",
           '#include "protocol/codec/codec.h"']
    out += sorted({include_of(file, message) for file in files for message in file.messages})
    out += ["", "namespace protocol {", "", "namespace {", "const MessageInfo kMessages[] = {"]
    for message in (message for file in files for message in file.messages):
        key = -1 if message.key is None else message.key
        out.append(f"    message_info<{message.name}>(MessageKind::{message.kind}, {key}),")
    out += ["};", "}  // namespace", "", "std::span<const MessageInfo> all_messages() { return kMessages; }", "",
            "}  // namespace protocol", ""]
    return "\n".join(out)


def outputs(files, source_of):
    """Relative path -> text."""
    texts = {"protocol/messages/api_key.h": api_key_header(files), "protocol/messages/api_table.cpp": api_table(files),
             "protocol/messages/all_messages.cpp": all_messages(files),
             "broker/api/handlers.h": handlers_header(files)}
    for file in files:
        folder = "records" if file.messages[0].kind == "record" else "messages"
        texts[f"protocol/{folder}/{file.stem}.h"] = header(file, source_of(file))
    for number, text in enumerate(instantiations(files)):
        texts[f"protocol/messages/codec_{number}.cpp"] = text
    return texts

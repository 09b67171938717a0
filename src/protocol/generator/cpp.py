"""What the emitters share: names and types of C++."""

KEYWORDS = set("""alignas alignof and asm auto bool break case catch char class concept const constexpr continue decltype
default delete do double else enum explicit export extern false float for friend goto if inline int long mutable namespace
new noexcept not nullptr operator or private protected public register requires return short signed sizeof static struct
switch template this throw true try typedef typename union unsigned using virtual void volatile while xor""".split())

INTEGERS = {"int8": "std::int8_t", "int16": "std::int16_t", "int32": "std::int32_t", "int64": "std::int64_t",
            "uint16": "std::uint16_t", "uint32": "std::uint32_t"}
SCALARS = dict(INTEGERS, bool="bool", float64="double", string="std::string", bytes="base::ByteView", records="Records",
               uuid="base::Uuid")


def member_name(field):
    return field.name + "_" if field.name in KEYWORDS else field.name


def snake(name):
    words = ""
    for index, letter in enumerate(name):
        starts_word = letter.isupper() and index > 0 and (
            not name[index - 1].isupper() or name[index + 1:index + 2].islower())
        words += ("_" if starts_word else "") + letter.lower()
    return words

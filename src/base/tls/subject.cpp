#include "base/tls/subject.h"

#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/utf8.h"

namespace base::tls {

namespace {

// Other attributes are written by number, their values in hex.
constexpr std::array<std::pair<int, std::string_view>, 9> kKeywords = {{{NID_commonName, "CN"},
                                                                        {NID_countryName, "C"},
                                                                        {NID_localityName, "L"},
                                                                        {NID_stateOrProvinceName, "ST"},
                                                                        {NID_organizationName, "O"},
                                                                        {NID_organizationalUnitName, "OU"},
                                                                        {NID_streetAddress, "STREET"},
                                                                        {NID_domainComponent, "DC"},
                                                                        {NID_userId, "UID"}}};

std::string_view keyword_of(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  for (const auto& [known, keyword] : kKeywords) {
    if (known == nid) return keyword;
  }
  return {};
}

bool is_text(int type) {
  return type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING || type == V_ASN1_T61STRING ||
         type == V_ASN1_IA5STRING || type == V_ASN1_GENERALSTRING || type == V_ASN1_BMPSTRING;
}

std::string escaped(std::string_view text) {
  // Spaces at both ends are escaped; a carriage return counts as one.
  const auto is_space = [](char c) { return c == ' ' || c == '\r'; };
  std::size_t first = 0;
  std::size_t last = text.size();
  while (first < text.size() && is_space(text[first])) ++first;
  while (last > 0 && is_space(text[last - 1])) --last;
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_character_at(text.substr(i));
    if (length == 0) {
      result += "\xef\xbf\xbd";  // as Java shows what isn't UTF-8
    } else if (c == '\0') {
      result += "\\00";
    } else {
      if (i < first || i >= last || std::string_view(",=+<>#;\"\\").find(c) != std::string_view::npos) result += '\\';
      result += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  return result;
}

std::string in_hex(const ASN1_STRING* value, ByteView bytes) {
  Bytes encoded;
  if (ASN1_STRING_type(value) != V_ASN1_OTHER) {  // that one is whole already
    encoded.push_back(static_cast<std::uint8_t>(ASN1_STRING_type(value)));
    Bytes length;
    for (std::size_t rest = bytes.size(); rest > 0; rest >>= 8) {
      length.insert(length.begin(), static_cast<std::uint8_t>(rest & 0xff));
    }
    if (bytes.size() >= 0x80) encoded.push_back(static_cast<std::uint8_t>(0x80 | length.size()));
    if (length.empty()) length.push_back(0);
    encoded.insert(encoded.end(), length.begin(), length.end());
  }
  encoded.insert(encoded.end(), bytes.begin(), bytes.end());
  return "#" + to_hex(encoded);
}

std::string part_of(const X509_NAME_ENTRY* entry) {
  const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
  const ByteView bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
  const std::string_view keyword = keyword_of(object);
  if (!keyword.empty()) {
    const bool text = is_text(ASN1_STRING_type(value));
    return std::string(keyword) + "=" + (text ? escaped(as_text(bytes)) : in_hex(value, bytes));
  }
  std::array<char, 128> number{};
  OBJ_obj2txt(number.data(), static_cast<int>(number.size()), object, 1);
  return std::string(number.data()) + "=" + in_hex(value, bytes);
}

}  // namespace

std::string subject_of(const x509_st* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  std::string result;
  std::string group;  // attributes of one level, in their order
  int level = -1;
  const auto put = [&] {
    if (level >= 0) result = result.empty() ? group : group + "," + result;
    group.clear();
  };
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    if (X509_NAME_ENTRY_set(entry) != level) put();
    level = X509_NAME_ENTRY_set(entry);
    group += (group.empty() ? "" : "+") + part_of(entry);
  }
  put();
  return result;
}

}  // namespace base::tls

#include "zk/admin/json_text.h"

#include <boost/json/serialize.hpp>

#include "zk/server/monitor.h"

namespace zk::admin {

namespace {

using boost::json::value;

void append(std::string& text, const value& item, std::size_t indent) {
  if (const auto* object = item.if_object()) {
    text += object->empty() ? "{ }" : "{\n";
    std::size_t left = object->size();
    for (const auto& [key, member] : *object) {
      text += std::string(indent + 2, ' ') + boost::json::serialize(value(key)) + " : ";
      append(text, member, indent + 2);
      text += --left > 0 ? ",\n" : "\n" + std::string(indent, ' ') + "}";
    }
  } else if (const auto* array = item.if_array()) {
    text += array->empty() ? "[ ]" : "[ ";
    std::size_t left = array->size();
    for (const value& member : *array) {
      append(text, member, indent);
      text += --left > 0 ? ", " : " ]";
    }
  } else if (item.is_double()) {
    text += server::java_number(item.get_double());
  } else {
    text += boost::json::serialize(item);
  }
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string text;
  append(text, value, 0);
  return text;
}

}  // namespace zk::admin

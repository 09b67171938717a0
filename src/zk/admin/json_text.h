// JSON as ZooKeeper's AdminServer writes it: one field a line, two spaces an indent, "key" : value, and doubles as Java
// prints them. A pure function.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace zk::admin {

std::string json_text(const boost::json::value& value);

}  // namespace zk::admin

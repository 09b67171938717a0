// Names of the scheme x509. Pure functions.
#pragma once

#include <string_view>

namespace zk::tree {

// Whether java.security.X500Principal takes the text for a name: `CN=a, O=b+OU=c`, with its keywords, quotes, escapes
// and hex values. An access list with another text isn't valid. The empty name is.
bool is_x500_name(std::string_view text);

}  // namespace zk::tree

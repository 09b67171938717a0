// A certificate's subject as text. The form is that of java.security.X500Principal.getName(), byte by byte, because
// access lists name it: RFC 2253 with the last part of the name first.
#pragma once

#include <string>

struct x509_st;

namespace base::tls {

std::string subject_of(const x509_st* certificate);

}  // namespace base::tls

// One request over plain HTTP by OpenSSL's client, which blocks: for revocation lists and OCSP alone.
#pragma once

#include <chrono>
#include <string>

namespace base::tls {

// The bodies of answers, one value of ASN.1 each (PEM isn't understood), of at most `bytes_max`. To connect and to answer may take
// 5 s each; nothing begins after the deadline. A name server may take its own time. Redirections and the proxies of the environment
// aren't followed. Throw TlsError.
std::string http_get(const std::string& url, std::size_t bytes_max, std::chrono::steady_clock::time_point deadline);
std::string http_post(const std::string& url, const std::string& body, const char* type, const char* answer_type,
                      std::size_t bytes_max, std::chrono::steady_clock::time_point deadline);

}  // namespace base::tls

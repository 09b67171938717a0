#include "base/tls/openssl_http.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/http.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "base/tls/handles.h"
#include "base/tls/key_store.h"

namespace base::tls {

namespace {

constexpr int kExchangeSecondsMax = 5;
constexpr int kWholeValue = 1;  // of ASN.1: OpenSSL knows its length, and gives it out once all of it has come

struct ReleaseText {
  void operator()(char* text) const { OPENSSL_free(text); }
};
using Text = std::unique_ptr<char, ReleaseText>;

struct Url {
  std::string host, port, path;  // the path with its query
};

Url parse(const std::string& url) {
  int tls = 0;
  char *user = nullptr, *host = nullptr, *port = nullptr, *path = nullptr, *query = nullptr, *fragment = nullptr;
  const int good = url.starts_with("http:") ? OSSL_HTTP_parse_url(url.c_str(), &tls, &user, &host, &port, nullptr, &path,
                                                                 &query, &fragment)
                                            : 0;
  ERR_clear_error();
  const Text owned[] = {Text(user), Text(host), Text(port), Text(path), Text(query), Text(fragment)};
  if (good != 1) throw TlsError("only URLs of http: and file: are served");
  Url parsed{host, port, path};
  if (query != nullptr && *query != 0) parsed.path += std::string("?") + query;
  return parsed;
}

int seconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(deadline - std::chrono::steady_clock::now()).count();
  if (left <= 0) throw TlsError("no time is left");
  return std::min(static_cast<int>(left), kExchangeSecondsMax);
}

// OpenSSL's own way of connecting tries a port that refuses until the time is over.
BioHandle connect(const Url& url, std::time_t until) {
  BioHandle connection(BIO_new(BIO_s_connect()));
  if (!connection) throw TlsError("no memory");
  BIO_set_conn_hostname(connection.get(), url.host.c_str());
  BIO_set_conn_port(connection.get(), url.port.c_str());
  BIO_set_nbio(connection.get(), 1);
  while (BIO_do_connect(connection.get()) <= 0) {
    if (BIO_should_retry(connection.get()) == 0) throw TlsError("can't connect: " + take_openssl_error());
    if (BIO_wait(connection.get(), until, 20) <= 0) throw TlsError("can't connect in time");
  }
  return connection;
}

// OpenSSL looks at the time only where there is nothing to read, and at the size only behind the header.
constexpr std::size_t kHeaderBytesMax = 64UL << 10U;
struct Limit {
  std::size_t bytes;
  std::chrono::steady_clock::time_point until;
};

long end_at_limit(BIO* connection, int operation, const char*, std::size_t, int, long, int result, std::size_t* processed) {
  if (operation != (BIO_CB_READ | BIO_CB_RETURN) || result <= 0) return result;
  auto& limit = *reinterpret_cast<Limit*>(BIO_get_callback_arg(connection));
  if (*processed > limit.bytes || std::chrono::steady_clock::now() > limit.until) return -1;
  limit.bytes -= *processed;
  return result;
}

std::string all_of(BIO* answer, std::size_t bytes_max) {
  std::string bytes;
  char part[16 * 1024];
  for (int got = 0; (got = BIO_read(answer, part, sizeof part)) > 0;) {
    bytes.append(part, static_cast<std::size_t>(got));
    if (bytes.size() > bytes_max) throw TlsError("the answer is too large");
  }
  return bytes;
}

std::string transfer(const std::string& url, BIO* body, const char* type, const char* answer_type, std::size_t bytes_max,
                     std::chrono::steady_clock::time_point deadline) {
  const Url parsed = parse(url);
  const int seconds = seconds_until(deadline);
  ERR_clear_error();
  const BioHandle connection = connect(parsed, std::time(nullptr) + seconds);
  Limit limit{bytes_max + kHeaderBytesMax, std::chrono::steady_clock::now() + std::chrono::seconds(seconds)};
  BIO_set_callback_arg(connection.get(), reinterpret_cast<char*>(&limit));
  BIO_set_callback_ex(connection.get(), end_at_limit);
  const BioHandle answer(OSSL_HTTP_transfer(nullptr, parsed.host.c_str(), parsed.port.c_str(), parsed.path.c_str(), 0, nullptr,
                                            nullptr, connection.get(), connection.get(), nullptr, nullptr, 0, nullptr, type,
                                            body, answer_type, kWholeValue, bytes_max, seconds, 0));
  if (!answer) throw TlsError(take_openssl_error());
  return all_of(answer.get(), bytes_max);
}

}  // namespace

std::string http_get(const std::string& url, std::size_t bytes_max, std::chrono::steady_clock::time_point deadline) {
  return transfer(url, nullptr, nullptr, nullptr, bytes_max, deadline);
}

std::string http_post(const std::string& url, const std::string& body, const char* type, const char* answer_type,
                      std::size_t bytes_max, std::chrono::steady_clock::time_point deadline) {
  const BioHandle reader(BIO_new_mem_buf(body.data(), static_cast<int>(body.size())));
  if (!reader) throw TlsError("no memory");
  return transfer(url, reader.get(), type, answer_type, bytes_max, deadline);
}

}  // namespace base::tls

#include "broker/net/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace broker::net {
namespace {

constexpr std::size_t kSendFileBytesMax = 1u << 20;   // one call; a loop serves other connections too
constexpr std::size_t kReadAndSendBytes = 64u << 10;  // files that have no descriptor

IoResult result_of(ssize_t returned) {
  IoResult result;
  if (returned >= 0) {
    result.bytes = static_cast<std::size_t>(returned);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    result.status = IoStatus::again;
  } else {
    result.status = IoStatus::failed;
    result.error_number = errno;
  }
  return result;
}

class PlainTransport final : public Transport {
 public:
  using Transport::Transport;

  IoResult receive(base::MutableByteView into) override {
    const Taken taken = take_arrived(into);
    if (taken.is_all) return {IoStatus::done, taken.bytes, 0};
    into = into.subspan(taken.bytes);
    IoResult result = result_of(::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT));
    if (result.status == IoStatus::done && result.bytes == 0) result.status = IoStatus::closed;
    // Whatever ends the connection comes again with the next call.
    if (taken.bytes > 0 && result.status != IoStatus::done) result = {IoStatus::done, 0, 0};
    result.bytes += taken.bytes;
    return result;
  }

  IoResult send(std::span<const iovec> pieces, bool more) override {
    if (pieces.size() == 1) {  // most responses; the kernel has less to copy and check
      return result_of(::send(socket_.native_handle(), pieces.front().iov_base, pieces.front().iov_len,
                              MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    return result_of(::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
  }

  IoResult send_file(const base::File& file, std::uint64_t position, std::size_t size) override {
    if (file.native_handle() < 0) return read_and_send(file, position, size);
    off_t offset = static_cast<off_t>(position);
    IoResult result = result_of(
        ::sendfile(socket_.native_handle(), file.native_handle(), &offset, std::min(size, kSendFileBytesMax)));
    if (result.status == IoStatus::done && result.bytes == 0) return file_ended();
    return result;
  }

 private:
  IoResult read_and_send(const base::File& file, std::uint64_t position, std::size_t size) {
    std::vector<std::uint8_t> bytes(std::min(size, kReadAndSendBytes));
    std::size_t read = file.read_at(position, bytes);
    if (read == 0) return file_ended();
    iovec piece{bytes.data(), read};
    return send({&piece, 1}, false);
  }

  // The file is shorter than its slice: nothing that could still be sent would be a valid response.
  static IoResult file_ended() {
    IoResult result;
    result.status = IoStatus::failed;
    result.error_number = EIO;
    return result;
  }
};

}  // namespace

void Transport::arrived(std::size_t bytes) {
  arrived_begin_ = 0;
  arrived_end_ = bytes;
}

Transport::Taken Transport::take_arrived(base::MutableByteView into) {
  if (!has_arrived()) return {};
  const std::size_t bytes = std::min(into.size(), arrived_end_ - arrived_begin_);
  std::copy_n(arrived_.data() + arrived_begin_, bytes, into.data());
  arrived_begin_ += bytes;
  return {bytes, bytes == into.size() || arrived_end_ < arrived_.size()};
}

std::unique_ptr<Transport> make_plain_transport(boost::asio::ip::tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace broker::net

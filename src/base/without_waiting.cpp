#include "base/without_waiting.h"

#include <algorithm>

#include "base/file_system.h"

namespace base {
namespace {

thread_local int scopes = 0;

}  // namespace

WithoutWaiting::WithoutWaiting() { ++scopes; }
WithoutWaiting::~WithoutWaiting() { --scopes; }
bool WithoutWaiting::is_active() { return scopes > 0; }

void WouldWait::read() const noexcept {
  constexpr std::size_t kPieceBytes = 256 * 1024;
  try {
    const std::unique_ptr<File> file = real_file_system().open(path_, OpenMode::read);
    Bytes piece(std::min(size_, kPieceBytes));
    for (std::size_t done = 0; done < size_;) {
      const std::size_t got = file->read_at(position_ + done, MutableByteView(piece).first(std::min(size_ - done, piece.size())));
      if (got == 0) return;
      done += got;
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the file may be gone by now
  }
}

}  // namespace base

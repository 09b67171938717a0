#include "base/linker_tables.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <span>

namespace base {

namespace {

using Headers = std::span<const ElfW(Phdr)>;

// Then the linker has written to segments that are read-only now, and to take them out would undo that.
bool has_text_relocations(const dl_phdr_info& object, Headers headers) {
  for (const ElfW(Phdr)& header : headers) {
    if (header.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + header.p_vaddr); entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) return true;
    }
  }
  return false;
}

int release(dl_phdr_info* object, std::size_t /*size*/, void* released) {
  const Headers headers(object->dlpi_phdr, object->dlpi_phnum);
  if (has_text_relocations(*object, headers)) return 0;
  // They lie in the first segment, unless an older linker has put the code there, too.
  const auto is_first = [](const ElfW(Phdr)& header) { return header.p_type == PT_LOAD && header.p_offset == 0; };
  const auto tables = std::ranges::find_if(headers, is_first);
  if (tables == headers.end() || tables->p_flags != PF_R) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (object->dlpi_addr + tables->p_vaddr) / page * page;
  const std::uintptr_t end = (object->dlpi_addr + tables->p_vaddr + tables->p_memsz + page - 1) / page * page;
  if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0) *static_cast<std::size_t*>(released) += end - begin;
  return 0;
}

}  // namespace

std::size_t release_linker_tables() {
  std::size_t released = 0;
  ::dl_iterate_phdr(&release, &released);
  return released;
}

}  // namespace base

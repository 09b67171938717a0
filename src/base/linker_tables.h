// The tables by which the dynamic linker has loaded the program: symbols, their names and relocations of the program and of each library, in
// read-only segments of their files. A start reads most of them, nearly nobody does later, but they stay resident.
#pragma once

#include <cstddef>

namespace base {

// Takes the tables out of the process's resident memory. They stay mapped from their files: who reads one again, as the linker does for a
// function that is called for the first time, gets it from the page cache. Returns the bytes of the segments that were taken out. To be
// called once after the start, from any thread. Doesn't fail: what the system doesn't take out stays.
std::size_t release_linker_tables();

}  // namespace base

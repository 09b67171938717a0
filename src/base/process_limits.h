// What the system lets this process have.
#pragma once

namespace base {

// As many open files as the system allows at all (the hard limit), as a JVM takes: the usual soft limit of 1,024 is soon
// reached by connections and segments, and a log directory of which no file can be opened goes offline. Early, before the
// process has many open. Leaves the limit as it is if it can't be raised.
void raise_open_files_limit();

// Connections leave the last descriptors to files: a log that can't open one is as lost as with a broken disk. The system gives
// the lowest number that is free, so a descriptor from this number on says that nearly all are taken; connections have
// those below. A 16th of the limit is kept, and 16 to 128 of them.
int reserved_descriptors_begin();
// Half of those are kept for files alone: up to this number they are also for who connects to a coordinator, without which a broker
// loses its session, and which it may have in its own process.
int descriptors_of_files_begin();

}  // namespace base

// What the system lets this process have.
#pragma once

namespace base {

// As many open files as the system allows at all (the hard limit), as a JVM takes: the usual soft limit of 1,024 is soon
// reached by connections and segments, and a log directory of which no file can be opened goes offline. Early, before the
// process has many open. Leaves the limit as it is if it can't be raised.
void raise_open_files_limit();

}  // namespace base

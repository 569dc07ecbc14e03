// What a loop found wrong in its input. Loops never throw for bad data and never touch memory outside their arrays: they return a Fault.
#pragma once
#include <cstdint>

namespace brainsim {

struct Fault {
  const char* array = nullptr;  // name of the offending array; nullptr: no fault
  int64_t at = 0;               // position in it
  int64_t value = 0;            // what stands there
  int64_t low = 0, high = 0;    // what was allowed, both ends included
  const char* note = "";        // what else the reader should know
  explicit operator bool() const { return array != nullptr; }
};

}  // namespace brainsim

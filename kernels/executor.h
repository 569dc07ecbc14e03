// Runs a decoded program on the buffers of one call.
#pragma once
#include "fault.h"
#include "parallel.h"
#include "program.h"

namespace brainsim {

struct Outcome {
  const char* operation = "";  // which instruction was at fault
  Fault fault;
};

// `buffers`: the arguments, then the results, each with at least the bytes that the program needs. The results of aliases hold their
// arguments already. One thread or many: the results have the same bits.
Outcome Execute(const Program& program, char* const* buffers, const Pool& pool);

}  // namespace brainsim

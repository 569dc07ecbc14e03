// A fused program: loops over time whose instructions are compiled pointwise kernels and event-driven operators.
//
// `Decode` reads it once from code words and proves that it stays within its buffers, provided that each of them has `needed` bytes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "registry.h"
#include "stdp_csr.h"

namespace brainsim {

enum class Kind : int64_t {
  kFull,    // one element per entry of every row
  kRow,     // the same row for every row
  kScalar,  // one value
  kColumn,  // one value per row
  kBits,    // one bit per entry; every row starts at a multiple of 64 bits
};

// Where an argument of an instruction lies; at time t it begins at byte shift + t * stride of its buffer.
struct Operand {
  int64_t buffer;  // -1: absent
  Kind kind;
  int64_t item;        // bytes of one entry
  int64_t stride, shift;
  int64_t row_stride;  // bytes from row to row
};

struct KernelCall {
  KernelFunction function;
  int64_t rows, n;
  std::vector<Operand> in, out;
};

// acc (rows, n_slots, n_post) += the events of bits (rows, n_pre) through a CSR matrix.
struct Push {
  bool f64, ring, sorted;
  int64_t rows, groups, steps;  // members of the batch; distinct weights; distinct step numbers
  int64_t n_pre, n_post, n_slots, nnz, n_weights, n_delays;
  Operand acc, weight, indices, indptr, delays, step, bits, values;
  bool constant;  // the matrix is the same at all times
  int64_t id;     // running number of this instruction among the program's pushes
};

// acc (rows, n_slots, n_post) += the events of bits (rows, n_pre) through a matrix that is drawn again at every event.
struct Procedural {
  bool f64, ring, skip;
  int64_t rows, groups, steps;  // members of the batch; distinct weights; distinct step numbers
  int64_t n_pre, n_post, n_slots, delay, degree, law;
  float scale;
  int64_t mean;  // synapses of a row
  Operand acc, weight, key, step, bits, values;
};

// arrivals (rows, n) = ring (rows, n_slots, n) at the slot, which is then cleared.
struct Take {
  int64_t item, rows, n, n_slots, n_steps;
  Operand ring, slot, arrivals;
};

// out (rows,) = number of set bits of each row.
struct Count {
  int64_t type;  // 0: float, 1: double, 2: int32
  int64_t rows, n;
  Operand bits, out;
};

// out (rows,) = sum of each row.
struct Sum {
  bool f64;
  int64_t rows, n;
  Operand in, out;
};

struct Copy {
  int64_t bytes;
  Operand from, to;
};

// out (rows, m) = from (rows, n) at the indices (m,).
struct Gather {
  int64_t type;  // of what comes from bits; 0: float, 1: double, 2: int32, 3: a byte
  int64_t rows, n, m;
  Operand from, indices, out;
};

// weight (rows, nnz) changed by a kernel at the synapses of the neurons whose bit in (rows, n_own) is set.
struct Stdp {
  bool f64, permuted;  // permuted: `order` says where the synapses of a neuron lie
  int64_t rows, n_own, n_other, nnz;
  KernelFunction function;
  std::vector<Role> roles;
  Operand weight, indices, indptr, order, bits;
  std::vector<Operand> values;
};

// out = first + from weight (n, n), all three (rows, n); in tiles of whole rows only.
struct Cross {
  bool f64;
  int64_t rows, n;
  Operand first, from, weight, out;
};

using Instruction = std::variant<KernelCall, Push, Take, Count, Sum, Copy, Gather, Procedural, Stdp, Cross>;
using Stage = std::vector<Instruction>;  // independent of each other

struct Loop {
  int64_t steps;
  bool reverse;
  std::vector<Stage> stages;
};

struct Program {
  int64_t n_args = 0, n_results = 0;
  std::vector<int64_t> temps;   // bytes of each
  std::vector<int64_t> needed;  // bytes of each argument and result
  std::vector<std::pair<int64_t, int64_t>> aliases;  // (argument, result) that share their memory, or are to be copied
  int64_t tile = 0;             // > 0: so many elements of a row run through all loops before the next ones begin, with temps of their own
  int64_t band = 1;             // rows of a tile
  int64_t tile_rows = 0, tile_n = 0;  // what the tiles cut up
  std::vector<Loop> loops;
  int64_t n_pushes = 0;
  std::vector<std::shared_ptr<const Kernel>> kernels;

  bool IsTemp(int64_t buffer) const { return buffer >= n_args + n_results; }
};

inline constexpr int64_t kMaxOperands = 512;  // of one kernel
inline constexpr int64_t kBitsWord = 64;      // bits are read in words of so many

inline int64_t BitsRowBytes(int64_t n) { return (n + kBitsWord - 1) / kBitsWord * 8; }

// Reads `words` and the comma-separated `digests` of the kernels they call. Returns what is wrong in one sentence, or nothing.
std::string Decode(const int64_t* words, int64_t n_words, const std::string& digests, Program* program);

}  // namespace brainsim

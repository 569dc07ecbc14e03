// What a push remembers while its program runs: where each row lies within a range of targets or, of a dense matrix, its rows as bits.
//
// There is one memory for all targets and one for each range that a team shares out, since a stage may run either way.
#pragma once
#include <atomic>
#include <vector>

#include "memory.h"
#include "program.h"
#include "push_bits.h"
#include "schedule.h"
#include "table.h"

namespace brainsim {

class PushMemory {
 public:
  PushMemory(const Push& p, int64_t steps, const Cut& cut) {
    if (!p.constant || steps < kSpanSteps) return;
    const int64_t parts = 1 + cut.pieces;
    if (!WorthBits(p, steps)) {
      spans_ = Zeroed<std::atomic<uint64_t>>(p.n_pre * parts);
      return;
    }
    bits_.resize(size_t(parts));
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t targets = part == 0 ? p.n_post : cut.End(part - 1) - cut.Begin(part - 1);
      bits_[size_t(part)].Prepare(p.n_pre, RoundUp(targets, 8 * kLine) / 64);
    }
  }

  // Of block `block` of a push that is cut in `pieces`; nullptr where nothing is remembered.
  std::atomic<uint64_t>* Spans(const Push& p, int64_t pieces, int64_t block) const {
    const int64_t part = Part(pieces, block);  // reading a large table costs more than a new check of a whole row
    return spans_ && (part > 0 || p.n_pre <= kSpanRows) ? spans_.data() + part * p.n_pre : nullptr;
  }

  const BitRows* Bits(int64_t pieces, int64_t block) const { return bits_.empty() ? nullptr : &bits_[size_t(Part(pieces, block))].rows; }

 private:
  static constexpr int64_t kSpanSteps = 16, kSpanRows = 1 << 16;
  static constexpr int64_t kBitSteps = 1000;  // a row is read a second time to make its bits

  static_assert(std::atomic<uint64_t>::is_always_lock_free);

  struct BitTable {
    Zeroed<uint64_t> words;
    Zeroed<BitRows::Listed> listed;
    std::vector<int32_t> repeats;
    BitRows rows{};

    void Prepare(int64_t n_pre, int64_t n_words) {
      words = Zeroed<uint64_t>(n_pre * n_words);
      listed = Zeroed<BitRows::Listed>(n_pre);
      rows = {words.data(), listed.data(), &repeats, n_words};
    }
  };

  // From one synapse in a vector of targets on; measured. The rows of a batch would fill the same table at the same time.
  static bool WorthBits(const Push& p, int64_t steps) {
    const int64_t lanes = std::max<int64_t>(ActiveTable().masked / (p.f64 ? 2 : 1), 1);
    return p.n_weights == 1 && p.n_delays == 1 && p.values.buffer < 0 && p.rows == 1 && steps >= kBitSteps &&
           p.nnz * lanes >= p.n_pre * p.n_post;
  }

  static int64_t Part(int64_t pieces, int64_t block) { return pieces == 1 ? 0 : 1 + block % pieces; }

  Zeroed<std::atomic<uint64_t>> spans_;  // of all targets, then of each range
  std::vector<BitTable> bits_;           // likewise
};

}  // namespace brainsim

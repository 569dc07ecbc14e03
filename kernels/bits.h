// Rows of bits: bit e of a row is bit e % 8 of its byte e / 8, and a row is padded to words of 64 bits.
#pragma once
#include "vec.h"

namespace brainsim::BS_ISA {

// Word w of a row of n bits; what is past the end counts as 0.
inline uint64_t BitsWord(const uint8_t* bits, int64_t n, int64_t w) {
  uint64_t word;
  std::memcpy(&word, bits + 8 * w, sizeof word);
  return n - 64 * w >= 64 ? word : word & ((uint64_t(1) << (n - 64 * w)) - 1);
}

inline int64_t CountBits(const uint8_t* bits, int64_t n) {
  int64_t count = 0;
  for (int64_t w = 0; 64 * w < n; ++w) count += __builtin_popcountll(BitsWord(bits, n, w));
  return count;
}

// Writes the ascending positions of the set bits to `ids` (room for n + 1) and returns how many there are. Most words have no bit or
// one, and which of them is hard to foresee: the first is written without a branch.
inline int64_t ListBits(const uint8_t* bits, int64_t n, int32_t* ids) {
  int64_t count = 0;
  for (int64_t w = 0; 64 * w < n; ++w) {
    uint64_t word = BitsWord(bits, n, w);
    ids[count] = int32_t(64 * w) + (word != 0 ? __builtin_ctzll(word) : 0);
    count += word != 0;
    for (word &= word - 1; word != 0; word &= word - 1) ids[count++] = int32_t(64 * w + __builtin_ctzll(word));
  }
  return count;
}

}  // namespace brainsim::BS_ISA

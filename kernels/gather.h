// Entries of a row picked by index; an index past either end picks the last entry there.
#pragma once
#include <algorithm>
#include <cstdint>

namespace brainsim {

inline int64_t Clip(int32_t index, int64_t n) { return std::clamp<int64_t>(index, 0, n - 1); }

// out[j] = from[indices[j]] for j in [begin, end).
template <class T>
void GatherEntries(const T* from, int64_t n, const int32_t* indices, int64_t begin, int64_t end, T* out) {
  for (int64_t j = begin; j < end; ++j) out[j] = from[Clip(indices[j], n)];
}

// The same from a row of bits, as 0 or 1.
template <class T>
void GatherBits(const uint8_t* bits, int64_t n, const int32_t* indices, int64_t begin, int64_t end, T* out) {
  for (int64_t j = begin; j < end; ++j) {
    const int64_t e = Clip(indices[j], n);
    out[j] = T(bits[e / 8] >> (e % 8) & 1);
  }
}

}  // namespace brainsim

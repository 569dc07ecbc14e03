// y = g W^T where a mask says so and 0 elsewhere: one dot product of two rows for each place that is wanted.
//
// Columns go in strips of kSampledColumns: a strip of g is read once a row, that of W stays in cache for a tile of rows. Within a strip
// each lane sums its own columns, a tree sums the lanes, and strips add up as they come: the order is the same everywhere.
#pragma once
#include <algorithm>
#include <memory>

#include "vec.h"

namespace brainsim::BS_ISA {

inline constexpr int64_t kSampledRows = 64;      // rows sharing a strip of W
inline constexpr int64_t kSampledColumns = 128;  // of a strip
inline constexpr int64_t kSampledAtOnce = 4;     // dot products side by side, so that no sum waits for its last addend

// y[at[e]] += g . W[at[e]] over `width` columns, for kAtOnce places.
template <class T, int64_t kAtOnce>
inline void DotRows(const T* g, const T* weight, int64_t stride, int64_t width, const int32_t* at, T* y) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  typename Lanes<T>::Vec sum[kAtOnce] = {};
  const T* line[kAtOnce];
  for (int64_t e = 0; e < kAtOnce; ++e) line[e] = weight + int64_t(at[e]) * stride;
  int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) {
    const typename Lanes<T>::Vec given = Load(g + c);
    for (int64_t e = 0; e < kAtOnce; ++e) sum[e] += given * Load(line[e] + c);
  }
  if (c < width) {
    T given[kLanes] = {}, last[kLanes] = {};
    std::copy(g + c, g + width, given);
    for (int64_t e = 0; e < kAtOnce; ++e) {
      std::copy(line[e] + c, line[e] + width, last);
      sum[e] += Load(given) * Load(last);
    }
  }
  for (int64_t e = 0; e < kAtOnce; ++e) y[at[e]] += SumLanes<T>(sum[e]);
}

// Bit j is set where byte j of `bytes` is 1 and not 0.
inline uint64_t BitsOfBytes(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word * 0x0102040810204080u >> 56;
}

// Writes the ascending positions of the ones among mask[0..n), each 0 or 1, to `ids` (room for n) and returns how many there are.
inline int64_t ListBytes(const uint8_t* mask, int64_t n, int32_t* ids) {
  int64_t count = 0, i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t bits = 0;
    for (int64_t q = 0; q < 8; ++q) bits |= BitsOfBytes(mask + i + 8 * q) << 8 * q;
    for (; bits; bits &= bits - 1) ids[count++] = int32_t(i + __builtin_ctzll(bits));
  }
  for (; i < n; ++i)
    if (mask[i]) ids[count++] = int32_t(i);
  return count;
}

// y (n_rows, n_in) from g (n_rows, n_out), W (n_in, n_out) and the mask (n_rows, n_in), one byte a place.
template <class T>
void SampledDense(const T* ct, const T* weight, const uint8_t* wanted, int64_t n_rows, int64_t n_in, int64_t n_out, T* y) {
  const int64_t tile = std::max<int64_t>(1, std::min(kSampledRows, n_rows));
  const std::unique_ptr<int32_t[]> at(new int32_t[tile * n_in]);
  const std::unique_ptr<int64_t[]> start(new int64_t[tile + 1]);
  std::fill(y, y + n_rows * n_in, T(0));
  for (int64_t r0 = 0; r0 < n_rows; r0 += tile) {
    const int64_t rows = std::min(tile, n_rows - r0);
    start[0] = 0;
    for (int64_t r = 0; r < rows; ++r) start[r + 1] = start[r] + ListBytes(wanted + (r0 + r) * n_in, n_in, at.get() + start[r]);
    for (int64_t column = 0; column < n_out; column += kSampledColumns) {
      const int64_t width = std::min(kSampledColumns, n_out - column);
      for (int64_t r = 0; r < rows; ++r) {
        const T* g = ct + (r0 + r) * n_out + column;
        T* out = y + (r0 + r) * n_in;
        int64_t e = start[r];
        for (; e + kSampledAtOnce <= start[r + 1]; e += kSampledAtOnce)
          DotRows<T, kSampledAtOnce>(g, weight + column, n_out, width, at.get() + e, out);
        for (; e < start[r + 1]; ++e) DotRows<T, 1>(g, weight + column, n_out, width, at.get() + e, out);
      }
    }
  }
}

}  // namespace brainsim::BS_ISA

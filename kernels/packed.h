// Spikes of a batch as bits, and what they add up to: dW = s^T g from one bit for each entry of s.
#pragma once
#include "bits.h"
#include "event_dense.h"

namespace brainsim::BS_ISA {

// Rows of bits, set where spikes (n_rows, n) are not 0.
template <class T>
void PackRows(const T* spikes, int64_t n_rows, int64_t n, uint8_t* bits) {
  for (int64_t r = 0; r < n_rows; ++r)
    for (int64_t i = 0; i < n; i += 64) {
      const T* from = spikes + r * n + i;
      uint64_t word = 0;
      if (n - i >= 64) {
        for (int64_t q = 0; q < 64; q += Lanes<T>::kCount) word |= NonZeroMask(from + q) << q;
      } else {
        for (int64_t q = 0; q < n - i; ++q) word |= uint64_t(from[q] != T(0)) << q;
      }
      std::memcpy(bits + r * PackedBytes(n) + i / 8, &word, sizeof word);
    }
}

// Spikes as `EventDenseOuter` reads them, from bits.
template <class T>
struct PackedRows {
  const uint8_t* bits;
  int64_t n;

  int64_t List(int64_t row, int64_t lo, int64_t count, int32_t* ids) const { return ListBits(bits + row * PackedBytes(n) + lo / 8, count, ids); }
  T Value(int64_t, int64_t) const { return T(1); }
};

// dW (n_in, n_out) = s^T g for inputs [lo, hi), where lo is a multiple of 64; s as bits, g (n_rows, n_out).
template <class T>
void PackedOuter(const uint8_t* bits, const T* ct, int64_t n_rows, int64_t n_in, int64_t n_out, int64_t lo, int64_t hi, T* dw) {
  OuterOf(PackedRows<T>{bits, n_in}, ct, n_rows, n_out, lo, hi, dw);
}

}  // namespace brainsim::BS_ISA

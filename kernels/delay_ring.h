// Reads and clears one slot of a ring of pending arrivals, and the transpose: overwrites one slot.
#pragma once
#include <cstdint>
#include <cstring>

namespace brainsim {

// arrivals (n,) = ring[slot]; ring[slot] = 0.   ring is (L, n).
template <class T>
void DelayRingTake(T* ring, int64_t n, int64_t slot, T* arrivals) {
  std::memcpy(arrivals, ring + slot * n, sizeof(T) * n);
  std::memset(ring + slot * n, 0, sizeof(T) * n);
}

// ring[slot] = values.
template <class T>
void DelayRingPut(T* ring, int64_t n, int64_t slot, const T* values) {
  std::memcpy(ring + slot * n, values, sizeof(T) * n);
}

}  // namespace brainsim

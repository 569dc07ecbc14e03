// y = b + s W and dW = s^T g, both touching only the non-zero entries of s (rows, n_in).
//
// Register-blocked: a strip of columns is summed in registers over all active entries, and a tile of rows shares the strip while it
// is in cache. Each output entry is summed in ascending order of the entry it sums over, whatever the blocking.
#pragma once
#include <algorithm>
#include <memory>

#include "vec.h"

namespace brainsim::BS_ISA {

inline constexpr int64_t kForwardRows = 64;        // rows sharing a strip of W
inline constexpr int64_t kOuterRows = 512;         // rows sharing a strip of g
inline constexpr int64_t kMaxEvents = 1073741824;  // of one tile: positions in a list fit 32 bits

// Rows of a tile whose every entry may be an event.
inline int64_t TileRows(int64_t wanted, int64_t n_rows, int64_t n_in) {
  return std::max<int64_t>(1, std::min({wanted, n_rows, kMaxEvents / std::max<int64_t>(n_in, 1)}));
}

// Lists of (position, value): list j is [start[j], start[j + 1]).
template <class T>
struct EventLists {
  std::unique_ptr<int32_t[]> at, start;
  std::unique_ptr<T[]> value;
  bool unit = true;  // all values are 1: the product can be left out
  EventLists(int64_t n_lists, int64_t capacity)
      : at(new int32_t[capacity]), start(new int32_t[n_lists + 1]), value(new T[capacity]) {}
};

// dst[0 .. kBlocks vectors) = first (nullptr: 0) + sum_e value_e src[at_e * stride ..] over events [begin, end).
template <class T, int kBlocks, bool kUnit>
inline void Strip(const T* src, int64_t stride, const EventLists<T>& events, int64_t begin, int64_t end, const T* first, T* dst) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  typename Lanes<T>::Vec sum[kBlocks];
  for (int j = 0; j < kBlocks; ++j) sum[j] = first ? Load(first + j * kLanes) : typename Lanes<T>::Vec{};
  for (int64_t e = begin; e < end; ++e) {
    const T* line = src + int64_t(events.at[e]) * stride;
    if constexpr (kUnit) {
      for (int j = 0; j < kBlocks; ++j) sum[j] += Load(line + j * kLanes);
    } else {
      const T value = events.value[e];
      for (int j = 0; j < kBlocks; ++j) sum[j] += value * Load(line + j * kLanes);
    }
  }
  for (int j = 0; j < kBlocks; ++j) Store(dst + j * kLanes, sum[j]);
}

// The columns left over at the right edge, fewer than one vector.
template <class T>
inline void Edge(const T* src, int64_t stride, const EventLists<T>& events, int64_t begin, int64_t end, const T* first,
                 int64_t width, T* dst) {
  T sum[Lanes<T>::kCount] = {};
  if (first) std::copy(first, first + width, sum);
  for (int64_t e = begin; e < end; ++e) {
    const T* line = src + int64_t(events.at[e]) * stride;
    for (int64_t c = 0; c < width; ++c) sum[c] += events.value[e] * line[c];
  }
  std::copy(sum, sum + width, dst);
}

// dst[j, column ..] = first[column ..] + sum over list j of value * src[at, column ..], strips of kBlocks vectors, then narrower
// ones. `first` is one row for all lists (nullptr: 0), or row j of dst itself where `add`.
template <class T, int kBlocks>
void Strips(const T* src, int64_t width, const EventLists<T>& events, int64_t n_lists, bool add, const T* first, int64_t column,
            T* dst) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  const auto start = [=](int64_t j, int64_t c) { return add ? dst + j * width + c : first ? first + c : nullptr; };
  const auto strip = events.unit ? Strip<T, kBlocks, true> : Strip<T, kBlocks, false>;
  for (; column + kBlocks * kLanes <= width; column += kBlocks * kLanes)
    for (int64_t j = 0; j < n_lists; ++j) {
      const int64_t begin = events.start[j], end = events.start[j + 1];
      if (begin == end && add) continue;
      strip(src + column, width, events, begin, end, start(j, column), dst + j * width + column);
    }
  if constexpr (kBlocks > 1) {
    Strips<T, kBlocks / 2>(src, width, events, n_lists, add, first, column, dst);
  } else if (column < width) {
    for (int64_t j = 0; j < n_lists; ++j)
      Edge(src + column, width, events, events.start[j], events.start[j + 1], start(j, column), width - column,
           dst + j * width + column);
  }
}

inline int64_t PackedBytes(int64_t n) { return (n + 63) / 64 * 8; }

// Rows of n bits, set at the listed positions.
template <class T>
void SetBits(const EventLists<T>& events, int64_t n_rows, int64_t n, uint8_t* bits) {
  std::memset(bits, 0, size_t(n_rows * PackedBytes(n)));
  for (int64_t r = 0; r < n_rows; ++r)
    for (int64_t e = events.start[r]; e < events.start[r + 1]; ++e) bits[r * PackedBytes(n) + events.at[e] / 8] |= uint8_t(1 << events.at[e] % 8);
}

// Lists, for each row, of the inputs that are non-zero; returns how many there are.
template <class T>
int64_t ListByRow(const T* spikes, int64_t n_in, int64_t n_rows, EventLists<T>* events) {
  int64_t count = 0;
  events->unit = true;
  for (int64_t r = 0; r < n_rows; ++r) {
    const T* row = spikes + r * n_in;
    events->start[r] = int32_t(count);
    const int64_t end = count + NonZero(row, n_in, events->at.get() + count);
    for (; count < end; ++count) {
      events->value[count] = row[events->at[count]];
      events->unit &= events->value[count] == T(1);
    }
  }
  events->start[n_rows] = int32_t(count);
  return count;
}

// y (n_rows, n_out) = b (n_out; nullptr: 0) + s (n_rows, n_in) W (n_in, n_out). Returns whether no s but 0 and 1 was met, and writes
// which are not 0 as rows of bits (nullptr: not at all).
template <class T>
bool EventDense(const T* spikes, const T* weight, const T* bias, int64_t n_rows, int64_t n_in, int64_t n_out, T* y, uint8_t* bits) {
  const int64_t tile = TileRows(kForwardRows, n_rows, n_in);
  EventLists<T> events(tile, tile * n_in);
  bool unit = true;
  for (int64_t r0 = 0; r0 < n_rows; r0 += tile) {
    const int64_t rows = std::min(tile, n_rows - r0);
    ListByRow(spikes + r0 * n_in, n_in, rows, &events);
    unit &= events.unit;
    if (bits) SetBits(events, rows, n_in, bits + r0 * PackedBytes(n_in));
    Strips<T, kAccumulators>(weight, n_out, events, rows, false, bias, 0, y + r0 * n_out);
  }
  return unit;
}

// Spikes (rows, n) as they are given.
template <class T>
struct GivenRows {
  const T* spikes;
  int64_t n;

  int64_t List(int64_t row, int64_t lo, int64_t count, int32_t* ids) const { return NonZero(spikes + row * n + lo, count, ids); }
  T Value(int64_t row, int64_t i) const { return spikes[row * n + i]; }
};

// Lists, for each input in [lo, hi), of the rows [r0, r1) in which it is non-zero.
template <class T, class Rows>
void ListByInput(const Rows& spikes, int64_t lo, int64_t hi, int64_t r0, int64_t r1, int32_t* ids, int32_t* ends, EventLists<T>* events) {
  const int64_t n = hi - lo;
  int32_t* start = events->start.get();
  std::fill(start, start + n + 1, 0);
  int64_t count = 0;
  for (int64_t r = r0; r < r1; ++r) {
    const int64_t end = count + spikes.List(r, lo, n, ids + count);
    for (; count < end; ++count) ++start[ids[count] + 1];
    ends[r - r0] = int32_t(end);
  }
  for (int64_t j = 0; j < n; ++j) start[j + 1] += start[j];
  events->unit = true;
  int64_t e = 0;
  for (int64_t r = r0; r < r1; ++r)
    for (; e < ends[r - r0]; ++e) {
      const int32_t place = start[ids[e]]++;
      const T value = spikes.Value(r, lo + ids[e]);
      events->at[place] = int32_t(r - r0);
      events->value[place] = value;
      events->unit &= value == T(1);
    }
  for (int64_t j = n; j > 0; --j) start[j] = start[j - 1];
  start[0] = 0;
}

template <class T, class Rows>
void OuterOf(const Rows& spikes, const T* ct, int64_t n_rows, int64_t n_out, int64_t lo, int64_t hi, T* dw) {
  const int64_t n = hi - lo, tile = TileRows(kOuterRows, n_rows, n);
  T* out = dw + lo * n_out;
  std::fill(out, out + n * n_out, T(0));
  EventLists<T> events(n, tile * n);
  const std::unique_ptr<int32_t[]> ids(new int32_t[tile * n + 1]), ends(new int32_t[tile]);
  for (int64_t r0 = 0; r0 < n_rows; r0 += tile) {
    ListByInput(spikes, lo, hi, r0, std::min(r0 + tile, n_rows), ids.get(), ends.get(), &events);
    Strips<T, kAccumulators>(ct + r0 * n_out, n_out, events, n, true, nullptr, 0, out);
  }
}

// dW (n_in, n_out) = s^T g for inputs [lo, hi); g (n_rows, n_out).
template <class T>
void EventDenseOuter(const T* spikes, const T* ct, int64_t n_rows, int64_t n_in, int64_t n_out, int64_t lo, int64_t hi, T* dw) {
  OuterOf(GivenRows<T>{spikes, n_in}, ct, n_rows, n_out, lo, hi, dw);
}

}  // namespace brainsim::BS_ISA

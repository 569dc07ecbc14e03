// out = first + a W for a few rows: the product by which neurons hear each other in a recurrence, and its transpose.
//
// Each entry is summed from `first` in ascending order of the entry of a that it sums over, one product and one addition at a time,
// whether entries that are 0 are passed over or not: the two ways give the same bits (of finite numbers).
#pragma once
#include <algorithm>

#include "event_dense.h"

namespace brainsim::BS_ISA {

inline constexpr int64_t kPage = 4096;        // bytes
inline constexpr double kCrossDensity = 0.5;  // of entries that are not 0, up to which they are worth listing

// kBlocks vectors of columns of kRows rows; rows are n_in (a) and n_out (the others) apart. All rows share each load of W, and all
// vectors each entry of a.
template <class T, int kRows, int kBlocks>
inline void CrossBlock(const T* a, const T* weight, const T* first, int64_t n_in, int64_t n_out, T* out) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  typename Lanes<T>::Vec sum[kRows][kBlocks];
  for (int r = 0; r < kRows; ++r)
    for (int b = 0; b < kBlocks; ++b) sum[r][b] = Load(first + r * n_out + b * kLanes);
  for (int64_t k = 0; k < n_in; ++k) {
    typename Lanes<T>::Vec line[kBlocks];
    for (int b = 0; b < kBlocks; ++b) line[b] = Load(weight + k * n_out + b * kLanes);
    for (int r = 0; r < kRows; ++r)
      for (int b = 0; b < kBlocks; ++b) sum[r][b] += a[r * n_in + k] * line[b];
  }
  for (int r = 0; r < kRows; ++r)
    for (int b = 0; b < kBlocks; ++b) Store(out + r * n_out + b * kLanes, sum[r][b]);
}

// kRows rows at a time, then fewer, as many sums in registers whatever their shape. The columns at the right edge are summed once more
// with their neighbours, where there is a vector of them.
template <class T, int kRows>
void CrossEntries(const T* a, const T* weight, const T* first, int64_t n_rows, int64_t n_in, int64_t n_out, T* out) {
  constexpr int kBlocks = kAccumulators / kRows;
  constexpr int64_t kLanes = Lanes<T>::kCount;
  int64_t r = 0;
  for (; r + kRows <= n_rows; r += kRows) {
    const T *own = a + r * n_in, *begin = first + r * n_out;
    T* sums = out + r * n_out;
    int64_t c = 0;
    for (; c + kBlocks * kLanes <= n_out; c += kBlocks * kLanes)
      CrossBlock<T, kRows, kBlocks>(own, weight + c, begin + c, n_in, n_out, sums + c);
    for (; c < n_out && n_out >= kLanes; c += kLanes) {
      c = std::min(c, n_out - kLanes);
      CrossBlock<T, kRows, 1>(own, weight + c, begin + c, n_in, n_out, sums + c);
    }
    for (; c < n_out; ++c)
      for (int q = 0; q < kRows; ++q) {
        T sum = begin[q * n_out + c];
        for (int64_t k = 0; k < n_in; ++k) sum += own[q * n_in + k] * weight[k * n_out + c];
        sums[q * n_out + c] = sum;
      }
  }
  if constexpr (kRows > 1)
    CrossEntries<T, kRows / 2>(a + r * n_in, weight, first + r * n_out, n_rows - r, n_in, n_out, out + r * n_out);
}

// out (n_rows, n_out) = first (the same) + a (n_rows, n_in) weight (n_in, n_out); out is none of the others.
template <class T>
void CrossRows(const T* a, const T* weight, const T* first, int64_t n_rows, int64_t n_in, int64_t n_out, T* out) {
  const int64_t count = CountNonZero(a, n_rows * n_in);
  if (double(count) > kCrossDensity * double(n_rows * n_in)) {
    const bool pages = n_in * int64_t(sizeof(T)) % kPage == 0;  // then entries of many rows push each other out of the first cache
    const auto entries = pages ? CrossEntries<T, std::max(kAccumulators / 4, 1)> : CrossEntries<T, kAccumulators>;
    return entries(a, weight, first, n_rows, n_in, n_out, out);
  }
  EventLists<T> events(n_rows, count);
  ListByRow(a, n_in, n_rows, &events);
  std::copy(first, first + n_rows * n_out, out);
  Strips<T, kAccumulators>(weight, n_out, events, n_rows, true, nullptr, 0, out);
}

}  // namespace brainsim::BS_ISA

// out = first + a W for a few rows: the product by which neurons hear each other in a recurrence, and its transpose.
//
// Each entry is summed from `first` in ascending order of the entry of a that it sums over, one product and one addition at a time,
// whether entries that are 0 are passed over or not: the two ways give the same bits (of finite numbers).
#pragma once
#include <algorithm>

#include "event_dense.h"

namespace brainsim::BS_ISA {

inline constexpr double kCrossDensity = 0.5;  // of entries that are not 0, up to which they are worth listing

// One vector of columns of kRows rows; rows are n_in (a) and n_out (the others) apart. All rows share each load of W.
template <class T, int kRows>
inline void CrossVector(const T* a, const T* weight, const T* first, int64_t n_in, int64_t n_out, T* out) {
  typename Lanes<T>::Vec sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = Load(first + r * n_out);
  for (int64_t k = 0; k < n_in; ++k) {
    const typename Lanes<T>::Vec line = Load(weight + k * n_out);
    for (int r = 0; r < kRows; ++r) sum[r] += a[r * n_in + k] * line;
  }
  for (int r = 0; r < kRows; ++r) Store(out + r * n_out, sum[r]);
}

// kRows rows at a time, then fewer. The columns at the right edge are summed once more with their neighbours, where there is a
// vector of them.
template <class T, int kRows>
void CrossEntries(const T* a, const T* weight, const T* first, int64_t n_rows, int64_t n_in, int64_t n_out, T* out) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  int64_t r = 0;
  for (; r + kRows <= n_rows; r += kRows) {
    const T *own = a + r * n_in, *begin = first + r * n_out;
    T* sums = out + r * n_out;
    int64_t c = 0;
    for (; c < n_out && n_out >= kLanes; c += kLanes) {
      c = std::min(c, n_out - kLanes);
      CrossVector<T, kRows>(own, weight + c, begin + c, n_in, n_out, sums + c);
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
  if (double(count) > kCrossDensity * double(n_rows * n_in))
    return CrossEntries<T, kAccumulators>(a, weight, first, n_rows, n_in, n_out, out);
  EventLists<T> events(n_rows, count);
  ListByRow(a, n_in, n_rows, &events);
  std::copy(first, first + n_rows * n_out, out);
  Strips<T, kAccumulators>(weight, n_out, events, n_rows, true, nullptr, 0, out);
}

}  // namespace brainsim::BS_ISA

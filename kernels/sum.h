// The sum of a row in one fixed order: lanes of 64 bytes within blocks, a tree over the lanes, then the blocks as they come.
#pragma once
#include <algorithm>

#include "vec.h"

namespace brainsim::BS_ISA {

inline constexpr int64_t kSumBlock = 4096;

template <class T>
T SumRow(const T* values, int64_t n) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  T total = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = std::min(begin + kSumBlock, n);
    T sum[kLanes] = {};
    int64_t k = begin;
    for (; k + kLanes <= end; k += kLanes)
      for (int64_t l = 0; l < kLanes; ++l) sum[l] += values[k + l];
    for (int64_t l = 0; k < end; ++k, ++l) sum[l] += values[k];
    total += SumTree(sum);
  }
  return total;
}

}  // namespace brainsim::BS_ISA

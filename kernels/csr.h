// The trilinear form T(w, s, c) = sum_k w_k s[pre(k)] c[(step + d_k) mod L, post(k)] over the synapses k of a CSR matrix, and its
// partial derivatives to s (CsrPull) and to w (CsrOuter); that to c is in push.h. Without delays L = 1.
//
// Every index, offset and delay that is followed is checked first. Each output entry is summed in one fixed order, whatever range
// of outputs a call is asked for, so a split over threads changes no bit.
#pragma once
#include <algorithm>

#include "fault.h"
#include "vec.h"

namespace brainsim {

struct Csr {
  const int32_t* indices;  // (nnz,) postsynaptic neuron of each synapse
  const int32_t* indptr;   // (n_pre + 1,) first synapse of each row
  const int32_t* delays;   // (nnz,) or (1,) in steps
  int64_t n_pre, nnz, n_post, n_slots;
  bool delay_each, weight_each;  // one per synapse, or one for all
  bool sorted;                   // indices ascend within each row
};

namespace BS_ISA {

inline constexpr int64_t kAhead = 8;            // rows whose synapses are prefetched ahead
inline constexpr int64_t kPrefetchLines = 4;    // of every such row
inline constexpr int64_t kPrefetchLimit = 512;  // synapses of a long one

inline bool AllWithin(const int32_t* values, int64_t n, int32_t low, uint32_t span) {
  uint32_t bad = 0;
  for (int64_t k = 0; k < n; ++k) bad |= uint32_t(uint32_t(values[k]) - uint32_t(low) >= span);
  return bad == 0;
}

inline Fault FirstOutside(const char* array, const int32_t* values, int64_t begin, int64_t end, int64_t low, int64_t high) {
  for (int64_t k = begin; k < end; ++k)
    if (values[k] < low || values[k] > high) return {array, k, values[k], low, high};
  return {};
}

// Checks that row i lies within synapses [first, last) and returns its bounds.
inline Fault RowBounds(const Csr& m, int64_t i, int64_t first, int64_t last, int64_t* begin, int64_t* end) {
  *begin = m.indptr[i];
  *end = m.indptr[i + 1];
  if (*begin < first || *begin > last) return {"indptr", i, *begin, first, last};
  if (*end < *begin || *end > last) return {"indptr", i + 1, *end, *begin, last};
  return {};
}

// Checks the targets (within [lo, hi)) and the delays of synapses [begin, end).
inline Fault CheckSynapses(const Csr& m, int64_t begin, int64_t end, int64_t lo, int64_t hi) {
  if (!AllWithin(m.indices + begin, end - begin, int32_t(lo), uint32_t(hi - lo)))
    return FirstOutside("indices", m.indices, begin, end, lo, hi - 1);
  if (m.delay_each && !AllWithin(m.delays + begin, end - begin, 0, uint32_t(m.n_slots + 1)))
    return FirstOutside("delays", m.delays, begin, end, 0, m.n_slots);
  return {};
}

inline Fault CheckSharedDelay(const Csr& m) {
  return m.delay_each ? Fault{} : FirstOutside("delays", m.delays, 0, 1, 0, m.n_slots);
}

// Where slot (step + delay) mod L begins; 0 <= step < L and 0 <= delay <= L.
inline int64_t SlotOffset(const Csr& m, int64_t step, int32_t delay) {
  const int64_t slot = step + delay;
  return (slot >= m.n_slots ? slot - m.n_slots : slot) * m.n_post;
}

// The lines of values [begin, end), the first few without a branch: rows have about one length, and a loop's end is hard to foresee.
template <class V>
BS_INLINE void PrefetchRange(const V* values, int64_t begin, int64_t end) {
  constexpr int64_t kPerLine = 64 / sizeof(V);
  for (int64_t line = 0; line < kPrefetchLines; ++line) __builtin_prefetch(values + std::min(begin + line * kPerLine, end - 1));
  for (int64_t k = begin + kPrefetchLines * kPerLine; k < std::min(end, begin + kPrefetchLimit); k += kPerLine)
    __builtin_prefetch(values + k);
}

template <class T>
BS_INLINE void PrefetchRow(const Csr& m, const T* each, int64_t i) {
  const int64_t begin = m.indptr[i], end = m.indptr[i + 1];
  PrefetchRange(m.indices, begin, end);
  PrefetchRange(each, begin, end);
  if (m.delay_each) PrefetchRange(m.delays, begin, end);
}

// sum_k w_k c[slot_k, post_k] over synapses [begin, end), without the weight where it is shared; lanes first, then a fixed tree.
template <class T, bool kWeightEach, bool kDelayEach>
inline T Gather(const Csr& m, const T* weight, const T* ct, int64_t step, int64_t begin, int64_t end) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  const T* slot = kDelayEach ? ct : ct + SlotOffset(m, step, m.delays[0]);
  T sum[kLanes] = {};
  const auto term = [&](int64_t k) {
    const T c = (kDelayEach ? ct + SlotOffset(m, step, m.delays[k]) : slot)[m.indices[k]];
    return kWeightEach ? weight[k] * c : c;
  };
  int64_t k = begin;
  for (; k + kLanes <= end; k += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) sum[l] += term(k + l);
  for (int64_t l = 0; k < end; ++k, ++l) sum[l] += term(k);
  return SumTree(sum);
}

template <class T, bool kWeightEach, bool kDelayEach>
Fault PullRows(const Csr& m, const T* weight, const T* ct, int64_t step, int64_t lo, int64_t hi, T* out) {
  for (int64_t i = lo; i < hi; ++i) {
    int64_t begin, end;
    if (Fault f = RowBounds(m, i, 0, m.nnz, &begin, &end)) return f;
    if (Fault f = CheckSynapses(m, begin, end, 0, m.n_post)) return f;
    const T sum = Gather<T, kWeightEach, kDelayEach>(m, weight, ct, step, begin, end);
    out[i] = kWeightEach ? sum : weight[0] * sum;
  }
  return {};
}

// out[i] = sum_k w_k c[slot_k, post_k] over the synapses of row i, for rows [lo, hi).
template <class T>
Fault CsrPull(const Csr& m, const T* weight, const T* ct, int64_t step, int64_t lo, int64_t hi, T* out) {
  if (Fault f = CheckSharedDelay(m)) return f;
  const auto rows = m.weight_each ? (m.delay_each ? PullRows<T, true, true> : PullRows<T, true, false>)
                                  : (m.delay_each ? PullRows<T, false, true> : PullRows<T, false, false>);
  return rows(m, weight, ct, step, lo, hi, out);
}

// out[k] += s[pre(k)] c[slot_k, post_k] for the active rows, all of them within synapses [first, last).
template <class T, bool kDelayEach>
Fault OuterEachRows(const Csr& m, const T* spikes, const int32_t* active, int64_t n_active, const T* ct, int64_t step, int64_t first,
                    int64_t last, T* out) {
  for (int64_t a = 0; a < n_active; ++a) {
    if (a + kAhead < n_active) PrefetchRow(m, out, active[a + kAhead]);
    int64_t begin, end;
    if (Fault f = RowBounds(m, active[a], first, last, &begin, &end)) return f;
    if (Fault f = CheckSynapses(m, begin, end, 0, m.n_post)) return f;
    const T spike = spikes[active[a]];
    const T* slot = kDelayEach ? ct : ct + SlotOffset(m, step, m.delays[0]);
    for (int64_t k = begin; k < end; ++k)
      out[k] += spike * (kDelayEach ? ct + SlotOffset(m, step, m.delays[k]) : slot)[m.indices[k]];
  }
  return {};
}

template <class T>
Fault CsrOuterEach(const Csr& m, const T* spikes, const int32_t* active, int64_t n_active, const T* ct, int64_t step, int64_t first,
                   int64_t last, T* out) {
  if (Fault f = CheckSharedDelay(m)) return f;
  const auto rows = m.delay_each ? OuterEachRows<T, true> : OuterEachRows<T, false>;
  return rows(m, spikes, active, n_active, ct, step, first, last, out);
}

// *out = sum over the active rows of s_i sum_k c[slot_k, post_k]: the gradient to one shared weight.
template <class T>
Fault CsrOuterShared(const Csr& m, const T* spikes, const int32_t* active, int64_t n_active, const T* ct, int64_t step, double* out) {
  if (Fault f = CheckSharedDelay(m)) return f;
  const auto gather = m.delay_each ? Gather<T, false, true> : Gather<T, false, false>;
  double sum = 0;
  for (int64_t a = 0; a < n_active; ++a) {
    int64_t begin, end;
    if (Fault f = RowBounds(m, active[a], 0, m.nnz, &begin, &end)) return f;
    if (Fault f = CheckSynapses(m, begin, end, 0, m.n_post)) return f;
    sum += double(spikes[active[a]]) * double(gather(m, nullptr, ct, step, begin, end));
  }
  *out = sum;
  return {};
}

}  // namespace BS_ISA
}  // namespace brainsim

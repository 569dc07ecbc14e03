// The events of a population pushed through a CSR matrix: c[(step + d_k) mod L, post(k)] += w_k s[pre(k)] over the synapses k of the
// rows that have an event, for targets within a range [lo, hi).
//
// Targets are summed in ascending order of the row, whatever the range, so that ranges may be shared out among threads. What a row
// has within the range is found and checked when it is first followed; where the matrix stays the same for many calls, a table
// remembers it, so that each row is checked once.
#pragma once
#include <atomic>
#include <cstring>

#include "csr.h"

namespace brainsim {

template <class T>
struct Events {
  const int32_t* rows;  // ascending
  int64_t n;
  const T* values;  // by row; nullptr: every event is exactly 1
};

struct Targets {
  int64_t lo, hi;
  std::atomic<uint64_t>* spans;  // by row: begin and end of its synapses within [lo, hi), 0 where not known; nullptr: no table
};

namespace BS_ISA {

inline constexpr int64_t kSpanAhead = 16;      // events whose entry of the table is prefetched ahead
inline constexpr int64_t kSynapsesAhead = 6;   // events whose synapses are
inline constexpr int64_t kNear = 1 << 18;      // synapses whose indices stay in a core's own cache

struct Span {
  int64_t begin, end;
};

inline uint64_t Pack(Span s) { return uint64_t(s.begin) << 32 | uint64_t(s.end); }
inline Span Unpack(uint64_t packed) { return {int64_t(packed >> 32), int64_t(packed & 0xffffffff)}; }

// Finds the synapses of row i within [lo, hi) by counting those below, and checks them.
inline Fault FindSpan(const Csr& m, int64_t i, int64_t lo, int64_t hi, Span* span) {
  int64_t begin, end;
  if (Fault f = RowBounds(m, i, 0, m.nnz, &begin, &end)) return f;
  const bool part = lo > 0 || hi < m.n_post;
  if (part) {
    int32_t below = 0, within = 0;
    for (int64_t k = begin; k < end; ++k) {
      below += m.indices[k] < int32_t(lo);
      within += m.indices[k] >= int32_t(lo) && m.indices[k] < int32_t(hi);
    }
    if (hi == m.n_post) within = int32_t(end - begin) - below;
    if (lo == 0) within += below, below = 0;
    begin += below;
    end = begin + within;
  }
  if (Fault f = CheckSynapses(m, begin, end, lo, hi)) {
    if (part && std::strcmp(f.array, "indices") == 0 && f.value >= 0 && f.value < m.n_post)
      f.note = " (the row does not ascend, though is_sorted says so)";
    return f;
  }
  *span = {begin, end};
  return {};
}

BS_INLINE Fault SpanOf(const Csr& m, int64_t i, const Targets& targets, Span* span) {
  if (!targets.spans) return FindSpan(m, i, targets.lo, targets.hi, span);
  const uint64_t known = targets.spans[i].load(std::memory_order_relaxed);
  if (known != 0) {
    *span = Unpack(known);
    return {};
  }
  if (Fault f = FindSpan(m, i, targets.lo, targets.hi, span)) return f;
  targets.spans[i].store(Pack(*span), std::memory_order_relaxed);
  return {};
}

template <class T, bool kWeightEach, bool kDelayEach>
BS_INLINE void PushSpan(const Csr& m, const T* weight, T spike, int64_t step, Span span, T* out) {
  const T shared = kWeightEach ? T(0) : weight[0] * spike;
  T* slot = kDelayEach ? out : out + SlotOffset(m, step, m.delays[0]);
  for (int64_t k = span.begin; k < span.end; ++k) {
    T* target = (kDelayEach ? out + SlotOffset(m, step, m.delays[k]) : slot) + m.indices[k];
    *target += kWeightEach ? weight[k] * spike : shared;
  }
}

// What row i has, unchecked: good enough to prefetch.
BS_INLINE Span Guess(const Csr& m, int64_t i, const Targets& targets) {
  const uint64_t known = targets.spans ? targets.spans[i].load(std::memory_order_relaxed) : 0;
  return known != 0 ? Unpack(known) : Span{m.indptr[i], m.indptr[i + 1]};
}

template <class T, bool kWeightEach, bool kDelayEach>
BS_INLINE void PrefetchAhead(const Csr& m, const T* weight, const Events<T>& events, int64_t e, const Targets& targets) {
  if (e + kSpanAhead < events.n) {
    const int64_t i = events.rows[e + kSpanAhead];
    targets.spans ? __builtin_prefetch(targets.spans + i) : __builtin_prefetch(m.indptr + i);
  }
  if (e + kSynapsesAhead >= events.n) return;
  const Span s = Guess(m, events.rows[e + kSynapsesAhead], targets);
  PrefetchRange(m.indices, s.begin, s.end);
  if (kDelayEach) PrefetchRange(m.delays, s.begin, s.end);
  if (kWeightEach) PrefetchRange(weight, s.begin, s.end);
}

template <class T, bool kWeightEach, bool kDelayEach>
Fault PushRows(const Csr& m, const T* weight, const Events<T>& events, int64_t step, const Targets& targets, T* out) {
  const bool far = m.nnz > kNear;
  for (int64_t e = 0; e < events.n; ++e) {
    if (far) PrefetchAhead<T, kWeightEach, kDelayEach>(m, weight, events, e, targets);
    const int64_t i = events.rows[e];
    Span span;
    if (Fault f = SpanOf(m, i, targets, &span)) return f;
    PushSpan<T, kWeightEach, kDelayEach>(m, weight, events.values ? events.values[i] : T(1), step, span, out);
  }
  return {};
}

// out (L, n_post) += s W for the targets and events given; a proper part of the targets needs sorted rows.
template <class T>
Fault CsrPush(const Csr& m, const T* weight, const Events<T>& events, int64_t step, const Targets& targets, T* out) {
  if (Fault f = CheckSharedDelay(m)) return f;
  const auto rows = m.weight_each ? (m.delay_each ? PushRows<T, true, true> : PushRows<T, true, false>)
                                  : (m.delay_each ? PushRows<T, false, true> : PushRows<T, false, false>);
  return rows(m, weight, events, step, targets, out);
}

}  // namespace BS_ISA
}  // namespace brainsim

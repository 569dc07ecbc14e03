// Sparse weights changed in place where a neuron has an event: w_k <- f(w_k; own, other, shared) over the synapses k of that neuron.
//
// f is a compiled pointwise kernel. A run of synapses brings what f reads side by side: the weights themselves where they lie in rows,
// or the weights gathered through `order`, and the values of the neurons at the other end. Synapses belong to one neuron each, so
// events may be shared out among threads without changing a bit. Every index that is followed is checked first.
#pragma once
#include <algorithm>

#include "csr.h"
#include "registry.h"

namespace brainsim {

enum class Role : int64_t { kOwn, kOther, kShared };  // of the neuron with the event; of the one at the other end; one number

inline constexpr int64_t kRun = 256;        // synapses that f gets at once
inline constexpr int64_t kMaxValues = 64;   // that f reads besides the weight

struct Synapses {
  const int32_t* indices;  // (nnz,) neuron at the other end
  const int32_t* indptr;   // (n_own + 1,) first synapse of each neuron that may have an event
  const int32_t* order;    // (nnz,) where its weight lies; nullptr: in its own place
  int64_t n_own, n_other, nnz;
};

template <class T>
struct Update {
  KernelFunction function;
  const Role* roles;
  const T* const* values;  // by neuron, or one number
  int64_t n_values;
};

namespace BS_ISA {

// Room that one call needs, in entries.
inline int64_t StdpRoom(int64_t n_values) { return kRun * (1 + n_values); }

template <class T>
BS_INLINE void Pick(const T* from, const int32_t* at, int64_t n, T* to) {
  for (int64_t k = 0; k < n; ++k) to[k] = from[at[k]];
}

// The synapses [begin, begin + n) of neuron i, n <= kRun.
template <class T>
Fault StdpRun(const Synapses& s, const Update<T>& u, bool has_other, int64_t i, int64_t begin, int64_t n, T* weight, T* room) {
  const int32_t* other = s.indices + begin;
  if (has_other && !AllWithin(other, n, 0, uint32_t(s.n_other))) return FirstOutside("indices", s.indices, begin, begin + n, 0, s.n_other - 1);
  T* target = weight + begin;
  if (s.order) {
    if (!AllWithin(s.order + begin, n, 0, uint32_t(s.nnz))) return FirstOutside("order", s.order, begin, begin + n, 0, s.nnz - 1);
    target = room;
    Pick(weight, s.order + begin, n, target);
  }
  const void* in[1 + kMaxValues] = {target};
  for (int64_t v = 0; v < u.n_values; ++v) {
    switch (u.roles[v]) {
      case Role::kOwn: in[1 + v] = u.values[v] + i; break;
      case Role::kShared: in[1 + v] = u.values[v]; break;
      case Role::kOther:
        Pick(u.values[v], other, n, room + (1 + v) * kRun);
        in[1 + v] = room + (1 + v) * kRun;
    }
  }
  void* out[1] = {target};
  u.function(in, out, 0, n, 0);
  if (s.order)
    for (int64_t k = 0; k < n; ++k) weight[s.order[begin + k]] = target[k];
  return {};
}

inline Fault CheckBounds(const Synapses& s, int64_t i) {
  const int64_t begin = s.indptr[i], end = s.indptr[i + 1];
  if (begin < 0 || begin > s.nnz) return {"indptr", i, begin, 0, s.nnz};
  if (end < begin || end > s.nnz) return {"indptr", i + 1, end, begin, s.nnz};
  return {};
}

// Changes the synapses of the neurons ids[0..n_ids); `room` holds StdpRoom(u.n_values) entries.
//
// The columns of several neurons advance side by side, run by run: their synapses lie in the same rows, hence on the same pages.
template <class T>
Fault StdpCsr(const Synapses& s, const Update<T>& u, const int32_t* ids, int64_t n_ids, T* weight, T* room) {
  const bool has_other = std::find(u.roles, u.roles + u.n_values, Role::kOther) != u.roles + u.n_values;
  int64_t longest = 0;
  for (int64_t e = 0; e < n_ids; ++e) {
    if (Fault f = CheckBounds(s, ids[e])) return f;
    longest = std::max<int64_t>(longest, s.indptr[ids[e] + 1] - s.indptr[ids[e]]);
  }
  const int64_t stride = s.order ? kRun : std::max(longest, int64_t(1));
  for (int64_t from = 0; from < longest; from += stride)
    for (int64_t e = 0; e < n_ids; ++e) {
      const int64_t begin = s.indptr[ids[e]] + from, end = std::min<int64_t>(s.indptr[ids[e] + 1], begin + stride);
      if (!s.order && e + 1 < n_ids) PrefetchRange(weight, s.indptr[ids[e + 1]], s.indptr[ids[e + 1] + 1]);
      for (int64_t at = begin; at < end; at += kRun)
        if (Fault f = StdpRun(s, u, has_other, ids[e], at, std::min(kRun, end - at), weight, room)) return f;
    }
  return {};
}

}  // namespace BS_ISA
}  // namespace brainsim

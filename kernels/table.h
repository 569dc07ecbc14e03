// The loops of one instruction set as function pointers; the set is chosen once, when the library is loaded.
#pragma once
#include <cstdint>

#include "fault.h"

namespace brainsim {

struct BitRows;
struct Csr;
struct Synapses;
struct Targets;
struct Regenerated;
template <class T>
struct ConvPlan;
template <class T>
struct Update;
template <class T>
struct Events;

template <class T>
struct Loops {
  int64_t (*non_zero)(const T*, int64_t, int32_t*);
  T (*sum_row)(const T*, int64_t);
  Fault (*csr_push)(const Csr&, const T*, const Events<T>&, int64_t, const Targets&, T*);
  Fault (*push_bits)(const Csr&, const T*, const Events<T>&, int64_t, int64_t, int64_t, const BitRows&, T*);
  void (*procedural_push)(const Regenerated&, const T*, const Events<T>&, int64_t, int64_t, int64_t, T*);
  Fault (*csr_pull)(const Csr&, const T*, const T*, int64_t, int64_t, int64_t, T*);
  Fault (*csr_outer_each)(const Csr&, const T*, const int32_t*, int64_t, const T*, int64_t, int64_t, int64_t, T*);
  Fault (*csr_outer_shared)(const Csr&, const T*, const int32_t*, int64_t, const T*, int64_t, double*);
  Fault (*stdp_csr)(const Synapses&, const Update<T>&, const int32_t*, int64_t, T*, T*);
  bool (*event_dense)(const T*, const T*, const T*, int64_t, int64_t, int64_t, T*, uint8_t*);
  void (*cross_rows)(const T*, const T*, const T*, int64_t, int64_t, int64_t, T*);
  void (*event_dense_outer)(const T*, const T*, int64_t, int64_t, int64_t, int64_t, int64_t, T*);
  void (*pack_rows)(const T*, int64_t, int64_t, uint8_t*);
  void (*packed_outer)(const uint8_t*, const T*, int64_t, int64_t, int64_t, int64_t, int64_t, T*);
  void (*sampled_dense)(const T*, const T*, const uint8_t*, int64_t, int64_t, int64_t, T*);
  void (*event_conv)(const ConvPlan<T>&, const T*, const T*, int64_t, T*);
  void (*event_conv_outer)(const ConvPlan<T>&, const T*, const T*, int64_t, T*);
  void (*event_conv_pull)(const ConvPlan<T>&, const T*, const T*, int64_t, T*);
};

struct Table {
  const char* isa;
  Loops<float> f32;
  Loops<double> f64;
  int64_t masked;  // targets of 4 bytes that a masked addition takes at once
  int64_t (*count_bits)(const uint8_t*, int64_t);
  int64_t (*list_bits)(const uint8_t*, int64_t, int32_t*);
  template <class T>
  const Loops<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float)) return f32;
    else return f64;
  }
};

extern const Table kTable_avx512, kTable_avx2, kTable_baseline;

// The table in use, and nullptr or one sentence saying why BRAINSIM_ISA could not be honoured.
const Table& ActiveTable();
const char* TableProblem();

}  // namespace brainsim

// The same push where a matrix is dense and has one weight and one delay: its rows as bits, a vector of targets an instruction.
//
// An event of value 1 adds the same w to each of its targets, so that neither the order of rows nor that of a pair that is connected
// more than once shows in a sum: the bits are those of PushRows. Targets stay in registers while all events pass; a row is turned
// into bits when it first has an event, and where a pair is repeated the rest of its synapses is listed.
#pragma once
#include <vector>

#include "memory.h"
#include "push.h"

namespace brainsim {

// The rows of a matrix for the targets of one range; written by whoever pushes to that range, one at a time.
struct BitRows {
  struct Listed {
    uint32_t begin, count_and_one;  // of `repeats`; count_and_one == 0: the row is not known
  };

  uint64_t* words;  // (n_pre, n_words), each row on lines of its own, zero where it is not known; bit 0 is target lo
  Listed* listed;   // (n_pre,)
  std::vector<int32_t>* repeats;
  int64_t n_words;
};

namespace BS_ISA {

inline constexpr int64_t kLinesAhead = 2;  // of every row

inline Fault FillBits(const Csr& m, int64_t i, int64_t lo, int64_t hi, const BitRows& bits) {
  Span span;
  if (Fault f = FindSpan(m, i, lo, hi, &span)) return f;
  uint64_t* words = bits.words + i * bits.n_words;
  const size_t before = bits.repeats->size();
  uint64_t word = words[0];
  for (int64_t k = span.begin, at = 0; k < span.end; ++k) {
    const int64_t target = m.indices[k] - lo;
    if (target >> 6 != at) {
      words[at] = word;
      at = target >> 6;
      word = words[at];
    }
    const uint64_t bit = uint64_t(1) << (target & 63);
    if (word & bit) bits.repeats->push_back(m.indices[k]);
    word |= bit;
    words[at] = word;
  }
  bits.listed[i] = {uint32_t(before), uint32_t(bits.repeats->size() - before + 1)};
  return {};
}

// v += w in the lanes whose bit is set; the others keep their bits, as -0 + 0 would not.
template <class T>
BS_INLINE void AddWhere(const uint8_t* bits, const typename Lanes<T>::Vec& w, typename Lanes<T>::Vec* v) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  uint16_t mask = 0;
  std::memcpy(&mask, bits, kLanes / 8);
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) *v = (typename Lanes<T>::Vec)_mm512_mask_add_ps((__m512)*v, mask, (__m512)*v, (__m512)w);
  else *v = (typename Lanes<T>::Vec)_mm512_mask_add_pd((__m512d)*v, __mmask8(mask), (__m512d)*v, (__m512d)w);
#elif defined(__AVX2__)
  __m256 half[2], weight;
  std::memcpy(half, v, sizeof half);
  std::memcpy(&weight, &w, sizeof weight);
  for (int h = 0; h < 2; ++h) {
    const int part = mask >> (h * kLanes / 2);
    if constexpr (sizeof(T) == 4) {
      const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
      const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(part), bit), bit);
      half[h] = _mm256_blendv_ps(half[h], _mm256_add_ps(half[h], weight), _mm256_castsi256_ps(set));
    } else {
      const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
      const __m256d set = _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(part), bit), bit));
      const __m256d was = _mm256_castps_pd(half[h]);
      half[h] = _mm256_castpd_ps(_mm256_blendv_pd(was, _mm256_add_pd(was, _mm256_castps_pd(weight)), set));
    }
  }
  std::memcpy(v, half, sizeof half);
#else
  for (int64_t l = 0; l < kLanes; ++l)
    if (mask >> l & 1) (*v)[l] += w[l];
#endif
}

// All events on kVectors vectors of targets; `byte` is where their bits begin in a row.
template <class T, int kVectors>
BS_INLINE void AddEvents(const BitRows& bits, const Events<T>& events, int64_t byte, const typename Lanes<T>::Vec& w, T* out) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  typename Lanes<T>::Vec sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = Load(out + v * kLanes);
  for (int64_t e = 0; e < events.n; ++e) {
    const uint8_t* row = reinterpret_cast<const uint8_t*>(bits.words + events.rows[e] * bits.n_words) + byte;
    __builtin_prefetch(row + kLinesAhead * kLine);
    for (int v = 0; v < kVectors; ++v) AddWhere<T>(row + v * kLanes / 8, w, &sum[v]);
  }
  for (int v = 0; v < kVectors; ++v) Store(out + v * kLanes, sum[v]);
}

// out[lo, hi) += w for each event and each of its targets; `out` is the slot.
template <class T>
void AddBits(const BitRows& bits, const Events<T>& events, T weight, int64_t lo, int64_t hi, T* out) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  typename Lanes<T>::Vec w;
  for (int64_t l = 0; l < kLanes; ++l) w[l] = weight;
  const auto byte = [lo](int64_t target) { return (target - lo) / 8; };
  int64_t j = lo;
  for (; j + kAccumulators * kLanes <= hi; j += kAccumulators * kLanes) AddEvents<T, kAccumulators>(bits, events, byte(j), w, out + j);
  for (; j + 4 * kLanes <= hi; j += 4 * kLanes) AddEvents<T, 4>(bits, events, byte(j), w, out + j);
  for (; j + kLanes <= hi; j += kLanes) AddEvents<T, 1>(bits, events, byte(j), w, out + j);
  if (j < hi) {
    T rest[kLanes] = {};
    std::memcpy(rest, out + j, size_t(hi - j) * sizeof(T));
    AddEvents<T, 1>(bits, events, byte(j), w, rest);
    std::memcpy(out + j, rest, size_t(hi - j) * sizeof(T));
  }
  for (int64_t e = 0; e < events.n; ++e) {
    const BitRows::Listed listed = bits.listed[events.rows[e]];
    for (uint32_t r = 0; r + 1 < listed.count_and_one; ++r) out[(*bits.repeats)[listed.begin + r]] += weight;
  }
}

template <class T>
Fault PushBits(const Csr& m, const T* weight, const Events<T>& events, int64_t step, int64_t lo, int64_t hi, const BitRows& bits, T* out) {
  if (Fault f = CheckSharedDelay(m)) return f;
  for (int64_t e = 0; e < events.n; ++e) {
    const int64_t i = events.rows[e];
    for (int64_t line = 0; line < kLinesAhead; ++line) __builtin_prefetch(bits.words + i * bits.n_words + line * kLine / 8);
    if (bits.listed[i].count_and_one == 0)
      if (Fault f = FillBits(m, i, lo, hi, bits)) return f;
    PrefetchRange(bits.repeats->data(), bits.listed[i].begin, bits.listed[i].begin + bits.listed[i].count_and_one);
  }
  AddBits(bits, events, weight[0], lo, hi, out + SlotOffset(m, step, m.delays[0]));
  return {};
}

}  // namespace BS_ISA
}  // namespace brainsim

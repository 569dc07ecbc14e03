// One logical vector of 64 bytes on every instruction set, so that every sum has the same order, hence the same bits, everywhere.
//
// Each translation unit compiles these templates into its own namespace BS_ISA; two instruction sets never share a symbol.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef BS_ISA
#define BS_ISA baseline
#endif

// For functions that only prefetch: gcc takes one that it does not inline early for a function without effect, and drops the call.
#define BS_INLINE inline __attribute__((always_inline))

namespace brainsim::BS_ISA {

template <class T>
struct Lanes {
  static constexpr int64_t kCount = 64 / sizeof(T);
  typedef T Vec __attribute__((vector_size(64)));
};

// Accumulators of 64 bytes that stay in registers: 16 of 32 zmm, 4 pairs of 16 ymm, 2 quadruples of 16 xmm; and how many values of
// 4 bytes a masked addition takes at once.
#if defined(__AVX512F__)
inline constexpr int kAccumulators = 16, kMasked = 16;
#elif defined(__AVX2__)
inline constexpr int kAccumulators = 4, kMasked = 8;
#else
inline constexpr int kAccumulators = 2, kMasked = 1;
#endif

template <class T>
inline typename Lanes<T>::Vec Load(const T* p) {
  typename Lanes<T>::Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline void Store(T* p, const typename Lanes<T>::Vec& v) {
  std::memcpy(p, &v, sizeof v);
}

// The sum of the lanes of one vector, which it overwrites: the upper half is added to the lower one until one lane is left.
template <class T>
inline T SumTree(T* lanes) {
  for (int64_t half = Lanes<T>::kCount / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  return lanes[0];
}

template <class T>
inline T SumLanes(const typename Lanes<T>::Vec& v) {
  T lanes[Lanes<T>::kCount];
  Store(lanes, v);
  return SumTree(lanes);
}

#if defined(__AVX2__)
// The same tree without a way through memory.
template <>
inline float SumLanes<float>(const Lanes<float>::Vec& v) {
#if defined(__AVX512F__)
  const __m512 whole = (__m512)v;
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(whole), _mm512_extractf32x8_ps(whole, 1));
#else
  __m256 half[2];
  std::memcpy(half, &v, sizeof half);
  const __m256 eight = _mm256_add_ps(half[0], half[1]);
#endif
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#endif

// Bit l is set where p[l] != 0 (so also for NaN), over 64 bytes.
inline uint64_t NonZeroMask(const float* p) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(p), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  const __m256 zero = _mm256_setzero_ps();
  const uint32_t low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(p), zero, _CMP_NEQ_UQ));
  const uint32_t high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(p + 8), zero, _CMP_NEQ_UQ));
  return low | high << 8;
#elif defined(__SSE2__)
  uint64_t mask = 0;
  for (int q = 0; q < 4; ++q)
    mask |= uint64_t(_mm_movemask_ps(_mm_cmpneq_ps(_mm_loadu_ps(p + 4 * q), _mm_setzero_ps()))) << 4 * q;
  return mask;
#else
  uint64_t mask = 0;
  for (int l = 0; l < 16; ++l) mask |= uint64_t(p[l] != 0) << l;
  return mask;
#endif
}

inline uint64_t NonZeroMask(const double* p) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask(_mm512_loadu_pd(p), _mm512_setzero_pd(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  const __m256d zero = _mm256_setzero_pd();
  const uint32_t low = _mm256_movemask_pd(_mm256_cmp_pd(_mm256_loadu_pd(p), zero, _CMP_NEQ_UQ));
  const uint32_t high = _mm256_movemask_pd(_mm256_cmp_pd(_mm256_loadu_pd(p + 4), zero, _CMP_NEQ_UQ));
  return low | high << 4;
#elif defined(__SSE2__)
  uint64_t mask = 0;
  for (int q = 0; q < 4; ++q)
    mask |= uint64_t(_mm_movemask_pd(_mm_cmpneq_pd(_mm_loadu_pd(p + 2 * q), _mm_setzero_pd()))) << 2 * q;
  return mask;
#else
  uint64_t mask = 0;
  for (int l = 0; l < 8; ++l) mask |= uint64_t(p[l] != 0) << l;
  return mask;
#endif
}

// How many of values[0..n) are not 0.
template <class T>
int64_t CountNonZero(const T* values, int64_t n) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  int64_t count = 0, i = 0;
  for (; i + kLanes <= n; i += kLanes) count += __builtin_popcountll(NonZeroMask(values + i));
  for (; i < n; ++i) count += values[i] != T(0);
  return count;
}

// Writes the ascending positions of the non-zero entries of values[0..n) to `ids` (room for n) and returns how many there are.
template <class T>
int64_t NonZero(const T* values, int64_t n, int32_t* ids) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  int64_t count = 0, i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t mask = 0;
    for (int64_t q = 0; q < 64; q += kLanes) mask |= NonZeroMask(values + i + q) << q;
    for (; mask; mask &= mask - 1) ids[count++] = int32_t(i + __builtin_ctzll(mask));
  }
  for (; i < n; ++i)
    if (values[i] != T(0)) ids[count++] = int32_t(i);
  return count;
}

}  // namespace brainsim::BS_ISA

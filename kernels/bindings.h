// What every XLA handler shares: the buffer types, checks of sizes, faults turned into errors, and XLA's thread pool as a Pool.
#pragma once
#include <string>

#include "parallel.h"
#include "table.h"
#include "xla/ffi/api/ffi.h"

namespace brainsim {

namespace ffi = xla::ffi;
using Any = ffi::AnyBuffer;
using Out = ffi::Result<ffi::AnyBuffer>;
using I32 = ffi::Buffer<ffi::S32>;

// Below this many multiply-adds a call runs on the caller alone: a fork and join costs 1 to 26 us.
inline constexpr int64_t kLargeWork = 100000;

inline ffi::Error Invalid(const std::string& name, const std::string& what) { return ffi::Error::InvalidArgument(name + ": " + what); }

inline ffi::Error Translate(const std::string& name, const Fault& f) {
  if (!f) return ffi::Error::Success();
  if (std::string(f.array) == "memory") return ffi::Error(ffi::ErrorCode::kResourceExhausted, name + ": out of memory");
  return ffi::Error(ffi::ErrorCode::kOutOfRange, name + ": `" + f.array + "` at position " + std::to_string(f.at) + " is " +
                                                     std::to_string(f.value) + ", expected " + std::to_string(f.low) + " to " +
                                                     std::to_string(f.high) + f.note);
}

// A pool of at most the threads that `work` multiply-adds are worth.
inline Pool PoolFor(ffi::ThreadPool& threads, int64_t work) {
  if (work < kLargeWork) return {};
  return {threads.num_threads(), [&threads](std::function<void()> task) { threads.Schedule(std::move(task)); }};
}

// Calls f(group, first row, end) for parts of the rows, which `groups` weights share out in contiguous runs; no part has two groups.
template <class F>
Fault EachPart(const Pool& pool, int64_t groups, int64_t rows, F&& f) {
  const int64_t run = groups ? rows / groups : 0, parts = pool.threads > 1 ? std::min(run, 8 * pool.threads) : 1;
  return ParallelFor(pool, groups * parts, [&](int64_t block) {
    const int64_t g = block / parts, part = block % parts;
    f(g, g * run + run * part / parts, g * run + run * (part + 1) / parts);
    return Fault{};
  });
}

// Calls f(T{}) with the floating type of `buffer`.
template <class F>
ffi::Error ByType(const std::string& name, const Any& buffer, F&& f) {
  if (buffer.element_type() == ffi::F32) return f(float{});
  if (buffer.element_type() == ffi::F64) return f(double{});
  return Invalid(name, "floats of 32 or 64 bits expected");
}

inline bool SameType(const Any& a) { return a.element_type() == ffi::F32 || a.element_type() == ffi::F64; }
template <class... Rest>
bool SameType(const Any& a, const Any& b, const Rest&... rest) {
  return a.element_type() == b.element_type() && SameType(b, rest...);
}

inline int64_t Dim(const Any& buffer, size_t axis) { return buffer.dimensions()[axis]; }

// Product of the first `axes` dimensions.
inline int64_t Rows(const Any& buffer, size_t axes) {
  int64_t rows = 1;
  for (size_t a = 0; a < axes; ++a) rows *= Dim(buffer, a);
  return rows;
}

// `groups` leading members share out `rows` rows in equal contiguous runs.
inline bool Divides(int64_t groups, int64_t rows) { return rows == 0 || (groups > 0 && rows % groups == 0); }

template <class T>
const T* In(const Any& buffer) {
  return static_cast<const T*>(buffer.untyped_data());
}

template <class T>
T* OutData(Out& buffer) {
  return static_cast<T*>(buffer->untyped_data());
}

}  // namespace brainsim

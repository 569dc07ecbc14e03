// Zeroed memory on cache lines; large blocks cost no more than the pages that are touched.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace brainsim {

inline constexpr int64_t kLine = 64;

inline int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// Room for n values of a trivial type, all bytes zero.
template <class T>
class Zeroed {
 public:
  Zeroed() = default;
  explicit Zeroed(int64_t n) : block_(std::calloc(size_t(n) * sizeof(T) + kLine, 1)) {
    if (!block_) throw std::bad_alloc();
  }
  explicit operator bool() const { return block_ != nullptr; }
  T* data() const { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(block_.get()) + kLine - 1) / kLine * kLine); }

 private:
  std::unique_ptr<void, Free> block_;
};

}  // namespace brainsim

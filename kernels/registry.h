// The compiled pointwise kernels of this process, by the SHA-256 of their source.
//
// Machine code belongs to whoever compiled it. A program that runs a kernel holds a shared pointer to its record, so that the owner
// can ask, before it frees the code, whether an executable still needs it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace brainsim {

// Computes elements [begin, end) of one row; `base` + element is the index in the flattened array.
using KernelFunction = void (*)(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t base);

struct Kernel {
  KernelFunction function;
};

// The kernel of that digest, or nullptr where none was added.
std::shared_ptr<const Kernel> FindKernel(const std::string& digest);

// Adds a kernel; one that is already there stays.
void AddKernel(const std::string& digest, KernelFunction function);

// How many programs hold the kernel; -1 where there is none.
int64_t KernelUsers(const std::string& digest);

// Forgets the kernel unless a program holds it.
void DropKernel(const std::string& digest);

}  // namespace brainsim

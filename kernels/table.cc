// Chooses the instruction set at load: the widest this CPU has, or the one BRAINSIM_ISA names.
#include "table.h"

#include <cstdlib>
#include <cstring>

namespace brainsim {
namespace {

struct Choice {
  const Table* table = &kTable_baseline;
  const char* problem = nullptr;
};

Choice Choose() {
  [[maybe_unused]] bool avx512 = false, avx2 = false;
#if defined(BS_X86)
  __builtin_cpu_init();
  avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#endif
  const char* name = std::getenv("BRAINSIM_ISA");
  const auto named = [name](const char* isa) { return name && std::strcmp(name, isa) == 0; };
  const bool free_choice = !name || !*name;
  if (named("baseline")) return {};
#if defined(BS_X86)
  if (avx512 && (free_choice || named("avx512"))) return {&kTable_avx512};
  if (avx2 && (free_choice || named("avx2"))) return {&kTable_avx2};
#endif
  if (free_choice) return {};
  if (named("avx512") || named("avx2")) return {&kTable_baseline, "BRAINSIM_ISA names an instruction set that this CPU lacks"};
  return {&kTable_baseline, "BRAINSIM_ISA must be avx512, avx2 or baseline"};
}

const Choice kChoice = Choose();

}  // namespace

const Table& ActiveTable() { return *kChoice.table; }
const char* TableProblem() { return kChoice.problem; }

}  // namespace brainsim

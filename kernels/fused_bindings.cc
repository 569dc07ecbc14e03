// The XLA handler of fused programs: decoded when the executable is made, run when it is called; and the registry's C interface.
#include <cstring>
#include <mutex>

#include "bindings.h"
#include "executor.h"
#include "program.h"

namespace brainsim {
namespace {

const char kName[] = "fused";

struct FusedState {
  static ffi::TypeId id;
  Program program;
};

ffi::TypeId FusedState::id = XLA_FFI_UNKNOWN_TYPE_ID;

// The runtime must know the type before it accepts the handler, and its first call asks for the handler's metadata. (JAX keeps
// what is registered before it starts its backend, and then hands over the handlers first, the types second.)
XLA_FFI_Error* RegisterState(const XLA_FFI_Api* api) {
  static std::mutex mutex;
  static const ffi::TypeInfo info = ffi::MakeTypeInfo<FusedState>();
  const std::lock_guard<std::mutex> lock(mutex);
  if (FusedState::id != XLA_FFI_UNKNOWN_TYPE_ID) return nullptr;
  return ffi::Ffi::RegisterTypeId(api, "bs_fused_state_v1", &FusedState::id, &info);
}

ffi::ErrorOr<std::unique_ptr<FusedState>> FusedInstantiate(std::string_view digests, ffi::Span<const int64_t> code) {
  auto state = std::make_unique<FusedState>();
  const std::string problem = Decode(code.begin(), int64_t(code.size()), std::string(digests), &state->program);
  if (!problem.empty()) return ffi::Unexpected(Invalid(kName, problem));
  return state;
}

// The addresses of all arguments and results, each as long as the program needs; aliased results hold their arguments.
ffi::Error Collect(const Program& p, ffi::RemainingArgs& args, ffi::RemainingRets& rets, std::vector<char*>* buffers) {
  if (int64_t(args.size()) != p.n_args || int64_t(rets.size()) != p.n_results)
    return Invalid(kName, "the program has " + std::to_string(p.n_args) + " arguments and " + std::to_string(p.n_results) +
                              " results, got " + std::to_string(args.size()) + " and " + std::to_string(rets.size()));
  std::vector<int64_t> bytes;
  for (size_t i = 0; i < args.size(); ++i) {
    auto arg = args.get<Any>(i);
    if (arg.has_error()) return arg.error();
    buffers->push_back(static_cast<char*>(arg->untyped_data()));
    bytes.push_back(int64_t(arg->size_bytes()));
  }
  for (size_t i = 0; i < rets.size(); ++i) {
    auto ret = rets.get<Any>(i);
    if (ret.has_error()) return ret.error();
    buffers->push_back(static_cast<char*>((*ret)->untyped_data()));
    bytes.push_back(int64_t((*ret)->size_bytes()));
  }
  for (size_t b = 0; b < bytes.size(); ++b)
    if (bytes[b] < p.needed[b])
      return Invalid(kName, "buffer " + std::to_string(b) + " has " + std::to_string(bytes[b]) + " bytes, the program needs " +
                                std::to_string(p.needed[b]));
  for (const auto& alias : p.aliases) {
    const size_t from = size_t(alias.first), to = size_t(p.n_args + alias.second);
    if (bytes[from] != bytes[to]) return Invalid(kName, "an argument and its result differ in size");
    if ((*buffers)[from] != (*buffers)[to]) std::memcpy((*buffers)[to], (*buffers)[from], size_t(bytes[from]));
  }
  return ffi::Error::Success();
}

ffi::Error FusedExecute(FusedState* state, ffi::ThreadPool threads, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  std::vector<char*> buffers;
  if (ffi::Error e = Collect(state->program, args, rets, &buffers); e.failure()) return e;
  const Outcome outcome = Execute(state->program, buffers.data(), PoolFor(threads, kLargeWork));
  return Translate(outcome.operation, outcome.fault);
}

}  // namespace
}  // namespace brainsim

#pragma GCC visibility push(default)
namespace bs = brainsim;
namespace ffi = xla::ffi;

extern "C" XLA_FFI_Error* bs_fused_instantiate_v1(XLA_FFI_CallFrame* call_frame) {
  if (XLA_FFI_Error* error = bs::RegisterState(call_frame->api)) return error;
  XLA_FFI_DEFINE_HANDLER(handler, bs::FusedInstantiate,
                         ffi::Ffi::BindInstantiate().Attr<std::string_view>("digests").Attr<ffi::Span<const int64_t>>("code"));
  return (*handler)(call_frame);
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_fused_v1, bs::FusedExecute,
                              ffi::Ffi::Bind().Ctx<ffi::State<bs::FusedState>>().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets());

extern "C" {
void bs_fused_add(const char* digest, void* function) { bs::AddKernel(digest, reinterpret_cast<bs::KernelFunction>(function)); }
int64_t bs_fused_users(const char* digest) { return bs::KernelUsers(digest); }
void bs_fused_drop(const char* digest) { bs::DropKernel(digest); }
}
#pragma GCC visibility pop

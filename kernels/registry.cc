#include "registry.h"

#include <mutex>
#include <unordered_map>

namespace brainsim {
namespace {

struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string, std::shared_ptr<const Kernel>> kernels;
};

// Never destroyed: executables may outlive the static objects of this library.
Registry& TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

}  // namespace

std::shared_ptr<const Kernel> FindKernel(const std::string& digest) {
  Registry& r = TheRegistry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  const auto found = r.kernels.find(digest);
  return found == r.kernels.end() ? nullptr : found->second;
}

void AddKernel(const std::string& digest, KernelFunction function) {
  Registry& r = TheRegistry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  r.kernels.emplace(digest, std::make_shared<const Kernel>(Kernel{function}));
}

int64_t KernelUsers(const std::string& digest) {
  Registry& r = TheRegistry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  const auto found = r.kernels.find(digest);
  return found == r.kernels.end() ? -1 : found->second.use_count() - 1;
}

void DropKernel(const std::string& digest) {
  Registry& r = TheRegistry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  const auto found = r.kernels.find(digest);
  if (found != r.kernels.end() && found->second.use_count() == 1) r.kernels.erase(found);
}

}  // namespace brainsim

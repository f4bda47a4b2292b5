// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "harvest/stores/xrootd/xrootd_client.hpp"

namespace yoda {

namespace {

Result<XrootdClient*> load()
{
    constexpr auto name = "yoda_xrootd.so";
    std::error_code code;
    auto const program = std::filesystem::read_symlink("/proc/self/exe", code);
    auto const folder = program.parent_path();
    std::string why = "there is no " + (folder / name).string();
    for (auto const& path : {folder / name, folder.parent_path() / "lib" / "yoda" / name}) {
        if (!std::filesystem::exists(path, code)) continue;
        // Never unloaded: its threads run on.
        void* const plugin = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        void* const entry = plugin ? ::dlsym(plugin, "yoda_xrootd_client") : nullptr;
        if (entry) return reinterpret_cast<XrootdClient* (*)()>(entry)();
        if (char const* const text = ::dlerror()) why = text;
    }
    return Error{ErrorKind::usage, "no root:// stores", why,
                 "install XRootD's client library (libxrootd-client-dev to build it in), or use the door's "
                 "https:// URL"};
}

}  // namespace

Result<XrootdClient*> load_xrootd_client()
{
    static Result<XrootdClient*> const client = load();
    return client;
}

}  // namespace yoda

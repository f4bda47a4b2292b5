// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/handle.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>

namespace yoda::hdf5 {

namespace {

/// Takes the message of the innermost failure, which is the only one that says anything about its cause.
herr_t take_innermost(unsigned /*position*/, H5E_error2_t const* entry, void* out)
{
    auto& text = *static_cast<std::string*>(out);
    if (entry->desc && text.empty()) text = entry->desc;
    return 0;
}

/// HDF5 writes "..., errno = 28, error message = 'No space left on device', ..." where a system call failed.
int find_errno(std::string_view text)
{
    constexpr std::string_view key = "errno = ";
    auto const at = text.find(key);
    return at == std::string_view::npos ? 0 : std::atoi(text.data() + at + key.size());
}

}  // namespace

void silence()
{
    // The setting belongs to the thread, since the library is built thread-safe.
    thread_local bool const silent = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
    static_cast<void>(silent);
}

Error last_error(std::string what)
{
    std::string why;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &why);
    H5Eclear2(H5E_DEFAULT);
    int const code = find_errno(why);
    ErrorKind kind = ErrorKind::bad_input;
    if (code == ENOSPC || code == EDQUOT)
        kind = ErrorKind::no_space;
    else if (code != 0)
        kind = ErrorKind::io;
    return {kind, std::move(what), "HDF5: " + (why.empty() ? std::string("no reason given") : why), {}};
}

}  // namespace yoda::hdf5

// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/object_key.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/utf8.hpp"
#include "harvest/stores/base/digest.hpp"

namespace yoda {

namespace {

bool is_clean_utf8(std::string_view text)
{
    while (!text.empty()) {
        auto const length = clean_utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace

Status check_object_key(std::string_view key)
{
    auto const bad = [&](std::string_view why) {
        return Error{ErrorKind::bad_input,
                     fmt::format("no object can be named \"{}\"", key.substr(0, 200)),
                     std::string(why),
                     {}};
    };
    if (key.empty()) return bad("the name is empty");
    if (key.size() > 1024) return bad("the name is longer than 1,024 bytes");
    if (!is_clean_utf8(key))
        return Error{
            ErrorKind::bad_input, "an object's name cannot be used", "it is not clean UTF-8 text", {}};
    for (std::string_view rest = key;;) {
        auto const slash = rest.find('/');
        auto const part = rest.substr(0, slash);
        if (part.empty()) return bad("a part of the path is empty");
        if (part == "." || part == "..") return bad("it would leave its folder");
        if (slash == std::string_view::npos) return {};
        rest.remove_prefix(slash + 1);
    }
}

Status check_path_key(std::string_view key)
{
    if (key.find('?') != std::string_view::npos)
        return Error{ErrorKind::refused, fmt::format("no file can be named \"{}\" there", key.substr(0, 200)),
                     "what follows a question mark is read as options", "use another name, or an S3 store"};
    return check_object_key(key);
}

std::string part_key(std::string_view key, std::string_view token)
{
    auto const name_at = key.rfind('/') + 1;  // 0 when there is no slash
    return fmt::format("{}.{}.{}.part", key.substr(0, name_at), key.substr(name_at), token);
}

std::string rucio_path(std::string_view scope, std::string_view lfn)
{
    std::string const md5 = print_hex(digest_of(DigestKind::md5, fmt::format("{}:{}", scope, lfn)));
    std::string folders(scope);
    std::replace(folders.begin(), folders.end(), '.', '/');
    return fmt::format("{}/{}/{}/{}", folders, md5.substr(0, 2), md5.substr(2, 2), lfn);
}

Result<std::string> convention_bucket(std::string_view base, int path_convention, std::int64_t panda_id,
                                      std::int64_t task_id)
{
    if (path_convention == 0 || path_convention == 1000) return std::string(base);
    int const count = path_convention % 100;
    int const rest = path_convention - count;
    if (count < 1 || (rest != 0 && rest != 100 && rest != 1000 && rest != 1100))
        return Error{ErrorKind::bad_input,
                     fmt::format("pathConvention {} is unknown", path_convention),
                     "known are 1 to 99, +100 with the task id, +1000 for the scope transient",
                     {}};
    auto const number = panda_id % count;
    if (rest % 1000 == 100) return fmt::format("{}-{}-{}", base, task_id, number);
    return fmt::format("{}-{}", base, number);
}

std::string_view convention_scope(int path_convention)
{
    return path_convention >= 1000 ? "transient" : "";
}

}  // namespace yoda

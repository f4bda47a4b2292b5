// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/credentials.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

std::string trim(std::string_view text)
{
    auto const begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string environment(char const* name)
{
    char const* const value = std::getenv(name);
    return value ? value : "";
}

}  // namespace

Result<std::string> read_secret_file(std::string const& path)
{
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return os_error("look at", path, errno);
    auto const refuse = [&](std::string why, std::string fix) {
        return Error{ErrorKind::usage, "secrets are not read from " + path, std::move(why), std::move(fix)};
    };
    if (!S_ISREG(info.st_mode)) return refuse("it is no plain file", {});
    if (info.st_uid != ::geteuid())
        return refuse("it belongs to somebody else", "make it your own, mode 0600");
    if ((info.st_mode & 077) != 0)
        return refuse(fmt::format("others can get at it (mode {:04o})", info.st_mode & 07777),
                      "chmod 600 " + path);
    std::string text(65536, '\0');
    ssize_t const n = ::pread(fd->get(), text.data(), text.size(), 0);
    if (n < 0) return os_error("read", path, errno);
    text.resize(static_cast<std::size_t>(n));
    return text;
}

Result<S3Keys> read_key_file(std::string const& path, std::string const& profile)
{
    auto text = read_secret_file(path);
    if (!text) return text.error();
    S3Keys keys;
    bool in_section = true;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        line = trim(line);
        if (line.empty() || line[0] == '#' || line[0] == ';') continue;
        if (line.front() == '[') {
            in_section = line == "[" + profile + "]" || line == "[profile " + profile + "]";
            continue;
        }
        auto const equals = line.find('=');
        if (!in_section || equals == std::string::npos) continue;
        std::string const name = trim(line.substr(0, equals));
        std::string const value = trim(line.substr(equals + 1));
        if (name == "aws_access_key_id" || name == "access_key") keys.access = value;
        if (name == "aws_secret_access_key" || name == "secret_key") keys.secret = value;
        if (name == "aws_session_token") keys.session_token = value;
    }
    if (keys.access.empty() || keys.secret.empty())
        return Error{ErrorKind::usage, "no S3 keys in " + path,
                     fmt::format("it has no access and secret key for the profile {}", profile),
                     "lines aws_access_key_id = ... and aws_secret_access_key = ..."};
    return keys;
}

Result<S3Keys> read_environment_keys()
{
    S3Keys keys{environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                environment("AWS_SESSION_TOKEN")};
    if (keys.access.empty() || keys.secret.empty())
        keys = {environment("S3_ACCESS_KEY"), environment("S3_SECRET_KEY"), {}};
    if (keys.access.empty() || keys.secret.empty())
        return Error{ErrorKind::usage, "no S3 keys", "no key file is configured and the environment has none",
                     "set key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"};
    return keys;
}

void keep_secrets_in()
{
    rlimit const none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}

}  // namespace yoda

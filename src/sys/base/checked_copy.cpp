// SPDX-License-Identifier: Apache-2.0
#include "sys/base/checked_copy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t block_bytes = 4u << 20;
constexpr std::uint16_t no_local_space = 1098, stage_in_failed = 1099, no_such_file = 1103,
                        md5_mismatch = 1145, adler_mismatch = 1171, wrong_size = 1175;

std::string lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

struct Expected {
    bool md5 = false;
    std::string sum;  ///< empty: not known
};

Expected read_checksum(std::string_view text)
{
    if (text.starts_with("md:")) return {true, lower(text.substr(3))};
    if (text.size() == 32 && text.find(':') == text.npos) return {true, lower(text)};
    auto const adler = parse_adler32(text);
    return {false, adler ? print_adler32(*adler) : std::string{}};
}

CopyFault os_fault(std::string_view what, std::string const& path, int number)
{
    auto error = os_error(what, path, number);
    bool const full = error.kind == ErrorKind::no_space;
    return {number == ENOENT ? no_such_file : full ? no_local_space : stage_in_failed, std::move(error)};
}

CopyFault copy_bytes(int from, int to, std::string const& from_path, std::string const& to_path,
                     CopyCheck& check)
{
    std::vector<char> block(block_bytes);
    for (;;) {
        ssize_t const n = ::read(from, block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_fault("read", from_path, errno);
        if (n == 0) return {};
        std::string_view const bytes(block.data(), static_cast<std::size_t>(n));
        check.add(bytes);
        if (auto written = write_all(to, bytes, to_path); !written)
            return {written.error().kind == ErrorKind::no_space ? no_local_space : stage_in_failed,
                    written.error()};
    }
}

}  // namespace

/// Of what is copied; md5 only where it is asked for.
struct CopyCheck::Sums {
    Expected expected;
    std::uint32_t adler = 1;
    std::unique_ptr<EVP_MD_CTX, decltype([](EVP_MD_CTX* context) { EVP_MD_CTX_free(context); })> md5;

    std::string finish()
    {
        if (!md5) return print_adler32(adler);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_DigestFinal_ex(md5.get(), digest, &size);
        std::string text;
        for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
        return text;
    }
};

CopyCheck::CopyCheck(CopyWanted wanted) : wanted_(std::move(wanted)), sums_(std::make_unique<Sums>())
{
    sums_->expected = read_checksum(wanted_.checksum);
    if (!sums_->expected.md5) return;
    sums_->md5.reset(EVP_MD_CTX_new());
    if (sums_->md5) EVP_DigestInit_ex(sums_->md5.get(), EVP_md5(), nullptr);
}

CopyCheck::~CopyCheck() = default;
CopyCheck::CopyCheck(CopyCheck&&) noexcept = default;
CopyCheck& CopyCheck::operator=(CopyCheck&&) noexcept = default;

void CopyCheck::add(std::string_view bytes)
{
    bytes_ += bytes.size();
    if (sums_->md5)
        EVP_DigestUpdate(sums_->md5.get(), bytes.data(), bytes.size());
    else
        sums_->adler = adler32(bytes, sums_->adler);
}

CopyFault CopyCheck::finish(std::string const& from)
{
    auto const differs = [&](std::uint16_t error_code, std::string why) {
        return CopyFault{error_code, Error{ErrorKind::bad_input,
                                           fmt::format("{} is not the file that the job names", from),
                                           std::move(why), "replace it"}};
    };
    if (wanted_.bytes != 0 && bytes_ != wanted_.bytes)
        return differs(wrong_size, fmt::format("it has {} bytes, not {}", bytes_, wanted_.bytes));
    auto const& expected = sums_->expected;
    auto const sum = sums_->finish();
    if (!expected.sum.empty() && sum != expected.sum)
        return differs(expected.md5 ? md5_mismatch : adler_mismatch,
                       fmt::format("its checksum is {}, not {}", sum, expected.sum));
    return {};
}

CopyFault copy_checked(std::string const& from, std::string const& to, CopyWanted const& wanted)
{
    struct stat info {};
    bool const there = ::stat(to.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    if (there && (wanted.bytes == 0 || static_cast<std::uint64_t>(info.st_size) == wanted.bytes)) return {};
    FileDescriptor const source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!source) return os_fault("open", from, errno);
    auto const part = to + ".part";
    FileDescriptor const target(
        ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640));
    if (!target) return os_fault("create", part, errno);

    CopyCheck check(wanted);
    auto const give_up = [&](CopyFault fault) {
        ::unlink(part.c_str());
        return fault;
    };
    if (auto fault = copy_bytes(source.get(), target.get(), from, part, check); fault.error_code != 0)
        return give_up(std::move(fault));
    if (auto fault = check.finish(from); fault.error_code != 0) return give_up(std::move(fault));
    // Its name says that it was checked, also after a crash of the node.
    if (::fsync(target.get()) != 0) return give_up(os_fault("sync", part, errno));
    if (::rename(part.c_str(), to.c_str()) != 0) return give_up(os_fault("rename", part, errno));
    return {};
}

}  // namespace yoda

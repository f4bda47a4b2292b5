// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/base/check.hpp"

namespace yoda {

struct Digest::Impl {
    EVP_MD const* kind = nullptr;
    EVP_MD_CTX* context = nullptr;

    void begin() { YODA_CHECK(EVP_DigestInit_ex(context, kind, nullptr) == 1, "OpenSSL refuses a digest"); }
    ~Impl() { EVP_MD_CTX_free(context); }
};

Digest::Digest(DigestKind kind) : impl_(std::make_unique<Impl>())
{
    // EVP_md5() is looked up anew at every begin; fetched once it is cheaper for many small files.
    static EVP_MD const* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    static EVP_MD const* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    impl_->kind = kind == DigestKind::md5 ? md5 : sha256;
    YODA_CHECK(impl_->kind, "OpenSSL offers no MD5 or SHA-256 (FIPS mode?)");
    impl_->context = EVP_MD_CTX_new();
    YODA_CHECK(impl_->context, "OpenSSL has no memory");
    impl_->begin();
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::string_view bytes)
{
    YODA_CHECK(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1,
               "OpenSSL fails at a digest");
}

std::string Digest::finish()
{
    unsigned char buffer[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    YODA_CHECK(EVP_DigestFinal_ex(impl_->context, buffer, &length) == 1, "OpenSSL fails at a digest");
    impl_->begin();
    return {reinterpret_cast<char const*>(buffer), length};
}

std::string digest_of(DigestKind kind, std::string_view bytes)
{
    Digest digest(kind);
    digest.add(bytes);
    return digest.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view text)
{
    unsigned char buffer[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    auto const* const made =
        HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<unsigned char const*>(text.data()), text.size(), buffer, &length);
    YODA_CHECK(made, "OpenSSL fails at an HMAC");
    return {reinterpret_cast<char const*>(buffer), length};
}

std::string print_hex(std::string_view bytes)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(2 * bytes.size());
    for (char const raw : bytes) {
        auto const c = static_cast<unsigned char>(raw);
        out += digits[c >> 4];
        out += digits[c & 15];
    }
    return out;
}

std::string print_base64(std::string_view bytes)
{
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    int const length =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<unsigned char const*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(length));
    return out;
}

std::string random_hex(unsigned byte_count)
{
    std::string bytes(byte_count, '\0');
    YODA_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(byte_count)) == 1,
               "OpenSSL has no randomness");
    return print_hex(bytes);
}

}  // namespace yoda

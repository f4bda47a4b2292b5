// SPDX-License-Identifier: Apache-2.0
// MD5, SHA-256 and HMAC by OpenSSL, for stores: what they want bound to a request and what they answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace yoda {

enum class DigestKind { md5, sha256 };

/// Takes bytes piece by piece. Not for secrets: that is hmac_sha256.
class Digest {
  public:
    explicit Digest(DigestKind kind);
    ~Digest();
    Digest(Digest&&) noexcept;
    Digest& operator=(Digest&&) noexcept;
    void add(std::string_view bytes);
    /// The raw digest of all bytes added; afterwards the object is as new.
    std::string finish();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

std::string digest_of(DigestKind kind, std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view text);
/// Lower-case.
std::string print_hex(std::string_view bytes);
std::string print_base64(std::string_view bytes);
/// Random hex digits, for names and tokens.
std::string random_hex(unsigned byte_count);

}  // namespace yoda

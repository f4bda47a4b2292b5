// SPDX-License-Identifier: Apache-2.0
// Copies an input file to node-local disk and checks what came over: size and checksum as PanDA gave them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

struct CopyFault {
    std::uint16_t error_code = 0;  ///< docs/reference/panda.md §9: 1099, 1103, 1145, 1171, 1175, 1098
    Error error;
};

/// What a copy must be; empty checksum and 0 bytes: not known.
struct CopyWanted {
    std::string checksum;  ///< "ad:<8 hex>", "md:<32 hex>" or 32 hex digits
    std::uint64_t bytes = 0;
};

/// Sums up the bytes of a file as they come, and says at the end whether it is the one that the job names.
class CopyCheck {
  public:
    explicit CopyCheck(CopyWanted wanted);
    ~CopyCheck();
    CopyCheck(CopyCheck&&) noexcept;
    CopyCheck& operator=(CopyCheck&&) noexcept;
    void add(std::string_view bytes);
    /// `error_code` 0: it is, or nothing is known of it. `from`: its name, for the error.
    CopyFault finish(std::string const& from);

  private:
    struct Sums;
    CopyWanted wanted_;
    std::uint64_t bytes_ = 0;
    std::unique_ptr<Sums> sums_;
};

/// Copies to `to`.part and renames when all is right; `to` that is there already, with the
/// right size, is taken as it is (it got its name only after a check). Blocks.
/// nullopt-like result: `error_code` 0 means success.
CopyFault copy_checked(std::string const& from, std::string const& to, CopyWanted const& wanted);

}  // namespace yoda

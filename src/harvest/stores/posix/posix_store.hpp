// SPDX-License-Identifier: Apache-2.0
// A folder as a store (file://): copy, fsync, rename. It is the default when nothing else is configured. A
// folder that is missing or full is not asked again by this call, like an endpoint that refuses.
#pragma once

#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_context.hpp"
#include "harvest/stores/base/store_url.hpp"

namespace yoda {

class PosixStore final : public Store {
  public:
    PosixStore(StoreUrl const& url, StoreContext context);
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    /// Reads the copy back.
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    void remove_leftovers(ObjectSpec const& spec) override;
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

  private:
    Result<PutResult> put_file(ObjectSpec const& spec, PutHooks const& hooks);
    std::string path_of(std::string const& key) const;
    /// Copies this many bytes, fewer when the file ends before; returns their adler32.
    Result<std::uint32_t> copy(int from, std::uint64_t offset, std::uint64_t bytes, int to,
                               PutHooks const& hooks);

    std::string base_;
    StoreContext context_;
    std::shared_ptr<Breaker> breaker_;
};

}  // namespace yoda

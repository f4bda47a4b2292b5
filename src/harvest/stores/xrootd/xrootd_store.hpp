// SPDX-License-Identifier: Apache-2.0
// root:// by XRootD's own client library (harvest/stores/xrootd/xrootd_client.hpp): written beside its name,
// proven by the server's adler32, then renamed.
#pragma once

#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_context.hpp"
#include "harvest/stores/base/store_url.hpp"
#include "harvest/stores/xrootd/xrootd_client.hpp"

namespace yoda {

class XrootdStore final : public Store {
  public:
    XrootdStore(StoreUrl url, XrootdClient& client, StoreContext context);
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    void remove_leftovers(ObjectSpec const& spec) override;
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

  private:
    std::string path_of(std::string const& key) const;
    Status enter();
    void leave(Status const& status);
    bool stopping() const;

    StoreUrl url_;
    XrootdClient& client_;
    StoreContext context_;
    std::shared_ptr<Breaker> breaker_;
};

}  // namespace yoda

// root:// by XRootD's own client: copied with its end-to-end adler32, then the server's adler32 is asked and
// compared.
#pragma once

#include "harvest/stores/store.hpp"
#include "harvest/stores/store_context.hpp"
#include "harvest/stores/store_url.hpp"

namespace yoda {

class XrootdStore final : public Store {
  public:
    XrootdStore(StoreUrl url, StoreContext context);
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

  private:
    std::string path_of(std::string const& key) const;
    Status enter();
    void leave(Status const& status);

    StoreUrl url_;
    StoreContext context_;
    std::shared_ptr<Breaker> breaker_;
};

}  // namespace yoda

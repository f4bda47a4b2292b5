// SPDX-License-Identifier: Apache-2.0
// Objects by pre-signed URLs: somebody who has the keys (PandaProxy) signs each request for us. A URL lives
// for 30 minutes, so it is fetched just before each try and never kept, logged or written.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "harvest/stores/base/calls.hpp"
#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_url.hpp"

namespace yoda {

class PresignedStore final : public Store {
  public:
    /// Returns a URL for this method ("PUT", "HEAD", "GET") and key.
    using UrlSource = std::function<Result<std::string>(std::string const& method, std::string const& key)>;

    PresignedStore(StoreUrl url, UrlSource source, HttpTls tls, StoreContext context);
    /// One PUT with Content-MD5, so at most 5 GiB.
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    /// A PUT leaves nothing behind.
    void remove_leftovers(ObjectSpec const&) override {}
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

  private:
    using Dress = std::function<void(HttpRequest&)>;
    Result<HttpResponse> call(std::string const& method, std::string const& key, TimePoint deadline,
                              Dress const& dress);

    StoreUrl url_;
    UrlSource source_;
    HttpTls tls_;
    Calls calls_;
};

}  // namespace yoda

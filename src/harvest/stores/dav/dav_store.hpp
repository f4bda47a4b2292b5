// SPDX-License-Identifier: Apache-2.0
// WebDAV and plain HTTPS doors (dCache, XRootD, nginx, Apache): PUT to a temporary name, compare what the
// server says of it, MOVE, HEAD. An X.509 proxy or a bearer token opens the door.
#pragma once

#include <optional>
#include <string>

#include "harvest/stores/base/calls.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_url.hpp"

namespace yoda {

struct DavOptions {
    HttpTls tls;
    std::string token_file;
    /// Some doors lose the old file when an overwrite is cut (XrdHttp): a name is
    /// only given to what is whole.
    bool overwrite_by_move = true;
};

class DavStore final : public Store {
  public:
    DavStore(StoreUrl url, DavOptions options, StoreContext context);
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    /// By the Digest header (adler32 or md5) where the server offers one.
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    void remove_leftovers(ObjectSpec const& spec) override;
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

  private:
    Result<HttpRequest> request(std::string const& method, std::string const& key);
    Result<HttpResponse> call(HttpRequest request, TimePoint deadline, PartFile* sink = nullptr);
    Status make_parents(std::string const& key, TimePoint deadline);
    Status put_to(std::string const& key, ObjectSpec const& spec, TimePoint deadline);
    Status move(std::string const& from, std::string const& to, TimePoint deadline);

    StoreUrl url_;
    DavOptions options_;
    Calls calls_;
};

/// Reads "Digest: adler32=0a1b2c3d,md5=<base64>" (RFC 3230) into `object`.
void read_digest(std::string_view value, StoredObject& object);
/// What an answer means for a plain HTTP door. 404 is not a failure: callers read it.
Judgement judge_http(Result<HttpResponse> const& answer, unsigned try_number, std::string const& what);

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
// S3 (Ceph, Swift, AWS, ...): signed requests, the bytes bound to each of them by a digest, multipart with
// resume, and the stored checksum compared with our own. Behaviour of real servers: docs/stores.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harvest/stores/base/calls.hpp"
#include "harvest/stores/base/credentials.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_url.hpp"

namespace yoda {

enum class BindBy {
    md5,     ///< Content-MD5, payload unsigned: one digest for binding and for the ETag
    sha256,  ///< the signed payload hash; MD5 is still computed, for the ETag
};

struct S3Options {
    std::string region = "us-east-1";
    bool virtual_host = false;   ///< bucket.host/key instead of host/bucket/key
    bool create_bucket = false;  ///< make a missing one
    BindBy bind_by = BindBy::md5;
    HttpTls tls;
    KeySource keys;
};

class S3Store final : public Store {
  public:
    S3Store(StoreUrl url, S3Options options, StoreContext context);
    Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) override;
    Result<Presence> check(ObjectSpec const& spec) override;
    Result<std::optional<StoredObject>> head(std::string const& key) override;
    void remove_leftovers(ObjectSpec const& spec) override;
    Status get(std::string const& key, std::string const& path) override;
    Status remove(std::string const& key) override;
    std::string url(std::string const& key) const override;

    /// A URL that lets its holder do `method` on this object for so long; a secret.
    Result<std::string> presign(std::string const& method, std::string const& key, std::int64_t valid_s);

  private:
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    struct Operation {
        std::string method;
        std::string key;  ///< empty: the bucket itself
        Pairs query;
        Pairs headers;
        std::string payload_hash;  ///< empty: unsigned
        std::string body;
        std::optional<HttpFileBody> file;
        PartFile* sink = nullptr;
        bool may_repeat = true;  ///< false: one try, its caller finds out what became of it
    };
    /// An upload in parts while put() is at it.
    struct Multipart;

    Status prepare();
    std::string host() const;
    std::string path_of(std::string const& key) const;
    HttpRequest sign(Operation const& operation);
    Calls::Make make(Operation operation);
    Calls::Judge judge(Operation const& operation);
    Result<HttpResponse> call(Operation operation, TimePoint deadline);
    Operation put_operation(std::string const& key, HttpFileBody file, PartSums const& sums) const;

    Result<PutResult> put_whole(ObjectSpec const& spec, PutHooks const& hooks, TimePoint deadline);
    Status create_bucket(TimePoint deadline);
    Result<std::string> expected_md5(ObjectSpec const& spec, std::string const& stored_md5) const;

    Result<PutResult> put_parts(ObjectSpec const& spec, PutHooks const& hooks, TimePoint deadline);
    Result<std::string> find_upload(ObjectSpec const& spec, TimePoint deadline);
    Result<std::string> begin_upload(ObjectSpec const& spec, TimePoint deadline);
    /// Part number -> {ETag, size}; nullopt when the server knows no such upload.
    using PartList = std::map<std::uint64_t, std::pair<std::string, std::uint64_t>>;
    Result<std::optional<PartList>> list_parts(std::string const& key, std::string const& upload_id,
                                               TimePoint deadline);
    Status send_parts(Multipart& upload, PutHooks const& hooks, TimePoint deadline);
    Status complete(Multipart const& upload, TimePoint deadline);
    void abort_upload(std::string const& key, std::string const& upload_id);

    StoreUrl url_;
    S3Options options_;
    std::optional<S3Keys> keys_;
    std::int64_t clock_correction_s_ = 0;
    Calls calls_;
};

/// What S3 says of an object in its headers.
StoredObject read_s3_headers(HttpResponse const& response);

}  // namespace yoda

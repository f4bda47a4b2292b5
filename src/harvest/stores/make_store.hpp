// SPDX-License-Identifier: Apache-2.0
// A store from its configuration. What kind it is comes from the URL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "harvest/stores/base/credentials.hpp"
#include "harvest/stores/base/store.hpp"
#include "harvest/stores/base/store_context.hpp"
#include "harvest/stores/s3/s3_store.hpp"
#include "sys/http/http.hpp"

namespace yoda {

/// What decides names besides the configuration.
struct ObjectOwner {
    std::int64_t panda_id = 0;
    std::int64_t task_id = 0;
    std::string scope;  ///< empty: the configuration's
};

/// Signs a request for an object ("s3://host/bucket/key") of that owner; gives the URL.
using PresignSource = std::function<Result<std::string>(ObjectOwner const& owner, std::string const& method,
                                                        std::string const& object_url)>;

/// One activity's store. Fields of other kinds than the URL's are ignored.
struct StoreConfig {
    std::string url;
    std::string name;  ///< of the storage in PanDA (RSE); for people
    // S3
    std::string region = "us-east-1";
    bool virtual_host = false;
    bool create_bucket = false;
    BindBy bind_by = BindBy::md5;
    std::string key_file;  ///< mode 0600; empty: the environment
    std::string key_profile = "default";
    KeySource keys;           ///< when set, instead of both (PanDA's getKeyPair)
    int path_convention = 0;  ///< PanDA's pathConvention for the bucket's name (docs/reference/panda.md §8)
    // DAV and HTTPS
    std::string token_file;         ///< bearer token; mode 0600
    bool overwrite_by_move = true;  ///< PUT to a temporary name, then MOVE; false: PUT to the name itself
    /// When set, every request goes to a URL that this returns, asked for just before use (PandaProxy's
    /// getPresignedURL).
    PresignSource presigned_url;
    // TLS of all
    HttpTls tls;
    // Names
    bool rucio_paths = false;  ///< <scope>/<md5[0:2]>/<md5[2:4]>/<lfn>
    std::string scope = "transient";
};

/// The key of a file in that store.
Result<std::string> object_key(StoreConfig const& config, std::string const& file_name,
                               ObjectOwner const& owner);
/// The URL with the bucket that the path convention means for this owner; the configured
/// one without a convention.
Result<StoreUrl> store_url_for(StoreConfig const& config, ObjectOwner const& owner);

/// Errors (usage): a URL that is none, a kind this program was built without, keys that cannot be read.
Result<std::unique_ptr<Store>> make_store(StoreConfig const& config, ObjectOwner const& owner,
                                          StoreContext const& context);

}  // namespace yoda

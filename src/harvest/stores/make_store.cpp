// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/make_store.hpp"

#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/base/store_url.hpp"
#include "harvest/stores/dav/dav_store.hpp"
#include "harvest/stores/posix/posix_store.hpp"
#include "harvest/stores/s3/presigned_store.hpp"
#include "harvest/stores/xrootd/xrootd_store.hpp"

namespace yoda {

Result<std::string> object_key(StoreConfig const& config, std::string const& file_name,
                               ObjectOwner const& owner)
{
    std::string key = file_name;
    if (config.rucio_paths) {
        auto const implied = std::string(convention_scope(config.path_convention));
        auto const& own = owner.scope.empty() ? config.scope : owner.scope;
        key = rucio_path(implied.empty() ? own : implied, file_name);
    }
    if (Status const status = check_object_key(key); !status) return status.error();
    return key;
}

Result<StoreUrl> store_url_for(StoreConfig const& config, ObjectOwner const& owner)
{
    auto url = parse_store_url(config.url);
    if (!url || url->kind != StoreKind::s3) return url;
    auto bucket = convention_bucket(url->bucket, config.path_convention, owner.panda_id, owner.task_id);
    if (!bucket) return bucket.error();
    url->bucket = *std::move(bucket);
    return url;
}

Result<std::unique_ptr<Store>> make_store(StoreConfig const& config, ObjectOwner const& owner,
                                          StoreContext const& context)
{
    auto url = store_url_for(config, owner);
    if (!url) return url.error();
    if (config.presigned_url) {
        auto sign = [source = config.presigned_url, owner, base = url->text()](std::string const& method,
                                                                               std::string const& key) {
            return source(owner, method, base + "/" + key);
        };
        return std::unique_ptr<Store>(
            std::make_unique<PresignedStore>(*url, std::move(sign), config.tls, context));
    }
    switch (url->kind) {
        case StoreKind::s3: {
            S3Options options;
            options.region = config.region;
            options.virtual_host = config.virtual_host;
            options.create_bucket = config.create_bucket;
            options.bind_by = config.bind_by;
            options.tls = config.tls;
            options.keys = config.keys;
            if (!options.keys && !config.key_file.empty())
                options.keys = [file = config.key_file, profile = config.key_profile] {
                    return read_key_file(file, profile);
                };
            if (!options.keys) options.keys = read_environment_keys;
            return std::unique_ptr<Store>(
                std::make_unique<S3Store>(*std::move(url), std::move(options), context));
        }
        case StoreKind::dav: {
            DavOptions options;
            options.tls = config.tls;
            options.overwrite_by_move = config.overwrite_by_move;
            options.token_file = config.token_file;
            return std::unique_ptr<Store>(
                std::make_unique<DavStore>(*std::move(url), std::move(options), context));
        }
        case StoreKind::xrootd: {
            auto const client = load_xrootd_client();
            if (!client) return client.error();
            return std::unique_ptr<Store>(std::make_unique<XrootdStore>(*url, **client, context));
        }
        case StoreKind::file:
            break;
    }
    return std::unique_ptr<Store>(std::make_unique<PosixStore>(*url, context));
}

}  // namespace yoda

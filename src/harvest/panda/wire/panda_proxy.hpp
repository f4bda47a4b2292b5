// SPDX-License-Identifier: Apache-2.0
// PandaProxy: signs URLs of an object store for whoever shows the secret that came with a job
// (docs/reference/panda.md §2). Neither we nor the job ever see the store's keys; the proxy has them from
// PanDA by their names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "harvest/panda/wire/outcome.hpp"
#include "harvest/stores/make_store.hpp"
#include "sys/base/clock.hpp"
#include "sys/http/http.hpp"

namespace yoda {

struct PandaProxySettings {
    std::string url;  ///< "https://host:25128/proxy/panda"
    std::string public_key_name;
    std::string private_key_name;
    bool allow_plain_http = false;  ///< also beyond this machine
    Duration timeout = Duration::from_s(180);
    HttpTls tls;
};

/// Errors (usage): no URL, plain HTTP to elsewhere without leave, no names of keys.
Status check_panda_proxy(PandaProxySettings const& settings);

/// What the proxy answered: `presignedURL`, or why there is none. The URL is a secret for the 30 minutes of
/// its life: it is never logged or written, and never part of an error.
Result<std::string> read_presigned_url(RawAnswer const& answer);

/// Signs requests for the objects of jobs. Each job's secret is read when it is needed, from the folder where
/// fetch keeps them: RUN/panda, or RUN.fetch while it goes on.
PresignSource make_presign_source(PandaProxySettings settings, std::string secrets_folder,
                                  Clock const& clock);

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/fetch_back.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "core/base/checksum.hpp"
#include "core/config/output_names.hpp"
#include "harvest/merge/remade_bundle.hpp"
#include "harvest/stage_out/job_store.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "sys/base/files.hpp"
#include "sys/base/named_output.hpp"

namespace yoda {

namespace {

bool is_whole(std::string const& path, std::uint64_t bytes, std::uint32_t adler32)
{
    std::error_code code;
    if (std::filesystem::file_size(path, code) != bytes || code) return false;
    auto const sums = sum_file(path, 0, {bytes, std::max<std::uint64_t>(bytes, 1)}, 1);
    return sums && sums->front().adler32 == adler32;
}

class FetchBack {
  public:
    FetchBack(std::string const& run_folder, PushOptions const& options, Log& log, Clock const& clock)
        : options_(options),
          stage_(run_folder, clock),
          breakers_(options.transfer.breaker),
          context_{&clock, &log, &breakers_, options.stop, nullptr, options.transfer}
    {
        if (options.use_job_stores) job_stores_ = read_job_stores(run_folder, options.stores, log);
    }

    Status fetch(std::string const& name, std::string const& path, FetchedBack& done)
    {
        auto const record = stage_.read(name);
        if (!record) return record.error();
        if (record->split) return fetch_outputs(name, path, done);
        if (record->target.empty())
            return Error{ErrorKind::bad_input, name + " cannot be fetched back", "it went to no store", {}};
        if (is_whole(path, record->bytes, record->adler32)) return {};
        if (auto const status = bring(*record, path); !status) return status;
        ++done.bundle_count;
        done.bytes += record->bytes;
        return {};
    }

  private:
    /// Every output is an object of its own (push.single_objects): their bundle is made again from them.
    Status fetch_outputs(std::string const& name, std::string const& path, FetchedBack& done)
    {
        auto const manifest = read_manifest(stage_.run_folder(), name);
        if (!manifest) return manifest.error();
        if (is_whole(path, manifest->bytes, manifest->adler32)) return {};
        auto const index = read_index(stage_.run_folder(), *manifest);
        if (!index) return index.error();
        auto remade = RemadeBundle::create(path);
        if (!remade) return remade.error();
        std::string const output = path + ".output";
        for (auto const& entry : index->entries) {
            for (auto const& member : entry.members) {
                auto const record = stage_.read(record_name(member.name));
                if (!record) return record.error();
                auto status = bring(*record, output);
                if (status) status = remade->add(member, output);
                ::unlink(output.c_str());
                if (!status) return status;
                done.bytes += member.bytes;
            }
        }
        ++done.bundle_count;
        return remade->keep(*manifest);
    }

    /// Gets an object and checks that it is what was sent.
    Status bring(StageRecord const& record, std::string const& path)
    {
        auto const store = store_of(record);
        if (!store) return store.error();
        if (auto const status = check_replaceable(path); !status) return status;
        if (auto const status = (*store)->get(record.key, path); !status) return status;
        if (is_whole(path, record.bytes, record.adler32)) return {};
        ::unlink(path.c_str());
        return Error{
            ErrorKind::bad_input,
            record.url + " is not what was sent there",
            fmt::format("its size or adler32 is not {} and {}", record.bytes, print_adler32(record.adler32)),
            {}};
    }

    Result<Store*> store_of(StageRecord const& record)
    {
        auto const own = job_stores_.find(record.panda_id);
        auto const configured = options_.stores.find(record.target);
        bool const is_own = record.target == "es_events" && own != job_stores_.end();
        if (!is_own && configured == options_.stores.end())
            return Error{ErrorKind::usage, record.name + " cannot be fetched back",
                         "no store is configured for " + record.target,
                         "set store." + record.target + ".url"};
        ObjectOwner const owner{record.panda_id, record.task_id, record.scope};
        // Buckets and pre-signed URLs may be of one job only.
        auto& store = stores_[fmt::format("{} {}", record.target, record.panda_id)];
        if (!store) {
            auto made = make_store(is_own ? own->second : configured->second, owner, context_);
            if (!made) return made.error();
            store = *std::move(made);
        }
        return store.get();
    }

    PushOptions const& options_;
    StageFolder stage_;
    Breakers breakers_;
    StoreContext context_;
    std::map<std::int64_t, StoreConfig> job_stores_;
    std::map<std::string, std::unique_ptr<Store>> stores_;
};

}  // namespace

Result<FetchedBack> fetch_back(std::string const& run_folder, std::vector<std::string> const& tar_names,
                               std::string const& folder, PushOptions const& options, Log& log,
                               Clock const& clock)
{
    if (auto const status = make_folders(folder); !status) return status.error();
    FetchBack fetching(run_folder, options, log, clock);
    FetchedBack done;
    for (auto const& name : tar_names)
        if (auto const status = fetching.fetch(name, folder + "/" + name, done); !status)
            return status.error();
    return done;
}

}  // namespace yoda

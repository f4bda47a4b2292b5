// SPDX-License-Identifier: Apache-2.0
#include "core/job/job.hpp"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "core/table/bundle_index.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

namespace {

constexpr int jobs_version = 2;
constexpr int jobs_version_without_run_id = 1;

Error bad_job(std::string why)
{
    return {ErrorKind::bad_input, "job definition cannot be used", std::move(why), {}};
}

}  // namespace

Result<Job> Job::from_json(nlohmann::json fields)
{
    if (!fields.is_object()) return bad_job("it is no JSON object");
    Job job;
    job.fields_ = std::move(fields);
    if (job.panda_id() <= 0) return bad_job("it has no PandaID");
    auto const lfns = job.list("inFiles");
    auto const column = [&](std::string_view field, std::vector<std::string>& values) {
        values = job.list(field);
        return values.empty() || values.size() == lfns.size();
    };
    std::vector<std::string> guids, sizes, sums, scopes, paths;
    if (!column("GUID", guids) || !column("fsize", sizes) || !column("checksum", sums) ||
        !column("scopeIn", scopes) || !column("inFilePaths", paths))
        return bad_job(
            fmt::format("job {}: GUID, fsize, checksum, scopeIn and inFilePaths must be as many as inFiles",
                        job.panda_id()));
    for (std::size_t i = 0; i < lfns.size(); ++i) {
        if (!is_plain_file_name(lfns[i]))
            return bad_job(fmt::format("job {}: input '{}' is no plain file name", job.panda_id(), lfns[i]));
        InputFile file;
        file.lfn = lfns[i];
        if (!guids.empty()) file.guid = guids[i];
        if (!scopes.empty()) file.scope = scopes[i];
        if (!paths.empty()) file.pfn = paths[i];
        if (!sums.empty() && sums[i] != "NULL") file.checksum = sums[i];
        if (!sizes.empty()) std::from_chars(sizes[i].data(), sizes[i].data() + sizes[i].size(), file.bytes);
        job.inputs_.push_back(std::move(file));
    }
    return job;
}

std::string Job::text(std::string_view field) const
{
    auto const found = fields_.find(field);
    if (found == fields_.end() || found->is_null()) return {};
    if (found->is_string()) {
        auto const& value = found->get_ref<std::string const&>();
        return value == "NULL" ? std::string{} : value;
    }
    return found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::int64_t Job::number(std::string_view field, std::int64_t fallback) const
{
    auto const found = fields_.find(field);
    if (found == fields_.end()) return fallback;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (!found->is_string()) return fallback;
    auto const& value = found->get_ref<std::string const&>();
    std::int64_t number = 0;
    auto const [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    return code == std::errc{} && end == value.data() + value.size() ? number : fallback;
}

std::vector<std::string> Job::list(std::string_view field) const
{
    std::vector<std::string> values;
    auto const whole = text(field);
    if (whole.empty()) return values;
    for (std::size_t begin = 0; begin <= whole.size();) {
        auto end = whole.find(',', begin);
        if (end == std::string::npos) end = whole.size();
        values.push_back(whole.substr(begin, end - begin));
        begin = end + 1;
    }
    return values;
}

std::string print_jobs(std::vector<Job> const& jobs)
{
    auto const run_id = jobs.empty() ? 0 : jobs.front().run_id();
    nlohmann::json json{{"version", run_id == 0 ? jobs_version_without_run_id : jobs_version},
                        {"jobs", nlohmann::json::array()}};
    if (run_id != 0) json["run_id"] = fmt::format("{:08x}", run_id);
    for (auto const& job : jobs) json["jobs"].push_back(job.fields());
    // A field that came in another encoding than UTF-8 must not cost the job: JSON cannot hold it as it is.
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<std::vector<Job>> parse_jobs(std::string_view text)
{
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object() || !json.contains("jobs") || !json["jobs"].is_array())
        return bad_job("job.json is no JSON object with a list of jobs");
    auto const version = json.value("version", nlohmann::json());
    if (version != jobs_version && version != jobs_version_without_run_id)
        return Error{ErrorKind::bad_input, "job.json of another version",
                     fmt::format("this program reads the versions {} and {}", jobs_version_without_run_id,
                                 jobs_version),
                     "use the program that wrote it"};
    std::uint32_t run_id = 0;
    if (version == jobs_version) {
        auto const value = json.value("run_id", nlohmann::json());
        auto const parsed =
            value.is_string() ? parse_run_id(value.get_ref<std::string const&>()) : std::nullopt;
        if (!parsed) return bad_job("the run_id of job.json is not eight hexadecimal digits");
        run_id = *parsed;
    }
    std::vector<Job> jobs;
    std::set<std::int64_t> seen;
    for (auto& fields : json["jobs"]) {
        auto job = Job::from_json(std::move(fields));
        if (!job) return job.error();
        if (!seen.insert(job->panda_id()).second)
            return bad_job(fmt::format("PandaID {} is there twice", job->panda_id()));
        job->set_run_id(run_id);
        jobs.push_back(std::move(*job));
    }
    if (jobs.empty()) return bad_job("job.json lists no job");
    return jobs;
}

}  // namespace yoda

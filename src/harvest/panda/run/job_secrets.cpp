// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/job_secrets.hpp"

#include <nlohmann/json.hpp>

namespace yoda {

namespace {

constexpr char const* secret_fields[] = {
    "pandaProxySecretKey", "secrets", "pilotSecrets", "myproxy", "credname", "token"};

}  // namespace

Job without_secrets(Job const& job)
{
    auto fields = job.fields();
    for (auto const* name : secret_fields) fields.erase(name);
    auto clean = Job::from_json(std::move(fields));
    return clean ? std::move(*clean) : job;
}

std::string print_secrets(Job const& job)
{
    auto secrets = nlohmann::json::object();
    for (auto const* name : secret_fields)
        if (job.fields().contains(name)) secrets[name] = job.fields()[name];
    return secrets.empty() ? std::string{}
                           : secrets.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace yoda

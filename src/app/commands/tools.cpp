// SPDX-License-Identifier: Apache-2.0
#include "app/commands/tools.hpp"

#include <csignal>

#include "app/commands/command_line.hpp"
#include "harvest/stores/base/credentials.hpp"
#include "sys/base/named_output.hpp"

namespace yoda {

namespace po = boost::program_options;

std::atomic<bool>& HarvestTools::stop_requested()
{
    static std::atomic<bool> stop{false};
    return stop;
}

void add_config_option(po::options_description& options)
{
    // clang-format off
    options.add_options()
        ("config", po::value<std::vector<std::string>>()->composing(), "configuration file; may repeat; else $YODA_HARVEST_CONFIG, else ~/.config/yoda/harvest.cfg and /etc/yoda/harvest.cfg");
    // clang-format on
}

ConfigSources config_files_of(po::variables_map const& values)
{
    std::vector<std::string> named;
    if (values.count("config")) named = values["config"].as<std::vector<std::string>>();
    return {find_config_files(named), {}};
}

void add_tool_options(po::options_description& options)
{
    add_config_option(options);
    // clang-format off
    options.add_options()
        ("set", po::value<std::vector<std::string>>()->composing(), "one setting, key=value (harvest config show lists them); may repeat")
        ("log", po::value<std::string>(), "file for the log, as log.file")
        ("verbose,v", "say on stderr what is done, not only what goes wrong");
    // clang-format on
}

Result<std::unique_ptr<HarvestTools>> HarvestTools::make(po::variables_map const& values)
{
    keep_secrets_in();
    std::unique_ptr<HarvestTools> tools(
        new HarvestTools(values.count("verbose") ? LogLevel::info : LogLevel::warning));
    tools->sources_ = config_files_of(values);
    if (values.count("set")) {
        auto pairs = split_settings(values["set"].as<std::vector<std::string>>());
        if (!pairs) return pairs.error();
        tools->sources_.settings = *std::move(pairs);
    }
    if (values.count("log"))
        tools->sources_.settings.emplace_back("log.file", values["log"].as<std::string>());
    auto const config = load_config(tools->sources_, {});
    if (!config) return config.error();
    if (auto const file = config->text("log.file"); !file.empty()) {
        auto status = check_replaceable(file);  // It is renamed when it is full.
        if (status) status = tools->log_.add_file(file, config->bytes("log.size"));
        if (!status) return status.error();
    }
    stop_requested();  // Made before a signal handler may need it.
    struct sigaction action {};
    action.sa_handler = [](int) { stop_requested() = true; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    tools->http_.set_stop_flag(&stop_requested());
    return tools;
}

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "support/panda/panda_examples.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "source_folder.hpp"

namespace yoda::test {

namespace fs = std::filesystem;

std::string PandaExchange::call() const
{
    auto const end = std::min(path.find('?'), path.size());
    auto const slash = path.rfind('/', end);
    return path.substr(slash + 1, end - slash - 1);
}

PandaApi PandaExchange::api() const
{
    return path.starts_with("/api/") ? PandaApi::v1 : PandaApi::classic;
}

std::vector<PandaExchange> read_panda_examples()
{
    std::vector<fs::path> paths;
    for (auto const& entry : fs::directory_iterator(YODA_SOURCE_DIR "/tests/data/panda"))
        if (entry.path().extension() == ".json") paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<PandaExchange> exchanges;
    for (auto const& path : paths) {
        std::ifstream in(path);
        auto const recording = nlohmann::json::parse(in);
        for (auto const& record : recording.at("exchanges")) {
            PandaExchange exchange;
            exchange.file = path.stem().string();
            exchange.number = record.at("number");
            exchange.what = record.at("what");
            auto const& request = record.at("request");
            exchange.path = request.at("path");
            exchange.request_body = request.value("body", "");
            auto const& answer = record.at("answer");
            exchange.answer.status = answer.at("status");
            exchange.answer.content_type = answer.at("type");
            exchange.answer.body = answer.at("body");
            exchanges.push_back(std::move(exchange));
        }
    }
    return exchanges;
}

}  // namespace yoda::test

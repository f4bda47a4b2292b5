#include "support/panda_examples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "source_folder.hpp"

namespace yoda::test {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> read_lines(fs::path const& path)
{
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        lines.push_back(line);
    }
    return lines;
}

/// "HTTP 200 OK", headers, an empty line, the body up to an empty line or the next section.
RawAnswer read_answer(std::vector<std::string> const& lines, std::size_t& at)
{
    RawAnswer answer;
    auto const blank = lines[at].find(' ');
    std::from_chars(lines[at].data() + blank + 1, lines[at].data() + blank + 4, answer.status);
    for (++at; at < lines.size() && !lines[at].empty(); ++at)
        if (lines[at].starts_with("Content-Type: ")) answer.content_type = lines[at].substr(14);
    for (++at; at < lines.size() && !lines[at].empty(); ++at) {
        auto const& line = lines[at];
        if (line.starts_with("=== ") || line.starts_with("--- ") || line.starts_with("# ") ||
            line == "exit status 0")
            break;
        if (!answer.body.empty()) answer.body += '\n';
        answer.body += line;
    }
    return answer;
}

}  // namespace

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

std::string panda_examples_folder()
{
    auto const folder = fs::path(YODA_SOURCE_DIR) / "../shared/panda_examples";
    if (fs::exists(folder)) return folder.string();
    auto const* const ci = std::getenv("CI");
    EXPECT_FALSE(ci && std::string(ci) == "true") << folder << " is missing";
    return {};
}

std::vector<PandaExchange> read_panda_examples(std::string const& folder)
{
    std::vector<fs::path> paths;
    for (auto const& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<PandaExchange> exchanges;
    for (auto const& path : paths) {
        auto const lines = read_lines(path);
        char unnumbered = 'a';
        for (std::size_t at = 0; at < lines.size();) {
            if (!lines[at].starts_with("=== ")) {
                ++at;
                continue;
            }
            PandaExchange exchange;
            exchange.file = path.stem().string();
            exchange.title = lines[at].substr(4);
            auto const dot = exchange.title.find(". ");
            bool const numbered = dot != std::string::npos && dot <= 2;
            exchange.number = numbered ? exchange.title.substr(0, dot) : std::string(1, unnumbered++);
            if (numbered) exchange.title.erase(0, dot + 2);
            for (++at; at < lines.size() && !lines[at].starts_with("=== "); ++at) {
                auto const& line = lines[at];
                if (line == ">>> request") {
                    std::istringstream words(lines[at + 1]);
                    words >> exchange.method >> exchange.path;
                    while (at + 1 < lines.size() && !lines[at + 1].empty() &&
                           !lines[at + 1].starts_with("<<<"))
                        ++at;
                    if (at + 2 < lines.size() && lines[at + 1].empty() && !lines[at + 2].starts_with("<<<"))
                        exchange.request_body = lines[at + 2];
                } else if (line == "<<< response" || line.starts_with("HTTP/1.1 ")) {
                    if (line == "<<< response") ++at;
                    exchange.answer = read_answer(lines, at);
                    break;
                } else if (line.starts_with("$ curl")) {
                    exchange.method = "POST";
                    exchange.path = "/server/panda/getJob";
                }
            }
            if (exchange.answer.status != 0) exchanges.push_back(std::move(exchange));
        }
    }
    return exchanges;
}

}  // namespace yoda::test

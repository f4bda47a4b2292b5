// SPDX-License-Identifier: Apache-2.0
// A real server that a test starts and stops: one of the scripts in
// tests/support, spoken to by lines of text.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/skip.hpp"

namespace yoda::test {

class ServerProcess {
  public:
    /// `script` is a path below tests/support. Waits for its ready line;
    /// aborts the test program when there is none.
    explicit ServerProcess(std::string const& script, std::vector<std::string> const& arguments = {});
    ~ServerProcess();
    ServerProcess(ServerProcess const&) = delete;
    ServerProcess& operator=(ServerProcess const&) = delete;

    /// Of the ready line.
    std::string text(std::string const& field) const { return ready_.at(field).get<std::string>(); }
    nlohmann::json const& ready() const { return ready_; }
    /// Sends a command, waits for its answer; throws when the server says it failed.
    nlohmann::json tell(std::string const& command);

  private:
    nlohmann::json read_line();

    std::string script_;
    pid_t pid_ = -1;
    int input_ = -1;
    int output_ = -1;
    std::string buffer_;
    nlohmann::json ready_;
};

/// Whether every program is installed; `missing` names one that is not.
bool have_programs(std::initializer_list<char const*> names, std::string& missing);

/// Runs a program (no shell), returns its exit code; stdout goes to `output` when given.
int run_program(std::vector<std::string> const& command, std::string* output = nullptr,
                std::vector<std::string> const& environment = {});

}  // namespace yoda::test

#define YODA_NEEDS_PROGRAMS(...)                                         \
    do {                                                                 \
        std::string yoda_missing;                                        \
        if (!::yoda::test::have_programs({__VA_ARGS__}, yoda_missing)) { \
            YODA_SKIP(yoda_missing << " is not installed");              \
        }                                                                \
    } while (false)

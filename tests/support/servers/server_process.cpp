// SPDX-License-Identifier: Apache-2.0
#include "support/servers/server_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "source_folder.hpp"

extern char** environ;

namespace yoda::test {

namespace {

std::vector<char*> pointers(std::vector<std::string> const& words)
{
    std::vector<char*> out;
    for (auto const& word : words) out.push_back(const_cast<char*>(word.c_str()));
    out.push_back(nullptr);
    return out;
}

}  // namespace

ServerProcess::ServerProcess(std::string const& script, std::vector<std::string> const& arguments)
    : script_(script)
{
    std::vector<std::string> command{"/usr/bin/python3", YODA_SOURCE_DIR "/tests/support/" + script};
    command.insert(command.end(), arguments.begin(), arguments.end());
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    int const code =
        ::posix_spawn(&pid_, command[0].c_str(), &actions, nullptr, pointers(command).data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
    if (code != 0) throw std::runtime_error("cannot start " + script);
    ready_ = read_line();
    if (!ready_.value("ready", false))
        throw std::runtime_error(script + " did not come up: " + ready_.dump());
}

ServerProcess::~ServerProcess()
{
    ::close(input_);  // end of input ends the script and all it started
    ::waitpid(pid_, nullptr, 0);
    ::close(output_);
}

nlohmann::json ServerProcess::read_line()
{
    for (;;) {
        if (auto const end = buffer_.find('\n'); end != std::string::npos) {
            auto const line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return nlohmann::json::parse(line);
        }
        char bytes[4096];
        ssize_t const n = ::read(output_, bytes, sizeof bytes);
        if (n <= 0) throw std::runtime_error(script_ + " ended without an answer");
        buffer_.append(bytes, static_cast<std::size_t>(n));
    }
}

nlohmann::json ServerProcess::tell(std::string const& command)
{
    std::string const line = command + "\n";
    if (::write(input_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw std::runtime_error(script_ + " takes no commands");
    auto answer = read_line();
    if (!answer.value("ok", false)) throw std::runtime_error(script_ + " " + command + ": " + answer.dump());
    return answer;
}

bool have_programs(std::initializer_list<char const*> names, std::string& missing)
{
    for (std::string const name : names) {
        bool found = false;
        for (char const* const folder : {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/"})
            found = found || ::access((folder + name).c_str(), X_OK) == 0;
        if (!found) {
            missing = name;
            return false;
        }
    }
    return true;
}

int run_program(std::vector<std::string> const& command, std::string* output,
                std::vector<std::string> const& environment)
{
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> all;
    for (char** at = environ; *at; ++at) all.emplace_back(*at);
    all.insert(all.end(), environment.begin(), environment.end());
    pid_t pid = -1;
    int const code = ::posix_spawnp(&pid, command[0].c_str(), &actions, nullptr, pointers(command).data(),
                                    pointers(all).data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    std::string text;
    char bytes[4096];
    for (ssize_t n = 0; code == 0 && (n = ::read(out[0], bytes, sizeof bytes)) > 0;)
        text.append(bytes, static_cast<std::size_t>(n));
    ::close(out[0]);
    if (code != 0) return -1;
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (output) *output = std::move(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace yoda::test

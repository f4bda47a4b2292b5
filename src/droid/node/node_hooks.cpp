// SPDX-License-Identifier: Apache-2.0
#include "droid/node/node_hooks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <boost/program_options/parsers.hpp>

#include "droid/channel/channel.hpp"
#include "sys/base/files.hpp"
#include "sys/base/poller.hpp"
#include "sys/process/environment.hpp"

namespace yoda {

namespace {

constexpr Duration nap = Duration::from_ms(20);

}  // namespace

Status NodeHooks::begin(std::function<void()> const& idle)
{
    begun_ = true;
    if (setup_.setup.empty() && setup_.cleanup.empty()) return {};
    if (setup_.alone) return run(setup_.setup, "node.setup", idle);
    auto entered = NodeFolder::open(setup_.shared_folder);
    if (!entered) return entered.error();
    shared_.emplace(*std::move(entered));
    auto const lock =
        open_file(shared_->path() + "/.setting_up", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!lock) return lock.error();
    auto poller = Poller::make();
    if (!poller) return poller.error();
    TimePoint const deadline = clock_.now() + setup_.limit;
    while (!lock_file(lock->get(), LOCK_EX | LOCK_NB)) {
        if (clock_.now() > deadline)
            return Error{ErrorKind::io, "node.setup takes too long",
                         fmt::format("another Droid of this node is at it for {} s", setup_.limit.s()),
                         "see the node's log, or raise node.time_limit"};
        poller->wait(nap);
        idle();
    }
    auto const done = shared_->path() + "/set_up";
    if (path_exists(done)) return {};
    if (auto status = run(setup_.setup, "node.setup", idle); !status) return status;
    return replace_file(done, "", 0600, false);
}

Status NodeHooks::end()
{
    if (!std::exchange(begun_, false)) return {};
    Status status;
    if (setup_.alone || (shared_ && shared_->begin_leaving()))
        status = run(setup_.cleanup, "node.cleanup", [] {});
    shared_.reset();
    return status;
}

Status NodeHooks::run(std::string const& command, std::string_view what, std::function<void()> const& idle)
{
    if (command.empty()) return {};
    SpawnRequest request;
    request.arguments = boost::program_options::split_unix(command);
    request.environment = clean_environment(current_environment());
    request.folder = setup_.folder;
    request.stdout_path = request.stderr_path = setup_.log_path;
    auto const id = spawner_.spawn(std::move(request));
    if (!id) return id.error();
    // A poller of its own: the Droid's would hand the command's end to whoever waits for payloads.
    auto poller = Poller::make();
    if (!poller) return poller.error();
    poller->add(spawner_.fd(), [] {});
    TimePoint const deadline = clock_.now() + setup_.limit;
    auto const refuse = [&](std::string why) {
        return Error{ErrorKind::io, fmt::format("{} failed: {}", what, command), std::move(why),
                     "see " + setup_.log_path};
    };
    while (clock_.now() < deadline) {
        if (auto polled = spawner_.poll(); !polled) return polled;
        while (auto const event = spawner_.take_event()) {
            if (auto const* failed = std::get_if<PayloadStartFailed>(&*event))
                return refuse(failed->error.text());
            auto const* exited = std::get_if<PayloadExited>(&*event);
            if (!exited || exited->id != *id) continue;
            if (exited->exit_code == 0 && exited->signal == 0) return {};
            return refuse("it " + print_exit(*exited));
        }
        poller->wait(nap);
        idle();
    }
    spawner_.kill_tree(*id);
    return refuse(fmt::format("it did not end within {} s (node.time_limit)", setup_.limit.s()));
}

}  // namespace yoda

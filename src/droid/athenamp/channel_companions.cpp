// The channel's part that starts and watches what runs beside the payload.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "droid/athenamp/channel.hpp"
#include "droid/athenamp/companions.hpp"
#include "sys/environment.hpp"

namespace yoda::athenamp {

namespace {

constexpr std::string_view extractor_log = "token_extractor";
constexpr std::string_view prefetcher_log = "prefetcher";

}  // namespace

Result<SpawnId> Channel::spawn_companion(Words arguments, std::vector<std::string> environment,
                                         std::string folder, std::string_view log_name)
{
    if (auto made = make_folders(folder); !made) return made.error();
    SpawnRequest request;
    request.arguments = std::move(arguments);
    request.environment = std::move(environment);
    request.folder = std::move(folder);
    request.stdout_path = fmt::format("{}.{}.out", setup_.log_prefix, log_name);
    request.stderr_path = fmt::format("{}.{}.err", setup_.log_prefix, log_name);
    return spawner_.spawn(std::move(request));
}

Status Channel::start_companions(Launch const& launch)
{
    std::string url;
    for (auto const& entry : launch.environment) {
        if (entry.starts_with("EVENT_INDEX_URL=")) url = entry.substr(entry.find('=') + 1);
    }
    auto plan = plan_token_extractor(setup_.definition, setup_.payload, url);
    if (!plan) return plan.error();
    if (auto& extractor = *plan) {
        if (!extractor->list.empty()) {
            auto const path = fmt::format("{}/{}", start_folder_, tag_list_name);
            if (auto written = replace_file(path, extractor->list); !written) return written;
        }
        auto started = spawn_companion(std::move(extractor->arguments), launch.environment, start_folder_,
                                       extractor_log);
        if (!started) return started.error();
        extractor_ = *started;
    }
    if (!wants_prefetcher(setup_.definition)) return {};
    auto router = Router::bind(make_channel_name({"Prefetcher", setup_.definition.panda_id(), setup_.rank,
                                                  static_cast<int>(::getpid()), start_count_ - 1}));
    if (!router) return router.error();
    start_prefetcher(*std::move(router));
    auto environment = launch.environment;
    set_variable(environment, "PILOT_EVENTRANGECHANNEL", prefetcher_->channel());
    set_variable(environment, "ATHENA_PROC_NUMBER", "1");
    set_variable(environment, "ATHENA_CORE_NUMBER", "1");
    auto started = spawn_companion(plan_prefetcher(places_, setup_.payload, prefetcher_->channel()),
                                   std::move(environment), start_folder_ + "/prefetcher", prefetcher_log);
    if (!started) return started.error();
    prefetching_ = *started;
    return {};
}

void Channel::start_prefetcher(Router router)
{
    Prefetcher::Events events;
    events.fetched = [this](PrefetchOrder order) {
        silence_.heard(now_);
        prefetched_[order.item.range.id] = order.item.pfn;
        if (router_) hand_over(order.peer, order.item);
    };
    events.failed = [this](std::optional<PrefetchOrder> order, Failure const& failure) {
        silence_.heard(now_);
        // After a fatal error the peer asks in vain, and has the end word for it.
        if (order)
            refuse(order->peer, order->item.what, failure.kind, failure.error_code, failure.text, true);
        else
            events_.note("prefetcher_error", setup_.job, failure.text);
        if (failure.ends_payload) stop_for(failure.error_code, failure.text, setup_.stop_grace);
    };
    events.unwanted = [this](std::vector<std::string> const& paths) {
        for (auto const& path : paths) {
            bool const in_use = std::any_of(prefetched_.begin(), prefetched_.end(),
                                            [&](auto const& entry) { return entry.second == path; });
            if (!in_use) remove_own(path);
        }
    };
    events.look_again = [this] { wake(); };
    prefetcher_ = std::make_unique<Prefetcher>(std::move(router), poller_, std::move(events));
}

/// Without them the payload cannot go on.
bool Channel::on_companion_event(SpawnEvent const& event)
{
    auto const id = std::visit([](auto const& e) { return e.id; }, event);
    bool const is_extractor = extractor_ && id == *extractor_;
    if (!is_extractor && !(prefetching_ && id == *prefetching_)) return false;
    if (std::holds_alternative<PayloadStarted>(event)) return true;
    auto const* const failed = std::get_if<PayloadStartFailed>(&event);
    auto const how = failed ? failed->error.text() : print_exit(std::get<PayloadExited>(event));
    auto const name = is_extractor ? std::string_view("Token Extractor") : std::string_view("prefetcher");
    (is_extractor ? extractor_ : prefetching_).reset();
    if (prefetcher_ && !is_extractor) prefetcher_->read();  // Its last words.
    if (payload_ && !ended_ && !stopping_)
        stop_for(is_extractor ? code::te_fatal : code::prefetcher_died,
                 fmt::format("the {} {}{}", name, failed ? "could not be started: " : "", how),
                 setup_.stop_grace);
    return true;
}

/// As their log files are named.
std::vector<std::string_view> Channel::running_companions() const
{
    std::vector<std::string_view> names;
    if (extractor_) names.push_back(extractor_log);
    if (prefetching_) names.push_back(prefetcher_log);
    return names;
}

void Channel::end_companions()
{
    for (auto* const process : {&extractor_, &prefetching_}) {
        if (*process) spawner_.kill_tree(**process);
        process->reset();
    }
    prefetcher_.reset();
    prefetched_.clear();
}

/// The payload has done with the range: its local file goes.
void Channel::drop_prefetched(std::string_view range_id)
{
    auto const found = prefetched_.find(range_id);
    if (found == prefetched_.end() || flights_.contains(range_id)) return;  // It may have the range twice.
    remove_own(found->second);
    prefetched_.erase(found);
}

void Channel::remove_own(std::string const& path) const
{
    if (path.starts_with(start_folder_ + "/") && path.find("/../") == std::string::npos)
        ::unlink(path.c_str());
}

}  // namespace yoda::athenamp

// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/prefetcher.hpp"

#include <algorithm>
#include <utility>

#include "core/table/event_range.hpp"

namespace yoda::athenamp {

Prefetcher::Prefetcher(Router router, Poller& poller, Events events)
    : router_(std::move(router)), poller_(poller), events_(std::move(events))
{
    poller_.add(router_.fd(), [this] { read(); });
}

Prefetcher::~Prefetcher()
{
    poller_.remove(router_.fd());
}

void Prefetcher::ask(PrefetchOrder order)
{
    orders_.push_back(std::move(order));
    serve();
}

/// Its descriptor tells changes only, and a send may take one with it.
Router::Sent Prefetcher::send(std::string const& peer, std::string_view text)
{
    auto const sent = router_.send(peer, text);
    if (!reading_ && router_.readable()) events_.look_again();
    return sent;
}

void Prefetcher::read()
{
    std::string peer;
    std::string body;
    reading_ = true;
    while (router_.receive(peer, body)) hear(peer, body);
    reading_ = false;
    serve();
}

void Prefetcher::hear(std::string const& peer, std::string_view body)
{
    auto message = read_message(body);
    if (std::holds_alternative<Ready>(message)) {
        waiting_.push_back(peer);
        serve();
    } else if (auto const* const result = std::get_if<ResultLine>(&message)) {
        hear_result(*result);
    } else if (auto const* const failure = std::get_if<Failure>(&message)) {
        hear_failure(*failure);
    }
}

/// A range that was given up and came again is here twice: it answers in the order of the questions.
std::optional<Prefetcher::Flight> Prefetcher::take(std::string const& range_id)
{
    // Without an id it can only mean the one that it has.
    auto const [begin, end] = range_id.empty() && in_flight_.size() == 1
                                  ? std::pair(in_flight_.begin(), in_flight_.end())
                                  : in_flight_.equal_range(range_id);
    if (begin == end) return std::nullopt;
    auto flight = std::move(begin->second);
    in_flight_.erase(begin);
    return flight;
}

void Prefetcher::hear_result(ResultLine const& result)
{
    auto flight = take(result.range_id);
    if (!flight || !flight->wanted) return events_.unwanted(result.paths);
    if (result.paths.empty()) {
        Failure failure;
        failure.error_code = yoda::code::missing_output;
        failure.text = "the prefetcher named no file";
        return events_.failed(std::move(flight->order), failure);
    }
    flight->order.item.pfn = result.paths[0];
    events_.fetched(std::move(flight->order));
}

void Prefetcher::hear_failure(Failure const& failure)
{
    auto flight = take(failure.range_id);
    bool const wanted = flight && flight->wanted;
    events_.failed(wanted ? std::optional(std::move(flight->order)) : std::nullopt, failure);
}

void Prefetcher::serve()
{
    while (!waiting_.empty() && (ended_ || !orders_.empty())) {
        auto const peer = std::move(waiting_.front());
        waiting_.pop_front();
        if (ended_) {
            if (send(peer, end_word) != Router::Sent::full) continue;
            waiting_.push_front(peer);
            return;
        }
        auto order = std::move(orders_.front());
        orders_.pop_front();
        auto const text = print_range_text(order.item.range, order.item.pfn);
        if (!text) {
            waiting_.push_front(peer);
            Failure failure;
            failure.kind = FailKind::fatal;
            failure.error_code = yoda::code::es_fatal;
            failure.text = text.error().text();
            events_.failed(std::move(order), failure);
            continue;
        }
        auto const sent = send(peer, *text);
        if (sent == Router::Sent::yes) {
            auto id = order.item.range.id;
            in_flight_.emplace(std::move(id), Flight{std::move(order)});
            continue;
        }
        orders_.push_front(std::move(order));  // Another of its peers may ask.
        if (sent == Router::Sent::full) {
            waiting_.push_front(peer);
            return;
        }
    }
}

std::optional<PrefetchOrder> Prefetcher::cancel(HandOut what)
{
    auto const waits = std::find_if(orders_.begin(), orders_.end(),
                                    [&](PrefetchOrder const& order) { return order.item.what == what; });
    if (waits != orders_.end()) {
        auto order = std::move(*waits);
        orders_.erase(waits);
        return order;
    }
    for (auto& [id, flight] : in_flight_) {
        if (!flight.wanted || flight.order.item.what != what) continue;
        flight.wanted = false;
        return flight.order;
    }
    return std::nullopt;
}

bool Prefetcher::is_waited_for() const
{
    return !orders_.empty() || std::any_of(in_flight_.begin(), in_flight_.end(),
                                           [](auto const& entry) { return entry.second.wanted; });
}

std::vector<PrefetchOrder> Prefetcher::take_back()
{
    ended_ = true;
    std::vector<PrefetchOrder> left(std::make_move_iterator(orders_.begin()),
                                    std::make_move_iterator(orders_.end()));
    orders_.clear();
    for (auto& [id, flight] : in_flight_) {
        if (std::exchange(flight.wanted, false)) left.push_back(flight.order);
    }
    serve();
    return left;
}

}  // namespace yoda::athenamp

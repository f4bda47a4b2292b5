#include "droid/athenamp/prefetcher.hpp"

#include "core/event_range.hpp"

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

void Prefetcher::read()
{
    std::string peer;
    std::string body;
    while (router_.receive(peer, body)) hear(peer, body);
}

void Prefetcher::hear(std::string const& peer, std::string_view body)
{
    auto message = read_message(body);
    if (std::holds_alternative<Ready>(message)) {
        waiting_.push_back(peer);
        return serve();
    }
    auto const take = [&](std::string const& id) {
        auto node = in_flight_.extract(id);
        return node ? std::optional(std::move(node.mapped())) : std::nullopt;
    };
    if (auto const* const result = std::get_if<ResultLine>(&message)) {
        auto order = take(result->range_id);
        if (!order || result->paths.empty()) return;
        order->item.pfn = result->paths[0];
        events_.fetched(*std::move(order));
    } else if (auto const* const failure = std::get_if<Failure>(&message)) {
        if (auto order = take(failure->range_id)) events_.failed(*std::move(order), *failure);
    }
}

void Prefetcher::serve()
{
    while (!waiting_.empty() && (ended_ || !orders_.empty())) {
        auto const peer = std::move(waiting_.front());
        waiting_.pop_front();
        if (ended_) {
            router_.send(peer, end_word);
            continue;
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
        } else if (router_.send(peer, *text) == Router::Sent::yes) {
            in_flight_.insert_or_assign(order.item.range.id, std::move(order));
        } else {
            orders_.push_front(std::move(order));  // Another of its peers may ask.
        }
    }
}

std::vector<PrefetchOrder> Prefetcher::take_back()
{
    ended_ = true;
    std::vector<PrefetchOrder> left(std::make_move_iterator(orders_.begin()),
                                    std::make_move_iterator(orders_.end()));
    for (auto& [id, order] : in_flight_) left.push_back(std::move(order));
    orders_.clear();
    in_flight_.clear();
    serve();
    return left;
}

}  // namespace yoda::athenamp

// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/calls.hpp"

#include <algorithm>
#include <charconv>

namespace yoda {

namespace {

Error shut_out_error()
{
    return {ErrorKind::unavailable, "the store was not asked", "its endpoint keeps failing", {}};
}

}  // namespace

Calls::Calls(StoreContext context, std::string const& endpoint)
    : context_(std::move(context)),
      breaker_(context_.breakers->of(endpoint)),
      client_(*context_.clock),
      random_(std::random_device{}())
{
    client_.set_send_limit(context_.send_limit);
    client_.set_stop_flag(context_.stop);
}

Duration Calls::back_off(unsigned try_count)
{
    Duration pause = context_.policy.first_back_off;
    for (unsigned i = 1; i < try_count && pause < context_.policy.longest_back_off; ++i) pause = pause * 2;
    // Jitter, so that those who failed together do not come back together.
    std::uniform_real_distribution<double> share(0.5, 1.0);
    return std::min(pause, context_.policy.longest_back_off) * share(random_);
}

void Calls::start(Make make, Judge judge, TimePoint deadline, Done done)
{
    Call call;
    call.make = std::move(make);
    call.judge = std::move(judge);
    call.done = std::move(done);
    call.deadline = deadline;
    calls_.push_back(std::move(call));
}

void Calls::send(Place call)
{
    HttpRequest request = call->make();
    auto const& policy = context_.policy;
    request.connect_timeout = policy.connect_timeout;
    request.stall_window = policy.stall_window;
    // A short exchange may be slow for good reasons of the server; only large bodies are held to a rate.
    request.stall_bytes =
        request.file_body && request.file_body->bytes > 4 * policy.stall_bytes ? policy.stall_bytes : 1;
    request.timeout = std::max(call->deadline - now(), Duration::from_ms(1));
    ++call->try_count;
    call->shut_out_since = {};
    call->running = client_.start(std::move(request), [this, call](Result<HttpResponse> answer) {
        on_answer(call, std::move(answer));
    });
}

void Calls::on_answer(Place call, Result<HttpResponse> answer)
{
    call->running = 0;
    Judgement const judgement = call->judge(answer, call->try_count);
    if (judgement.endpoint_failed)
        breaker_->on_failure(now(), judgement.retry_after);
    else if (answer)
        breaker_->on_success();
    else
        breaker_->on_no_verdict();
    if (judgement.stop_endpoint && judgement.error) breaker_->stop(*judgement.error);
    bool const stopping = context_.stop && context_.stop->load(std::memory_order_relaxed);
    if (judgement.again && !stopping && call->try_count < context_.policy.try_limit) {
        call->last_error = judgement.error;
        call->not_before = now() + std::max(back_off(call->try_count), judgement.retry_after);
        return;
    }
    if (judgement.error)
        end(call, *judgement.error);
    else
        end(call, std::move(answer));
}

void Calls::end(Place call, Result<HttpResponse> result)
{
    auto const done = std::move(call->done);
    calls_.erase(call);
    done(std::move(result));
}

void Calls::run(Duration wait)
{
    TimePoint const begin = now();
    bool const stopping = context_.stop && context_.stop->load(std::memory_order_relaxed);
    std::optional<Error> const stopped = breaker_->stopped();
    Duration pause = wait;
    for (auto at = calls_.begin(); at != calls_.end();) {
        auto const call = at++;
        if (call->running != 0) continue;
        if (stopped) {
            end(call, *stopped);
            return;
        }
        if (begin >= call->deadline || stopping) {
            Error error = call->last_error.value_or(shut_out_error());
            error.kind = error.kind == ErrorKind::no_space ? error.kind : ErrorKind::unavailable;
            error.why += stopping ? "; we were asked to stop" : "; the deadline has passed";
            end(call, std::move(error));
            return;
        }
        if (begin < call->not_before) {
            pause = std::min(pause, call->not_before - begin);
        } else if (breaker_->try_enter(begin)) {
            send(call);
        } else if (call->shut_out_since == TimePoint{}) {
            call->shut_out_since = begin;
        } else if (begin - call->shut_out_since > context_.policy.breaker_patience) {
            end(call, call->last_error.value_or(shut_out_error()));
            return;
        } else {
            pause = std::min(pause, Duration::from_ms(20));
        }
    }
    client_.run(std::max(pause, Duration::from_ms(1)));
}

Result<HttpResponse> Calls::call(Make const& make, Judge const& judge, TimePoint deadline)
{
    std::optional<Result<HttpResponse>> result;
    start(make, judge, deadline, [&](Result<HttpResponse> answer) { result = std::move(answer); });
    while (!result) run(Duration::from_s(1));
    return *std::move(result);
}

void Calls::pause(unsigned try_count)
{
    TimePoint const until = now() + back_off(try_count);
    while (now() < until && !(context_.stop && context_.stop->load(std::memory_order_relaxed)))
        client_.run(std::min(until - now(), Duration::from_ms(100)));
}

void Calls::cancel_all()
{
    for (auto const& call : calls_) {
        if (call.running == 0) continue;
        client_.cancel(call.running);
        breaker_->on_no_verdict();
    }
    calls_.clear();
}

std::optional<Judgement> judge_transport(Result<HttpResponse> const& answer)
{
    if (answer) return std::nullopt;
    Judgement judgement;
    judgement.error = answer.error();
    switch (answer.error().kind) {
        case ErrorKind::unavailable:
            judgement.again = judgement.endpoint_failed = true;
            break;
        case ErrorKind::refused:  // a certificate that does not hold
        case ErrorKind::usage:
            judgement.stop_endpoint = true;
            break;
        case ErrorKind::bad_input:
        case ErrorKind::io:
        case ErrorKind::no_space:
        case ErrorKind::busy:
            break;
    }
    return judgement;
}

Duration retry_after_of(HttpResponse const& response)
{
    auto const text = response.headers.find("Retry-After");
    unsigned seconds = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (code != std::errc{} || end != text.data() + text.size()) return {};
    return Duration::from_s(std::min(seconds, 86400u));
}

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
// HTTP requests that are tried again: each is built anew for every try (signatures carry the time), judged by
// its store, and waits out its back-off and the endpoint's breaker without holding anything.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "harvest/stores/base/store_context.hpp"
#include "sys/http/http.hpp"

namespace yoda {

/// What an answer means. Neither `again` nor `error`: the call is done and its caller reads the answer.
struct Judgement {
    bool again = false;
    bool endpoint_failed = false;  ///< counts for the breaker
    bool stop_endpoint = false;    ///< nothing else will be sent there by this process
    Duration retry_after{};
    std::optional<Error> error;
};

/// Belongs to one thread.
class Calls {
  public:
    using Make = std::function<HttpRequest()>;
    using Judge = std::function<Judgement(Result<HttpResponse> const& answer, unsigned try_number)>;
    using Done = std::function<void(Result<HttpResponse>)>;

    Calls(StoreContext context, std::string const& endpoint);

    /// Until `deadline`; `done` is called from run().
    void start(Make make, Judge judge, TimePoint deadline, Done done);
    /// One call, waiting for its end.
    Result<HttpResponse> call(Make const& make, Judge const& judge, TimePoint deadline);
    void run(Duration wait);
    /// Waits out the back-off after this many failed tries.
    void pause(unsigned try_count);
    bool empty() const { return calls_.empty(); }
    /// Forgets all calls; their `done` is never called.
    void cancel_all();
    /// From any thread: run() returns early.
    void wake() { client_.wake(); }

    Breaker& breaker() { return *breaker_; }
    StoreContext const& context() const { return context_; }
    TimePoint now() const { return context_.clock->now(); }

  private:
    struct Call {
        Make make;
        Judge judge;
        Done done;
        TimePoint deadline{};
        TimePoint not_before{};
        TimePoint shut_out_since{};  ///< by the breaker; zero: it is not
        unsigned try_count = 0;
        HttpClient::Id running = 0;
        std::optional<Error> last_error;
    };
    using Place = std::list<Call>::iterator;

    void send(Place call);
    void on_answer(Place call, Result<HttpResponse> answer);
    void end(Place call, Result<HttpResponse> result);
    Duration back_off(unsigned try_count);

    StoreContext context_;
    std::shared_ptr<Breaker> breaker_;
    HttpClient client_;
    std::list<Call> calls_;
    std::minstd_rand random_;
};

/// Judgement of what never became an answer; nullopt when there is one.
std::optional<Judgement> judge_transport(Result<HttpResponse> const& answer);
/// The Retry-After header in seconds; zero when absent or a date.
Duration retry_after_of(HttpResponse const& response);

}  // namespace yoda

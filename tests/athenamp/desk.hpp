// SPDX-License-Identifier: Apache-2.0
// The Droid's desk for channel tests: real spawner, real sockets, the look-alike as payload; hands out ranges
// from a list and notes all that is reported.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <set>
#include <thread>

#include "droid/athenamp/channel.hpp"
#include "support/scratch_folder.hpp"
#include "sys/base/clock.hpp"
#include "sys/process/environment.hpp"

namespace yoda::test {

class Desk : public ChannelEvents {
  public:
    struct Failed {
        HandOut what;
        FailKind kind;
        std::uint16_t error_code;
        std::string reason;
    };

    Desk() : spawner_(*Spawner::start()), poller_(*Poller::make())
    {
        nlohmann::json job{{"PandaID", 6001},
                           {"taskID", 4001},
                           {"jobsetID", 6000},
                           {"inFiles", "EVNT.1.root"},
                           {"GUID", guid},
                           {"fsize", "10"},
                           {"checksum", "ad:00000001"},
                           {"scopeIn", "mc"},
                           {"inFilePaths", "/data/EVNT.1.root"},
                           {"inFilePosEvtNum", "True"},
                           {"outFiles", "HITS.1.root,log.1.tgz"},
                           {"logFile", "log.1.tgz"},
                           {"transformation", "Sim_tf.py"},
                           {"jobPars", "--inputEVNTFile=EVNT.1.root --outputHITSFile=HITS.1.root"}};
        setup.definition = *Job::from_json(job);
        setup.payload.channel = ChannelKind::athenamp;
        setup.payload.executable = ATHENAMP_MOCK;
        setup.outputs = *OutputNames::make(setup.definition, setup.payload);
        setup.payload.finalisation_s = 10;
        setup.environment = current_environment();
        setup.work_folder = folder / "work";
        setup.log_prefix = folder / "payload";
        setup.bind = false;
        setup.stop_grace = Duration::from_s(20);
        mock("MOCK_MARKS", folder.path());
    }
    ~Desk() override
    {
        channel_.reset();
        static_cast<void>(spawner_.stop(Duration::from_s(10)));
    }

    void mock(std::string_view name, std::string const& value)
    {
        set_variable(setup.environment, name, value);
    }

    static WorkItem make_item(RangeIndex range, std::string pfn = "/data/EVNT.1.root")
    {
        WorkItem item;
        item.what = {range, 1};
        item.range.id = "4001-6001-77-" + std::to_string(range) + "-9";
        item.range.start_event = item.range.last_event = range;
        item.range.lfn = "EVNT.1.root";
        item.range.guid = guid;
        item.range.scope = "mc";
        item.pfn = std::move(pfn);
        return item;
    }
    void add_ranges(RangeIndex first, RangeIndex last)
    {
        for (RangeIndex range = first; range <= last; ++range) ranges.push_back(make_item(range));
    }

    athenamp::Channel& channel()
    {
        if (!channel_) channel_ = std::make_unique<athenamp::Channel>(setup, spawner_, poller_, *this);
        return *channel_;
    }
    void start(std::uint32_t workers)
    {
        end_code.reset();
        channel().start(clock_.now(), workers);
    }
    TimePoint now() const { return clock_.now(); }

    /// Turns the Droid's loop until `done()`; a minute is more than any of this needs.
    template <class Done>
    void turn_until(Done done)
    {
        auto const limit = clock_.now() + Duration::from_s(60);
        while (!done()) {
            if (clock_.now() > limit) {
                ADD_FAILURE() << "nothing happened for a minute\n" << file_text(folder / "payload.err");
                return;
            }
            turn();
        }
    }
    void turn()
    {
        if (polls)
            poller_.wait(Duration::from_ms(5));
        else
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (auto const polled = spawner_.poll(); !polled) ADD_FAILURE() << polled.error().text();
        while (auto const event = spawner_.take_event()) channel().on_spawn_event(clock_.now(), *event);
        channel().on_tick(clock_.now());
    }
    void run_to_end()
    {
        turn_until([this] { return end_code.has_value(); });
    }
    std::set<RangeIndex> finished() const
    {
        std::set<RangeIndex> found;
        for (auto const& output : outputs) found.insert(output.what.range);
        return found;
    }
    /// Lets go of requests that were held.
    void release()
    {
        hold = false;
        for (auto const request : std::exchange(held, {})) this->request(0, request);
    }

    // ChannelEvents
    void payload_up(JobIndex) override {}
    void request(JobIndex, RequestId request) override
    {
        ++request_count;
        if (hold) {
            held.push_back(request);
        } else if (!ranges.empty()) {
            auto const item = ranges.front();
            ranges.pop_front();
            channel().answer(clock_.now(), request, item);
        } else {
            channel().end(request);
        }
    }
    void request_gone(JobIndex, RequestId request) override { std::erase(held, request); }
    void output(RangeOutput output) override { outputs.push_back(std::move(output)); }
    void failure(HandOut what, FailKind kind, std::uint16_t error_code, std::string_view reason) override
    {
        failures.push_back({what, kind, error_code, std::string(reason)});
    }
    void worker_ended(JobIndex) override { ADD_FAILURE() << "the number of its workers is fixed"; }
    void payload_ended(JobIndex, std::uint16_t error_code, std::string_view reason) override
    {
        end_code = error_code;
        end_reason = reason;
    }
    void note(std::string_view event, JobIndex, std::string_view why) override
    {
        notes.push_back(std::string(event) + ": " + std::string(why));
    }

    static constexpr char const* guid = "BEA4C016-E37E-0841-A448-8D664E8CD570";
    ScratchFolder folder;
    PayloadSetup setup;
    std::deque<WorkItem> ranges;
    bool polls = true;  ///< false: nothing is heard but at ticks
    bool hold = false;
    std::deque<RequestId> held;
    unsigned request_count = 0;
    std::vector<RangeOutput> outputs;
    std::vector<Failed> failures;
    std::vector<std::string> notes;
    std::optional<std::uint16_t> end_code;
    std::string end_reason;

  private:
    SystemClock clock_;
    Spawner spawner_;
    Poller poller_;
    std::unique_ptr<athenamp::Channel> channel_;
};

}  // namespace yoda::test

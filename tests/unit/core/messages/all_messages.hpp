// SPDX-License-Identifier: Apache-2.0
// One of every message, for tests of the codec, and a text of a message by which two can be compared.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/messages/messages.hpp"

namespace yoda::test {

/// Messages of every type. Lists and texts point into static data.
inline std::vector<Message> all_messages()
{
    static std::vector<FinishedEntry> const finished{{1, 2, 3, 4}, {0xFFFFFFFE, 0xFFFF, 5, 0xFFFFFFFF}};
    static std::vector<HandOut> const hand_outs{{1, 2}, {0xFFFFFFFE, 0xFFFF}, {0, 0}};
    static std::vector<RunningEntry> const running{{{7, 8}, 9}, {{10, 11}, 0xFFFFFFFF}};
    static std::vector<Rank> const ranks{1, 0xFFFFFFFE};
    RangeRun run;
    run.begin = 70000;
    run.count = 4096;
    run.file = 3;
    run.first = 1;
    run.stride = 5;
    run.events = 5;
    run.process_id = 11;
    run.process_stride = 0xFFFFFFFF;
    run.attempt = 10;
    run.hand_out = 2;
    RangeRun single = run;
    single.count = 1;
    return {
        Hello{"node-1.site", 4242, 128},
        Hello{"", 0, 0},
        Request{7},
        Finished{1, 2, 3, finished},
        Finished{0xFFFFFFFF, none, 0, {}},
        Failed{{5, 6}, FailKind::payload_death, 1227, "it died"},
        Failed{{5, 6}, FailKind::given_back, 0, ""},
        GivenBack{hand_outs},
        GivenBack{},
        Running{running},
        Running{},
        Heartbeat{1, 2, 3, 4, 5, 6, 0xFFFFFFFFFFFFFFFF},
        Sealed{1, 2, 0xFFFFFFFFFF, 4},
        Trouble{1, 1110, "no such executable"},
        Goodbye{},
        Welcome{3, 8},
        Document{DocumentKind::payload, 100, 50, std::string_view("a\0b\n", 4)},
        FileInfo{1, 2, -3, 4, INT64_MAX, "lfn", "guid", "scope", "root://host//path"},
        Grant{run, ""},
        Grant{single, "an id of its own"},
        Accepted{0xFFFFFFFF},
        Rejected{hand_outs},
        Revoke{hand_outs},
        Recall{9},
        AskRunning{},
        NothingNow{},
        NothingEver{},
        SealJob{2},
        Limits{1000, none},
        YodaAlive{},
        Reset{},
        Drain{5000},
        Stop{true},
        InputPlace{true, ranks},
        InputPlace{},
        InputPull{1, true, input_end_only, 0xFFFFFFFFFF},
        InputPart{1, 0xFFFFFFFFFF, std::string_view("a\0b", 3)},
        InputPart{},
        InputEnd{1, InputWord::bad, 0xFFFFFFFFFF, 0xFFFFFFFF},
        InputsStaged{1, 2, 3, 0xFFFFFFFFFF},
    };
}

inline std::string print_entries(std::span<HandOut const> entries)
{
    std::string text;
    for (auto const& what : entries) text += fmt::format(" {}/{}", what.range, what.hand_out);
    return text;
}

/// Every field of a message.
inline std::string print_message(Message const& message)
{
    struct Printer {
        std::string operator()(Hello const& m)
        {
            return fmt::format("{} {} {}", m.host, m.pid, m.worker_count);
        }
        std::string operator()(Request const& m) { return fmt::format("{}", m.idle_count); }
        std::string operator()(Finished const& m)
        {
            auto text = fmt::format("{} {} {}", m.sequence, m.bundle_sequence, m.job);
            for (auto const& entry : m.entries)
                text += fmt::format(" {}/{} {} {}", entry.range, entry.hand_out, entry.cpu_ms, entry.wall_ms);
            return text;
        }
        std::string operator()(Failed const& m)
        {
            return fmt::format("{}/{} {} {} {}", m.what.range, m.what.hand_out, static_cast<int>(m.kind),
                               m.error_code, m.reason);
        }
        std::string operator()(GivenBack const& m) { return print_entries(m.entries); }
        std::string operator()(Running const& m)
        {
            std::string text;
            for (auto const& entry : m.entries)
                text += fmt::format(" {}/{} {}", entry.what.range, entry.what.hand_out, entry.age_ms);
            return text;
        }
        std::string operator()(Heartbeat const& m)
        {
            return fmt::format("{} {} {} {} {} {} {}", m.queued_count, m.running_count, m.worker_count,
                               m.busy_ms, m.alive_ms, m.cpu_ms, m.free_bytes);
        }
        std::string operator()(Sealed const& m)
        {
            return fmt::format("{} {} {} {}", m.job, m.bundle_sequence, m.bytes, m.entry_count);
        }
        std::string operator()(Trouble const& m)
        {
            return fmt::format("{} {} {}", m.job, m.error_code, m.reason);
        }
        std::string operator()(Goodbye const&) { return {}; }
        std::string operator()(Welcome const& m) { return fmt::format("{} {}", m.node_index, m.node_count); }
        std::string operator()(Document const& m)
        {
            return fmt::format("{} {} {} {}", static_cast<int>(m.kind), m.total_bytes, m.offset, m.bytes);
        }
        std::string operator()(FileInfo const& m)
        {
            return fmt::format("{} {} {} {} {} {} {} {} {}", m.file, m.job, m.task_id, m.panda_id, m.file_id,
                               m.lfn, m.guid, m.scope, m.pfn);
        }
        std::string operator()(Grant const& m)
        {
            auto const& run = m.run;
            return fmt::format("{} {} {} {} {} {} {} {} {} {} '{}'", run.begin, run.count, run.file,
                               run.first, run.stride, run.events, run.process_id, run.process_stride,
                               run.attempt, run.hand_out, m.text_id);
        }
        std::string operator()(Accepted const& m) { return fmt::format("{}", m.sequence); }
        std::string operator()(Rejected const& m) { return print_entries(m.entries); }
        std::string operator()(Revoke const& m) { return print_entries(m.entries); }
        std::string operator()(Recall const& m) { return fmt::format("{}", m.count); }
        std::string operator()(AskRunning const&) { return {}; }
        std::string operator()(NothingNow const&) { return {}; }
        std::string operator()(NothingEver const&) { return {}; }
        std::string operator()(SealJob const& m) { return fmt::format("{}", m.job); }
        std::string operator()(Limits const& m)
        {
            return fmt::format("{} {}", m.time_left_ms, m.event_time_us);
        }
        std::string operator()(YodaAlive const&) { return {}; }
        std::string operator()(Reset const&) { return {}; }
        std::string operator()(Drain const& m) { return fmt::format("{}", m.time_left_ms); }
        std::string operator()(Stop const& m) { return fmt::format("{}", m.everybody_alive); }
        std::string operator()(InputPlace const& m)
        {
            std::string text = m.same_node ? "same" : "other";
            for (auto const rank : m.ancestors) text += fmt::format(" {}", rank);
            return text;
        }
        std::string operator()(InputPull const& m)
        {
            return fmt::format("{} {} {} {}", m.file, m.anew, m.from, m.upto);
        }
        std::string operator()(InputPart const& m)
        {
            return fmt::format("{} {} {}", m.file, m.offset, m.bytes);
        }
        std::string operator()(InputEnd const& m)
        {
            return fmt::format("{} {} {} {}", m.file, static_cast<int>(m.word), m.total_bytes, m.crc32c);
        }
        std::string operator()(InputsStaged const& m)
        {
            return fmt::format("{} {} {} {}", m.file_count, m.failed_count, m.shared_bytes, m.passed_bytes);
        }
    };
    return fmt::format("{}: {}", message.index(), std::visit(Printer{}, message));
}

}  // namespace yoda::test

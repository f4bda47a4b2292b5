// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::string_view asked = ".asked.json";
constexpr std::string_view answer = ".answer.json";
constexpr std::string_view ended = ".ended.json";
constexpr std::string_view used = ".used";
constexpr std::uint64_t note_limit_bytes = 1 << 16;

std::string_view print_kind(AskKind kind)
{
    return kind == AskKind::jobs ? "jobs" : "ranges";
}

Result<Ask> parse_ask(std::string_view text, std::string const& path)
{
    try {
        auto const json = nlohmann::json::parse(text);
        if (json.at("version") != 1)
            return Error{
                ErrorKind::bad_input, path + " is of another version", {}, "use the harvest that wrote it"};
        Ask ask;
        ask.number = json.at("number").get<std::uint32_t>();
        ask.kind = json.at("kind") == "jobs" ? AskKind::jobs : AskKind::ranges;
        ask.panda_id = json.at("PandaID").get<std::int64_t>();
        ask.count = json.at("count").get<std::int64_t>();
        ask.unix_s = json.at("unix_s").get<std::int64_t>();
        ask.note = json.value("note", "");
        return ask;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, path + " cannot be read", exception.what(), {}};
    }
}

PandaOutcome read_outcome(std::string const& path)
{
    auto const text = read_file(path, note_limit_bytes);
    auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    auto const word = json.is_object() ? json.value("outcome", "") : "";
    for (auto const outcome : {PandaOutcome::refused, PandaOutcome::later})
        if (word == print_outcome(outcome)) return outcome;
    return PandaOutcome::unknown;
}

}  // namespace

bool is_lost(Ask const& ask)
{
    return ask.state == Ask::State::lost ||
           (ask.state == Ask::State::ended && ask.outcome == PandaOutcome::unknown);
}

std::string FetchJournal::path_of(Ask const& ask, std::string_view suffix) const
{
    return fmt::format("{}/{:06}-{}{}", folder_, ask.number, print_kind(ask.kind), suffix);
}

Result<FetchJournal> FetchJournal::open(std::string folder)
{
    FetchJournal journal(std::move(folder));
    if (auto const status = make_folders(journal.folder_); !status) return status.error();
    auto const listed = list_folder(journal.folder_);
    if (!listed) return listed.error();
    std::set<std::string> const names(listed->begin(), listed->end());
    for (auto const& name : names) {
        if (!name.ends_with(asked)) continue;
        auto const path = journal.folder_ + "/" + name;
        auto const text = read_file(path, note_limit_bytes);
        if (!text) return text.error();
        auto ask = parse_ask(*text, path);
        if (!ask) return ask.error();
        auto const stem = name.substr(0, name.size() - asked.size());
        if (names.contains(stem + std::string(used)))
            ask->state = Ask::State::used;
        else if (names.contains(stem + std::string(answer)))
            ask->state = Ask::State::answered;
        else if (names.contains(stem + std::string(ended)))
            ask->state = Ask::State::ended,
            ask->outcome = read_outcome(journal.folder_ + "/" + stem + std::string(ended));
        journal.asks_.push_back(std::move(*ask));
    }
    std::sort(journal.asks_.begin(), journal.asks_.end(),
              [](Ask const& a, Ask const& b) { return a.number < b.number; });
    return journal;
}

Result<Ask> FetchJournal::begin(AskKind kind, std::int64_t panda_id, std::int64_t count, std::int64_t unix_s,
                                std::string note)
{
    Ask ask;
    ask.number = asks_.empty() ? 1 : asks_.back().number + 1;
    ask.kind = kind;
    ask.panda_id = panda_id;
    ask.count = count;
    ask.unix_s = unix_s;
    ask.note = std::move(note);
    nlohmann::ordered_json json{{"version", 1},        {"number", ask.number}, {"kind", print_kind(kind)},
                                {"PandaID", panda_id}, {"count", count},       {"unix_s", unix_s}};
    if (!ask.note.empty()) json["note"] = ask.note;
    auto const path = path_of(ask, asked);
    // Whole or not at all, and only once: written aside, then linked to its name, which
    // fails if somebody has it.
    auto const part = fmt::format("{}.{}.part", path, ::getpid());
    if (auto const status = replace_file(part, json.dump() + "\n"); !status) return status.error();
    int const result = ::link(part.c_str(), path.c_str());
    int const link_errno = errno;
    ::unlink(part.c_str());
    if (result != 0 && link_errno == EEXIST)
        return Error{
            ErrorKind::busy, path + " was just written by another harvest", {}, "wait until it ends"};
    if (result != 0) return os_error("write", path, link_errno);
    if (auto const status = sync_folder(folder_); !status) return status.error();
    asks_.push_back(ask);
    return ask;
}

void FetchJournal::set_state(Ask const& ask, Ask::State state, PandaOutcome outcome)
{
    for (auto& known : asks_) {
        if (known.number != ask.number) continue;
        known.state = state;
        known.outcome = outcome;
    }
}

Status FetchJournal::keep_answer(Ask const& ask, std::string_view list)
{
    // Job definitions carry secrets.
    auto status = replace_file(path_of(ask, answer), list, ask.kind == AskKind::jobs ? 0600 : 0644);
    if (status) set_state(ask, Ask::State::answered, PandaOutcome::stored);
    return status;
}

Status FetchJournal::keep_end(Ask const& ask, PandaJudgement const& judgement)
{
    nlohmann::ordered_json const json{
        {"version", 1}, {"outcome", print_outcome(judgement.outcome)}, {"why", judgement.why}};
    auto status = replace_file(path_of(ask, ended),
                               json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    if (status) set_state(ask, Ask::State::ended, judgement.outcome);
    return status;
}

Status FetchJournal::keep_used(Ask const& ask)
{
    auto status = replace_file(path_of(ask, used), "");
    if (status) {
        set_state(ask, Ask::State::used, PandaOutcome::stored);
        ::unlink(path_of(ask, answer).c_str());
    }
    return status;
}

Status FetchJournal::forget(Ask const& ask)
{
    auto const path = path_of(ask, asked);
    if (::unlink(path.c_str()) != 0) return os_error("remove", path, errno);
    std::erase_if(asks_, [&ask](Ask const& known) { return known.number == ask.number; });
    return sync_folder(folder_);
}

Result<std::string> FetchJournal::read_answer(Ask const& ask) const
{
    return read_file(path_of(ask, answer));
}

Status FetchJournal::read_answer_into(std::string& list, Ask const& ask) const
{
    return read_file_into(list, path_of(ask, answer));
}

std::int64_t FetchJournal::lost_range_count() const
{
    std::int64_t count = 0;
    for (auto const& ask : asks_) {
        if (ask.kind == AskKind::ranges && is_lost(ask)) count += ask.count;
    }
    return count;
}

std::int64_t FetchJournal::lost_job_count() const
{
    std::int64_t count = 0;
    for (auto const& ask : asks_) {
        if (ask.kind == AskKind::jobs && is_lost(ask)) count += ask.count;
    }
    return count;
}

}  // namespace yoda

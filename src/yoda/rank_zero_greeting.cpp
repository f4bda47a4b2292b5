// SPDX-License-Identifier: Apache-2.0
// Rank 0's part that greets Droids: who shares a node with whom, what the run is
// about, where inputs come from.
#include <algorithm>

#include "yoda/rank_zero.hpp"

namespace yoda {

namespace {

constexpr Duration welcome_wait = Duration::from_s(10);

}  // namespace

/// Droids of one node split its cores: each hears which of how many it is, once all have spoken (or enough
/// time has passed), and what the run is about.
void RankZero::greet(Rank from, Hello const& hello)
{
    if (greeted_[from]) return;
    greeted_[from] = true;
    if (first_hello_ == TimePoint::never()) first_hello_ = now_;
    ++greeted_count_;
    by_host_[std::string(hello.host)].push_back(from);
    to_welcome_.push_back(from);
    if (welcome_at_ == TimePoint::never()) welcome_at_ = now_ + welcome_wait;
    if (greeted_count_ + 1 == frames_.size()) welcome_all_that_wait();
}

void RankZero::welcome_all_that_wait()
{
    welcome_at_ = TimePoint::never();
    for (auto const& [host, ranks] : by_host_) input_tree_.add(ranks.front(), host);
    for (Rank const rank : to_welcome_) welcome(rank);
    to_welcome_.clear();
}

void RankZero::welcome(Rank rank)
{
    for (auto const& [host, ranks] : by_host_) {
        auto const found = std::find(ranks.begin(), ranks.end(), rank);
        if (found == ranks.end()) continue;
        send(rank, Welcome{static_cast<std::uint16_t>(found - ranks.begin()),
                           static_cast<std::uint16_t>(ranks.size())});
        if (!parts_.config.work_stage_inputs) continue;
        auto const place = input_tree_.place(rank, host);
        send(rank, InputPlace{place.same_node, place.ancestors});
    }
    for (std::size_t kind = 0; kind < parts_.documents.size(); ++kind) {
        std::string_view const text = parts_.documents[kind];
        std::size_t offset = 0;
        do {
            auto const part = text.substr(offset, max_document_part_bytes);
            send(rank, Document{static_cast<DocumentKind>(kind), static_cast<std::uint32_t>(text.size()),
                                static_cast<std::uint32_t>(offset), part});
            offset += part.size();
        } while (offset < text.size());
    }
}

/// How a Droid got its inputs: in the log, and summed up for status.json.
void RankZero::add_staged(Rank from, InputsStaged const& staged)
{
    auto& all = parts_.facts.staged;
    ++all.droid_count;
    all.failed_count += staged.failed_count;
    all.shared_bytes += staged.shared_bytes;
    all.passed_bytes += staged.passed_bytes;
    log_.info("inputs_staged", {{"rank", from},
                                {"files", staged.file_count},
                                {"failed", staged.failed_count},
                                {"shared_bytes", staged.shared_bytes},
                                {"passed_bytes", staged.passed_bytes}});
}

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "journal_thread.hpp"

#include <cstdlib>

namespace yoda::sim {

bool JournalThread::make(FileId& file)
{
    return sim_.disk.create(self_, Folder::journal, name(number_), false, file) &&
           sim_.disk.sync_folder(self_, Folder::journal);
}

bool JournalThread::open()
{
    auto const& names = sim_.disk.names(Folder::journal);
    number_ = names.empty() ? 1 : std::strtoull(names.rbegin()->first.c_str(), nullptr, 10) + 1;
    return make(file_);
}

std::uint64_t JournalThread::append(std::string_view frames)
{
    queue_.append(frames);
    appended_ += frames.size();
    if (step_ == Step::idle && !failed_) {
        step_ = Step::wait;
        sim_.at(sim_.now + sim_.plan.commit_interval, self_, EventKind::journal);
    }
    return appended_;
}

bool JournalThread::step()
{
    if (step_ == Step::wait) {
        write();
        if (failed_) return true;
        step_ = Step::sync;
        sim_.at(sim_.now + sim_.sync_time(), self_, EventKind::journal);
        return false;
    }
    if (step_ != Step::sync) return false;
    for (FileId const file : unsynced_) {
        if (!sim_.disk.sync(self_, file)) failed_ = true;
    }
    unsynced_.clear();
    step_ = Step::idle;
    if (failed_) return true;
    durable_ = taken_;
    if (!queue_.empty()) append({});
    return true;
}

void JournalThread::write()
{
    std::string_view bytes = queue_;
    unsynced_.assign(1, file_);
    while (!bytes.empty() && !failed_) {
        bool const turns = !turns_.empty() && turns_.front().position <= taken_ + bytes.size();
        auto const part = turns ? bytes.substr(0, turns_.front().position - taken_) : bytes;
        if (!part.empty() && !sim_.disk.append(self_, file_, part)) failed_ = true;
        bytes.remove_prefix(part.size());
        taken_ += part.size();
        if (!turns) continue;
        file_ = turns_.front().file;
        turns_.pop_front();
        unsynced_.push_back(file_);
    }
    queue_.clear();
}

std::uint64_t JournalThread::rotate()
{
    ++number_;
    FileId file = 0;
    if (!make(file)) {
        --number_;
        return 0;
    }
    turns_.push_back({appended_, file});
    return number_;
}

void JournalThread::remove_before(std::uint64_t segment)
{
    std::vector<std::string> old;
    for (auto const& [file_name, id] : sim_.disk.names(Folder::journal)) {
        if (std::strtoull(file_name.c_str(), nullptr, 10) < segment) old.push_back(file_name);
    }
    for (auto const& file_name : old) sim_.disk.remove(self_, Folder::journal, file_name);
}

}  // namespace yoda::sim

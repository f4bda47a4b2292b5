// SPDX-License-Identifier: Apache-2.0
#include "droid/inputs/input_stage.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace yoda {

namespace {

std::size_t find_input(std::vector<InputFile> const& inputs, std::string const& pfn)
{
    auto const found =
        std::find_if(inputs.begin(), inputs.end(), [&](InputFile const& input) { return input.pfn == pfn; });
    return static_cast<std::size_t>(found - inputs.begin());
}

}  // namespace

Result<std::unique_ptr<InputStage>> InputStage::open(std::string folder, std::vector<Job> const& jobs,
                                                     std::uint64_t spare_bytes, Life life,
                                                     Transport& transport, Log& log)
{
    // All Droids make the same list from the same job descriptions: a file's number is its name in messages.
    std::vector<InputFile> inputs;
    std::vector<std::uint32_t> last_of_job;
    std::uint64_t total_bytes = 0;
    for (auto const& job : jobs) {
        std::size_t last = 0;
        for (auto const& input : job.inputs()) {
            if (!input.pfn.starts_with('/')) continue;  // Direct access, or no place at all.
            auto const index = find_input(inputs, input.pfn);
            last = std::max(last, index + 1);
            if (index < inputs.size()) continue;
            inputs.push_back(input);
            total_bytes += input.bytes;
        }
        last_of_job.push_back(static_cast<std::uint32_t>(last));
    }
    auto opened = NodeFolder::open(std::move(folder));
    if (!opened) return opened.error();
    auto const free = free_bytes(opened->path());
    if (!free) return free.error();
    if (*free < total_bytes || *free - total_bytes < spare_bytes)
        return Error{ErrorKind::no_space, fmt::format("too little room for the inputs in {}", opened->path()),
                     fmt::format("{} MB are free, they have {} MB, {} MB are to stay free", *free / 1'000'000,
                                 total_bytes / 1'000'000, spare_bytes / 1'000'000),
                     "free some, or set work.folder to another disk"};
    std::unique_ptr<InputStage> stage(
        new InputStage(*std::move(opened), std::move(inputs), std::move(last_of_job), life, transport, log));
    if (stage->event_fd() < 0) return os_error("use", stage->folder_.path(), EMFILE);
    return stage;
}

InputStage::InputStage(NodeFolder folder, std::vector<InputFile> inputs,
                       std::vector<std::uint32_t> last_of_job, Life life, Transport& transport, Log& log)
    : folder_(std::move(folder)),
      inputs_(std::move(inputs)),
      last_of_job_(std::move(last_of_job)),
      files_(std::make_unique<InputCopies>(folder_.path(), inputs_, std::to_string(transport.rank()))),
      core_({}, inputs_.size()),
      transport_(transport),
      log_(log)
{
    frames_.set_header({life, 0});
}

InputStage::~InputStage() = default;

void InputStage::begin(TimePoint now, InputPlace const& place)
{
    core_.begin(now, {place.ancestors.begin(), place.ancestors.end()}, place.same_node, *this);
}

void InputStage::take_frame(TimePoint now, Rank from, std::string_view frame)
{
    if (!reader_.open(frame)) return;
    while (auto const message = reader_.next()) core_.on_message(now, from, *message, *this);
    if (!reader_.error())
        log_.warning("bad_message", {{"rank", from}, {"why", reader_.error().error().text()}});
}

void InputStage::tick(TimePoint now)
{
    core_.on_tick(now, *this);
}

void InputStage::take_news(TimePoint now)
{
    for (auto& news : files_->take()) {
        switch (news.kind) {
            case InputNews::Kind::copied:
                core_.on_copied(now, news.file, news.bytes, news.yes, *this);
                break;
            case InputNews::Kind::appended:
                core_.on_appended(now, news.file, news.bytes, *this);
                break;
            case InputNews::Kind::finished:
                core_.on_finished(now, news.file, news.bytes, news.crc32c, *this);
                break;
            case InputNews::Kind::mismatch:
                core_.on_mismatch(now, news.file, news.text, *this);
                break;
            case InputNews::Kind::failed:
                core_.on_failed(now, news.file, news.text, *this);
                break;
            case InputNews::Kind::adopted:
                core_.on_adopted(now, news.file, news.yes, *this);
                break;
            case InputNews::Kind::block:
                core_.on_block(news.to, news.file, news.bytes, news.text, *this);
                break;
        }
    }
}

bool InputStage::is_settled(JobIndex job) const
{
    for (std::uint32_t file = 0; file < last_of_job_[job]; ++file) {
        if (!core_.is_settled(file)) return false;
    }
    return true;
}

std::string InputStage::place_of(std::string const& pfn) const
{
    auto const index = find_input(inputs_, pfn);
    if (index == inputs_.size()) return pfn;
    auto const file = static_cast<std::uint32_t>(index);
    return core_.is_here(file) ? files_->place(file) : pfn;
}

// ---- Effects of the core

void InputStage::send(Rank to, Message const& message)
{
    frames_.put(message);
    for (std::size_t i = 0; i < frames_.count(); ++i) transport_.send(to, frames_.frame(i));
    frames_.clear();
}

void InputStage::copy_piece(std::uint32_t file, std::uint64_t offset)
{
    files_->copy_piece(file, offset);
}

void InputStage::append(std::uint32_t file, std::string_view bytes)
{
    files_->append(file, std::string(bytes));
}

void InputStage::finish(std::uint32_t file)
{
    files_->finish(file);
}

void InputStage::adopt(std::uint32_t file, std::uint64_t total_bytes)
{
    files_->adopt(file, total_bytes);
}

void InputStage::restart(std::uint32_t file)
{
    files_->restart(file);
}

void InputStage::read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes)
{
    files_->read_block(to, file, offset, bytes);
}

void InputStage::note(std::string_view event, std::uint64_t count, std::string_view why)
{
    log_.warning(event, {{"count", count}, {"why", why}});
}

}  // namespace yoda

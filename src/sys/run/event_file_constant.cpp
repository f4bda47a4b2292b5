// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file_constant.hpp"

#include <algorithm>

#include "sys/run/event_file_format.hpp"

namespace yoda::event_file {

namespace {

Status check_texts(std::vector<FileEntry> const& files, std::vector<std::string> const& texts,
                   std::string const& path)
{
    // A NUL would come back as the end of the text.
    auto const is_bad = [](std::string const& text) { return text.find('\0') != std::string::npos; };
    bool const bad =
        std::any_of(texts.begin(), texts.end(), is_bad) ||
        std::any_of(files.begin(), files.end(), [&](FileEntry const& file) {
            return is_bad(file.lfn) || is_bad(file.guid) || is_bad(file.scope) || is_bad(file.pfn);
        });
    if (!bad) return {};
    return Error{ErrorKind::bad_input, "cannot write " + path, "a name or range id holds a NUL byte", {}};
}

}  // namespace

EventsFile::EventsFile(std::string const& run, EventFileInfo const& info, RangeIndex rows)
    : path_(events_path(run)), writer_(path_, true)
{
    writer_.set_text("/", "format", events_format);
    writer_.set_number("/", "version", version);
    writer_.set_text("/", "run_id", info.run_id);
    writer_.set_number("/", "last_note", info.last_note);
    writer_.set_text("/", "meaning",
                     "event ranges of a run, one row a range in all of /ranges; columns that change stand in "
                     "state.h5 as of its last checkpoint");
    writer_.add_group("/ranges");
    for (auto const& spec : range_columns()) columns_.push_back(writer_.add_column(spec, rows));
}

void EventsFile::write(RangeIndex first, std::span<RangeRow const> rows)
{
    if (!writer_.ok()) return;
    std::vector<std::uint32_t> wide(rows.size());
    auto const put = [&](RangeColumn column, std::uint32_t RangeRow::*member) {
        for (std::size_t i = 0; i < rows.size(); ++i) wide[i] = rows[i].*member;
        writer_.write(columns_[column], first, rows.size(), wide.data());
    };
    put(first_event, &RangeRow::first);
    put(last_event, &RangeRow::last);
    put(file, &RangeRow::file);
    put(process_id, &RangeRow::process_id);
    std::vector<std::uint16_t> attempts(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) attempts[i] = rows[i].attempt;
    writer_.write(columns_[attempt], first, rows.size(), attempts.data());
}

void EventsFile::write_files(std::vector<FileEntry> const& files)
{
    writer_.add_group("/files");
    std::vector<std::size_t> columns;
    for (auto const& spec : file_columns()) columns.push_back(writer_.add_column(spec, files.size()));
    if (!writer_.ok()) return;
    auto const put = [&]<class T>(FileColumn column, T /*type*/, auto get) {
        std::vector<T> values;
        values.reserve(files.size());
        for (auto const& entry : files) values.push_back(static_cast<T>(get(entry)));
        writer_.write(columns[column], 0, values.size(), values.data());
    };
    put(file_job, std::uint32_t{}, [](FileEntry const& f) { return f.job; });
    put(task_id, std::int64_t{}, [](FileEntry const& f) { return f.task_id; });
    put(panda_id, std::int64_t{}, [](FileEntry const& f) { return f.panda_id; });
    put(file_id, std::int64_t{}, [](FileEntry const& f) { return f.file_id; });
    put(text_ids, std::uint8_t{}, [](FileEntry const& f) { return f.text_ids; });
    auto const put_texts = [&](std::string const& name, std::string_view meaning,
                               std::string FileEntry::*member) {
        writer_.add_texts("/files/" + name, meaning, files.size(),
                          [&](std::uint64_t i) -> std::string_view { return files[i].*member; });
    };
    put_texts("lfn", "logical file name", &FileEntry::lfn);
    put_texts("guid", "GUID of the file", &FileEntry::guid);
    put_texts("scope", "scope of the file", &FileEntry::scope);
    put_texts("pfn", "absolute path or URL of the file", &FileEntry::pfn);
}

Status EventsFile::commit(std::vector<FileEntry> const& files, std::vector<std::string> const& texts)
{
    if (auto status = check_texts(files, texts, path_); !status) return status;
    for (auto const& spec : state_columns()) writer_.add_external_link(spec.path, "state.h5", spec.path);
    write_files(files);
    writer_.add_texts("/texts", "eventRangeIDs that are not five integers", texts.size(),
                      [&](std::uint64_t i) -> std::string_view { return texts[i]; });
    writer_.add_external_link("/bundles", "state.h5", "/bundles");
    return writer_.commit();
}

}  // namespace yoda::event_file

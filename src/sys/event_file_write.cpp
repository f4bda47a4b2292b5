#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "sys/event_file.hpp"
#include "sys/event_file_format.hpp"
#include "sys/event_file_state.hpp"

namespace yoda {

using namespace event_file;

namespace {

constexpr RangeIndex block_rows = 4 * hdf5::chunk_rows;

/// Splits rows into columns and writes them, a block at a time.
void write_ranges(hdf5::Writer& writer, EventTable const& table)
{
    writer.add_group("/ranges");
    std::vector<std::size_t> columns;
    for (auto const& spec : range_columns()) columns.push_back(writer.add_column(spec, table.size()));
    if (!writer.ok()) return;

    std::vector<std::uint32_t> wide;
    std::vector<std::uint16_t> narrow;
    RangeIndex const rows = table.size();
    RangeIndex count = 0;
    for (RangeIndex first = 0; first < rows && writer.ok(); first += count) {
        count = std::min(block_rows, rows - first);
        auto const put = [&](RangeColumn column, std::uint32_t RangeRow::*member) {
            wide.resize(count);
            for (RangeIndex i = 0; i < count; ++i) wide[i] = table.row(first + i).*member;
            writer.write(columns[column], first, count, wide.data());
        };
        put(first_event, &RangeRow::first);
        put(last_event, &RangeRow::last);
        put(file, &RangeRow::file);
        put(process_id, &RangeRow::process_id);
        narrow.resize(count);
        for (RangeIndex i = 0; i < count; ++i) narrow[i] = table.row(first + i).attempt;
        writer.write(columns[attempt], first, count, narrow.data());
    }
}

void write_files(hdf5::Writer& writer, std::vector<FileEntry> const& files)
{
    writer.add_group("/files");
    std::vector<std::size_t> columns;
    for (auto const& spec : file_columns()) columns.push_back(writer.add_column(spec, files.size()));
    if (!writer.ok()) return;
    auto const put = [&]<class T>(FileColumn column, T /*type*/, auto get) {
        std::vector<T> values;
        values.reserve(files.size());
        for (auto const& entry : files) values.push_back(static_cast<T>(get(entry)));
        writer.write(columns[column], 0, values.size(), values.data());
    };
    put(file_job, std::uint32_t{}, [](FileEntry const& f) { return f.job; });
    put(task_id, std::int64_t{}, [](FileEntry const& f) { return f.task_id; });
    put(panda_id, std::int64_t{}, [](FileEntry const& f) { return f.panda_id; });
    put(file_id, std::int64_t{}, [](FileEntry const& f) { return f.file_id; });
    put(text_ids, std::uint8_t{}, [](FileEntry const& f) { return f.text_ids; });
    auto const put_texts = [&](std::string const& name, std::string_view meaning,
                               std::string FileEntry::*member) {
        writer.add_texts("/files/" + name, meaning, files.size(),
                         [&](std::uint64_t i) -> std::string_view { return files[i].*member; });
    };
    put_texts("lfn", "logical file name", &FileEntry::lfn);
    put_texts("guid", "GUID of the file", &FileEntry::guid);
    put_texts("scope", "scope of the file", &FileEntry::scope);
    put_texts("pfn", "absolute path or URL of the file", &FileEntry::pfn);
}

Status check_texts(EventTable const& table, std::string const& path)
{
    // A NUL would come back as the end of the text.
    auto const is_bad = [](std::string const& text) { return text.find('\0') != std::string::npos; };
    bool const bad =
        std::any_of(table.texts().begin(), table.texts().end(), is_bad) ||
        std::any_of(table.files().begin(), table.files().end(), [&](FileEntry const& file) {
            return is_bad(file.lfn) || is_bad(file.guid) || is_bad(file.scope) || is_bad(file.pfn);
        });
    if (!bad) return {};
    return Error{ErrorKind::bad_input, "cannot write " + path, "a name or range id holds a NUL byte", {}};
}

}  // namespace

std::string make_run_id()
{
    std::uint64_t words[2] = {};
    // Never short for up to 256 bytes once the kernel's generator is up (getrandom(2)).
    ssize_t const got = ::getrandom(words, sizeof words, 0);
    YODA_CHECK(got == static_cast<ssize_t>(sizeof words), "getrandom gives what was asked");
    return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

Status write_event_file(std::string const& run, EventTable const& table, EventFileInfo const& info)
{
    std::string const path = events_path(run);
    if (auto const status = check_texts(table, path); !status) return status;
    hdf5::Writer writer(path, true);
    writer.set_text("/", "format", events_format);
    writer.set_number("/", "version", version);
    writer.set_text("/", "run_id", info.run_id);
    writer.set_number("/", "last_note", info.last_note);
    writer.set_text("/", "meaning",
                    "event ranges of a run, one row a range in all of /ranges; columns that change stand in "
                    "state.h5 as of its last checkpoint");
    write_ranges(writer, table);
    for (auto const& spec : state_columns()) writer.add_external_link(spec.path, "state.h5", spec.path);
    write_files(writer, table.files());
    writer.add_texts("/texts", "eventRangeIDs that are not five integers", table.texts().size(),
                     [&](std::uint64_t i) -> std::string_view { return table.texts()[i]; });
    writer.add_external_link("/bundles", "state.h5", "/bundles");
    return writer.commit();
}

Status write_state_file(std::string const& run, EventTable const& table, std::string const& run_id,
                        CheckpointInfo const& checkpoint)
{
    RangeIndex const rows = table.size();
    StateFile file(run, run_id, checkpoint, rows);
    std::vector<StateRow> block;
    RangeIndex count = 0;
    for (RangeIndex first = 0; first < rows; first += count) {
        count = std::min(block_rows, rows - first);
        block.resize(count);
        for (RangeIndex i = 0; i < count; ++i)
            block[i] = {table.progress(first + i), table.row(first + i).winner};
        file.write(first, block);
    }
    return file.commit(table.bundles());
}

}  // namespace yoda

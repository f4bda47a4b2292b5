// SPDX-License-Identifier: Apache-2.0
#include "sys/run/bundle_scan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/base/checksum.hpp"
#include "core/job/job.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace {

constexpr std::string_view name_begin = "EventService_premerge_";
constexpr std::uint64_t manifest_limit_bytes = 1u << 20;
constexpr std::size_t block_bytes = 1u << 20;
constexpr unsigned looks = 5;

enum Part : unsigned { tar, index, manifest, open_tar, open_index, part_count };
constexpr std::array<std::string_view, part_count> suffixes{".tar", ".index", ".manifest.json", ".tar.part",
                                                            ".index.part"};

struct FoundBundle {
    BundleFacts facts;
    BundleFiles files;
};

struct Names {
    BundleOrigin origin;
    std::array<bool, part_count> has{};
    std::vector<std::string> temporary;  ///< of writers that were interrupted
};

/// Error: it cannot be read to its end.
Result<std::uint32_t> sum_file(std::string const& path)
{
    auto const file = open_file(path, O_RDONLY);
    if (!file) return file.error();
    std::uint32_t sum = 1;
    std::string buffer(block_bytes, '\0');
    for (;;) {
        ssize_t const n = ::read(file->get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) return sum;
        sum = adler32(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)), sum);
    }
}

class Scanner {
  public:
    Scanner(std::string const& folder, EventTable const& table, ScanOptions const& options)
        : folder_(folder), table_(table), options_(options), claims_(count_claims(table))
    {}

    Status scan(BundleScan& scan, Findings& findings);
    bool vanished() const { return vanished_; }

  private:
    Status list(std::vector<Names>& all);
    FoundBundle look_at(Names const& names, Findings& findings);
    void look_at_sealed(Names const& names, FoundBundle& found, Findings& findings);
    void compare_content(BundleManifest const& sealed, FoundBundle& found, Findings& findings);
    void look_at_open(Names const& names, FoundBundle& found);
    void read_index(FoundBundle& found, Findings& findings);
    void take_entries(BundleIndex const& index, FoundBundle& found, Findings& findings);
    std::optional<BundleManifest> read_manifest(Names const& names, Findings& findings);
    std::optional<std::uint64_t> file_bytes(std::string const& path);
    BundleNumber find_number(BundleOrigin const& origin) const;
    std::string path(Names const& names, Part part) const
    {
        return fmt::format("{}/{}{}", folder_, bundle_name(names.origin), suffixes[part]);
    }

    std::string const& folder_;
    EventTable const& table_;
    ScanOptions const& options_;
    std::vector<std::uint64_t> claims_;
    bool vanished_ = false;  ///< something was renamed or removed while we looked
    std::uint64_t read_count_ = 0;
};

Status Scanner::list(std::vector<Names>& all)
{
    auto const names = list_folder(folder_);
    if (!names) return names.error();
    std::unordered_map<std::string, std::size_t> places;
    for (auto const& name : *names) {
        BundleOrigin origin;
        std::string_view suffix;
        if (!parse_bundle_name(name, origin, suffix)) continue;
        auto const [place, fresh] =
            places.try_emplace(name.substr(0, name.size() - suffix.size()), all.size());
        if (fresh) all.push_back({origin, {}, {}});
        auto& found = all[place->second];
        auto const part = std::find(suffixes.begin(), suffixes.end(), suffix);
        if (part != suffixes.end())
            found.has[static_cast<std::size_t>(part - suffixes.begin())] = true;
        else if (suffix.ends_with(".new") || suffix.ends_with(".part"))
            found.temporary.push_back(name);
    }
    return {};
}

Status Scanner::scan(BundleScan& scan, Findings& findings)
{
    scan = {};
    vanished_ = false;
    read_count_ = 0;
    std::vector<Names> all;
    if (auto status = list(all); !status) return status;
    for (auto const& names : all) {
        scan.newest_life = std::max(scan.newest_life, names.origin.life);
        auto found = look_at(names, findings);
        scan.facts.push_back(std::move(found.facts));
        scan.files.push_back(std::move(found.files));
    }
    scan.read_count = read_count_;
    return {};
}

std::optional<std::uint64_t> Scanner::file_bytes(std::string const& path)
{
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return static_cast<std::uint64_t>(info.st_size);
    if (errno == ENOENT) vanished_ = true;
    return {};
}

/// The job of a bundle is not in its name: the index tells it, else the table, where the name is known.
BundleNumber Scanner::find_number(BundleOrigin const& origin) const
{
    auto named = origin;
    for (JobIndex job = 0; job < options_.panda_ids.size(); ++job) {
        if (options_.panda_ids[job] != origin.panda_id) continue;
        named.job = job;
        if (auto const number = table_.find_bundle(named); number != none) return number;
    }
    return none;
}

FoundBundle Scanner::look_at(Names const& names, Findings& findings)
{
    FoundBundle found;
    found.facts.origin = names.origin;
    found.files.leftovers = names.temporary;
    // In the order in which they can go: a manifest without tar would look like a bundle that was cleaned up,
    // an index without tar like one that lost its data.
    for (auto const part : {manifest, open_index, index, open_tar, tar}) {
        if (names.has[part])
            found.files.own.push_back(bundle_name(names.origin) + std::string(suffixes[part]));
    }
    if (names.has[manifest])
        look_at_sealed(names, found, findings);
    else
        look_at_open(names, found);
    return found;
}

std::optional<BundleManifest> Scanner::read_manifest(Names const& names, Findings& findings)
{
    auto const file = path(names, manifest);
    auto const text = read_file(file, manifest_limit_bytes);
    if (!text && !path_exists(file)) vanished_ = true;
    auto read = text ? parse_manifest(*text) : Result<BundleManifest>(text.error());
    auto named = names.origin;
    if (read) named.job = read->origin.job;
    if (read && read->origin == named) return std::move(*read);
    findings.add(FindingKind::damage, read ? "it is another bundle's manifest" : read.error().text(), file,
                 "the bundle is taken as not sealed");
    return {};
}

void Scanner::look_at_sealed(Names const& names, FoundBundle& found, Findings& findings)
{
    auto const sealed = read_manifest(names, findings);
    if (!sealed) return look_at_open(names, found);
    auto& facts = found.facts;
    facts.origin = sealed->origin;
    if (names.has[tar]) {
        auto const bytes = file_bytes(path(names, tar));
        facts.data_bytes = bytes.value_or(0);
        facts.condition = bytes == sealed->bytes ? BundleCondition::sealed : BundleCondition::cut;
        found.files.tar = path(names, tar);
    } else {
        // Clean-up removes the data and leaves the index: a manifest alone proves nothing.
        facts.condition = names.has[index] ? BundleCondition::cleaned : BundleCondition::cut;
    }
    if (names.has[index]) found.files.index = path(names, index);
    for (auto const part : {open_tar, open_index}) {
        if (!names.has[part]) continue;
        found.files.leftovers.push_back(bundle_name(names.origin) + std::string(suffixes[part]));
        std::erase(found.files.own, found.files.leftovers.back());
    }
    auto const number = find_number(facts.origin);
    bool const index_is_whole =
        !found.files.index.empty() && file_bytes(found.files.index) == sealed->index_bytes;
    if (!index_is_whole && facts.condition == BundleCondition::sealed) facts.condition = BundleCondition::cut;
    if (options_.read_data && facts.condition == BundleCondition::sealed)
        compare_content(*sealed, found, findings);
    if (options_.read_all || options_.read_data ||
        needs_entries(table_, claims_, number, facts.condition, sealed->entry_count))
        read_index(found, findings);
}

/// Bytes may change on a disk after they were written and checked.
void Scanner::compare_content(BundleManifest const& sealed, FoundBundle& found, Findings& findings)
{
    auto const sum = sum_file(found.files.tar);
    if (sum && *sum == sealed.adler32) return;
    if (!sum && !path_exists(found.files.tar)) vanished_ = true;
    found.facts.condition = BundleCondition::cut;
    findings.add(
        FindingKind::damage,
        sum ? fmt::format("its content has adler32 {:08x}, its manifest says {:08x}", *sum, sealed.adler32)
            : sum.error().text(),
        found.files.tar, "its outputs are looked at one by one");
}

void Scanner::look_at_open(Names const& names, FoundBundle& found)
{
    auto const tar_part = names.has[open_tar] ? open_tar : tar;
    auto const index_part = names.has[open_index] ? open_index : index;
    if (names.has[tar_part]) {
        found.files.tar = path(names, tar_part);
        found.facts.data_bytes = file_bytes(found.files.tar).value_or(0);
    }
    if (names.has[index_part]) found.files.index = path(names, index_part);
    Findings unheard;  // Of an index that is torn, as open ones may be.
    read_index(found, unheard);
}

void Scanner::read_index(FoundBundle& found, Findings& findings)
{
    found.facts.entries_known = true;
    ++read_count_;
    auto const report = [&](std::string what, std::string consequence) {
        findings.add(FindingKind::damage, std::move(what),
                     found.files.index.empty() ? bundle_name(found.facts.origin) : found.files.index,
                     std::move(consequence));
    };
    if (found.files.index.empty()) return report("it has no index", "nothing in it can be found");
    auto const bytes = read_file(found.files.index, UINT64_MAX);
    if (!bytes) {
        if (!path_exists(found.files.index)) vanished_ = true;
        return report(bytes.error().text(), "nothing in it can be found");
    }
    auto const decoded = decode_index(*bytes);
    if (!decoded) return report(decoded.error().text(), "nothing in it can be found");
    auto named = found.facts.origin;
    named.job = decoded->origin.job;
    if (decoded->origin != named) return report("it is another bundle's index", "nothing in it counts");
    found.facts.origin.job = decoded->origin.job;
    // What is left of it must be told by an index that is whole.
    if (decoded->torn && found.facts.condition == BundleCondition::sealed)
        found.facts.condition = BundleCondition::cut;
    if (decoded->torn)
        report(fmt::format("it is damaged from byte {} on", decoded->good_bytes),
               "the entries before that count");
    take_entries(*decoded, found, findings);
}

void Scanner::take_entries(BundleIndex const& index, FoundBundle& found, Findings& findings)
{
    auto const& panda_ids = options_.panda_ids;
    bool const ours = index.origin.run == table_.run_id() && index.origin.job < panda_ids.size() &&
                      panda_ids[index.origin.job] == index.origin.panda_id;
    std::uint64_t foreign_count = 0;
    for (std::uint32_t position = 0; position < index.entries.size(); ++position) {
        auto const& entry = index.entries[position];
        if (!ours || entry.range >= table_.size() || table_.job(entry.range) != index.origin.job ||
            table_.range_id(entry.range) != entry.range_id) {
            ++foreign_count;
            continue;
        }
        found.facts.entries.push_back(
            {entry.range, Epoch{entry.epoch}, entry.end, entry.cpu_ms, entry.wall_ms, position});
    }
    if (foreign_count > 0)
        findings.add(FindingKind::damage,
                     fmt::format("{} entries are not of this run's ranges", foreign_count), found.files.index,
                     "they are left out");
}

}  // namespace

bool parse_bundle_name(std::string_view name, BundleOrigin& origin, std::string_view& suffix)
{
    if (!name.starts_with(name_begin)) return false;
    auto const dot = name.find('.');
    if (dot == std::string_view::npos) return false;
    suffix = name.substr(dot);
    char const* at = name.data() + name_begin.size();
    char const* const end = name.data() + dot;
    auto const take = [&](auto& number, bool last) {
        auto const [next, error] = std::from_chars(at, end, number);
        if (error != std::errc() || (last ? next != end : next == end || *next != '_')) return false;
        at = next + 1;
        return true;
    };
    origin = {};
    auto const number_count = 1 + std::count(at, end, '_');
    if (!take(origin.panda_id, false)) return false;
    if (number_count == 5) {  // One more than in runs without a run id.
        auto const run_end = std::find(at, end, '_');
        auto const run = parse_run_id({at, run_end});
        if (!run) return false;
        origin.run = *run;
        at = run_end + 1;
    }
    return take(origin.life, false) && take(origin.rank, false) && take(origin.sequence, true) &&
           name.substr(0, dot) == bundle_name(origin);
}

Result<BundleScan> scan_bundles(std::string const& folder, EventTable const& table,
                                ScanOptions const& options, Findings& findings)
{
    Scanner scanner(folder, table, options);
    for (unsigned look = 1;; ++look) {
        BundleScan scan;
        Findings found;
        if (auto status = scanner.scan(scan, found); !status) return status.error();
        if (scanner.vanished() && look < looks) continue;
        findings.append(found);
        return scan;
    }
}

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/bundle_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "support/builders/bundles.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::append_output;
using test::check_sealed_bundle;
using test::content_of;
using test::file_text;
using test::range_id_of;
using test::run_python;
using test::ScratchFolder;
using test::write_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

BundleOrigin const origin{200, 0, 3, 5, 7};
SealFacts const facts{100, 400, 1700000000};

struct BundleFileTest : ::testing::Test {
    BundleFileTest()
    {
        fs::create_directories(root / "bundles");
        fs::create_directories(root / "worker");
    }
    std::unique_ptr<BundleFile> create()
    {
        auto bundle = BundleFile::create(folder(), origin);
        EXPECT_TRUE(bundle) << bundle.error().text();
        return std::move(*bundle);
    }
    void append(BundleFile& bundle, RangeIndex range, std::uint16_t hand_out = 1)
    {
        append_output(bundle, root / "worker", range, Epoch::make(3, hand_out));
    }
    std::string folder() const { return root / "bundles"; }
    std::vector<std::string> names() const
    {
        std::vector<std::string> found;
        for (auto const& entry : fs::directory_iterator(folder()))
            found.push_back(entry.path().filename().string().substr(bundle_name(origin).size()));
        std::sort(found.begin(), found.end());
        return found;
    }
    std::vector<OutputFile> open_outputs(std::vector<std::string> const& paths)
    {
        std::vector<OutputFile> outputs;
        OutputFolder const worker(root / "worker");
        for (auto const& path : paths) {
            auto opened = worker.open(path);
            if (auto* const output = std::get_if<OutputFile>(&opened))
                outputs.push_back(std::move(*output));
            else
                ADD_FAILURE() << std::get<OutputFault>(opened).reason;
        }
        return outputs;
    }
    ScratchFolder root;
};

TEST_F(BundleFileTest, IsReadByPythonsTarfileOnceSealed)
{
    auto bundle = create();
    for (RangeIndex range = 0; range < 100; ++range) append(*bundle, range);
    auto const manifest = bundle->seal(facts, {});
    ASSERT_TRUE(manifest) << manifest.error().text();
    EXPECT_EQ(manifest->task_id, 100);
    EXPECT_EQ(manifest->jobset_id, 400);
    EXPECT_EQ(manifest->sealed_unix_s, 1700000000);
    EXPECT_EQ(manifest->entry_count, 100u);
    EXPECT_EQ(*parse_manifest(file_text(bundle_paths(folder(), origin).manifest)), *manifest);
    std::vector<RangeIndex> all(100);
    for (RangeIndex range = 0; range < 100; ++range) all[range] = range;
    EXPECT_EQ(check_sealed_bundle(folder(), origin, all), "");
    EXPECT_THAT(names(), ElementsAre(".index", ".manifest.json", ".tar"));
}

TEST_F(BundleFileTest, TheSameOutputsGiveTheSameBytes)
{
    auto first = create();
    append(*first, 1);
    ASSERT_TRUE(first->seal(facts, {}));
    auto const bytes = file_text(bundle_paths(folder(), origin).tar);
    fs::remove_all(folder());
    fs::create_directories(folder());
    auto second = create();
    append(*second, 1);
    ASSERT_TRUE(second->seal(facts, {}));
    EXPECT_EQ(file_text(bundle_paths(folder(), origin).tar), bytes);
}

TEST_F(BundleFileTest, TheIndexNamesOnlyWhatIsSynced)
{
    auto bundle = create();
    auto const paths = bundle_paths(folder(), origin);
    EXPECT_THAT(decode_index(file_text(paths.open_index))->entries, IsEmpty());
    append(*bundle, 4);
    append(*bundle, 5);
    EXPECT_THAT(decode_index(file_text(paths.open_index))->entries, IsEmpty());
    ASSERT_TRUE(bundle->sync());
    auto const index = decode_index(file_text(paths.open_index));
    ASSERT_TRUE(index);
    ASSERT_EQ(index->entries.size(), 2u);
    EXPECT_FALSE(index->torn);
    EXPECT_EQ(index->origin, origin);
    auto const& entry = index->entries[1];
    EXPECT_EQ(entry.range, 5u);
    EXPECT_EQ(entry.epoch, Epoch::make(3, 1).value);
    EXPECT_EQ(entry.range_id, range_id_of(5));
    EXPECT_EQ(entry.cpu_ms, 15u);
    EXPECT_EQ(entry.wall_ms, 25u);
    EXPECT_EQ(entry.begin, index->entries[0].end);
    auto const tar = file_text(paths.open_tar);
    EXPECT_EQ(tar.size(), entry.end);
    EXPECT_EQ(tar.substr(entry.members[0].data_offset, entry.members[0].bytes), content_of(5));
}

TEST_F(BundleFileTest, ANameThatNoStoreCanHoldIsRefusedForGood)
{
    auto const id = range_id_of(1);
    std::string const longest(230 - id.size() - 1, 'n');
    write_text(root / ("worker/" + longest), "one");
    write_text(root / ("worker/" + longest + "n"), "two");
    write_text(root / "worker/\xff" + std::string(longest.size() - 1, 'n'), "three");
    auto bundle = create();
    auto outputs = open_outputs({longest});
    auto appended = bundle->append({1, Epoch::make(3, 1), id, 1, 1}, outputs);
    EXPECT_TRUE(appended && !*appended);
    for (auto const& name : {longest + "n", "\xff" + std::string(longest.size() - 1, 'n')}) {
        outputs = open_outputs({name});
        appended = bundle->append({1, Epoch::make(3, 2), id, 1, 1}, outputs);
        ASSERT_TRUE(appended && *appended) << name;
        EXPECT_EQ((*appended)->error_code, code::es_fatal) << "another try would give it the same name";
        EXPECT_THAT((*appended)->reason, HasSubstr("more than 230 bytes"));
    }
    ASSERT_TRUE(bundle->seal(facts, {}));
}

TEST_F(BundleFileTest, NamesThatWouldBeOneObjectsAreMadeDifferent)
{
    auto const id = range_id_of(1);
    write_text(root / "worker/caf\xe9", "one");
    write_text(root / "worker/caf%E9", "two");
    auto bundle = create();
    auto outputs = open_outputs({"caf\xe9", "caf%E9"});
    auto const appended = bundle->append({1, Epoch::make(3, 1), id, 1, 1}, outputs);
    ASSERT_TRUE(appended && !*appended);
    ASSERT_TRUE(bundle->sync());
    auto const index = decode_index(file_text(bundle_paths(folder(), origin).open_index));
    ASSERT_TRUE(index);
    auto const& members = index->entries.at(0).members;
    ASSERT_EQ(members.size(), 2u);
    EXPECT_EQ(members[0].name, "caf\xe9." + id);
    EXPECT_EQ(members[1].name, "caf%E9_2." + id);
}

TEST_F(BundleFileTest, NamesEndInTheRangeIdAndDifferWithinARange)
{
    auto const id = range_id_of(1);
    fs::create_directories(root / "worker/again");
    auto const named = "hits." + id;
    for (auto const& name : {std::string("hits"), named, std::string("again/hits")})
        write_text(root / ("worker/" + name), "content of " + name);
    auto bundle = create();
    auto outputs = open_outputs({"hits", named, "again/hits"});
    auto const appended = bundle->append({1, Epoch::make(3, 1), id, 1, 1}, outputs);
    ASSERT_TRUE(appended && !*appended);
    ASSERT_TRUE(bundle->seal(facts, {}));
    auto const result =
        run_python("import sys, tarfile\nfor m in tarfile.open(sys.argv[1]): print(m.name, m.size)",
                   {bundle_paths(folder(), origin).tar});
    EXPECT_EQ(result.output, "hits." + id + " 15\nhits_2." + id + " " + std::to_string(11 + named.size()) +
                                 "\nhits_3." + id + " 21\n");
}

TEST_F(BundleFileTest, LongNamesAndLargeFilesArePlainTarToo)
{
    std::string const long_name(200, 'n');
    std::string large;
    while (large.size() < 5'000'000) large += "some line " + std::to_string(large.size()) + "\n";
    write_text(root / ("worker/" + long_name), "x");
    write_text(root / "worker/large", large);
    auto bundle = create();
    auto outputs = open_outputs({long_name, "large"});
    ASSERT_TRUE(bundle->append({1, Epoch::make(3, 1), "id", 1, 1}, outputs));
    ASSERT_TRUE(bundle->seal(facts, {}));
    auto const paths = bundle_paths(folder(), origin);
    auto const result = run_python(R"(
import sys, tarfile
with tarfile.open(sys.argv[1]) as tar:
    a, b = tar.getmembers()
    assert a.name == 200 * 'n' + '.id', a.name
    assert tar.extractfile(b).read() == open(sys.argv[2], 'rb').read()
    print(a.offset_data, b.offset_data)
)",
                                   {paths.tar, root / "worker/large"});
    auto const index = decode_index(file_text(paths.index));
    ASSERT_TRUE(index);
    auto const& members = index->entries[0].members;
    EXPECT_EQ(result.output,
              std::to_string(members[0].data_offset) + " " + std::to_string(members[1].data_offset) + "\n");
}

TEST_F(BundleFileTest, RejectedEntriesAreLeftOut)
{
    auto bundle = create();
    for (RangeIndex range = 0; range < 10; ++range) append(*bundle, range);
    append(*bundle, 3, 2);  // Another hand-out of the same range.
    ASSERT_TRUE(bundle->sync());
    std::vector<EntryKey> const rejected{
        {3, Epoch::make(3, 1)}, {9, Epoch::make(3, 1)}, {77, Epoch::make(3, 1)}};
    auto const manifest = bundle->seal(facts, rejected);
    ASSERT_TRUE(manifest) << manifest.error().text();
    EXPECT_EQ(manifest->entry_count, 9u);
    EXPECT_EQ(check_sealed_bundle(folder(), origin, {0, 1, 2, 3, 4, 5, 6, 7, 8}), "");
    EXPECT_THAT(names(), ElementsAre(".index", ".manifest.json", ".tar"));
    auto const index = decode_index(file_text(bundle_paths(folder(), origin).index));
    ASSERT_TRUE(index);
    EXPECT_EQ(index->entries.back().range, 3u);
    EXPECT_EQ(index->entries.back().epoch, Epoch::make(3, 2).value);
}

TEST_F(BundleFileTest, NothingLeftMeansNoFiles)
{
    auto bundle = create();
    append(*bundle, 3);
    std::vector<EntryKey> const rejected{{3, Epoch::make(3, 1)}};
    auto manifest = bundle->seal(facts, rejected);
    ASSERT_TRUE(manifest) << manifest.error().text();
    EXPECT_EQ(manifest->entry_count, 0u);
    EXPECT_THAT(names(), IsEmpty());

    manifest = create()->seal(facts, {});
    ASSERT_TRUE(manifest) << manifest.error().text();
    EXPECT_EQ(manifest->entry_count, 0u);
    EXPECT_THAT(names(), IsEmpty());
}

TEST_F(BundleFileTest, ANameIsNeverUsedTwice)
{
    auto const bundle = create();
    auto const again = BundleFile::create(folder(), origin);
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().text(), HasSubstr("exists"));
}

TEST_F(BundleFileTest, AMissingFolderIsAnError)
{
    auto const bundle = BundleFile::create(root / "nowhere", origin);
    ASSERT_FALSE(bundle);
    EXPECT_THAT(bundle.error().text(), HasSubstr("nowhere"));
}

TEST_F(BundleFileTest, AFileThatChangesWhileItIsStoredLeavesNoTrace)
{
    auto bundle = create();
    append(*bundle, 1);
    for (auto const new_size : {10u, 3'000'000u}) {  // It shrinks; it grows, after much was written.
        write_text(root / "worker/changing", std::string(2'000'000, 'c'));
        write_text(root / "worker/good", "good");
        auto outputs = open_outputs({"good", "changing"});
        fs::resize_file(root / "worker/changing", new_size);
        auto const appended = bundle->append({2, Epoch::make(3, 1), range_id_of(2), 1, 1}, outputs);
        ASSERT_TRUE(appended) << appended.error().text();
        ASSERT_TRUE(*appended);
        EXPECT_EQ((*appended)->error_code, code::payload_failure);
        EXPECT_THAT((*appended)->reason, HasSubstr("while it was stored"));
    }
    append(*bundle, 3);
    ASSERT_TRUE(bundle->seal(facts, {}));
    EXPECT_EQ(check_sealed_bundle(folder(), origin, {1, 3}), "");
}

/// No file may grow beyond so much; the same errors come up as on a full disk.
struct FileSizeLimit {
    explicit FileSizeLimit(rlim_t bytes)
    {
        ::getrlimit(RLIMIT_FSIZE, &old);
        rlimit const limit{bytes, old.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        handler = std::signal(SIGXFSZ, SIG_IGN);
    }
    ~FileSizeLimit()
    {
        ::setrlimit(RLIMIT_FSIZE, &old);
        std::signal(SIGXFSZ, handler);
    }
    rlimit old{};
    void (*handler)(int);
};

TEST_F(BundleFileTest, WhenTheDiskIsFullWhatCameBeforeIsSavedAndTheRestCutOff)
{
    auto bundle = create();
    append(*bundle, 1);
    ASSERT_TRUE(bundle->sync());
    append(*bundle, 2);  // Not synced yet when the disk fills up.
    write_text(root / "worker/huge", std::string(8'000'000, 'h'));
    auto outputs = open_outputs({"huge"});
    auto const paths = bundle_paths(folder(), origin);
    {
        FileSizeLimit const limit(3'000'000);
        auto const appended = bundle->append({3, Epoch::make(3, 1), range_id_of(3), 1, 1}, outputs);
        ASSERT_FALSE(appended);
        EXPECT_THAT(appended.error().text(), HasSubstr(paths.open_tar));
        EXPECT_FALSE(bundle->append({4, Epoch::make(3, 1), range_id_of(4), 1, 1}, {})) << "it takes no more";
        EXPECT_TRUE(bundle->sync());
    }
    auto const index = decode_index(file_text(paths.open_index));
    ASSERT_TRUE(index);
    ASSERT_EQ(index->entries.size(), 2u);
    EXPECT_EQ(index->entries[1].range, 2u);
    EXPECT_EQ(fs::file_size(paths.open_tar), index->entries[1].end);
    ASSERT_TRUE(bundle->seal(facts, {}));
    EXPECT_EQ(check_sealed_bundle(folder(), origin, {1, 2}), "");
}

TEST_F(BundleFileTest, WhenNothingMoreCanBeWrittenTheSyncedEntriesStay)
{
    auto bundle = create();
    append(*bundle, 1);
    ASSERT_TRUE(bundle->sync());
    auto const paths = bundle_paths(folder(), origin);
    auto const synced_bytes = fs::file_size(paths.open_tar);
    append(*bundle, 2);
    {
        FileSizeLimit const limit(synced_bytes);
        EXPECT_FALSE(bundle->sync());
    }
    EXPECT_FALSE(bundle->sync()) << "no second try: the system may have forgotten what it could not write";
    EXPECT_FALSE(bundle->seal(facts, {}));
    auto const index = decode_index(file_text(paths.open_index));
    ASSERT_TRUE(index);
    ASSERT_EQ(index->entries.size(), 1u);
    EXPECT_LE(index->entries[0].end, fs::file_size(paths.open_tar));
}

TEST_F(BundleFileTest, ACopyLeavesOutWhatDoesNotReadBackAndMakesHeadersAnew)
{
    auto bundle = create();
    for (RangeIndex range = 0; range < 5; ++range) append(*bundle, range);
    ASSERT_TRUE(bundle->sync());
    auto const paths = bundle_paths(folder(), origin);
    auto const index = decode_index(file_text(paths.open_index));
    ASSERT_TRUE(index);
    auto tar = file_text(paths.open_tar);
    tar[index->entries[1].members[0].data_offset + 5] ^= 1;                   // One bit of content.
    for (unsigned i = 0; i < 512; ++i) tar[index->entries[2].begin + i] = 0;  // A header gone.
    tar.resize(index->entries[4].end - 600);                                  // Cut off.
    write_text(paths.open_tar, tar);

    BundleOrigin const copy_origin{200, 0, 4, 0, 0};
    auto const copy = write_sealed_copy(paths.open_tar, index->entries, folder(), copy_origin, facts);
    ASSERT_TRUE(copy) << copy.error().text();
    EXPECT_EQ(copy->manifest.entry_count, 3u);
    EXPECT_THAT(copy->damaged, ElementsAre(EntryKey{1, Epoch::make(3, 1)}, EntryKey{4, Epoch::make(3, 1)}));
    EXPECT_EQ(check_sealed_bundle(folder(), copy_origin, {0, 2, 3}), "");
    EXPECT_EQ(file_text(paths.open_tar), tar) << "the source is only read";
}

/// The state of the bundle folder at every moment of sealing counts as what recovery expects: see the header.
TEST_F(BundleFileTest, TheManifestIsTheLastToComeAndPartFilesTheLastToGo)
{
    auto bundle = create();
    append(*bundle, 1);
    append(*bundle, 2);
    ASSERT_TRUE(bundle->sync());
    auto const paths = bundle_paths(folder(), origin);
    fs::create_directory(paths.manifest);  // The manifest cannot be written.
    std::vector<EntryKey> const rejected{{2, Epoch::make(3, 1)}};
    EXPECT_FALSE(bundle->seal(facts, rejected));
    EXPECT_THAT(names(), ElementsAre(".index", ".index.part", ".manifest.json", ".tar", ".tar.part"));
}

}  // namespace
}  // namespace yoda

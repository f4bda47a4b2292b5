// SPDX-License-Identifier: Apache-2.0
// What merge makes of bundles that are damaged, missing, or contradict what is said about them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harvest/merge/merge.hpp"
#include "merge_world.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::file_text;
using test::MergeWorld;
using test::write_text;
using ::testing::HasSubstr;

struct MergeBundlesTest : ::testing::Test {
    MergeWorld world;
    BundleOrigin const first{100, 0, 1, 1, 0};  ///< holds ranges 0, 2, 4

    MergeBundlesTest() { world.finish_all(); }
    void spoil(std::string const& path, std::size_t at)
    {
        auto bytes = file_text(path);
        ASSERT_LT(at, bytes.size()) << path;
        bytes[at] = static_cast<char>(~bytes[at]);
        write_text(path, bytes);
    }
};

TEST_F(MergeBundlesTest, NamesTheRangeWhoseBytesAreDamaged)
{
    world.write();
    auto const& entry = world.bundle(first).entries()[1];
    for (std::size_t at = 0; at < entry.members[0].bytes; at += 1 + at / 2) {
        spoil(world.tar_path(), entry.members[0].data_offset + at);
        EXPECT_THAT(world.merge_error(),
                    HasSubstr("the output of range 9-100-1-6-10 (A.lhe 6..10) cannot be used: member "
                              "out.9-100-1-6-10 of "));
        spoil(world.tar_path(), entry.members[0].data_offset + at);
    }
    EXPECT_EQ(world.merge_error(), "it was merged");
}

TEST_F(MergeBundlesTest, SeesThatTheTarHasAnotherMemberThere)
{
    auto& entry = world.bundle(first).entries()[1];
    entry.members[0].data_offset -= 1;
    entry.begin -= 1;
    world.write();
    EXPECT_THAT(world.merge_error(), HasSubstr("does not hold member out.9-100-1-6-10 where its index says"));
}

TEST_F(MergeBundlesTest, NamesBundlesThatAreNotHere)
{
    world.write();
    fs::create_directory(world.run / "fetched");
    fs::rename(world.tar_path(0), world.run / "fetched/" + fs::path(world.tar_path(0)).filename().string());
    EXPECT_THAT(world.merge_error(), HasSubstr("the data of 3 finished ranges are not here: 1 bundles lack: "
                                               "EventService_premerge_100_1_1_0.tar with 3"));
    EXPECT_EQ(world.merge().error().kind, ErrorKind::unavailable);
    auto const missing = find_missing_bundles(world.table, world.run.path(), "");
    ASSERT_EQ(missing.size(), 1u);
    EXPECT_EQ(missing[0].origin, first);
    EXPECT_EQ(missing[0].range_count, 3u);

    world.options.fetched_folder = world.run / "fetched";
    EXPECT_TRUE(find_missing_bundles(world.table, world.run.path(), world.options.fetched_folder).empty());
    auto const merged = world.merge();
    EXPECT_TRUE(merged) << merged.error().text();

    fs::remove(world.bundles() + "/EventService_premerge_100_1_2_0.index");
    EXPECT_THAT(world.merge_error(), HasSubstr("EventService_premerge_100_1_2_0.tar with 3"));
}

TEST_F(MergeBundlesTest, NamesRangesThatFinishedWithoutAnOutput)
{
    world.write();
    auto progress = world.table.progress(2);
    progress.holder = none;
    world.table.set_progress(2, progress, 0);
    EXPECT_THAT(world.merge_error(), HasSubstr("as it finished without an output"));
}

TEST_F(MergeBundlesTest, SeesADamagedIndexAnywhere)
{
    world.write();
    auto const path = world.bundles() + "/EventService_premerge_100_1_1_0.index";
    auto const size = fs::file_size(path);
    for (std::size_t at = 0; at < size; at += 7) {
        spoil(path, at);
        EXPECT_THAT(world.merge_error(), HasSubstr("EventService_premerge_100_1_1_0")) << at;
        spoil(path, at);
    }
    auto const whole = file_text(path);
    write_text(path, whole.substr(0, whole.size() - 3));
    EXPECT_THAT(world.merge_error(), HasSubstr("its index has 2 good entries"));
    write_text(path, whole);
    EXPECT_EQ(world.merge_error(), "it was merged");
}

TEST_F(MergeBundlesTest, SeesAManifestThatContradicts)
{
    auto const path = world.bundles() + "/EventService_premerge_100_1_1_0.manifest.json";
    auto const with = [&](auto change) {
        world.write();
        auto manifest = world.bundle(first).manifest();
        change(manifest);
        write_text(path, print_manifest(manifest));
        return world.merge_error();
    };
    EXPECT_THAT(with([](BundleManifest& m) { m.bytes += 1; }), HasSubstr("its manifest says"));
    EXPECT_THAT(with([](BundleManifest& m) { m.entry_count -= 1; }), HasSubstr("its manifest says 2 in"));
    EXPECT_THAT(with([](BundleManifest& m) { m.index_bytes += 1; }), HasSubstr("its manifest says 3 in"));
    EXPECT_THAT(with([](BundleManifest& m) { m.origin.rank = 5; }),
                HasSubstr("its manifest belongs to another bundle"));
    write_text(path, "{");
    EXPECT_THAT(world.merge_error(), HasSubstr("EventService_premerge_100_1_1_0.tar cannot be used"));
}

TEST_F(MergeBundlesTest, SeesATarThatIsShorterThanItsIndex)
{
    for (auto const& [name, builder] : world.builders) builder.write_open(world.bundles());
    auto const path = world.bundles() + "/EventService_premerge_100_1_1_0.tar.part";
    fs::resize_file(path, world.bundle(first).entries()[2].end - 600);
    EXPECT_THAT(world.merge_error(), HasSubstr("is shorter than its index says"));
}

TEST_F(MergeBundlesTest, SeesEntriesThatAreNotWhatTheTableSays)
{
    auto const with = [&](auto change) {
        auto const saved = world.bundle(first).entries();
        change(world.bundle(first).entries());
        world.write();
        auto error = world.merge_error();
        world.bundle(first).entries() = saved;
        return error;
    };
    using Entries = std::vector<BundleEntry>&;
    EXPECT_THAT(with([](Entries e) { e.erase(e.begin()); }),
                HasSubstr("1 finished ranges have no entry in their bundle: range 9-101-3-5-10"));
    EXPECT_THAT(with([](Entries e) { e[0].epoch += 1; }), HasSubstr("1 finished ranges have no entry"));
    EXPECT_THAT(with([](Entries e) { e.push_back(e[0]); }), HasSubstr("names it twice"));
    EXPECT_THAT(with([](Entries e) { e[0].range_id = "1-2-3-4-5"; }),
                HasSubstr("has '1-2-3-4-5' in its place"));
    EXPECT_THAT(with([](Entries e) { e[0].members[0].bytes = 1u << 30; }),
                HasSubstr("has member out.9-101-3-5-10 outside of the range's entry"));
    EXPECT_THAT(with([](Entries e) { e[0].members[0].data_offset = 0; }),
                HasSubstr("outside of the range's entry"));
    EXPECT_THAT(with([](Entries e) { e[0].end = UINT64_MAX; }), HasSubstr("is shorter than its index says"));
    EXPECT_EQ(with([](Entries) {}), "it was merged");
}

TEST_F(MergeBundlesTest, SeesAnIndexOfAnotherBundle)
{
    world.write();
    fs::copy_file(world.bundles() + "/EventService_premerge_100_1_2_0.index",
                  world.bundles() + "/EventService_premerge_100_1_1_0.index",
                  fs::copy_options::overwrite_existing);
    EXPECT_THAT(world.merge_error(), HasSubstr("its index belongs to another bundle"));
}

TEST(MergeManyBundles, KeepsOnlySomeOfThemOpen)
{
    // More bundles than a process may have files open.
    MergeWorld world;
    EventTable table;
    world.options.kind = OutputKind::opaque;
    constexpr RangeIndex count = 601;
    for (RangeIndex i = 0; i < count; ++i) {
        auto const id = fmt::format("9-100-1-{}-10", i + 1);
        ASSERT_TRUE(table.add_range(0, {id, i + 1, i + 1, "A.lhe", "G", ""}, ""));
    }
    world.table = std::move(table);
    for (RangeIndex i = 0; i < count; ++i) {
        BundleOrigin const origin{100, 0, 1, 1, (i * 7) % count};
        test::BundleBuilder builder(origin);
        builder.add(i, Epoch::make(1, 1), world.table.range_id(i), {{"out", fmt::format("content {}", i)}});
        builder.write_sealed(world.bundles());
        RangeProgress progress;
        progress.state = RangeState::finished;
        progress.holder = world.table.bundle(origin);
        world.table.set_progress(i, progress, 1);
    }
    world.table.start_life(1);
    world.table.rebuild();
    auto const merged = world.merge("merged.tar");
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->range_count, count);
}

}  // namespace
}  // namespace yoda

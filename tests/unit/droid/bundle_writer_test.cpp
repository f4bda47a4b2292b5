#include "droid/bundle_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "support/bundles.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::check_sealed_bundle;
using test::content_of;
using test::eventually;
using test::file_text;
using test::range_id_of;
using test::ScratchFolder;
using test::write_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct FixedClock final : Clock {
    TimePoint now() const override { return {}; }
    std::int64_t unix_ns() const override { return 1'700'000'000'000'000'000; }
};

struct BundleWriterTest : ::testing::Test {
    BundleWriterTest()
    {
        fs::create_directories(root / "bundles");
        fs::create_directories(root / "work/worker_0");
        setup.bundle_folder = root / "bundles";
        setup.work_root = root / "work";
        setup.life = 3;
        setup.rank = 5;
        setup.jobs = {{200, 100, 400}, {201, 100, 401}};
    }
    RangeOutput make_output(RangeIndex range, JobIndex job = 0)
    {
        RangeOutput output;
        output.what = {range, 1};
        output.job = job;
        output.range_id = range_id_of(range);
        output.folder = root / "work/worker_0";
        output.paths = {output.folder + "/out_" + std::to_string(range)};
        output.cpu_ms = 10;
        output.wall_ms = 20;
        write_text(output.paths[0], content_of(range));
        return output;
    }
    /// Waits by the event descriptor, as the Droid does, until `done(all news so far)`.
    template <class Done>
    std::vector<BundleWriter::News> collect(BundleWriter& writer, Done done)
    {
        std::vector<BundleWriter::News> all;
        while (!done(all)) {
            pollfd event{writer.event_fd(), POLLIN, 0};
            if (::poll(&event, 1, 60'000) != 1) {
                ADD_FAILURE() << "no news within a minute";
                return all;
            }
            for (auto& news : writer.take()) all.push_back(std::move(news));
        }
        return all;
    }
    template <class Kind>
    static auto has(std::size_t count = 1)
    {
        return [count](std::vector<BundleWriter::News> const& all) {
            std::size_t found = 0;
            for (auto const& news : all) found += std::holds_alternative<Kind>(news);
            return found >= count;
        };
    }
    static auto has_stored(std::size_t count)
    {
        return [count](std::vector<BundleWriter::News> const& all) {
            std::size_t found = 0;
            for (auto const& news : all) {
                if (auto const* const stored = std::get_if<BundleWriter::Stored>(&news))
                    found += stored->entries.size();
            }
            return found >= count;
        };
    }
    BundleOrigin origin(std::uint32_t sequence, JobIndex job = 0) const
    {
        return {setup.jobs[job].panda_id, job, 3, 5, sequence};
    }
    ScratchFolder root;
    BundleWriterSetup setup;
    FixedClock clock;
};

TEST_F(BundleWriterTest, StoresSealsAndDiscards)
{
    BundleWriter writer(setup, clock);
    std::vector<RangeOutput> outputs;
    std::vector<RangeIndex> ranges;
    for (RangeIndex range = 0; range < 50; ++range) {
        outputs.push_back(make_output(range));
        ranges.push_back(range);
        writer.store(2, outputs.back());
    }
    auto const news = collect(writer, has_stored(50));
    RangeIndex next = 0;
    std::uint64_t bytes = 0;
    for (auto const& one : news) {
        auto const& stored = std::get<BundleWriter::Stored>(one);
        EXPECT_EQ(stored.job, 0u);
        EXPECT_EQ(stored.sequence, 2u);
        for (auto const& entry : stored.entries) {
            EXPECT_EQ(entry.what, (HandOut{next++, 1}));
            EXPECT_GT(entry.bundle_bytes, bytes);
            bytes = entry.bundle_bytes;
        }
    }
    auto const paths = bundle_paths(setup.bundle_folder, origin(2));
    EXPECT_EQ(decode_index(file_text(paths.open_index))->entries.size(), 50u) << "what was told is on disk";

    for (auto const& output : outputs) writer.discard(output);
    writer.seal(0, 2, {});
    auto const sealed = std::get<BundleWriter::Sealed>(collect(writer, has<BundleWriter::Sealed>()).at(0));
    EXPECT_EQ(sealed.sequence, 2u);
    EXPECT_EQ(sealed.entry_count, 50u);
    EXPECT_EQ(sealed.bytes, fs::file_size(paths.tar));
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(2), ranges), "");
    EXPECT_EQ(parse_manifest(file_text(paths.manifest))->sealed_unix_s, 1'700'000'000);
    EXPECT_TRUE(eventually([&] { return fs::is_empty(root / "work/worker_0"); }));
}

TEST_F(BundleWriterTest, EachJobAndSequenceHasItsOwnBundle)
{
    BundleWriter writer(setup, clock);
    writer.store(0, make_output(1, 0));
    writer.store(1, make_output(2, 1));
    writer.store(2, make_output(3, 0));
    collect(writer, has_stored(3));
    for (std::uint32_t sequence = 0; sequence < 3; ++sequence) writer.seal(sequence % 2, sequence, {});
    collect(writer, has<BundleWriter::Sealed>(3));
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(0, 0), {1}), "");
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(1, 1), {2}), "");
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(2, 0), {3}), "");
}

TEST_F(BundleWriterTest, ABadOutputSpoilsNoOther)
{
    BundleWriter writer(setup, clock);
    auto outside = make_output(2);
    outside.paths = {"/etc/passwd"};
    auto empty = make_output(3);
    write_text(empty.paths[0], "");
    auto second_missing = make_output(4);
    second_missing.paths.push_back(root / "work/worker_0/never");
    writer.store(0, make_output(1));
    for (auto const& bad : {outside, empty, second_missing}) writer.store(0, bad);
    writer.store(0, make_output(5));
    auto const news = collect(
        writer, [](auto const& all) { return has_stored(2)(all) && has<BundleWriter::OutputBad>(3)(all); });
    std::vector<std::pair<RangeIndex, int>> bad;
    for (auto const& one : news) {
        if (auto const* const found = std::get_if<BundleWriter::OutputBad>(&one))
            bad.push_back({found->what.range, found->error_code});
    }
    EXPECT_THAT(bad, ElementsAre(std::pair(2u, code::payload_failure), std::pair(3u, code::zero_file_size),
                                 std::pair(4u, code::missing_output)));
    for (auto const& output : {empty, second_missing})
        EXPECT_FALSE(fs::exists(output.paths[0])) << "the next try may use the same names";
    writer.seal(0, 0, {});
    collect(writer, has<BundleWriter::Sealed>());
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(0), {1, 5}), "");
}

TEST_F(BundleWriterTest, RejectedHandOutsAreNotInTheSealedBundle)
{
    BundleWriter writer(setup, clock);
    for (RangeIndex range = 0; range < 4; ++range) writer.store(0, make_output(range));
    writer.seal(0, 0, {{1, 1}, {3, 1}});
    auto const news = collect(writer, has<BundleWriter::Sealed>());
    EXPECT_EQ(std::get<BundleWriter::Sealed>(news.back()).entry_count, 2u);
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(0), {0, 2}), "");
}

TEST_F(BundleWriterTest, ASlowDiskBlocksNobodyAndIsOneSyncForAll)
{
    std::promise<void> entered;
    std::promise<void> released;
    unsigned sync_count = 0;
    setup.queue_limit = 100;
    setup.before_sync = [&, release = released.get_future().share()] {
        if (sync_count++ == 0) {
            entered.set_value();
            release.wait();
        }
    };
    BundleWriter writer(setup, clock);
    writer.store(0, make_output(0));
    entered.get_future().wait();  // The thread hangs in its first sync.
    EXPECT_FALSE(writer.full());
    for (RangeIndex range = 1; range < 150; ++range) writer.store(0, make_output(range));
    EXPECT_TRUE(writer.full());
    EXPECT_LE(writer.busy_since(), clock.now()) << "a frozen disk shows";
    EXPECT_THAT(writer.take(), IsEmpty()) << "nothing is told before it is durable";
    released.set_value();
    collect(writer, has_stored(150));
    EXPECT_EQ(sync_count, 2u);
    EXPECT_TRUE(eventually([&] { return !writer.full(); }));
    EXPECT_TRUE(eventually([&] { return writer.busy_since() == TimePoint::never(); }));
}

TEST_F(BundleWriterTest, ASyncWaitsForItsIntervalUnlessSomebodyWaitsForIt)
{
    setup.sync_interval = Duration::from_s(3600);
    std::atomic<int> syncs = 0;
    setup.before_sync = [&] { ++syncs; };
    BundleWriter writer(setup, clock);
    RangeIndex next = 0;
    auto const store = [&](unsigned count) {
        for (unsigned i = 0; i < count; ++i) writer.store(0, make_output(next++));
    };
    store(1);  // A lone one waits for nobody.
    collect(writer, has_stored(1));
    store(2);
    EXPECT_THAT(writer.take(), IsEmpty());
    writer.hurry();
    collect(writer, has_stored(2));
    EXPECT_EQ(syncs, 2);
    store(600);  // Much does not wait; what is left of it does.
    auto const much = collect(writer, has_stored(512));
    writer.seal(0, 0, {});
    auto const rest = collect(writer, has<BundleWriter::Sealed>());
    std::size_t stored = 0;
    for (auto const* const news : {&much, &rest}) {
        for (auto const& one : *news) {
            if (auto const* const group = std::get_if<BundleWriter::Stored>(&one))
                stored += group->entries.size();
        }
    }
    EXPECT_EQ(stored, 600u);
    EXPECT_LE(syncs, 4);
}

TEST_F(BundleWriterTest, ABundleThatCannotBeMadeFailsOnceAndOthersGoOn)
{
    write_text(bundle_paths(setup.bundle_folder, origin(0)).open_tar, "something is there already");
    BundleWriter writer(setup, clock);
    writer.store(0, make_output(1));
    writer.store(0, make_output(2));
    writer.store(1, make_output(3));
    writer.seal(0, 0, {});
    writer.seal(0, 1, {});
    auto const news = collect(writer, has<BundleWriter::Sealed>());
    unsigned failures = 0;
    for (auto const& one : news) {
        auto const* const failed = std::get_if<BundleWriter::BundleFailed>(&one);
        if (!failed) continue;
        ++failures;
        EXPECT_EQ(failed->sequence, 0u);
        EXPECT_THAT(failed->reason, HasSubstr("exists"));
    }
    EXPECT_EQ(failures, 1u);
    EXPECT_EQ(check_sealed_bundle(setup.bundle_folder, origin(1), {3}), "");
}

TEST_F(BundleWriterTest, AFolderGoesAfterItsOutputsAreRead)
{
    BundleWriter writer(setup, clock);
    for (RangeIndex range = 0; range < 20; ++range) writer.store(0, make_output(range));
    writer.discard_folder(root / "work/worker_0");
    collect(writer, has_stored(20));
    EXPECT_TRUE(eventually([&] { return !fs::exists(root / "work/worker_0"); }));
}

TEST_F(BundleWriterTest, DiscardsOnlyBelowTheWorkFolderAndSaysWhatItDidNot)
{
    write_text(root / "precious", "keep");
    write_text(root / "work/worker_0/out", "remove");
    BundleWriter writer(setup, clock);
    RangeOutput output;
    output.folder = root / "work/worker_0";
    output.paths = {root / "precious", root / "work/../precious", root / "work/worker_0/out",
                    root / "work/worker_0/never", "in_the_folder"};
    write_text(root / "work/worker_0/in_the_folder", "remove");
    writer.discard(output);
    auto const news = collect(writer, has<BundleWriter::DiscardFailed>());
    auto const& failed = std::get<BundleWriter::DiscardFailed>(news.at(0));
    EXPECT_EQ(failed.file_count, 2u);
    EXPECT_THAT(failed.reason, HasSubstr("precious"));
    EXPECT_TRUE(fs::exists(root / "precious"));
    EXPECT_TRUE(fs::is_empty(root / "work/worker_0"));
}

TEST_F(BundleWriterTest, ARemovalThatTakesLongKeepsNobodyWaiting)
{
    std::promise<void> removing;
    std::promise<void> released;
    auto const release = released.get_future().share();
    std::atomic<int> errands = 0;
    setup.before_removal = [&] {
        removing.set_value();
        release.wait();
    };
    fs::create_directories(root / "work/start_0/a/b");
    write_text(root / "work/start_0/a/b/c", "x");
    BundleWriter writer(setup, clock);
    writer.do_aside([&] { ++errands; });
    writer.discard_folder(root / "work/start_0");
    removing.get_future().wait();
    EXPECT_EQ(errands, 1) << "what was asked for before comes before";
    writer.store(0, make_output(1));
    writer.seal(0, 0, {});
    collect(writer, has<BundleWriter::Sealed>());
    EXPECT_TRUE(eventually([&] { return writer.busy_since() == TimePoint::never(); }))
        << "the Droid would fall silent";
    EXPECT_TRUE(fs::exists(root / "work/start_0/a/b/c"));
    released.set_value();
    EXPECT_TRUE(eventually([&] { return !fs::exists(root / "work/start_0"); }));
}

TEST_F(BundleWriterTest, RemovalsThatWaitMakeItFull)
{
    std::promise<void> released;
    auto const release = released.get_future().share();
    setup.before_removal = [&] { release.wait(); };
    setup.queue_limit = 2;
    BundleWriter writer(setup, clock);
    EXPECT_FALSE(writer.full());
    writer.discard(make_output(1));
    writer.discard(make_output(2));
    EXPECT_TRUE(eventually([&] { return writer.busy_since() == TimePoint::never(); }));
    EXPECT_TRUE(writer.full()) << "the disk would fill up";
    released.set_value();
    EXPECT_TRUE(eventually([&] { return !writer.full(); }));
}

}  // namespace
}  // namespace yoda

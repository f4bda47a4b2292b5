// SPDX-License-Identifier: Apache-2.0
// Staging as a small world: nodes with disks in memory, messages in order per pair, deaths at any moment.
#include "droid/inputs/input_stage_core.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>

#include "core/base/checksum.hpp"
#include "core/messages/codec.hpp"
#include "core/messages/input_tree.hpp"

namespace yoda {
namespace {

constexpr std::size_t source_piece_bytes = 100'000;

struct World;

/// One Droid: the core, and its disk as a queue of orders that are done when the world says so.
struct Node final : InputStageEffects {
    Node(World& its_world, Rank its_rank, std::size_t file_count)
        : world(its_world), rank(its_rank), core({}, file_count), finished(file_count)
    {}
    void send(Rank to, Message const& message) override;
    void copy_piece(std::uint32_t file, std::uint64_t offset) override;
    void append(std::uint32_t file, std::string_view bytes) override;
    void finish(std::uint32_t file) override;
    void adopt(std::uint32_t file, std::uint64_t total_bytes) override;
    void restart(std::uint32_t file) override;
    void read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes) override;
    void note(std::string_view event, std::uint64_t, std::string_view) override { notes.emplace_back(event); }

    World& world;
    Rank rank;
    InputStageCore core;
    bool dead = false;
    bool frozen = false;
    bool disk_full = false;
    std::string part;
    std::vector<std::string> finished;
    std::deque<std::function<void()>> disk;
    std::vector<std::string> notes;
};

struct World {
    World(std::vector<std::string> source_files, std::vector<std::string> hosts)
        : files(std::move(source_files))
    {
        wanted = files;
        for (Rank rank = 1; rank <= hosts.size(); ++rank) tree.add(rank, hosts[rank - 1]);
        for (Rank rank = 1; rank <= hosts.size(); ++rank) {
            host_of[rank] = hosts[rank - 1];
            nodes[rank] = std::make_unique<Node>(*this, rank, files.size());
        }
    }

    void begin()
    {
        for (auto& [rank, node] : nodes) {
            auto const place = tree.place(rank, host_of[rank]);
            node->core.begin(now, place.ancestors, place.same_node, *node);
        }
    }

    /// One thing that can happen; false: nothing can.
    bool step()
    {
        std::vector<std::function<void()>> choices;
        for (auto& [rank, node] : nodes) {
            if (node->dead || node->frozen || node->disk.empty()) continue;
            choices.push_back([&node = *node] {
                auto const order = std::move(node.disk.front());
                node.disk.pop_front();
                order();
            });
        }
        for (auto& [pair, frames] : links) {
            auto& to = *nodes.at(pair.second);
            if (frames.empty() || to.dead || to.frozen) continue;
            choices.push_back([&, from = pair.first, &queue = frames] {
                auto const frame = std::move(queue.front());
                queue.pop_front();
                FrameReader reader;
                ASSERT_TRUE(reader.open(frame));
                while (auto const message = reader.next()) to.core.on_message(now, from, *message, to);
                EXPECT_TRUE(reader.error());
            });
        }
        if (choices.empty()) return false;
        choices[dice() % choices.size()]();
        return true;
    }

    void pass(Duration time)
    {
        now = now + time;
        for (auto& [rank, node] : nodes) {
            if (!node->dead && !node->frozen) node->core.on_tick(now, *node);
        }
    }

    /// Until every living node has settled everything; `each` is called before each step.
    void run(std::function<void()> const& each = [] {})
    {
        for (unsigned quiet = 0; quiet < 1000;) {
            each();
            bool over = true;
            for (auto& [rank, node] : nodes) over = over && (node->dead || node->frozen || node->core.over());
            if (over) return;
            if (step()) {
                quiet = 0;
            } else {
                ++quiet;
                pass(Duration::from_s(1));
            }
        }
        FAIL() << "it never ends";
    }

    void expect_all_here()
    {
        for (auto& [rank, node] : nodes) {
            if (node->dead || node->frozen) continue;
            for (std::uint32_t file = 0; file < files.size(); ++file) {
                EXPECT_TRUE(node->core.is_here(file)) << "rank " << rank << " file " << file;
                EXPECT_EQ(node->finished[file], wanted[file]) << "rank " << rank << " file " << file;
            }
        }
    }

    std::vector<std::string> files;   ///< as the shared filesystem has them
    std::vector<std::string> wanted;  ///< as the jobs name them
    std::map<Rank, std::string> host_of;
    InputTree tree;
    std::map<Rank, std::unique_ptr<Node>> nodes;
    std::map<std::pair<Rank, Rank>, std::deque<std::string>> links;
    std::size_t longest_link = 0;
    std::uint64_t source_bytes = 0;
    TimePoint now;
    std::mt19937 dice{1};
};

void Node::send(Rank to, Message const& message)
{
    FrameWriter frames;
    frames.put(message);
    auto& link = world.links[{rank, to}];
    for (std::size_t i = 0; i < frames.count(); ++i) link.push_back(frames.frame(i));
    world.longest_link = std::max(world.longest_link, link.size());
}

void Node::copy_piece(std::uint32_t file, std::uint64_t offset)
{
    disk.push_back([this, file, offset] {
        if (disk_full) return core.on_failed(world.now, file, "no space", *this);
        auto const piece = world.files[file].substr(offset, source_piece_bytes);
        world.source_bytes += piece.size();
        part += piece;
        core.on_copied(world.now, file, part.size(), piece.empty(), *this);
    });
}

void Node::append(std::uint32_t file, std::string_view bytes)
{
    disk.push_back([this, file, text = std::string(bytes)] {
        if (disk_full) return core.on_failed(world.now, file, "no space", *this);
        part += text;
        core.on_appended(world.now, file, part.size(), *this);
    });
}

void Node::finish(std::uint32_t file)
{
    disk.push_back([this, file] {
        if (part != world.wanted[file]) return core.on_mismatch(world.now, file, "other bytes", *this);
        finished[file] = std::exchange(part, {});
        core.on_finished(world.now, file, finished[file].size(), crc32c(finished[file]), *this);
    });
}

void Node::adopt(std::uint32_t file, std::uint64_t total_bytes)
{
    disk.push_back([this, file, total_bytes] {
        bool there = false;
        for (auto& [other, node] : world.nodes) {
            if (other == rank || world.host_of[other] != world.host_of[rank]) continue;
            if (node->finished[file].size() != total_bytes) continue;
            there = true;
            finished[file] = node->finished[file];
        }
        core.on_adopted(world.now, file, there, *this);
    });
}

void Node::restart(std::uint32_t)
{
    disk.push_back([this] { part.clear(); });
}

void Node::read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes)
{
    disk.push_back([this, to, file, offset, bytes] {
        auto const& from = core.is_here(file) ? finished[file] : part;
        core.on_block(to, file, offset, offset < from.size() ? from.substr(offset, bytes) : "", *this);
    });
}

std::string random_file(std::size_t size, unsigned seed)
{
    std::mt19937 dice(seed);
    std::string text(size, '\0');
    for (auto& c : text) c = static_cast<char>(dice());
    return text;
}

std::vector<std::string> hosts(std::size_t count)
{
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("n" + std::to_string(i));
    return names;
}

std::uint64_t total(std::vector<std::string> const& files)
{
    std::uint64_t bytes = 0;
    for (auto const& file : files) bytes += file.size();
    return bytes;
}

TEST(InputStage, ReadsTheSharedFilesystemOnceForAllNodes)
{
    World world({random_file(900'001, 1), "", random_file(3600, 2)}, hosts(16));
    world.begin();
    world.run();
    world.expect_all_here();
    EXPECT_EQ(world.source_bytes, total(world.files));
    for (auto& [rank, node] : world.nodes) {
        auto const summary = node->core.summary();
        EXPECT_EQ(summary.shared_bytes, rank == 1 ? world.source_bytes : 0) << rank;
        EXPECT_EQ(summary.passed_bytes, rank == 1 ? 0 : world.source_bytes) << rank;
    }
}

TEST(InputStage, IsSentNoMoreThanItAskedFor)
{
    World world({random_file(3'000'000, 1)}, hosts(4));
    world.nodes[3]->frozen = true;  // Its parent reads on, and must not fill the network meanwhile.
    world.begin();
    world.run();
    EXPECT_LE(world.longest_link, InputStagePolicy{}.window_bytes / max_input_part_bytes + 4);
}

TEST(InputStage, ASecondDroidOfTheNodeTakesTheCopyThatIsThere)
{
    World world({random_file(200'000, 1)}, {"a", "a", "b", "b", "b"});
    world.begin();
    world.run();
    world.expect_all_here();
    EXPECT_EQ(world.source_bytes, 200'000u);
    for (Rank const rank : {2u, 4u, 5u}) EXPECT_EQ(world.nodes[rank]->core.summary().passed_bytes, 0u);
}

TEST(InputStage, GoesOnAtTheNextAncestorWhereItStandsWhenANodeOfTheTreeDies)
{
    World world({random_file(2'000'000, 1)}, hosts(15));
    world.begin();
    world.run([&] {
        auto& victim = *world.nodes[2];
        if (victim.part.size() > 700'000) victim.dead = true;
    });
    ASSERT_TRUE(world.nodes[2]->dead);
    world.expect_all_here();
    EXPECT_EQ(world.source_bytes, 2'000'000u) << "the root lives: nobody else reads";
    EXPECT_LT(world.nodes[4]->core.summary().passed_bytes, 2'100'000u) << "what it had is not sent again";
}

TEST(InputStage, TheRootsChildrenReadByThemselvesWhenItDies)
{
    World world({random_file(1'000'000, 1)}, hosts(7));
    world.begin();
    world.run([&] { world.nodes[1]->dead = world.nodes[1]->dead || world.nodes[1]->part.size() > 300'000; });
    world.expect_all_here();
    EXPECT_LT(world.source_bytes, 3'000'000u) << "two children and the root, not seven nodes";
}

TEST(InputStage, AFullDiskCostsOnlyThatNodeItsCopy)
{
    World world({random_file(500'000, 1)}, hosts(7));
    world.nodes[2]->disk_full = true;
    world.begin();
    world.run();
    EXPECT_TRUE(world.nodes[2]->core.is_settled(0));
    EXPECT_FALSE(world.nodes[2]->core.is_here(0));
    for (Rank const rank : {1u, 3u, 4u, 5u, 6u, 7u}) EXPECT_TRUE(world.nodes[rank]->core.is_here(0)) << rank;
    EXPECT_EQ(world.source_bytes, 500'000u);
}

TEST(InputStage, AFileThatIsNotWhatTheJobNamesIsReadByNobodyElse)
{
    World world({random_file(500'000, 1), random_file(10'000, 2)}, hosts(7));
    world.files[0][1234] ^= 1;
    world.begin();
    world.run();
    for (auto& [rank, node] : world.nodes) {
        EXPECT_FALSE(node->core.is_here(0)) << rank;
        EXPECT_TRUE(node->core.is_here(1)) << rank;
        EXPECT_EQ(node->core.summary().failed_count, 1u);
    }
    EXPECT_EQ(world.source_bytes, 510'000u);
}

TEST(InputStage, BytesThatChangedOnTheWayAreAskedForAnew)
{
    World world({random_file(400'000, 1)}, hosts(3));
    world.begin();
    bool damaged = false;
    world.run([&] {
        auto& part = world.nodes[2]->part;
        if (!damaged && part.size() > 50'000) {
            part[100] ^= 1;
            damaged = true;
        }
    });
    ASSERT_TRUE(damaged);
    world.expect_all_here();
}

TEST(InputStage, EveryLivingNodeHasEveryFileWhateverDiesOrFreezes)
{
    for (unsigned seed = 0; seed < 300; ++seed) {
        World world({random_file(150'000 + seed * 977, seed), random_file(seed * 13, seed + 1)},
                    {"a", "b", "b", "c", "d", "e", "f", "g", "g", "h"});
        world.dice.seed(seed);
        world.begin();
        unsigned faults = seed % 5;
        unsigned steps = 0;
        world.run([&] {
            if (++steps % 97 != 0 || faults == 0 || world.dice() % 4 != 0) return;
            --faults;
            auto& node = *world.nodes[static_cast<Rank>(1 + world.dice() % 10)];
            (world.dice() % 2 == 0 ? node.dead : node.frozen) = true;
            if (world.dice() % 3 == 0) {
                // Frozen ones come back, late, and are not mistaken for those who took their place.
                for (auto& [rank, other] : world.nodes) other->frozen = false;
            }
        });
        world.expect_all_here();
        if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
    }
}

TEST(InputStage, StrangersAndOldAnswersChangeNothing)
{
    World world({random_file(300'000, 1)}, hosts(3));
    world.begin();
    auto& node = *world.nodes[2];
    node.core.on_message(world.now, 3, InputPart{0, 0, "not from whom it asked"}, node);
    node.core.on_message(world.now, 3, InputEnd{0, InputWord::bad, 0, 0}, node);
    node.core.on_message(world.now, 1, InputPart{0, 77, "not where it stands"}, node);
    node.core.on_message(world.now, 1, InputPart{9, 0, "no such file"}, node);
    node.core.on_message(world.now, 3, InputPull{9, true, 0, 100}, node);
    node.core.on_message(world.now, 3, InputPull{0, true, UINT64_MAX - 1, UINT64_MAX}, node);
    world.run();
    world.expect_all_here();
}

}  // namespace
}  // namespace yoda

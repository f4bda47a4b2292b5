// SPDX-License-Identifier: Apache-2.0
// SIGKILL at random instants of a push to a WebDAV door; curl reads what is there.
#include "servers/kill_world.hpp"
#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class KillDav : public ::testing::Test, protected KillWorld {
  protected:
    void SetUp() override { YODA_NEEDS_PROGRAMS("nginx", "openssl", "curl"); }
};

TEST_F(KillDav, AtRandomInstantsLosesNothingAndLeavesNoTemporaryNames)
{
    ServerProcess nginx("servers/nginx_dav.py");
    auto const url = "http://" + nginx.text("endpoint") + "/store/killed";
    auto const there = nginx.text("root") + "/store/killed";
    config = {{"folders", {run}}, {"parallel", 3}, {"stores", {{"es_events", {{"url", url}}}}}};
    kill_rounds(long_tests() ? 300 : 55, 40'000, [&] {
        expect_no_false_claims([&](std::string const& name) { return fs::exists(there + "/" + name); });
    });
    auto const copies = folder / "copies";
    fs::create_directories(copies);
    for (auto const& [name, sum] : sums)
        ASSERT_EQ(run_program({"curl", "-sf", "-o", copies + "/" + name, url + "/" + name}), 0);
    expect_copies_in(copies);
    expect_copies_in(there);
}

}  // namespace
}  // namespace yoda::test

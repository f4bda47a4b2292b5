// SPDX-License-Identifier: Apache-2.0
// What a store refuses before anything is sent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harvest/stage_out/push_command.hpp"
#include "harvest/stores/s3/presigned_store.hpp"
#include "support/builders/run_builder.hpp"

namespace yoda::test {
namespace {

using ::testing::HasSubstr;

class Limits : public ::testing::Test {
  protected:
    SystemClock clock_;
    Log log_{LogLevel::error};
    Breakers breakers_;
    ScratchFolder folder_;
    StoreContext context_{&clock_, &log_, &breakers_, nullptr, nullptr, {}};
};

TEST_F(Limits, OnePutOfMoreThan5GibIsRefusedBeforeAUrlIsAskedFor)
{
    bool asked = false;
    PresignedStore store(
        parse_store_url("s3://host/bucket").value(),
        [&](auto const&, auto const&) -> Result<std::string> {
            asked = true;
            return Error{};
        },
        {}, context_);
    write_text(folder_ / "large", "");
    std::filesystem::resize_file(folder_ / "large", (5ull << 30) + 1);  // sparse
    ObjectSpec spec;
    spec.key = "large.tar";
    spec.path = folder_ / "large";
    spec.bytes = (5ull << 30) + 1;
    auto const result = store.put(spec, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused);
    EXPECT_THAT(result.error().text(), HasSubstr("5 GiB"));
    EXPECT_FALSE(asked);
}

TEST_F(Limits, StoresThatCannotBeUsedEndThePushBeforeARunIsTouched)
{
    add_bundle(folder_ / "run", 1, some_bytes(100));
    for (auto const& [url, why] : {std::pair{"gopher://host/b", "scheme is unknown"},
                                   {"s3://host:443", "no bucket"},
                                   {"s3://key:secret@host/b", "put them into a key file"},
                                   {"root:///x", "names no host"},
                                   {"file://", "no folder"}}) {
        PushOptions options;
        options.folders = {folder_ / "run"};
        options.stores["es_events"].url = url;
        auto const result = push(options, log_, clock_);
        ASSERT_FALSE(result) << url;
        EXPECT_EQ(result.error().kind, ErrorKind::usage);
        EXPECT_THAT(result.error().text(), HasSubstr(why));
        EXPECT_EQ(result.error().text().find("key:secret"), std::string::npos) << "no secret in an error";
        EXPECT_FALSE(std::filesystem::exists(folder_ / "run/stage"));
    }
}

}  // namespace
}  // namespace yoda::test

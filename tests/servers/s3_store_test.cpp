// SPDX-License-Identifier: Apache-2.0
// The S3 store against a real Ceph gateway; what arrived is read by boto3.
#include "harvest/stores/s3/s3_store.hpp"

#include <sys/stat.h>

#include "core/base/checksum.hpp"
#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

class S3 : public ::testing::Test {
  protected:
    void SetUp() override { YODA_NEEDS_RADOSGW(); }

    S3Store store(std::string const& where, S3Options options = s3_options())
    {
        return {s3_url(radosgw().text("endpoint"), where), std::move(options), around_.context()};
    }

    StoreSurroundings around_;
    ScratchFolder folder_;
};

TEST_F(S3, SmallObjectArrivesAndIsProvenByTheServersChecksum)
{
    auto s3 = store("small/prefix");
    std::string const bytes = some_bytes(100'000);
    auto const spec = make_object(folder_, "a.tar", bytes);
    EXPECT_EQ(s3.check(spec).value(), Presence::absent);
    auto const proof = s3.put(spec, {});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_EQ(s3.check(spec).value(), Presence::same);
    EXPECT_EQ(read_by_boto("small", "prefix/a.tar"), bytes);
    EXPECT_EQ(s3.head("a.tar").value()->token, spec.token);
}

TEST_F(S3, MissingBucketIsMadeOnlyIfAllowed)
{
    auto options = s3_options();
    options.create_bucket = false;
    auto s3 = store("never-made", options);
    auto const spec = make_object(folder_, "a.tar", "x");
    auto const proof = s3.put(spec, {});
    ASSERT_FALSE(proof);
    EXPECT_EQ(proof.error().kind, ErrorKind::refused);
    EXPECT_NE(proof.error().text().find("NoSuchBucket"), std::string::npos);
}

TEST_F(S3, EmptyObject)
{
    auto s3 = store("small");
    auto const spec = make_object(folder_, "empty.tar", "");
    ASSERT_TRUE(s3.put(spec, {}));
    EXPECT_EQ(s3.check(spec).value(), Presence::same);
}

TEST_F(S3, LargeObjectGoesInPartsAndIsProvenByTheMd5OfTheirMd5s)
{
    auto s3 = store("large");
    std::string const bytes = some_bytes((23u << 20) + 17);
    auto spec = make_object(folder_, "b.tar", bytes);
    std::uint64_t moved = 0;
    std::string resume;
    auto const proof =
        s3.put(spec, {[&](std::string const& text) { resume = text; }, [&](std::uint64_t n) { moved += n; }});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_TRUE(proof->proof.ends_with("-5")) << proof->proof;
    EXPECT_EQ(moved, bytes.size());
    EXPECT_NE(resume.find("upload_id"), std::string::npos);
    EXPECT_EQ(s3.check(spec).value(), Presence::same) << "computed anew from the local file";
    spec.proof = proof->proof;
    EXPECT_EQ(s3.check(spec).value(), Presence::same);
    spec.proof = "md5:00000000000000000000000000000000-5";
    EXPECT_EQ(s3.check(spec).value(), Presence::different);
    EXPECT_EQ(read_by_boto("large", "b.tar"), bytes);
    EXPECT_TRUE(list_by_boto("large")["uploads"].empty());
}

TEST_F(S3, SignedPayloadHashBindsTheBytesToo)
{
    auto options = s3_options();
    options.bind_by = BindBy::sha256;
    auto s3 = store("bound", options);
    for (std::uint64_t const count : {1000u, 11u << 20}) {
        std::string const bytes = some_bytes(count);
        auto const spec = make_object(folder_, "c" + std::to_string(count), bytes);
        auto const proof = s3.put(spec, {});
        ASSERT_TRUE(proof) << proof.error().text();
        EXPECT_EQ(read_by_boto("bound", spec.key), bytes);
    }
}

TEST_F(S3, InterruptedUploadGoesOnWithThePartsThatAreThere)
{
    std::string const bytes = some_bytes(26u << 20);
    auto spec = make_object(folder_, "resumed.tar", bytes);
    {
        around_.policy.parts_at_once = 1;
        auto s3 = store("resume");
        std::uint64_t moved = 0;
        auto const proof = s3.put(spec, {[&](std::string const& text) { spec.resume = text; },
                                         [&](std::uint64_t n) {
                                             if ((moved += n) > (12u << 20)) around_.stop = true;
                                         }});
        ASSERT_FALSE(proof);
    }
    around_.stop = false;
    ServerProcess proxy("servers/faultproxy.py", {radosgw().text("endpoint")});
    S3Store s3(s3_url(proxy.text("endpoint"), "resume"), s3_options(), around_.context());
    ASSERT_EQ(list_by_boto("resume")["uploads"].size(), 1u);
    auto const proof = s3.put(spec, {});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_EQ(read_by_boto("resume", "resumed.tar"), bytes);
    EXPECT_TRUE(list_by_boto("resume")["uploads"].empty()) << "the same upload was ended, not another one";
}

TEST_F(S3, UploadThatNobodyNotedIsFoundAndUsed)
{
    std::string const bytes = some_bytes(16u << 20);
    auto spec = make_object(folder_, "stray.tar", bytes);
    {
        auto s3 = store("stray");
        ASSERT_FALSE(s3.put(spec, {{}, [&](std::uint64_t) { around_.stop = true; }}));
    }
    around_.stop = false;
    auto s3 = store("stray");
    ASSERT_TRUE(s3.put(spec, {}));
    EXPECT_TRUE(list_by_boto("stray")["uploads"].empty());
    EXPECT_EQ(read_by_boto("stray", "stray.tar"), bytes);
}

TEST_F(S3, DamagedFileIsNeverStoredWhetherSmallOrLarge)
{
    auto s3 = store("damaged");
    for (std::uint64_t const count : {5000u, 12u << 20}) {
        auto spec = make_object(folder_, "d" + std::to_string(count), some_bytes(count));
        spec.adler32 ^= 1;
        auto const proof = s3.put(spec, {});
        ASSERT_FALSE(proof);
        EXPECT_EQ(proof.error().kind, ErrorKind::bad_input);
        spec.adler32 ^= 1;
        EXPECT_EQ(s3.check(spec).value(), Presence::absent);
    }
}

TEST_F(S3, OddNamesArriveUnderExactlyTheirName)
{
    auto s3 = store("odd");
    for (std::string const key : {"with space+plus.tar", "per%20cent%2F", "r\xC3\xA9sum\xC3\xA9/\xE2\x82\xAC",
                                  "a=b&c~d'()*!:@,;$#?h", "EventService_premerge_1_2_3_4.tar"}) {
        auto const spec = make_object(folder_, key, key);
        auto const proof = s3.put(spec, {});
        ASSERT_TRUE(proof) << proof.error().text();
        EXPECT_EQ(read_by_boto("odd", key), key);
        ASSERT_TRUE(s3.get(key, folder_ / "got"));
        EXPECT_EQ(file_text(folder_ / "got"), key);
        ASSERT_TRUE(s3.remove(key));
        EXPECT_FALSE(s3.head(key).value());
    }
    for (std::string const key : {"", "../up", "a/../b", "a//b", "/a", "a/", "line\nbreak", "\xFF\xFE"})
        EXPECT_FALSE(s3.put(make_object(folder_, key, "x"), {})) << key;
}

TEST_F(S3, OtherContentUnderOurNameIsSeenAndReplaced)
{
    auto s3 = store("replaced");
    auto const first = make_object(folder_, "e.tar", "something else");
    ASSERT_TRUE(s3.put(first, {}));
    auto const spec = make_object(folder_, "e.tar", "our own content");
    EXPECT_EQ(s3.check(spec).value(), Presence::different);
    ASSERT_TRUE(s3.put(spec, {}));
    EXPECT_EQ(s3.check(spec).value(), Presence::same);
}

TEST_F(S3, RemovingWhatIsNotThereIsFine)
{
    auto s3 = store("small");
    EXPECT_TRUE(s3.remove("never-was"));
    EXPECT_FALSE(s3.get("never-was", folder_ / "got"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "got"));
}

TEST_F(S3, VirtualHostStyle)
{
    auto options = s3_options();
    auto made = store("hosted", options);
    ASSERT_TRUE(made.put(make_object(folder_, "x", "x"), {}));
    options.virtual_host = true;
    std::string const endpoint = radosgw().text("endpoint");
    // hosted.localhost resolves to loopback (RFC 6761); the gateway's own name is localhost.
    S3Store s3(s3_url("localhost" + endpoint.substr(endpoint.find(':')), "hosted/deep"), options,
               around_.context());
    auto const spec = make_object(folder_, "f.tar", "by host name");
    auto const proof = s3.put(spec, {});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_EQ(read_by_boto("hosted", "deep/f.tar"), "by host name");
}

TEST_F(S3, PresignedUrlLetsItsHolderIn)
{
    auto s3 = store("small");
    auto const url = s3.presign("PUT", "presigned.tar", 60);
    ASSERT_TRUE(url);
    HttpClient client(around_.clock);
    HttpRequest request;
    request.method = "PUT";
    request.url = *url;
    request.body = "hello";
    auto const answer = client.perform(std::move(request));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200) << answer->body;
    EXPECT_EQ(read_by_boto("small", "presigned.tar"), "hello");
}

}  // namespace
}  // namespace yoda::test

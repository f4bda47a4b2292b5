// SPDX-License-Identifier: Apache-2.0
// Store URLs, object keys, and where conventions of the grid put a file.
#include <gtest/gtest.h>

#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/base/store_url.hpp"
#include "harvest/stores/make_store.hpp"

namespace yoda {
namespace {

TEST(StoreUrl, EachSchemeMeansItsKindAndWhetherItIsEncrypted)
{
    struct Case {
        std::string text;
        StoreKind kind;
        std::string endpoint;
    };
    for (auto const& [text, kind, endpoint] :
         {Case{"s3://host:443/b/p", StoreKind::s3, "https://host:443"},
          Case{"s3+http://host:80/b", StoreKind::s3, "http://host:80"},
          Case{"s3+https://host/b", StoreKind::s3, "https://host"},
          Case{"davs://host/p", StoreKind::dav, "https://host"},
          Case{"https://host/p", StoreKind::dav, "https://host"},
          Case{"dav://host/p", StoreKind::dav, "http://host"},
          Case{"root://host:1094//atlas/p", StoreKind::xrootd, "root://host:1094"},
          Case{"file:///a/b", StoreKind::file, "file:///a/b"}}) {
        auto const url = parse_store_url(text);
        ASSERT_TRUE(url) << text;
        EXPECT_EQ(url->kind, kind) << text;
        EXPECT_EQ(url->endpoint(), endpoint);
    }
}

TEST(StoreUrl, BucketAndPath)
{
    auto const url = parse_store_url("s3://host/bucket/deep/er/").value();
    EXPECT_EQ(url.bucket, "bucket");
    EXPECT_EQ(url.path, "deep/er");
    EXPECT_EQ(url.text(), "s3://host/bucket/deep/er");
    EXPECT_EQ(parse_store_url("s3://host/b/with%20space").value().path, "with space");
}

TEST(StoreUrl, PandasOlderForms)
{
    EXPECT_EQ(parse_store_url("objectstore^s3^s3://host:443^/bucket/path").value().text(),
              "s3://host:443/bucket/path");
    EXPECT_EQ(parse_store_url("objectstore^root^atlas-objectstore.cern.ch:12345^/atlas/xyz").value().text(),
              "root://atlas-objectstore.cern.ch:12345//atlas/xyz");
    EXPECT_FALSE(parse_store_url("objectstore^s3^host"));
}

TEST(StoreUrl, WhatCannotBeUsedIsAnErrorOfUsageThatSaysWhy)
{
    for (std::string const text :
         {"", "host/bucket", "ftp://host/x", "s3://host", "s3://host/", "s3:///bucket", "file://relative",
          "file://", "s3://host/b/../c", "s3://host/b?x=1", "s3://key:secret@host/b", "davs://host/%zz",
          "file://otherhost/x"}) {
        auto const url = parse_store_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().kind, ErrorKind::usage) << text;
        EXPECT_EQ(url.error().text().find("secret"), std::string::npos)
            << "a password in a URL is not repeated";
    }
}

TEST(ObjectKey, TakesWhatStoresTake)
{
    for (std::string const key : {"a", "a/b.tar", "with space+%", "\xE2\x82\xAC", "..a/b..", "-"})
        EXPECT_TRUE(check_object_key(key)) << key;
    EXPECT_TRUE(check_object_key(std::string(1024, 'x')));
}

TEST(ObjectKey, RefusesWhatWouldLeaveItsFolderOrMeanSomethingElse)
{
    for (std::string const key : {"", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\nb", "\xC0\xAF",
                                  "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"})
        EXPECT_FALSE(check_object_key(key)) << key;
    EXPECT_FALSE(check_object_key(std::string(1025, 'x')));
    EXPECT_FALSE(check_object_key(std::string_view("a\0b", 3)));
}

TEST(ObjectKey, ConventionBuckets)
{
    EXPECT_EQ(convention_bucket("es", 0, 4000000007, 18).value(), "es");
    EXPECT_EQ(convention_bucket("es", 1000, 4000000007, 18).value(), "es");
    EXPECT_EQ(convention_bucket("es", 10, 4000000007, 18).value(), "es-7");
    EXPECT_EQ(convention_bucket("es", 110, 4000000007, 18).value(), "es-18-7");
    EXPECT_EQ(convention_bucket("es", 1110, 4000000007, 18).value(), "es-18-7");
    EXPECT_FALSE(convention_bucket("es", 250, 1, 1));
    EXPECT_EQ(convention_scope(1010), "transient");
    EXPECT_EQ(convention_scope(10), "");
}

TEST(ObjectKey, RuciosDeterministicPath)
{
    // printf mc.x:abc | md5sum
    EXPECT_EQ(rucio_path("mc.x", "abc"), "mc/x/ca/2a/abc");
}

TEST(ObjectKey, OfAConfiguredStore)
{
    StoreConfig config;
    config.url = "s3://host/b";
    EXPECT_EQ(object_key(config, "a.tar", {}).value(), "a.tar");
    EXPECT_FALSE(object_key(config, "../a.tar", {}));
    config.rucio_paths = true;
    EXPECT_TRUE(object_key(config, "a.tar", {}).value().starts_with("transient/"));
    EXPECT_TRUE(object_key(config, "a.tar", {1, 1, "panda"}).value().starts_with("panda/"));
    config.path_convention = 1005;
    EXPECT_TRUE(object_key(config, "a.tar", {1, 1, "panda"}).value().starts_with("transient/"))
        << "the convention's scope";
    config.path_convention = 5;
    EXPECT_EQ(store_url_for(config, {13, 1, ""}).value().bucket, "b-3");
}

}  // namespace
}  // namespace yoda

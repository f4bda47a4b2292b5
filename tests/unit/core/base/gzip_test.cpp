// SPDX-License-Identifier: Apache-2.0
#include "core/base/gzip.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>

namespace yoda {
namespace {

std::string gunzip(std::string const& bytes)
{
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    std::string out(1 << 24, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    EXPECT_EQ(stream.avail_in, 0u);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

TEST(Gzip, GivesBackWhatWentIn)
{
    std::string large;
    for (std::int64_t i = 0; i < 300000; ++i) large += std::to_string(i * 7919);
    for (std::string const& text : {std::string{}, std::string("x"), std::string(100000, 'a'), large}) {
        EXPECT_EQ(gunzip(gzip(text)), text);
        EXPECT_EQ(gunzip(gzip(text, 9)), text);
    }
    EXPECT_LT(gzip(std::string(100000, 'a')).size(), 1000u);
}

}  // namespace
}  // namespace yoda

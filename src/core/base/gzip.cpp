// SPDX-License-Identifier: Apache-2.0
#include "core/base/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <climits>

#include "core/base/check.hpp"

namespace yoda {

std::string gzip(std::string_view text, int level)
{
    z_stream stream{};
    constexpr int gzip_window = 15 + 16;
    YODA_CHECK(deflateInit2(&stream, level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) == Z_OK,
               "zlib does not start");
    std::string out;
    char buffer[1 << 16];
    int result = Z_OK;
    while (result != Z_STREAM_END) {
        if (stream.avail_in == 0 && !text.empty()) {
            auto const part = std::min<std::size_t>(text.size(), UINT_MAX);
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
            stream.avail_in = static_cast<uInt>(part);
            text.remove_prefix(part);
        }
        stream.next_out = reinterpret_cast<Bytef*>(buffer);
        stream.avail_out = sizeof buffer;
        result = deflate(&stream, text.empty() ? Z_FINISH : Z_NO_FLUSH);
        YODA_CHECK(result != Z_STREAM_ERROR, "zlib was used wrongly");
        out.append(buffer, sizeof buffer - stream.avail_out);
    }
    deflateEnd(&stream);
    return out;
}

}  // namespace yoda

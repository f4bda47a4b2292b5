// SPDX-License-Identifier: Apache-2.0
// Little-endian bytes in and out, bounded: a reader never runs past its end, but turns bad there.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace yoda {

static_assert(std::endian::native == std::endian::little, "formats are little-endian; add byte swaps here");

/// Appends to a string that the caller owns (and may reuse, so that no message allocates).
class ByteWriter {
  public:
    explicit ByteWriter(std::string& out) : out_(out) {}

    template <class T>
    void put(T value)
    {
        static_assert(std::is_trivially_copyable_v<T>);
        out_.append(reinterpret_cast<char const*>(&value), sizeof value);
    }
    /// A text of at most 65,535 bytes, after its length as u16; longer ones are cut.
    void put_text(std::string_view text)
    {
        text = text.substr(0, UINT16_MAX);
        put(static_cast<std::uint16_t>(text.size()));
        out_.append(text);
    }

  private:
    std::string& out_;
};

class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    /// The next value; zero (and ok() false from then on) when the bytes are too few.
    template <class T>
    T get()
    {
        static_assert(std::is_trivially_copyable_v<T>);
        T value{};
        if (rest_.size() < sizeof value) {
            fail();
            return value;
        }
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
        return value;
    }
    std::string_view get_bytes(std::size_t count)
    {
        if (rest_.size() < count) {
            fail();
            return {};
        }
        auto const bytes = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return bytes;
    }
    std::string_view get_text() { return get_bytes(get<std::uint16_t>()); }

    bool ok() const { return ok_; }
    bool at_end() const { return rest_.empty(); }
    std::size_t left() const { return rest_.size(); }

  private:
    void fail()
    {
        ok_ = false;
        rest_ = {};
    }
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace yoda

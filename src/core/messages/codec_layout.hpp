// SPDX-License-Identifier: Apache-2.0
// What both directions of the codec share: the frame's layout and the numbers of messages on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>

#include "core/messages/messages.hpp"

namespace yoda::codec {

constexpr std::uint16_t magic = 0x4459;  // "YD"
constexpr std::size_t header_bytes = 12;
constexpr std::size_t message_head_bytes = 4;  // type u8, spare u8, payload length u16
constexpr std::size_t hand_out_bytes = 6;
constexpr std::size_t finished_entry_bytes = 14;
constexpr std::size_t running_entry_bytes = 10;

/// A message's type on the wire is its position in the variant: new ones go to the end.
template <class T, std::size_t I = 0>
constexpr std::uint8_t type_of()
{
    if constexpr (std::is_same_v<std::variant_alternative_t<I, Message>, T>)
        return static_cast<std::uint8_t>(I);
    else
        return type_of<T, I + 1>();
}

}  // namespace yoda::codec

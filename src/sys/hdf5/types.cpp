// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/types.hpp"

#include <cctype>
#include <string>

#include "core/base/types.hpp"

namespace yoda::hdf5 {

namespace {

Handle copy_type(hid_t type)
{
    return Handle(H5Tcopy(type));
}

Handle make_flag_type()
{
    Handle type(H5Tenum_create(H5T_STD_I8LE));
    std::int8_t value = 0;
    H5Tenum_insert(type.get(), "FALSE", &value);
    value = 1;
    H5Tenum_insert(type.get(), "TRUE", &value);
    return type;
}

Handle make_state_type()
{
    Handle type(H5Tenum_create(H5T_STD_U8LE));
    for (std::uint8_t value = 0; value < range_state_count; ++value) {
        std::string name(print_state(static_cast<RangeState>(value)));
        for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        H5Tenum_insert(type.get(), name.c_str(), &value);
    }
    return type;
}

}  // namespace

std::size_t size_of(ElementType type)
{
    switch (type) {
        case ElementType::u8:
        case ElementType::flag:
        case ElementType::state:
            return 1;
        case ElementType::u16:
            return 2;
        case ElementType::u32:
            return 4;
        case ElementType::u64:
        case ElementType::i64:
            return 8;
    }
    return 0;
}

Handle make_type(ElementType type)
{
    silence();
    switch (type) {
        case ElementType::u8:
            return copy_type(H5T_STD_U8LE);
        case ElementType::u16:
            return copy_type(H5T_STD_U16LE);
        case ElementType::u32:
            return copy_type(H5T_STD_U32LE);
        case ElementType::u64:
            return copy_type(H5T_STD_U64LE);
        case ElementType::i64:
            return copy_type(H5T_STD_I64LE);
        case ElementType::flag:
            return make_flag_type();
        case ElementType::state:
            return make_state_type();
    }
    return Handle();
}

Handle make_text_type(std::size_t bytes)
{
    Handle type(H5Tcopy(H5T_C_S1));
    H5Tset_size(type.get(), bytes);
    H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    return type;
}

bool matches(hid_t stored, ElementType type)
{
    Handle const wanted = make_type(type);
    return H5Tequal(stored, wanted.get()) > 0;
}

}  // namespace yoda::hdf5

// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/hdf5/seal.hpp"

namespace yoda::hdf5 {

namespace {

constexpr std::size_t max_text_bytes = 1u << 20;
constexpr std::uint64_t block_bytes = 4u << 20;

}  // namespace

Reader::Reader(std::string path, std::string fix)
    : path_(std::move(path)), fix_(std::move(fix)), storage_(std::make_unique<Storage>())
{
    silence();
    auto fd = open_file(path_, O_RDONLY);
    if (!fd) {
        error_ = fd.error();
        error_->fix = fix_;
        return;
    }
    fd_ = std::move(*fd);
    if (auto const status = check_seal(fd_.get(), path_); !status) {
        error_ = status.error();
        error_->fix = fix_;
        return;
    }
    storage_->fd = fd_.get();
    storage_->bytes = static_cast<std::uint64_t>(::lseek(fd_.get(), 0, SEEK_END));
    Handle const access = make_access(*storage_);
    file_ = Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()));
    if (!file_) fail("open it");
}

void Reader::refuse(std::string why)
{
    if (error_) return;
    error_ = Error{ErrorKind::bad_input, "cannot use " + path_, std::move(why), fix_};
}

void Reader::fail(std::string_view doing)
{
    if (error_) return;
    if (storage_->read_errno != 0) {
        error_ = os_error("read", path_, storage_->read_errno);
        return;
    }
    refuse(fmt::format("cannot {} ({})", doing, last_error({}).why));
}

Handle Reader::open_attribute(std::string const& path, std::string const& name)
{
    Handle attribute(H5Aopen_by_name(file_.get(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    if (!attribute) {
        H5Eclear2(H5E_DEFAULT);
        refuse(fmt::format("attribute '{}' of {} is missing", name, path));
        return attribute;
    }
    Handle const space(H5Aget_space(attribute.get()));
    if (H5Sget_simple_extent_npoints(space.get()) != 1) {
        refuse(fmt::format("attribute '{}' of {} is no single value", name, path));
        return Handle();
    }
    return attribute;
}

std::uint64_t Reader::get_number(std::string const& path, std::string const& name)
{
    if (error_) return 0;
    Handle const attribute = open_attribute(path, name);
    if (!attribute) return 0;
    Handle const stored(H5Aget_type(attribute.get()));
    Handle const type = make_type(ElementType::u64);
    std::uint64_t value = 0;
    if (H5Tget_class(stored.get()) != H5T_INTEGER || H5Aread(attribute.get(), type.get(), &value) < 0) {
        H5Eclear2(H5E_DEFAULT);
        refuse(fmt::format("attribute '{}' of {} is no number", name, path));
        return 0;
    }
    return value;
}

std::string Reader::get_text(std::string const& path, std::string const& name)
{
    if (error_) return {};
    Handle const attribute = open_attribute(path, name);
    if (!attribute) return {};
    Handle const stored(H5Aget_type(attribute.get()));
    char* text = nullptr;
    Handle const type = make_text_type(H5T_VARIABLE);
    H5Tset_strpad(type.get(), H5T_STR_NULLTERM);
    if (H5Tis_variable_str(stored.get()) <= 0 || H5Aread(attribute.get(), type.get(), &text) < 0 || !text) {
        H5Eclear2(H5E_DEFAULT);
        refuse(fmt::format("attribute '{}' of {} is no text", name, path));
        return {};
    }
    std::string value(text);
    H5free_memory(text);
    return value;
}

Handle Reader::open_dataset(std::string const& path, std::uint64_t& rows)
{
    Handle dataset(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT));
    if (!dataset) {
        H5Eclear2(H5E_DEFAULT);
        refuse(fmt::format("dataset {} is missing", path));
        return Handle();
    }
    Handle const space(H5Dget_space(dataset.get()));
    hsize_t size = 0;
    if (H5Sget_simple_extent_ndims(space.get()) != 1 ||
        H5Sget_simple_extent_dims(space.get(), &size, nullptr) != 1) {
        H5Eclear2(H5E_DEFAULT);
        refuse(fmt::format("dataset {} has not one dimension", path));
        return Handle();
    }
    rows = size;
    return dataset;
}

std::size_t Reader::open_column(std::string const& path, ElementType type)
{
    if (error_) return 0;
    Column column;
    column.path = path;
    column.dataset = open_dataset(path, column.rows);
    if (!column.dataset) return 0;
    column.type = Handle(H5Dget_type(column.dataset.get()));
    if (!matches(column.type.get(), type)) {
        refuse(fmt::format("dataset {} has elements of another type", path));
        return 0;
    }
    columns_.push_back(std::move(column));
    return columns_.size() - 1;
}

std::uint64_t Reader::rows(std::size_t column) const
{
    return error_ ? 0 : columns_.at(column).rows;
}

void Reader::read(std::size_t column, std::uint64_t first, std::uint64_t count, void* out)
{
    if (error_ || count == 0) return;
    auto const& source = columns_.at(column);
    hsize_t const start = first;
    hsize_t const size = count;
    Handle const rows(H5Dget_space(source.dataset.get()));
    Handle const memory(H5Screate_simple(1, &size, nullptr));
    bool const good =
        H5Sselect_hyperslab(rows.get(), H5S_SELECT_SET, &start, nullptr, &size, nullptr) >= 0 &&
        H5Dread(source.dataset.get(), source.type.get(), memory.get(), rows.get(), H5P_DEFAULT, out) >= 0;
    if (!good) fail(fmt::format("read rows {}..{} of {}", first, first + count - 1, source.path));
}

std::vector<std::string> Reader::read_texts(std::string const& path)
{
    std::vector<std::string> texts;
    if (error_) return texts;
    Column column;
    column.path = path;
    column.dataset = open_dataset(path, column.rows);
    if (!column.dataset) return texts;
    column.type = Handle(H5Dget_type(column.dataset.get()));
    std::size_t const width = H5Tget_size(column.type.get());
    if (H5Tget_class(column.type.get()) != H5T_STRING || H5Tis_variable_str(column.type.get()) != 0 ||
        width == 0 || width > max_text_bytes) {
        refuse(fmt::format("dataset {} has elements of another type", path));
        return texts;
    }
    std::uint64_t const rows = column.rows;
    columns_.push_back(std::move(column));
    std::uint64_t const block_rows = std::max<std::uint64_t>(1, block_bytes / width);
    std::vector<char> block(static_cast<std::size_t>(std::min(rows, block_rows)) * width);
    for (std::uint64_t first = 0; first < rows && !error_; first += block_rows) {
        std::uint64_t const count = std::min(block_rows, rows - first);
        read(columns_.size() - 1, first, count, block.data());
        if (error_) break;
        for (std::uint64_t i = 0; i < count; ++i) {
            char const* const text = block.data() + i * width;
            texts.emplace_back(text, ::strnlen(text, width));
        }
    }
    return texts;
}

}  // namespace yoda::hdf5

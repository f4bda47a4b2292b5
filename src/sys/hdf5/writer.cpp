// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/writer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/base/named_output.hpp"
#include "sys/hdf5/seal.hpp"

namespace yoda::hdf5 {

namespace {

constexpr unsigned deflate_level = 1;
constexpr std::uint64_t text_chunk_bytes = 1u << 20;

/// A property list for files, groups or datasets that leaves times out.
Handle make_creation(hid_t list_class)
{
    Handle list(H5Pcreate(list_class));
    H5Pset_obj_track_times(list.get(), false);
    return list;
}

}  // namespace

std::string part_path(std::string const& path, pid_t pid)
{
    return fmt::format("{}.{}.part", path, pid);
}

Writer::Writer(std::string path, bool sealed)
    : path_(std::move(path)),
      part_(part_path(path_, ::getpid())),
      sealed_(sealed),
      storage_(std::make_unique<Storage>())
{
    silence();
    auto fd = open_part(part_, 0644);
    if (!fd) {
        error_ = fd.error();
        return;
    }
    fd_ = std::move(*fd);
    storage_->fd = fd_.get();
    Handle const access = make_access(*storage_);
    Handle const creation = make_creation(H5P_FILE_CREATE);
    if (sealed_) H5Pset_userblock(creation.get(), seal_bytes);
    file_ = Handle(H5Fcreate(part_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
    check(static_cast<bool>(file_), "create");
}

Writer::Writer(Writer&&) noexcept = default;

Writer::~Writer()
{
    columns_.clear();
    file_.close();
    if (fd_) ::unlink(part_.c_str());  // Never committed.
}

void Writer::fail(std::string_view doing)
{
    if (error_) return;
    if (storage_->write_errno != 0) {
        error_ = os_error("write", part_, storage_->write_errno);
        return;
    }
    error_ = last_error(fmt::format("cannot {} {}", doing, part_));
}

void Writer::check(bool good, std::string_view doing)
{
    if (!good || storage_->write_errno != 0) fail(doing);
}

void Writer::add_group(std::string const& path)
{
    if (error_) return;
    Handle const creation = make_creation(H5P_GROUP_CREATE);
    Handle const group(H5Gcreate2(file_.get(), path.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT));
    check(static_cast<bool>(group), "add group " + path + " to");
}

Handle Writer::create_dataset(std::string const& path, Handle const& type, std::uint64_t rows,
                              std::uint64_t rows_per_chunk, void const* fill)
{
    hsize_t const size = rows;
    hsize_t const max_size = rows == 0 ? H5S_UNLIMITED : rows;  // A chunk must not exceed a fixed size.
    hsize_t const chunk = std::max<hsize_t>(1, std::min<hsize_t>(rows, rows_per_chunk));
    Handle const space(H5Screate_simple(1, &size, &max_size));
    Handle const creation = make_creation(H5P_DATASET_CREATE);
    H5Pset_chunk(creation.get(), 1, &chunk);
    H5Pset_shuffle(creation.get());
    H5Pset_deflate(creation.get(), deflate_level);
    if (fill) H5Pset_fill_value(creation.get(), type.get(), fill);
    Handle dataset(H5Dcreate2(file_.get(), path.c_str(), type.get(), space.get(), H5P_DEFAULT, creation.get(),
                              H5P_DEFAULT));
    check(static_cast<bool>(dataset), "add " + path + " to");
    return dataset;
}

std::size_t Writer::add_column(ColumnSpec const& spec, std::uint64_t rows)
{
    if (error_) return 0;
    Column column;
    column.type = make_type(spec.type);
    column.dataset = create_dataset(spec.path, column.type, rows, chunk_rows, &spec.fill);
    set_text(spec.path, "units", spec.units);
    set_text(spec.path, "meaning", spec.meaning);
    columns_.push_back(std::move(column));
    return columns_.size() - 1;
}

void Writer::write(std::size_t column, std::uint64_t first, std::uint64_t count, void const* data)
{
    if (error_ || count == 0) return;
    auto const& target = columns_.at(column);
    hsize_t const start = first;
    hsize_t const size = count;
    Handle const rows(H5Dget_space(target.dataset.get()));
    Handle const memory(H5Screate_simple(1, &size, nullptr));
    bool const good =
        H5Sselect_hyperslab(rows.get(), H5S_SELECT_SET, &start, nullptr, &size, nullptr) >= 0 &&
        H5Dwrite(target.dataset.get(), target.type.get(), memory.get(), rows.get(), H5P_DEFAULT, data) >= 0;
    check(good, "write");
}

void Writer::add_texts(std::string const& path, std::string_view meaning, std::uint64_t rows,
                       std::function<std::string_view(std::uint64_t)> const& text)
{
    if (error_) return;
    std::size_t width = 1;
    for (std::uint64_t i = 0; i < rows; ++i) width = std::max(width, text(i).size());
    std::uint64_t const block_rows = std::max<std::uint64_t>(1, text_chunk_bytes / width);

    Column column;
    column.type = make_text_type(width);
    column.dataset = create_dataset(path, column.type, rows, block_rows, nullptr);
    set_text(path, "units", "text");
    set_text(path, "meaning", meaning);
    columns_.push_back(std::move(column));

    std::vector<char> block;
    for (std::uint64_t first = 0; first < rows && !error_; first += block_rows) {
        std::uint64_t const count = std::min(block_rows, rows - first);
        block.assign(static_cast<std::size_t>(count) * width, '\0');
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const value = text(first + i);
            std::copy(value.begin(), value.end(), block.begin() + static_cast<std::ptrdiff_t>(i * width));
        }
        write(columns_.size() - 1, first, count, block.data());
    }
}

void Writer::put_attribute(std::string const& path, std::string const& name, hid_t type, void const* value)
{
    Handle const space(H5Screate(H5S_SCALAR));
    Handle const attribute(H5Acreate_by_name(file_.get(), path.c_str(), name.c_str(), type, space.get(),
                                             H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    check(attribute && H5Awrite(attribute.get(), type, value) >= 0, "describe " + path + " in");
}

void Writer::set_text(std::string const& path, std::string const& name, std::string_view value)
{
    if (error_) return;
    // Of variable length: h5py shows these as str, the others as bytes.
    Handle const type = make_text_type(H5T_VARIABLE);
    H5Tset_strpad(type.get(), H5T_STR_NULLTERM);
    std::string const text(value);
    char const* const pointer = text.c_str();
    put_attribute(path, name, type.get(), &pointer);
}

void Writer::set_number(std::string const& path, std::string const& name, std::uint64_t value)
{
    if (error_) return;
    Handle const type = make_type(ElementType::u64);
    put_attribute(path, name, type.get(), &value);
}

void Writer::add_external_link(std::string const& path, std::string const& file, std::string const& target)
{
    if (error_) return;
    check(H5Lcreate_external(file.c_str(), target.c_str(), file_.get(), path.c_str(), H5P_DEFAULT,
                             H5P_DEFAULT) >= 0,
          "add link " + path + " to");
}

void Writer::settle()
{
    if (error_) return;
    Handle const access = make_access(*storage_);
    Handle file(H5Fopen(part_.c_str(), H5F_ACC_RDWR, access.get()));
    check(file && file.close(), "open once more");
}

Status Writer::commit()
{
    columns_.clear();
    bool const closed = file_.close();
    check(closed, "close");
    if (sealed_) settle();
    if (error_) return *error_;  // The destructor removes the part file.
    Status status;
    if (sealed_) {
        status = commit_sealed(fd_.get(), part_, path_);
    } else {
        if (::fsync(fd_.get()) != 0) status = os_error("sync", part_, errno);
        if (status) status = put_in_place(part_, path_);
    }
    if (!status) return status;
    fd_.reset();
    return {};
}

}  // namespace yoda::hdf5

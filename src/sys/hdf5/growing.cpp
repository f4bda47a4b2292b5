// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/growing.hpp"

#include <algorithm>

namespace yoda::hdf5 {

namespace {

constexpr std::size_t chunk_bytes = 256u << 10;
constexpr unsigned deflate_level = 1;

}  // namespace

GrowingDataset::GrowingDataset(hid_t file, std::string const& path, hid_t type, hid_t memory_type,
                               std::vector<hsize_t> row_size, bool variable)
    : memory_type_(H5Tcopy(memory_type)), row_size_(std::move(row_size)), variable_(variable)
{
    row_bytes_ = H5Tget_size(memory_type);
    for (auto const extent : row_size_) row_bytes_ *= extent;
    chunk_rows_ = std::max<std::uint64_t>(1, chunk_bytes / row_bytes_);

    std::vector<hsize_t> size{0}, max_size{H5S_UNLIMITED}, chunk{chunk_rows_};
    for (auto* extents : {&size, &max_size, &chunk})
        extents->insert(extents->end(), row_size_.begin(), row_size_.end());
    Handle const space(H5Screate_simple(static_cast<int>(size.size()), size.data(), max_size.data()));
    Handle const creation(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_obj_track_times(creation.get(), false);
    H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_shuffle(creation.get());
    H5Pset_deflate(creation.get(), deflate_level);
    Handle const links(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.get(), 1);
    dataset_ =
        Handle(H5Dcreate2(file, path.c_str(), type, space.get(), links.get(), creation.get(), H5P_DEFAULT));
}

bool GrowingDataset::append(void const* rows, std::uint64_t count)
{
    auto const* from = static_cast<char const*>(rows);
    rows_ += count;
    if (variable_) return write(from, count);  // Pointers, which are not ours to keep.
    std::size_t const full = static_cast<std::size_t>(chunk_rows_) * row_bytes_;
    while (count > 0) {
        if (gathered_.empty() && count >= chunk_rows_) {
            std::uint64_t const whole = count - count % chunk_rows_;
            if (!write(from, whole)) return false;
            from += whole * row_bytes_;
            count -= whole;
            continue;
        }
        auto const take = std::min<std::uint64_t>(count, (full - gathered_.size()) / row_bytes_);
        gathered_.insert(gathered_.end(), from, from + take * row_bytes_);
        from += take * row_bytes_;
        count -= take;
        if (gathered_.size() == full && !flush()) return false;
    }
    return true;
}

bool GrowingDataset::flush()
{
    if (gathered_.empty()) return true;
    bool const good = write(gathered_.data(), gathered_.size() / row_bytes_);
    gathered_.clear();
    return good;
}

bool GrowingDataset::write(char const* rows, std::uint64_t count)
{
    if (count == 0) return true;
    std::vector<hsize_t> size{written_ + count}, start{written_}, extent{count};
    size.insert(size.end(), row_size_.begin(), row_size_.end());
    start.resize(size.size(), 0);
    extent.insert(extent.end(), row_size_.begin(), row_size_.end());
    if (H5Dset_extent(dataset_.get(), size.data()) < 0) return false;
    Handle const space(H5Dget_space(dataset_.get()));
    Handle const memory(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
    written_ += count;
    return H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr) >=
               0 &&
           H5Dwrite(dataset_.get(), memory_type_.get(), memory.get(), space.get(), H5P_DEFAULT, rows) >= 0;
}

}  // namespace yoda::hdf5

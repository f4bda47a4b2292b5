// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/concatenation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda::hdf5 {

namespace {

constexpr std::size_t block_bytes = 4u << 20;

std::string print_shape(std::vector<hsize_t> const& row_size)
{
    std::string text = "n";
    for (auto const extent : row_size) text += fmt::format(" x {}", extent);
    return text;
}

}  // namespace

Concatenation::Concatenation(std::string path, std::string reserved)
    : writer_(std::move(path), false), reserved_(std::move(reserved))
{}

Concatenation::~Concatenation() = default;

Error Concatenation::source_error(std::string why) const
{
    if (storage_.read_errno != 0) return os_error("read", "the bundle", storage_.read_errno);
    return {ErrorKind::bad_input, {}, std::move(why), {}};
}

Error Concatenation::output_error()
{
    writer_.check(false, "write");
    return writer_.status().error();
}

Status Concatenation::open_source(Storage const& storage)
{
    if (auto const status = writer_.status(); !status) return status;
    close_source();
    storage_ = storage;
    // One list for all sources, since making it costs as much as reading a small dataset.
    if (!access_) access_ = make_access(storage_);
    source_ = Handle(H5Fopen("source", H5F_ACC_RDONLY, access_.get()));
    if (!source_) return source_error("it is no HDF5 file (" + last_error({}).why + ")");
    return outputs_.empty() && schema_.groups.empty() ? take_schema() : compare_schema();
}

void Concatenation::close_source()
{
    source_datasets_.clear();
    source_rows_.clear();
    source_.close();
    storage_ = Storage();
}

Status Concatenation::take_schema()
{
    auto schema = read_schema(source_.get());
    if (!schema) return schema.error();
    for (auto const& group : schema->groups) {
        if (group.path == reserved_)
            return source_error(fmt::format("it holds a group {}, which is kept for merge", reserved_));
    }
    for (auto const& dataset : schema->datasets) {
        if (dataset.path == reserved_)
            return source_error(fmt::format("it holds a dataset {}, which is kept for merge", reserved_));
    }
    schema_ = std::move(*schema);
    // Not create_outputs() only: also fills source_datasets_.
    if (auto status = compare_schema(); !status) return status;
    return create_outputs();
}

Status Concatenation::compare_schema()
{
    for (auto const& group : schema_.groups) {
        Handle const same(H5Gopen2(source_.get(), group.path.c_str(), H5P_DEFAULT));
        H5G_info_t info{};
        if (!same || H5Gget_info(same.get(), &info) < 0) {
            H5Eclear2(H5E_DEFAULT);
            return source_error(fmt::format("group {} is missing, others have it", group.path));
        }
        if (info.nlinks != group.link_count)
            return source_error(fmt::format("group {} holds {} objects, in others {}", group.path,
                                            info.nlinks, group.link_count));
    }
    for (auto const& dataset : schema_.datasets) {
        Handle same(H5Dopen2(source_.get(), dataset.path.c_str(), H5P_DEFAULT));
        if (!same) {
            H5Eclear2(H5E_DEFAULT);
            return source_error(fmt::format("dataset {} is missing, others have it", dataset.path));
        }
        Handle const type(H5Dget_type(same.get()));
        if (H5Tequal(type.get(), dataset.type.get()) <= 0)
            return source_error(fmt::format("dataset {} is of another type than in others", dataset.path));
        Handle const space(H5Dget_space(same.get()));
        int const axes = H5Sget_simple_extent_ndims(space.get());
        std::vector<hsize_t> size(static_cast<std::size_t>(std::max(axes, 1)), 0);
        H5Sget_simple_extent_dims(space.get(), size.data(), nullptr);
        std::uint64_t const rows = axes > 0 ? size[0] : 0;
        size.erase(size.begin());
        if ((axes == 0) != dataset.scalar || size != dataset.row_size)
            return source_error(
                fmt::format("dataset {} has shape {}, in others {}", dataset.path,
                            axes == 0 ? "of a single value" : print_shape(size),
                            dataset.scalar ? "of a single value" : print_shape(dataset.row_size)));
        source_rows_.push_back(rows);
        source_datasets_.push_back(std::move(same));
    }
    return {};
}

Status Concatenation::create_outputs()
{
    for (auto const& group : schema_.groups) {
        if (group.path != "/") writer_.add_group(group.path);
        Handle const from(H5Gopen2(source_.get(), group.path.c_str(), H5P_DEFAULT));
        Handle const to(H5Gopen2(writer_.file(), group.path.c_str(), H5P_DEFAULT));
        writer_.check(to && copy_attributes(from.get(), to.get()), "copy attributes to");
    }
    for (std::size_t i = 0; i < schema_.datasets.size(); ++i) {
        auto const& dataset = schema_.datasets[i];
        Output output;
        if (dataset.scalar) {
            Handle const space(H5Screate(H5S_SCALAR));
            Handle const creation(H5Pcreate(H5P_DATASET_CREATE));
            H5Pset_obj_track_times(creation.get(), false);
            Handle const copy(H5Dcreate2(writer_.file(), dataset.path.c_str(), dataset.type.get(),
                                         space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT));
            if (dataset.variable)
                return source_error(fmt::format(
                    "dataset {} is a single value of variable length; make it an attribute", dataset.path));
            output.scalar.resize(dataset.row_bytes);
            if (H5Dread(source_datasets_[i].get(), dataset.memory_type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        output.scalar.data()) < 0)
                return source_error("cannot read " + dataset.path);
            writer_.check(copy &&
                              H5Dwrite(copy.get(), dataset.memory_type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                       output.scalar.data()) >= 0 &&
                              copy_attributes(source_datasets_[i].get(), copy.get()),
                          "write " + dataset.path + " to");
        } else {
            output.growing.emplace(writer_.file(), dataset.path, dataset.type.get(),
                                   dataset.memory_type.get(), dataset.row_size, dataset.variable);
            writer_.check(
                output.growing->ok() && copy_attributes(source_datasets_[i].get(), output.growing->get()),
                "add " + dataset.path + " to");
        }
        outputs_.push_back(std::move(output));
    }
    return writer_.status();
}

std::optional<std::size_t> Concatenation::find(std::string_view path) const
{
    for (std::size_t i = 0; i < schema_.datasets.size(); ++i) {
        if (schema_.datasets[i].path == path) return i;
    }
    return std::nullopt;
}

std::uint64_t Concatenation::rows(std::size_t dataset) const
{
    return outputs_[dataset].growing ? outputs_[dataset].growing->rows() : 0;
}

Result<std::vector<std::int64_t>> Concatenation::read_integers(std::size_t dataset)
{
    auto const& info = schema_.datasets[dataset];
    if (info.scalar || !info.row_size.empty() || H5Tget_class(info.type.get()) != H5T_INTEGER)
        return source_error(fmt::format("{} is no column of integers", info.path));
    std::vector<std::int64_t> values(source_rows_[dataset]);
    Handle const type = make_type(ElementType::i64);
    if (!values.empty() && H5Dread(source_datasets_[dataset].get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                   values.data()) < 0)
        return source_error(fmt::format("cannot read {} ({})", info.path, last_error({}).why));
    return values;
}

Status Concatenation::check_scalar(std::size_t dataset)
{
    auto const& info = schema_.datasets[dataset];
    block_.resize(info.row_bytes);
    if (H5Dread(source_datasets_[dataset].get(), info.memory_type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                block_.data()) < 0)
        return source_error(fmt::format("cannot read {} ({})", info.path, last_error({}).why));
    if (block_ != outputs_[dataset].scalar)
        return source_error(fmt::format("{} is a single value, and differs from that of others", info.path));
    return {};
}

Status Concatenation::append_rows(std::size_t dataset)
{
    auto const& info = schema_.datasets[dataset];
    std::uint64_t const rows = source_rows_[dataset];
    std::uint64_t const block_rows = std::max<std::uint64_t>(1, block_bytes / info.row_bytes);
    for (std::uint64_t first = 0; first < rows; first += block_rows) {
        std::uint64_t const count = std::min(block_rows, rows - first);
        block_.resize(static_cast<std::size_t>(count) * info.row_bytes);
        Handle const space(H5Dget_space(source_datasets_[dataset].get()));
        Handle memory;
        bool good = true;
        if (count < rows) {
            std::vector<hsize_t> start{first}, size{count};
            size.insert(size.end(), info.row_size.begin(), info.row_size.end());
            start.resize(size.size(), 0);
            memory = Handle(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr));
            good = H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(),
                                       nullptr) >= 0;
        }
        hid_t const memory_space = memory ? memory.get() : space.get();
        good = good && H5Dread(source_datasets_[dataset].get(), info.memory_type.get(), memory_space,
                               space.get(), H5P_DEFAULT, block_.data()) >= 0;
        if (!good) return source_error(fmt::format("cannot read {} ({})", info.path, last_error({}).why));
        good = outputs_[dataset].growing->append(block_.data(), count);
        if (info.variable) H5Dvlen_reclaim(info.memory_type.get(), memory_space, H5P_DEFAULT, block_.data());
        if (!good) return output_error();
    }
    return {};
}

Status Concatenation::append_source()
{
    for (std::size_t i = 0; i < schema_.datasets.size(); ++i) {
        auto const status = schema_.datasets[i].scalar ? check_scalar(i) : append_rows(i);
        if (!status) return status;
    }
    writer_.check(true, "write");
    return writer_.status();
}

std::size_t Concatenation::add_column(ColumnSpec const& spec)
{
    Handle const type = make_type(spec.type);
    columns_.push_back(std::make_unique<GrowingDataset>(writer_.file(), spec.path, type.get(), type.get(),
                                                        std::vector<hsize_t>{}, false));
    writer_.check(columns_.back()->ok(), "add " + spec.path + " to");
    writer_.set_text(spec.path, "units", spec.units);
    writer_.set_text(spec.path, "meaning", spec.meaning);
    return columns_.size() - 1;
}

void Concatenation::append(std::size_t column, void const* values, std::uint64_t count)
{
    if (writer_.ok()) writer_.check(columns_[column]->append(values, count), "write");
}

Status Concatenation::commit()
{
    close_source();
    for (auto& output : outputs_) {
        if (output.growing && writer_.ok()) writer_.check(output.growing->flush(), "write");
    }
    for (auto& column : columns_) {
        if (writer_.ok()) writer_.check(column->flush(), "write");
    }
    outputs_.clear();
    columns_.clear();
    return writer_.commit();
}

}  // namespace yoda::hdf5

// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace yoda::hdf5 {

namespace {

constexpr unsigned max_depth = 32;
constexpr std::size_t max_objects = 10'000;

bool is_variable(hid_t type)
{
    switch (H5Tget_class(type)) {
        case H5T_VLEN:
            return true;
        case H5T_STRING:
            return H5Tis_variable_str(type) > 0;
        case H5T_ARRAY:
            return is_variable(Handle(H5Tget_super(type)).get());
        case H5T_COMPOUND:
            for (int i = 0; i < H5Tget_nmembers(type); ++i) {
                if (is_variable(Handle(H5Tget_member_type(type, static_cast<unsigned>(i))).get()))
                    return true;
            }
            return false;
        case H5T_NO_CLASS:
        case H5T_INTEGER:
        case H5T_FLOAT:
        case H5T_TIME:
        case H5T_BITFIELD:
        case H5T_OPAQUE:
        case H5T_REFERENCE:
        case H5T_ENUM:
        case H5T_NCLASSES:
            break;
    }
    return false;
}

bool has_references(hid_t type)
{
    return H5Tdetect_class(type, H5T_REFERENCE) > 0;
}

/// Walks a file's groups, depth first and by name.
class Walk {
  public:
    explicit Walk(hid_t file) : file_(file) {}

    std::optional<std::string> enter(std::string const& path, unsigned depth)
    {
        if (depth > max_depth) return fmt::format("groups are nested too deeply at {}", path);
        Handle const group(H5Gopen2(file_, path.c_str(), H5P_DEFAULT));
        H5G_info_t info{};
        if (!group || H5Gget_info(group.get(), &info) < 0) return "cannot open group " + path;
        schema.groups.push_back({path, info.nlinks, read_text_attribute(group.get(), "rows_per_event")});
        std::vector<std::string> children;
        for (hsize_t i = 0; i < info.nlinks; ++i) {
            if (schema.groups.size() + schema.datasets.size() > max_objects)
                return "it holds too many objects";
            auto const name = link_name(group.get(), i);
            auto const child = path == "/" ? "/" + name : path + "/" + name;
            H5L_info_t link{};
            if (name.empty() || H5Lget_info(group.get(), name.c_str(), &link, H5P_DEFAULT) < 0)
                return "cannot read a link in " + path;
            if (link.type != H5L_TYPE_HARD) return fmt::format("{} is a soft or external link", child);
            Handle const object(H5Oopen(group.get(), name.c_str(), H5P_DEFAULT));
            if (!object) return "cannot open " + child;
            auto const kind = H5Iget_type(object.get());
            if (kind == H5I_GROUP) {
                children.push_back(child);
            } else if (kind == H5I_DATASET) {
                if (auto fault = add_dataset(object.get(), child)) return fault;
            } else {
                return fmt::format("{} is neither group nor dataset", child);
            }
        }
        for (auto const& child : children) {
            if (auto fault = enter(child, depth + 1)) return fault;
        }
        return std::nullopt;
    }

    Schema schema;

  private:
    static std::string link_name(hid_t group, hsize_t i)
    {
        ssize_t const size =
            H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
        if (size <= 0) return {};
        std::string name(static_cast<std::size_t>(size) + 1, '\0');
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT);
        name.pop_back();
        return name;
    }

    std::optional<std::string> add_dataset(hid_t dataset, std::string const& path)
    {
        DatasetInfo info;
        info.path = path;
        info.type = Handle(H5Dget_type(dataset));
        Handle const space(H5Dget_space(dataset));
        if (!info.type || !space) return "cannot look at " + path;
        if (has_references(info.type.get()))
            return path + " holds references, which mean nothing in another file";
        info.variable = is_variable(info.type.get());
        // Without conversion where possible; variable lengths are pointers in memory.
        info.memory_type = Handle(info.variable ? H5Tget_native_type(info.type.get(), H5T_DIR_DEFAULT)
                                                : H5Tcopy(info.type.get()));
        info.row_bytes = H5Tget_size(info.memory_type.get());
        auto const space_class = H5Sget_simple_extent_type(space.get());
        if (space_class == H5S_NULL) return path + " has no dataspace";
        info.scalar = space_class == H5S_SCALAR;
        if (!info.scalar) {
            int const axes = H5Sget_simple_extent_ndims(space.get());
            info.row_size.resize(static_cast<std::size_t>(axes));
            H5Sget_simple_extent_dims(space.get(), info.row_size.data(), nullptr);
            info.row_size.erase(info.row_size.begin());
            for (auto const extent : info.row_size) {
                if (extent == 0 || extent > (1u << 28) / info.row_bytes)
                    return path + " has rows of no size, or of more than 256 MB";
                info.row_bytes *= extent;
            }
        }
        schema.datasets.push_back(std::move(info));
        return std::nullopt;
    }

    hid_t file_;
};

/// Memory for one attribute's value, freed with what it points to.
class AttributeValue {
  public:
    AttributeValue(hid_t type, hid_t space, std::size_t bytes) : type_(type), space_(space), bytes_(bytes, 0)
    {}
    ~AttributeValue()
    {
        if (is_variable(type_)) H5Dvlen_reclaim(type_, space_, H5P_DEFAULT, bytes_.data());
    }
    AttributeValue(AttributeValue const&) = delete;
    AttributeValue& operator=(AttributeValue const&) = delete;
    char* data() { return bytes_.data(); }

  private:
    hid_t type_;
    hid_t space_;
    std::vector<char> bytes_;
};

bool copy_attribute(hid_t attribute, std::string const& name, hid_t to)
{
    Handle const stored(H5Aget_type(attribute));
    Handle const space(H5Aget_space(attribute));
    if (!stored || !space) return false;
    if (has_references(stored.get())) return true;
    Handle const type(H5Tget_native_type(stored.get(), H5T_DIR_DEFAULT));
    Handle const copy(H5Acreate2(to, name.c_str(), stored.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
    if (!type || !copy) return false;
    if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) return true;
    auto const count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
    AttributeValue value(type.get(), space.get(), std::max<std::size_t>(1, count) * H5Tget_size(type.get()));
    return H5Aread(attribute, type.get(), value.data()) >= 0 &&
           H5Awrite(copy.get(), type.get(), value.data()) >= 0;
}

}  // namespace

Result<Schema> read_schema(hid_t file)
{
    Walk walk(file);
    if (auto fault = walk.enter("/", 0)) {
        H5Eclear2(H5E_DEFAULT);
        return Error{ErrorKind::bad_input, {}, std::move(*fault), {}};
    }
    return std::move(walk.schema);
}

std::string read_text_attribute(hid_t object, char const* name)
{
    if (H5Aexists(object, name) <= 0) return {};
    Handle const attribute(H5Aopen(object, name, H5P_DEFAULT));
    Handle const type(H5Aget_type(attribute.get()));
    Handle const space(H5Aget_space(attribute.get()));
    if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) return {};
    if (H5Tis_variable_str(type.get()) > 0) {
        char* text = nullptr;
        if (H5Aread(attribute.get(), type.get(), &text) < 0 || !text) return {};
        std::string value(text);
        H5free_memory(text);
        return value;
    }
    std::string value(H5Tget_size(type.get()), '\0');
    if (H5Aread(attribute.get(), type.get(), value.data()) < 0) return {};
    value.resize(::strnlen(value.data(), value.size()));
    return value;
}

bool copy_attributes(hid_t from, hid_t to)
{
    H5O_info_t info{};
    if (H5Oget_info2(from, &info, H5O_INFO_NUM_ATTRS) < 0) return false;
    for (hsize_t i = 0; i < info.num_attrs; ++i) {
        Handle const attribute(
            H5Aopen_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT));
        ssize_t const size = H5Aget_name(attribute.get(), 0, nullptr);
        if (!attribute || size <= 0) return false;
        std::string name(static_cast<std::size_t>(size) + 1, '\0');
        H5Aget_name(attribute.get(), name.size(), name.data());
        name.pop_back();
        if (!copy_attribute(attribute.get(), name, to)) return false;
    }
    return true;
}

}  // namespace yoda::hdf5

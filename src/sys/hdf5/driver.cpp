// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/driver.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

namespace yoda::hdf5 {

namespace {

/// What HDF5 copies around as the driver's part of a property list.
struct Setting {
    Storage* storage;
};

/// An open file; HDF5 knows it by its first member.
struct OpenFile {
    H5FD_t base;
    Storage* storage;
    haddr_t end_of_addresses;
};

OpenFile& cast(H5FD_t* file)
{
    return *reinterpret_cast<OpenFile*>(file);
}

OpenFile const& cast(H5FD_t const* file)
{
    return *reinterpret_cast<OpenFile const*>(file);
}

H5FD_t* open_storage(char const* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*max_address*/)
{
    auto const* setting = static_cast<Setting const*>(H5Pget_driver_info(access));
    if (!setting) return nullptr;
    auto* file = new (std::nothrow) OpenFile{};
    if (!file) return nullptr;
    file->storage = setting->storage;
    return &file->base;
}

herr_t close_storage(H5FD_t* file)
{
    delete &cast(file);
    return 0;
}

/// No two open files are the same one: HDF5 must never share state between them.
int compare(H5FD_t const* left, H5FD_t const* right)
{
    if (left == right) return 0;
    return std::less<>{}(left, right) ? -1 : 1;
}

herr_t query(H5FD_t const* /*file*/, unsigned long* flags)
{
    if (flags)
        *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                 H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

haddr_t get_end_of_addresses(H5FD_t const* file, H5FD_mem_t /*type*/)
{
    return cast(file).end_of_addresses;
}

herr_t set_end_of_addresses(H5FD_t* file, H5FD_mem_t /*type*/, haddr_t address)
{
    cast(file).end_of_addresses = address;
    return 0;
}

haddr_t get_end_of_file(H5FD_t const* file, H5FD_mem_t /*type*/)
{
    auto const& storage = *cast(file).storage;
    return storage.fd >= 0 ? storage.bytes : storage.image.size();
}

herr_t read_bytes(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size,
                  void* out)
{
    auto& storage = *cast(file).storage;
    auto* to = static_cast<char*>(out);
    std::uint64_t const end = storage.fd >= 0 ? storage.bytes : storage.image.size();
    // Beyond the end HDF5 expects zeros.
    std::size_t const have = address < end ? std::min<std::uint64_t>(size, end - address) : 0;
    std::memset(to + have, 0, size - have);
    if (have == 0) return 0;
    if (storage.fd < 0) {
        std::memcpy(to, storage.image.data() + address, have);
        return 0;
    }
    for (size = have; size > 0;) {
        ssize_t const n = ::pread(storage.fd, to, size, static_cast<off_t>(storage.offset + address));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            storage.read_errno = errno;
            return -1;
        }
        if (n == 0) {  // Somebody cut it off meanwhile.
            std::memset(to, 0, size);
            return 0;
        }
        to += n;
        address += static_cast<haddr_t>(n);
        size -= static_cast<std::size_t>(n);
    }
    return 0;
}

herr_t write_bytes(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size,
                   void const* bytes)
{
    auto& storage = *cast(file).storage;
    if (storage.fd < 0) return -1;
    auto const* from = static_cast<char const*>(bytes);
    while (size > 0 && storage.write_errno == 0) {
        ssize_t const n = ::pwrite(storage.fd, from, size, static_cast<off_t>(storage.offset + address));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            storage.write_errno = errno;
            break;
        }
        from += n;
        address += static_cast<haddr_t>(n);
        size -= static_cast<std::size_t>(n);
        storage.bytes = std::max<std::uint64_t>(storage.bytes, address);
    }
    return 0;
}

herr_t truncate(H5FD_t* file, hid_t /*transfer*/, hbool_t /*closing*/)
{
    auto& storage = *cast(file).storage;
    haddr_t const end = cast(file).end_of_addresses;
    if (storage.fd < 0 || storage.write_errno != 0 || storage.bytes == end) return 0;
    if (::ftruncate(storage.fd, static_cast<off_t>(end)) != 0)
        storage.write_errno = errno;
    else
        storage.bytes = end;
    return 0;
}

H5FD_class_t make_class()
{
    H5FD_class_t driver{};
    driver.name = "yoda";
    driver.maxaddr = INT64_MAX;
    driver.fc_degree = H5F_CLOSE_WEAK;
    driver.fapl_size = sizeof(Setting);
    driver.open = open_storage;
    driver.close = close_storage;
    driver.cmp = compare;
    driver.query = query;
    driver.get_eoa = get_end_of_addresses;
    driver.set_eoa = set_end_of_addresses;
    driver.get_eof = get_end_of_file;
    driver.read = read_bytes;
    driver.write = write_bytes;
    driver.truncate = truncate;
    H5FD_mem_t const map[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(map), std::end(map), std::begin(driver.fl_map));
    return driver;
}

}  // namespace

Handle make_access(Storage& storage)
{
    silence();
    static H5FD_class_t const driver = make_class();
    static hid_t const driver_id = H5FDregister(&driver);
    Handle access(H5Pcreate(H5P_FILE_ACCESS));
    Setting const setting{&storage};
    if (driver_id < 0 || !access || H5Pset_driver(access.get(), driver_id, &setting) < 0) return Handle();
    // H5F_CLOSE_STRONG: closing a file also closes the objects that are still open in it.
    if (H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG) < 0) return Handle();
    return access;
}

}  // namespace yoda::hdf5

// SPDX-License-Identifier: Apache-2.0
// One place where bundles are kept, whatever it is: S3, WebDAV/HTTPS, XRootD, a folder.
//
// A store belongs to one thread and may wait. put() is atomic (the object is there whole or not at all) and
// repeatable; its success alone proves nothing: check() asks the store what it holds and compares. Kinds of
// errors: unavailable (again later may help), refused, usage and bad_input (again will not help), no_space
// (another store may help), io (a local file failed).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.hpp"

namespace yoda {

/// A local file and the object it is or shall become.
struct ObjectSpec {
    std::string key;           ///< below the store's base; checked by check_object_key()
    std::string path;          ///< the local file
    std::uint64_t offset = 0;  ///< of its first byte there (one output inside of a bundle)
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;
    std::string md5;        ///< hex; empty while nobody computed it
    std::string token;      ///< marks our upload in the object's metadata where the store has any
    std::string resume;     ///< what an unfinished put() wants to remember, opaque
    std::string proof;      ///< what put() returned: the checksum the store will name, opaque
    bool repeated = false;  ///< an earlier put() of it may have been killed
};

/// What put() knows of its object.
struct PutResult {
    std::string proof;  ///< goes to ObjectSpec::proof
    /// The store named a checksum of what it has, and this is ours: check() would say `same`.
    bool proven = false;
};

struct PutHooks {
    /// Called by put() when an interruption from here on could be resumed; the text goes to
    /// ObjectSpec::resume.
    std::function<void(std::string const& resume)> keep_resume;
    /// Bytes that arrived since the last call.
    std::function<void(std::uint64_t bytes)> moved;
};

/// What a store says of an object. Fields it does not know are empty.
struct StoredObject {
    std::uint64_t bytes = 0;
    std::optional<std::uint32_t> adler32;  ///< computed by the store itself
    std::string md5;                       ///< hex, or "<hex>-<parts>": md5 of the parts' md5s
    std::string token;
};

enum class Presence {
    absent,
    same,       ///< size and a checksum that the store computed are ours
    unproven,   ///< the size is ours; the store names no checksum that we could compare
    different,  ///< something else lies there
};

class Store {
  public:
    virtual ~Store() = default;
    /// Brings the file there. bad_input when the file is not what `spec` says.
    virtual Result<PutResult> put(ObjectSpec const& spec, PutHooks const& hooks) = 0;
    virtual Result<Presence> check(ObjectSpec const& spec) = 0;
    /// nullopt: no such object.
    virtual Result<std::optional<StoredObject>> head(std::string const& key) = 0;
    /// Removes what a put() of this spec that was killed may have left beside its object. Best effort: the
    /// next put() does not depend on it.
    virtual void remove_leftovers(ObjectSpec const& spec) = 0;
    /// Writes `path` whole or not at all.
    virtual Status get(std::string const& key, std::string const& path) = 0;
    /// An absent object is removed already.
    virtual Status remove(std::string const& key) = 0;
    /// Where the object lies, for people and for PanDA; holds no secret.
    virtual std::string url(std::string const& key) const = 0;
};

/// The judgement of check() for a store that names sizes and adler32.
Presence compare_with_spec(std::optional<StoredObject> const& found, ObjectSpec const& spec);

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "servers/s3_world.hpp"

#include "core/base/checksum.hpp"

namespace yoda::test {

ServerProcess& s3_reader()
{
    static ServerProcess reader("servers/s3_reader.py", {radosgw().text("endpoint"), radosgw().text("access"),
                                                         radosgw().text("secret")});
    return reader;
}

ObjectSpec make_object(ScratchFolder const& folder, std::string const& key, std::string const& bytes)
{
    ObjectSpec spec;
    spec.key = key;
    spec.path = folder / "local-file";
    spec.bytes = bytes.size();
    spec.adler32 = adler32(bytes);
    spec.token = "0123456789abcdef";
    write_text(spec.path, bytes);
    return spec;
}

std::string read_by_boto(std::string const& bucket, std::string const& key)
{
    ScratchFolder const folder;
    write_text(folder / "key", key);
    s3_reader().tell("read " + bucket + " " + (folder / "key") + " " + (folder / "got"));
    return file_text(folder / "got");
}

nlohmann::json list_by_boto(std::string const& bucket)
{
    return s3_reader().tell("list " + bucket);
}

}  // namespace yoda::test

// The recorded requests and answers of a real PanDA server (../shared/panda_examples), read for tests.
#pragma once

#include <string>
#include <vector>

#include "harvest/panda/outcome.hpp"

namespace yoda::test {

struct PandaExchange {
    std::string file;    ///< "01_getJob"
    std::string number;  ///< "1"; the two unnumbered ones of file 12 are "a" and "b"
    std::string title;
    std::string method;  ///< GET, POST
    std::string path;    ///< with the query
    std::string request_body;
    RawAnswer answer;
    /// What comes last in the path, before the query: "getJob", "acquire_jobs".
    std::string call() const;
    PandaApi api() const;
};

/// The folder; empty if this checkout has none beside it (fails the test when CI=true).
std::string panda_examples_folder();
/// All exchanges, in the order of the files.
std::vector<PandaExchange> read_panda_examples(std::string const& folder);

}  // namespace yoda::test

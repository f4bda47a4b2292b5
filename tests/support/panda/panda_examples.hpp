// SPDX-License-Identifier: Apache-2.0
// Recorded requests and answers of a real PanDA server (tests/data/panda), read for tests.
#pragma once

#include <string>
#include <vector>

#include "harvest/panda/wire/outcome.hpp"

namespace yoda::test {

struct PandaExchange {
    std::string file;    ///< "01_getJob"
    std::string number;  ///< "1"; letters where the recording has no numbers
    std::string what;    ///< what is special about the exchange
    std::string path;    ///< with the query
    std::string request_body;
    RawAnswer answer;
    /// What comes last in the path, before the query: "getJob", "acquire_jobs".
    std::string call() const;
    PandaApi api() const;
};

/// All exchanges, in the order of the files. Throws if a file cannot be read.
std::vector<PandaExchange> read_panda_examples();

}  // namespace yoda::test

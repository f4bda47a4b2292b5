// SPDX-License-Identifier: Apache-2.0
// The input files of a payload, each opened once: those named at the start by the parent, so that all workers
// share them, others by the worker that is given a range of them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace yoda::samples {

template <class File>
class Inputs {
  public:
    using Open = std::function<std::unique_ptr<File>(std::string const& path)>;

    Inputs(std::vector<std::string> const& paths, Open open) : open_(std::move(open))
    {
        if (!paths.empty()) first_ = paths.front();
        for (auto const& path : paths) get(path);
    }

    /// An empty path means the first file that was named.
    File const& get(std::string const& path)
    {
        auto const& name = path.empty() ? first_ : path;
        if (name.empty()) throw std::runtime_error("neither the range nor --input names an input file");
        auto& file = files_[name];
        if (!file) file = open_(name);
        return *file;
    }

  private:
    Open open_;
    std::string first_;
    std::map<std::string, std::unique_ptr<File>> files_;
};

}  // namespace yoda::samples

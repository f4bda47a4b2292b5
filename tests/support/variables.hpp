// Environment variables for a while.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace yoda::test {

/// Of `names` just those in `values` are set; as it was before when it goes.
class Variables {
  public:
    Variables(std::vector<std::string> const& names, std::map<std::string, std::string> const& values)
    {
        for (auto const& name : names) {
            char const* const was = std::getenv(name.c_str());
            before_[name] = was ? std::optional<std::string>(was) : std::nullopt;
            ::unsetenv(name.c_str());
        }
        for (auto const& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
    }
    Variables(Variables const&) = delete;
    Variables& operator=(Variables const&) = delete;
    ~Variables()
    {
        for (auto const& [name, value] : before_) {
            if (value)
                ::setenv(name.c_str(), value->c_str(), 1);
            else
                ::unsetenv(name.c_str());
        }
    }

  private:
    std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace yoda::test

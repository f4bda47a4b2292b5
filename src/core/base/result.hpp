// SPDX-License-Identifier: Apache-2.0
// Expected failures as values: Result<T> holds a T or an Error that says what happened, why, and what to do.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.hpp"

namespace yoda {

/// What kind of failure it is; decides the exit code and whether trying again can help.
enum class ErrorKind {
    usage,        ///< the command line or a configuration value is wrong
    bad_input,    ///< something from outside (file, message, answer) is malformed
    io,           ///< the operating system or a library failed at a file, socket or process
    no_space,     ///< the disk or a quota is full
    busy,         ///< somebody else holds what we need
    unavailable,  ///< a server does not answer now; later may be fine
    refused,      ///< a server understood and said no; trying again does not help
};

/// What happened (with where), why, and what to do about it. `why` and `fix` may be empty.
struct Error {
    ErrorKind kind = ErrorKind::io;
    std::string what;
    std::string why;
    std::string fix;

    /// One line for logs and terminals: "what: why (fix)".
    std::string text() const
    {
        std::string line = what;
        if (!why.empty()) line += ": " + why;
        if (!fix.empty()) line += " (" + fix + ")";
        return line;
    }
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& value() &
    {
        YODA_CHECK(*this, error_text());
        return std::get<0>(state_);
    }
    T const& value() const&
    {
        YODA_CHECK(*this, error_text());
        return std::get<0>(state_);
    }
    T value() &&
    {
        YODA_CHECK(*this, error_text());
        return std::get<0>(std::move(state_));
    }
    T* operator->() { return &value(); }
    T const* operator->() const { return &value(); }
    T& operator*() & { return value(); }
    T const& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }

    Error const& error() const
    {
        YODA_CHECK(!*this, "no error in this result");
        return std::get<1>(state_);
    }

  private:
    std::string error_text() const { return *this ? std::string{} : std::get<1>(state_).text(); }
    std::variant<T, Error> state_;
};

/// The result of something done for its effect.
class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    Error const& error() const
    {
        YODA_CHECK(error_.has_value(), "no error in this status");
        return *error_;
    }

  private:
    std::optional<Error> error_;
};

}  // namespace yoda

// SPDX-License-Identifier: Apache-2.0
#include "sys/http/resolve.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace yoda {

Result<std::vector<std::string>> resolve_host(std::string const& name)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    if (int const code = ::getaddrinfo(name.c_str(), nullptr, &hints, &raw); code != 0)
        return Error{ErrorKind::unavailable, "no address for " + name, ::gai_strerror(code), {}};
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> const list(raw, ::freeaddrinfo);
    std::vector<std::string> addresses;
    for (auto const* at = list.get(); at; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0)
            continue;
        std::string address = at->ai_family == AF_INET6 ? "[" + std::string(text) + "]" : text;
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
            addresses.push_back(std::move(address));
    }
    if (addresses.empty()) return Error{ErrorKind::unavailable, "no address for " + name, {}, {}};
    return addresses;
}

}  // namespace yoda

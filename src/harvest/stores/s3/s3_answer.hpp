// SPDX-License-Identifier: Apache-2.0
// Reading what S3 servers answer: small XML documents, error codes, and what each code means for us.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harvest/stores/base/calls.hpp"
#include "sys/http/http.hpp"

namespace yoda {

/// The text of the first element of this name, entities decoded; empty when there is none.
std::string xml_text(std::string_view xml, std::string_view element);
/// What is inside of each element of this name, in order.
std::vector<std::string_view> xml_elements(std::string_view xml, std::string_view element);
std::string xml_escape(std::string_view text);

struct S3Failure {
    std::string code;  ///< "SlowDown"; of an answer without a body (HEAD) made up from the status
    std::string message;
    std::string request_id;
};
/// Also the `<Error>` inside of a 200 that CompleteMultipartUpload may send.
bool is_s3_failure(HttpResponse const& response);
S3Failure read_s3_failure(HttpResponse const& response);

/// `what` was asked ("PUT s3://..."). 404 is not a failure here: callers read it. RequestTimeTooSkewed comes
/// back as refused with a message about the clock. `proven`: this endpoint has taken our keys before.
Judgement judge_s3(Result<HttpResponse> const& answer, unsigned try_number, std::string const& what,
                   bool proven);

/// The Date header as Unix seconds; zero when it is not a date.
std::int64_t server_time(HttpResponse const& response);

}  // namespace yoda

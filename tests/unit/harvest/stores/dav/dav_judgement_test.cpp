// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "harvest/stores/dav/dav_store.hpp"

namespace yoda {
namespace {

Judgement judged(int status, unsigned try_number)
{
    HttpResponse response;
    response.status = status;
    return judge_http(response, try_number, "HEAD http://store/file");
}

TEST(DavJudgement, AnswersThatMayBeOthersTheNextTimeAreAskedForAgain)
{
    for (int const status : {408, 423, 429, 500, 502, 503, 504})
        EXPECT_TRUE(judged(status, 3).again) << status;
    for (int const status : {401, 403, 409, 507}) EXPECT_FALSE(judged(status, 1).again) << status;
}

TEST(DavJudgement, WhatMayHaveBeenGarbledIsAskedForOnceMore)
{
    for (int const status : {400, 501}) {
        EXPECT_TRUE(judged(status, 1).again) << status;
        EXPECT_FALSE(judged(status, 2).again) << status;
        EXPECT_TRUE(judged(status, 2).error) << status;
    }
}

TEST(DavJudgement, AMissingFileIsAnAnswer)
{
    EXPECT_FALSE(judged(404, 1).error);
}

}  // namespace
}  // namespace yoda

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_held_show: how what waits is put before a person: in one line of printable ASCII, whatever an agent chose of it. */
#include "hostctl/held_show.h"

#include <string.h>

#include "tests/unit/suite.h"

#define OLD "0000000000000000000000000000000000000000"
#define NEW "0123456789abcdef0123456789abcdef01234567"
#define REF "\"repository\":\"app\",\"ref\":\"refs/heads/agent/x\",\"old\":\"" OLD "\",\"new\":\"" NEW "\""

static const char *shown(const char *json)
{
    static char text[4096];
    json_t *held = json_loads(json, 0, NULL);
    FILE *to = fmemopen(text, sizeof text, "w");

    ck_assert_ptr_nonnull(held);
    ck_assert_ptr_nonnull(to);
    memset(text, 0, sizeof text);
    held_put(held, to);
    fclose(to);
    json_decref(held);
    return text;
}

START_TEST(a_request)
{
    ck_assert_str_eq(
        shown(
            "{\"kind\":\"denied-host\",\"method\":\"GET\",\"host\":\"a.example\",\"port\":443,\"tls\":true,"
            "\"path\":\"/"
            "a\",\"rule\":\"egress.on_denied\",\"surface\":\"host\",\"query_bytes\":4,\"body_bytes\":null}"),
        "GET https://a.example/a  query 4 bytes  body of unknown length  for its host");
    ck_assert_str_eq(
        shown("{\"kind\":\"match\",\"method\":\"POST\",\"host\":\"a.example\",\"port\":8080,\"tls\":false,"
              "\"path\":\"/"
              "\",\"rule\":\"npm\",\"detector\":\"token_patterns\",\"value\":\"00ff\",\"surface\":\"body\","
              "\"query_bytes\":0,\"body_bytes\":5}"),
        "POST http://a.example:8080/  body 5 bytes  for its body: token_patterns, npm, value 00ff");
}
END_TEST

START_TEST(a_push)
{
    ck_assert_str_eq(shown("{\"kind\":\"push\"," REF ",\"commit\":\"" NEW
                           "\",\"path\":\"src/a b\\u001b.c\",\"line\":7,"
                           "\"finding\":2,\"findings\":3,\"allow_comment\":true,\"rule\":\"npm\","
                           "\"detector\":\"token_patterns\","
                           "\"value\":\"00ff\",\"surface\":\"blob\"}"),
                     "push app refs/heads/agent/x 000000000000..0123456789ab  src/a\\u0020b\\u001b.c:7 of "
                     "0123456789ab  finding 2 of 3  "
                     "for its blob: token_patterns, npm, value 00ff; a comment beside it allows it");
    ck_assert_str_eq(shown("{\"kind\":\"push\"," REF ",\"commit\":\"" NEW
                           "\",\"path\":\".gitmodules\",\"finding\":1,\"findings\":1,"
                           "\"allow_comment\":false,\"rule\":\"protect_paths\",\"surface\":\"path\"}"),
                     "push app refs/heads/agent/x 000000000000..0123456789ab  .gitmodules of 0123456789ab  "
                     "for its path: protect_paths");
    ck_assert_str_eq(shown("{\"kind\":\"push\"," REF ",\"commit\":\"" NEW
                           "\",\"line\":2,\"finding\":1,\"findings\":1,"
                           "\"allow_comment\":false,\"rule\":\"npm\",\"detector\":\"token_patterns\","
                           "\"surface\":\"commit message\"}"),
                     "push app refs/heads/agent/x 000000000000..0123456789ab  line 2 of 0123456789ab  for "
                     "its commit message: "
                     "token_patterns, npm");
    ck_assert_str_eq(
        shown(
            "{\"kind\":\"push\",\"repository\":\"app\",\"finding\":1,\"findings\":1,\"allow_comment\":false,"
            "\"rule\":\"npm\",\"detector\":\"token_patterns\",\"surface\":\"push option\"}"),
        "push app  for its push option: token_patterns, npm");
}
END_TEST

SUITE_MAIN("held_show", a_request, a_push)

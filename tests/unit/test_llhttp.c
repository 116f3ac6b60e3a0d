/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * llhttp as pinned, strict as it comes: what Debian 12's own version lets through must be refused here.
 * Every refusal stands beside its well-formed twin, so that a parser that refuses everything does not pass.
 */
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static llhttp_errno_t parse(const char *text)
{
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    llhttp_errno_t result = llhttp_execute(&parser, text, strlen(text));
    return result == HPE_OK ? llhttp_finish(&parser) : result;
}

static const struct {
    const char *what, *text;
    llhttp_errno_t want;
} cases[] = {
    {"plain request", "GET / HTTP/1.1\r\nHost: a.test\r\nX: b\r\n\r\n", HPE_OK},
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: a.test\r\nX: b\r\n\r\n", HPE_INVALID_VERSION},
    {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a.test\nX: b\r\n\r\n", HPE_CR_EXPECTED},
    {"bare LF at the end of the head", "GET / HTTP/1.1\r\nHost: a.test\r\nX: b\r\n\n",
     HPE_INVALID_HEADER_TOKEN},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: b\rc\r\n\r\n", HPE_LF_EXPECTED},
    {"folded value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: b\r\n c\r\n\r\n", HPE_INVALID_HEADER_TOKEN},
    {"empty name", "GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n", HPE_INVALID_HEADER_TOKEN},
    {"space before the colon", "GET / HTTP/1.1\r\nHost: a.test\r\nX : b\r\n\r\n", HPE_INVALID_HEADER_TOKEN},
    {"control character in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: b\1c\r\n\r\n",
     HPE_INVALID_HEADER_TOKEN},
    {"body by length", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", HPE_OK},
    {"two lengths", "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
     HPE_UNEXPECTED_CONTENT_LENGTH},
    {"body in chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", HPE_OK},
    {"length and chunks",
     "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     HPE_INVALID_TRANSFER_ENCODING},
    {"bare LF after a chunk size", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n",
     HPE_CR_EXPECTED},
};

START_TEST(strict_as_it_comes)
{
    llhttp_errno_t got = parse(cases[_i].text);
    ck_assert_msg(got == cases[_i].want, "%s: got %s, want %s", cases[_i].what, llhttp_errno_name(got),
                  llhttp_errno_name(cases[_i].want));
}
END_TEST

START_TEST(version_is_the_pinned_one)
{
    ck_assert_int_eq(LLHTTP_VERSION_MAJOR, 9);
    ck_assert_int_eq(LLHTTP_VERSION_MINOR, 2);
    ck_assert_int_eq(LLHTTP_VERSION_PATCH, 1);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("strict");
    tcase_add_test(tcase, version_is_the_pinned_one);
    tcase_add_loop_test(tcase, strict_as_it_comes, 0, sizeof cases / sizeof *cases);
    return suite_run_case("llhttp", tcase);
}

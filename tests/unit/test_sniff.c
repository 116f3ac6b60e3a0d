/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sniff: first bytes and what they are taken for, on port 80 and elsewhere. */
#include <string.h>

#include "proxy/sniff.h"
#include "suite.h"

static const struct {
    const char *bytes;
    enum sniff on_80, elsewhere;
} CASES[] = {
    {"", SNIFF_MORE, SNIFF_MORE},
    {"\x16", SNIFF_MORE, SNIFF_MORE},
    {"\x16\3", SNIFF_TLS, SNIFF_TLS},
    {"\x16\2", SNIFF_OTHER, SNIFF_OTHER},
    {"S", SNIFF_MORE, SNIFF_MORE},
    {"SSH", SNIFF_MORE, SNIFF_MORE},
    {"SSH-", SNIFF_SSH, SNIFF_SSH},
    {"SEARCH / HTTP/1.1\r\n", SNIFF_HTTP1, SNIFF_HTTP1},
    {"P", SNIFF_MORE, SNIFF_MORE},
    {"PRI * HTTP/2.0\r", SNIFF_MORE, SNIFF_MORE},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SNIFF_H2, SNIFF_H2},
    {"PRI * HTTP/1.0\r\n", SNIFF_HTTP1, SNIFF_HTTP1},
    {"GET", SNIFF_MORE, SNIFF_MORE},
    {"GET ", SNIFF_HTTP1, SNIFF_MORE},
    {"GET / HTTP/1.1", SNIFF_HTTP1, SNIFF_MORE},
    {"GET / HTTP/1.1\r\n", SNIFF_HTTP1, SNIFF_HTTP1},
    {"GET / HTTP/1.1\n", SNIFF_HTTP1, SNIFF_HTTP1},
    {"GET /\r\n", SNIFF_HTTP1, SNIFF_OTHER},
    {"EHLO mail.test\r\n", SNIFF_HTTP1, SNIFF_OTHER},
    {"get / HTTP/1.1\r\n", SNIFF_HTTP1, SNIFF_HTTP1},
    {"\r\nGET / HTTP/1.1\r\n", SNIFF_HTTP1, SNIFF_OTHER},
    {" HTTP/1.1\n", SNIFF_HTTP1, SNIFF_OTHER},
    {"\n", SNIFF_HTTP1, SNIFF_OTHER},
    {"\x80\x2e\1", SNIFF_OTHER, SNIFF_OTHER},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SNIFF_HTTP1, SNIFF_OTHER},
};

START_TEST(first_bytes_choose_the_protocol)
{
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_msg(sniff_first(str_of(CASES[i].bytes), true) == CASES[i].on_80, "80: %s", CASES[i].bytes);
        ck_assert_msg(sniff_first(str_of(CASES[i].bytes), false) == CASES[i].elsewhere, "%s", CASES[i].bytes);
    }
}
END_TEST

START_TEST(an_endless_line_is_not_waited_for)
{
    static char line[10000];

    memset(line, 'x', sizeof line);
    memcpy(line, "GET /", 5);
    ck_assert_int_eq(sniff_first((struct str){line, 8191}, false), SNIFF_MORE);
    ck_assert_int_eq(sniff_first((struct str){line, 8192}, false), SNIFF_OTHER);
}
END_TEST

SUITE_MAIN("sniff", first_bytes_choose_the_protocol, an_endless_line_is_not_waited_for)

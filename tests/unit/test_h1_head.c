/* SPDX-License-Identifier: GPL-3.0-or-later */
/* h1_head, request: which heads are understood, which are refused, and as what. Each attack has a twin that
 * passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/h1_head.h"
#include "core/request.h"
#include "proxy/h1_check.h"
#include "suite.h"

static struct h1_head head;

static enum h1_error read_head(const char *text, size_t len, bool request, bool to_head)
{
    struct h1_scan scan = {0};
    struct h1_check check;
    enum h1_error error = H1_OK;
    char *copy = malloc(len + 1);

    memcpy(copy, text, len);
    long end = h1_head_end(&scan, copy, len, &error);
    if (end > 0)
        error = h1_check_parse(&check, request, to_head, copy, (size_t)end, &head);
    else if (end == 0)
        error = (enum h1_error) - 1;
    free(copy);
    return error;
}

#define GET(fields)  "GET / HTTP/1.1\r\nHost: a.test\r\n" fields "\r\n"
#define POST(fields) "POST / HTTP/1.1\r\nHost: a.test\r\n" fields "\r\n"
#define MORE         ((enum h1_error) - 1)
#define T(text)      text, sizeof(text) - 1

static const struct {
    const char *text;
    size_t len;
    enum h1_error want;
    enum h1_framing framing;
} REQUESTS[] = {
    /* good ones */
    {T(GET("")), H1_OK, H1_NO_BODY},
    {T(GET("Accept: */*\r\nX-Empty:\r\nX-Obs: caf\xc3\xa9\r\nX-Tab: a\tb\r\n")), H1_OK, H1_NO_BODY},
    {T(GET("X:a\r\nY: \t b \t\r\n")), H1_OK, H1_NO_BODY},
    {T("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"), H1_OK, H1_NO_BODY},
    {T("GET http://a.test/x?y=z HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_OK, H1_NO_BODY},
    {T("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_OK, H1_NO_BODY},
    {T("PROPFIND /dav HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_OK, H1_NO_BODY},
    {T(POST("Content-Length: 5\r\n")), H1_OK, H1_LENGTH},
    {T(POST("Content-Length: 0\r\n")), H1_OK, H1_NO_BODY},
    {T(POST("Content-Length: 000005\r\n")), H1_OK, H1_LENGTH},
    {T(POST("Transfer-Encoding: chunked\r\n")), H1_OK, H1_CHUNKED},
    {T(POST("Transfer-Encoding: Chunked\r\n")), H1_OK, H1_CHUNKED},
    {T(GET("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n")), H1_OK,
     H1_NO_BODY},
    {T(GET("Connection: close\r\n")), H1_OK, H1_NO_BODY},
    /* not whole */
    {T(""), MORE, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\r\n"), MORE, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\r\n\r"), MORE, 0},
    /* line ends */
    {T("GET / HTTP/1.1\nHost: a.test\n\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\r\n\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\nHost: a.test\r\n\rX"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\nX: a\rb\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\rHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    /* folding, whitespace */
    {T(GET("X: a\r\n b\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X: a\r\n\tb\r\n")), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T(GET("X : a\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X\t: a\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length : 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding : chunked\r\n")), H1_BAD_SYNTAX, 0},
    /* names and values */
    {T(GET(": a\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X(: a\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X\xc3\xa9: a\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X: a\0b\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X: a\1b\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X: a\x7f\r\n")), H1_BAD_SYNTAX, 0},
    {T(GET("X: a\x0b\r\n")), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1\0\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    /* lengths */
    {T(POST("Content-Length: 5\r\nContent-Length: 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 5\r\nContent-Length: 6\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 5, 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: +5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: -5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 0x5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 5 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length:\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 5a\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length: 18446744073709551621\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content_Length: 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content.Length: 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("content~length: 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Content-Length2: 5\r\n")), H1_OK, H1_NO_BODY},
    {T(POST("Content_Lengths: 5\r\n")), H1_OK, H1_NO_BODY},
    /* codings */
    {T(POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: gzip, chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked, chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked, identity\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: identity\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: xchunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: \"chunked\"\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding: chunked;q=1\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding:\x0b"
            "chunked\r\n")),
     H1_BAD_SYNTAX, 0},
    {T(POST("Transfer-Encoding:\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer_Encoding: chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T(POST("Transfer.Encoding: chunked\r\n")), H1_BAD_SYNTAX, 0},
    {T("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"), H1_BAD_SYNTAX, 0},
    /* start lines */
    {T("GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T(" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET /\xc3\xa9 HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET /#x HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET /\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / http/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.10\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/1.\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
    {T("GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"), H1_BAD_VERSION, 0},
    {T("GET / HTTP/1.2\r\nHost: a.test\r\n\r\n"), H1_BAD_VERSION, 0},
    {T("GET / HTTP/0.9\r\nHost: a.test\r\n\r\n"), H1_BAD_VERSION, 0},
    {T("get / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_METHOD, 0},
    {T("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_METHOD, 0},
    {T("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_METHOD, 0},
    {T("FOO / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_METHOD, 0},
    {T("DESCRIBE / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_METHOD, 0},
    {T("G@T / HTTP/1.1\r\nHost: a.test\r\n\r\n"), H1_BAD_SYNTAX, 0},
};

START_TEST(requests_are_understood_or_refused)
{
    for (size_t i = 0; i < sizeof REQUESTS / sizeof REQUESTS[0]; i++) {
        enum h1_error got = read_head(REQUESTS[i].text, REQUESTS[i].len, true, false);
        ck_assert_msg(got == REQUESTS[i].want, "%zu: %s: got %d", i, REQUESTS[i].text, (int)got);
        if (got == H1_OK)
            ck_assert_msg(head.framing == REQUESTS[i].framing, "%s", REQUESTS[i].text);
    }
}
END_TEST

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text;
    bool to_head;
    enum h1_error want;
    enum h1_framing framing;
    bool keep;
} RESPONSES[] = {
    {OK "Content-Length: 5\r\n\r\n", false, H1_OK, H1_LENGTH, true},
    {OK "Content-Length: 5\r\n\r\n", true, H1_OK, H1_NO_BODY, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n", false, H1_OK, H1_CHUNKED, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n", true, H1_OK, H1_NO_BODY, true},
    {OK "\r\n", false, H1_OK, H1_CLOSE, true},
    {OK "Content-Length: 5\r\nConnection: foo, Close\r\n\r\n", false, H1_OK, H1_LENGTH, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, H1_OK, H1_LENGTH, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, H1_OK, H1_LENGTH, true},
    {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", false, H1_OK, H1_LENGTH, true},
    {"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", false, H1_OK, H1_LENGTH, true},
    {"HTTP/1.1 100 Continue\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 205 Reset\r\n\r\n", false, H1_OK, H1_NO_BODY, true},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {OK "X: a\r\n b\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 2000 OK\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 20 OK\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 099 No\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 600 No\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1  200 OK\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/2 200 OK\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"HTTP/1.1 200 O\1K\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"SSH-2.0-x\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
    {"ICY 200 OK\r\n\r\n", false, H1_BAD_SYNTAX, 0, false},
};

START_TEST(a_bad_field_leaves_nothing_of_an_earlier_head)
{
    struct request request;

    ck_assert_int_eq(
        read_head(T("GET / HTTP/1.1\r\nHost: a.test\r\nHost: evil.test\r\nUpgrade: x\r\n\r\n"), true, false),
        H1_OK); /* and its bytes are freed */
    static const char *const bad[] = {"GET / HTTP/1.1\r\nUpgrade\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                                      "GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n",
                                      "GET / HTTP/1.1\r\nX: y\r\nHost\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *copy = strdup(bad[i]);
        struct h1_check check;
        h1_check_parse(&check, true, false, copy, strlen(copy), &head);
        ck_assert_uint_le(head.field_count, 1);
        ck_assert_int_eq(request_read(&head, false, &request),
                         DENIAL_HTTP_MALFORMED); /* reads what there is */
        ck_assert_str_eq(request.host, "");
        free(copy);
    }
}
END_TEST

START_TEST(responses_are_understood_or_refused)
{
    for (size_t i = 0; i < sizeof RESPONSES / sizeof RESPONSES[0]; i++) {
        enum h1_error got =
            read_head(RESPONSES[i].text, strlen(RESPONSES[i].text), false, RESPONSES[i].to_head);
        ck_assert_msg(got == RESPONSES[i].want, "%s: got %d", RESPONSES[i].text, (int)got);
        if (got != H1_OK)
            continue;
        ck_assert_msg(head.framing == RESPONSES[i].framing, "%s", RESPONSES[i].text);
        ck_assert_msg(head.keep_alive == RESPONSES[i].keep, "%s", RESPONSES[i].text);
    }
}
END_TEST

START_TEST(heads_are_bounded)
{
    static char big[HEAD_MAX + 4096];
    size_t len = (size_t)sprintf(big, "GET / HTTP/1.1\r\nHost: a.test\r\nX: ");

    memset(big + len, 'x', sizeof big - len);
    ck_assert_int_eq(read_head(big, sizeof big, true, false), H1_TOO_LARGE);
    memcpy(big + HEAD_MAX - 4, "\r\n\r\n", 4);
    ck_assert_int_eq(read_head(big, HEAD_MAX, true, false), H1_OK);
    len = (size_t)sprintf(big, "GET / HTTP/1.1\r\nHost: a.test\r\n");
    for (int i = 0; i < FIELDS_MAX - 1; i++)
        len += (size_t)sprintf(big + len, "X: %d\r\n", i);
    memcpy(big + len, "\r\n", 2);
    ck_assert_int_eq(read_head(big, len + 2, true, false), H1_OK);
    memcpy(big + len, "Y: z\r\n\r\n", 8);
    ck_assert_int_eq(read_head(big, len + 8, true, false), H1_TOO_LARGE);
}
END_TEST

#define R(line, fields) line "\r\n" fields "\r\n"

static const struct {
    const char *text;
    enum denial want;
    const char *host, *path, *query;
    unsigned port;
} ASKED[] = {
    {R("GET /a?b=c HTTP/1.1", "Host: API.test\r\n"), DENIAL_NONE, "api.test", "/a", "?b=c", 0},
    {R("GET /a HTTP/1.1", "Host: a.test:80\r\n"), DENIAL_NONE, "a.test", "/a", "", 80},
    {R("GET /a HTTP/1.1", "Host: a.test:8080\r\n"), DENIAL_NONE, "a.test", "/a", "", 8080},
    {R("GET http://a.test/x HTTP/1.1", "Host: A.TEST\r\n"), DENIAL_NONE, "a.test", "/x", "", 0},
    {R("GET HTTP://a.test:80/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "/x", "", 0},
    {R("GET http://a.test HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "/", "", 0},
    {R("GET http://a.test?q HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "/", "?q", 0},
    {R("OPTIONS http://a.test HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "*", "", 0},
    {R("OPTIONS * HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "*", "", 0},
    {R("GET //b.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE, "a.test", "//b.test/x", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nUpgrade: h2c\r\nConnection: upgrade\r\n"), DENIAL_NONE, "a.test",
     "/", "", 0},
    {R("POST / HTTP/1.1", "Host: a.test\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n"), DENIAL_NONE,
     "a.test", "/", "", 0},
    {R("GET / HTTP/1.1", "Accept: x\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.0", "Accept: x\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nHost: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nhost: b.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host:\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test, b.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test b.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: user@a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test/x\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test:\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test:0\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test:80x\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test.\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a..test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: caf\xc3\xa9.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: 192.0.2.1\r\n"), DENIAL_ADDRESS_LITERAL, "", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: [2001:db8::1]:80\r\n"), DENIAL_ADDRESS_LITERAL, "", "/", "", 80},
    {R("GET / HTTP/1.1", "Host: 0x7f000001\r\n"), DENIAL_ADDRESS_LITERAL, "", "/", "", 0},
    {R("GET http://b.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/x", "", 0},
    {R("GET http://a.test:81/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/x", "", 0},
    {R("GET http://u@a.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "/x", "", 0},
    {R("GET http:///x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "", "", 0},
    {R("GET https://a.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "", "", 0},
    {R("GET ftp://a.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "", "", 0},
    {R("GET a.test HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "", "", 0},
    {R("GET * HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED, "", "", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"), DENIAL_UPGRADE,
     "a.test", "/", "", 0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nUpgrade: h2c, websocket\r\n"), DENIAL_UPGRADE, "a.test", "/", "",
     0},
    {R("GET / HTTP/1.1", "Host: a.test\r\nExpect: x\r\n"), DENIAL_HTTP_EXPECTATION, "a.test", "/", "", 0},
    {R("GET / HTTP/1.0", "Host: a.test\r\nExpect: x\r\n"), DENIAL_NONE, "a.test", "/", "", 0},
};

START_TEST(a_request_names_one_host_or_is_refused)
{
    struct request request;
    struct h1_check check;

    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++) {
        const char *text = ASKED[i].text;
        enum h1_error error = h1_check_parse(&check, true, false, text, strlen(text), &head);
        enum denial got = request_read(&head, false, &request);
        if (error != H1_OK)
            got = request_denial(error);
        ck_assert_msg(got == ASKED[i].want, "%s: got %s", text, denial_name(got));
        if (got == DENIAL_NONE || got == DENIAL_UPGRADE)
            ck_assert_str_eq(request.host, ASKED[i].host);
        if (ASKED[i].path[0] != '\0')
            ck_assert_msg(str_equal(request.path, str_of(ASKED[i].path)), "%s", text);
        if (got == DENIAL_NONE) {
            ck_assert(str_equal(request.query, str_of(ASKED[i].query)));
            ck_assert_uint_eq(request.host_port, ASKED[i].port);
        }
    }
}
END_TEST

START_TEST(over_tls_absolute_form_is_https)
{
    static const struct {
        const char *text;
        enum denial want;
    } cases[] = {
        {R("GET https://a.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE},
        {R("GET HTTPS://a.test:443/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_NONE},
        {R("GET https://a.test/x HTTP/1.1", "Host: a.test:443\r\n"), DENIAL_NONE},
        {R("GET https://a.test/x HTTP/1.1", "Host: a.test:80\r\n"), DENIAL_HTTP_MALFORMED},
        {R("GET https://b.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED},
        {R("GET http://a.test/x HTTP/1.1", "Host: a.test\r\n"), DENIAL_HTTP_MALFORMED},
    };
    struct request request;
    struct h1_check check;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        ck_assert_int_eq(h1_check_parse(&check, true, false, text, strlen(text), &head), H1_OK);
        ck_assert_msg(request_read(&head, true, &request) == cases[i].want, "%s", text);
        if (cases[i].want == DENIAL_NONE)
            ck_assert_str_eq(request.host, "a.test");
    }
}
END_TEST

START_TEST(the_methods_are_those_that_llhttp_knows)
{
#define X(number, name, string) #string,
    static const char *const known[] = {HTTP_METHOD_MAP(X)};
#undef X
    char text[128];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        bool never = strcmp(known[i], "CONNECT") == 0 || strcmp(known[i], "TRACE") == 0;
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a.test\r\n\r\n", known[i]);
        ck_assert_msg(h1_head_parse(true, false, text, strlen(text), &head) ==
                          (never ? H1_BAD_METHOD : H1_OK),
                      "%s", known[i]);
    }
}
END_TEST

/* The same by looking at each byte: the rule as it is written down. */
static long end_by_bytes(const char *bytes, size_t len)
{
    size_t line = 0, lines = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\0' || (bytes[i] == '\n') != (i > 0 && bytes[i - 1] == '\r'))
            return -1;
        if (bytes[i] != '\n')
            continue;
        if (i - line == 1)
            return lines > 0 ? (long)i + 1 : -1;
        line = i + 1;
        lines++;
    }
    return 0;
}

START_TEST(an_end_is_found_wherever_the_pieces_are_cut)
{
    static const char letters[] = {'a', 'b', '\r', '\n', '\0', '\t', '\f', '\x80', '\xff', ':'};
    uint32_t dice = 1;
    char text[24];

    for (int round = 0; round < 200000; round++) {
        struct h1_scan scan = {0};
        enum h1_error error;
        size_t len = 0, cut;
        while (len < sizeof text - 1 && (dice >> 27 || len < 3)) {
            dice = dice * 1664525 + 1013904223;
            if (dice >> 31) /* else random ones hardly ever hold a line */
                text[len++] = '\r';
            text[len++] = dice >> 31 ? '\n' : letters[(dice >> 16) % sizeof letters];
        }
        dice = dice * 1664525 + 1013904223;
        cut = (dice >> 16) % (len + 1);
        long end = h1_head_end(&scan, text, cut, &error);
        ck_assert_int_eq(end, end_by_bytes(text, cut));
        if (end == 0)
            ck_assert_int_eq(h1_head_end(&scan, text, len, &error), end_by_bytes(text, len));
    }
}
END_TEST

START_TEST(names_are_of_the_characters_that_the_rfc_lists)
{
    static const char tchars[] =
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct h1_field field;

    for (int byte = 0; byte < 256; byte++) {
        char line[] = {'x', (char)byte, 'y', ':', 'v'};
        bool is = byte != 0 && strchr(tchars, byte) != NULL;
        if (byte != ':')
            ck_assert_msg((h1_field_parse((struct str){line, sizeof line}, &field) == 0) == is, "0x%02x",
                          (unsigned)byte);
    }
}
END_TEST

SUITE_MAIN("h1_head", an_end_is_found_wherever_the_pieces_are_cut,
           names_are_of_the_characters_that_the_rfc_lists, the_methods_are_those_that_llhttp_knows,
           requests_are_understood_or_refused, a_bad_field_leaves_nothing_of_an_earlier_head,
           responses_are_understood_or_refused, heads_are_bounded, a_request_names_one_host_or_is_refused,
           over_tls_absolute_form_is_https)

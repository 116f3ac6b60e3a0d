/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rewrite: what goes to the other leg, byte for byte. */
#include <stdio.h>
#include <string.h>

#include "proxy/h1_check.h"
#include "proxy/rewrite.h"
#include "suite.h"

static struct h1_head head;
static char text[8192];

static const char *taken(struct buf *buf, int result)
{
    struct str bytes = buf_str(buf);

    ck_assert_int_eq(result, 0);
    ck_assert_uint_lt(bytes.len, sizeof text);
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    buf_fini(buf);
    return text;
}

static const struct route plain; /* no auth */

static const char *request(const char *in)
{
    struct h1_check check;
    struct request asked;
    struct buf buf;

    buf_init(&buf, 65536);
    ck_assert_int_eq(h1_check_parse(&check, true, false, in, strlen(in), &head), H1_OK);
    ck_assert_int_eq(request_read(&head, false, &asked), DENIAL_NONE);
    return taken(&buf, rewrite_request(&head, &asked, &plain, &buf));
}

static const char *response(const char *in, bool to_head, enum rewrite_body body, bool close)
{
    struct h1_check check;
    struct buf buf;

    buf_init(&buf, 65536);
    ck_assert_int_eq(h1_check_parse(&check, false, to_head, in, strlen(in), &head), H1_OK);
    return taken(&buf, rewrite_response(&head, body, close, &buf));
}

START_TEST(requests_are_written_anew)
{
    ck_assert_str_eq(
        request("GET http://A.test:80?x HTTP/1.0\r\nX:a  \r\nhOST:   A.TEST\r\nY-Z: \t b\r\n\r\n"),
        "GET /?x HTTP/1.1\r\nHost: a.test\r\nX: a\r\nY-Z: b\r\n\r\n");
    ck_assert_str_eq(request("POST /a HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 0042\r\n\r\n"),
                     "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 42\r\n\r\n");
    ck_assert_str_eq(request("GET /a HTTP/1.1\r\nHost: A.test:3000\r\n\r\n"),
                     "GET /a HTTP/1.1\r\nHost: a.test:3000\r\n\r\n");
    ck_assert_str_eq(request("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"),
                     "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    ck_assert_str_eq(
        request(
            "POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n"),
        "POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    ck_assert_str_eq(request("OPTIONS * HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n"),
                     "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n");
}
END_TEST

START_TEST(what_belongs_to_the_connection_stays_behind)
{
    ck_assert_str_eq(
        request("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Hop , content-length\r\n"
                "connection: Y-Hop,\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\n"
                "x-hop: 1\r\nX-Hop2: 2\r\nY-HOP: 3\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
                "Proxy-Authorization: Basic eA==\r\nAuthorization: Bearer t\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Hop2: 2\r\n\r\n");
}
END_TEST

START_TEST(responses_are_written_anew_without_alt_svc)
{
    const char *in =
        "HTTP/1.0 200 Fine\r\nServer: x\r\nAlt-Svc: h3=\":443\"\r\nConnection: keep-alive, Z\r\nZ: 1\r\n"
        "Keep-Alive: timeout=5\r\nContent-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";

    ck_assert_str_eq(
        response(in, false, REWRITE_SAME, false),
        "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\n");
    ck_assert_str_eq(response(in, true, REWRITE_SAME, true),
                     "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: "
                     "b\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(response("HTTP/1.1 200\r\n\r\n", false, REWRITE_CHUNKED, false),
                     "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_str_eq(response("HTTP/1.1 200 OK\r\n\r\n", false, REWRITE_CLOSE, true),
                     "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(response("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", false, REWRITE_SAME, false),
                     "HTTP/1.1 204 No\r\n\r\n");
    ck_assert_str_eq(response("HTTP/1.1 205 Reset\r\n\r\n", false, REWRITE_SAME, false),
                     "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n");
    ck_assert_str_eq(response("HTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n", false, REWRITE_SAME, false),
                     "HTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n");
}
END_TEST

START_TEST(chunks_are_ours_and_a_full_buffer_is_an_error)
{
    struct buf buf;

    buf_init(&buf, 64);
    ck_assert_int_eq(rewrite_chunk(str_of("hello world, hello"), &buf), 0);
    ck_assert_str_eq(taken(&buf, rewrite_last_chunk(&buf)), "12\r\nhello world, hello\r\n0\r\n\r\n");
    buf_init(&buf, 16);
    ck_assert_int_eq(rewrite_chunk(str_of("hello world, hello"), &buf), -1);
    buf_fini(&buf);
}
END_TEST

static const char *coding(const struct route *route, const char *accepted)
{
    struct h1_check check;
    struct request asked;
    struct buf buf;
    char in[512];

    snprintf(in, sizeof in, "GET / HTTP/1.1\r\nHost: a.test\r\n%s\r\n", accepted);
    buf_init(&buf, 65536);
    ck_assert_int_eq(h1_check_parse(&check, true, false, in, strlen(in), &head), H1_OK);
    ck_assert_int_eq(request_read(&head, false, &asked), DENIAL_NONE);
    return taken(&buf, rewrite_request(&head, &asked, route, &buf)) +
           strlen("GET / HTTP/1.1\r\nHost: a.test\r\n");
}

START_TEST(what_is_searched_is_asked_for_in_codings_that_can_be_read)
{
    static const struct route searched = {.dlp = {.inbound = DLP_RULES_INJECTION}};
    static const struct route marked = {
        .dlp = {.inbound = DLP_RULES_INJECTION, .inbound_on_match = DLP_RULES_ANNOTATE}};
    static const struct {
        const char *accepted, *searched;
    } table[] = {
        {"Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n",
         "Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"},
        {"accept-encoding: dcb,br;q=0.5 ,\tGZIP; q=1, *;q=0.1\r\n\r\n",
         "accept-encoding: br;q=0.5, GZIP; q=1\r\n\r\n"},
        {"Accept-Encoding: compress\r\n\r\n", "Accept-Encoding: identity\r\n\r\n"},
        {"Accept-Encoding: *\r\n\r\n", "Accept-Encoding: identity\r\n\r\n"},
        {"Accept-Encoding:\r\n\r\n", "Accept-Encoding: identity\r\n\r\n"},
        {"Accept-Encoding: gzip\r\nAccept-Encoding: x, br\r\n\r\n",
         "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char accepted[256];
        snprintf(accepted, sizeof accepted, "%.*s", (int)strlen(table[i].accepted) - 2, table[i].accepted);
        ck_assert_str_eq(coding(&searched, accepted), table[i].searched);
    }
    ck_assert_str_eq(coding(&plain, "Accept-Encoding: dcb, *\r\n"), "Accept-Encoding: dcb, *\r\n\r\n");
    ck_assert_str_eq(coding(&marked, "Accept-Encoding: gzip\r\n"), "Accept-Encoding: identity\r\n\r\n");
    ck_assert_str_eq(coding(&searched, "X: y\r\n"), "X: y\r\n\r\n");
}
END_TEST

SUITE_MAIN("rewrite", requests_are_written_anew, what_is_searched_is_asked_for_in_codings_that_can_be_read,
           what_belongs_to_the_connection_stays_behind, responses_are_written_anew_without_alt_svc,
           chunks_are_ours_and_a_full_buffer_is_an_error)

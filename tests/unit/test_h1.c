/* SPDX-License-Identifier: GPL-3.0-or-later */
/* h1: messages in every possible split come out as the same events; bodies that are not well framed come out
 * as none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/h1.h"
#include "proxy/limits.h"
#include "suite.h"

static struct h1_head head;
static char seen[4096]; /* events as text: H<status or method> D<bytes> T<n> E, B for bad */

static void note(const struct h1_event *event, bool request)
{
    size_t at = strlen(seen);
    char *out = seen + at;
    size_t size = sizeof seen - at;

    switch (event->type) {
    case H1_EVENT_HEAD:
        if (request)
            snprintf(out, size, "H%.*s ", (int)head.method.len, head.method.ptr);
        else
            snprintf(out, size, "H%u ", head.status);
        break;
    case H1_EVENT_DATA: /* runs that were cut are joined */
        if (at > 1 && seen[at - 1] == '>')
            seen[at - 1] = '\0', out--;
        else
            *out++ = '<', *out = '\0';
        snprintf(out, size - 1, "%.*s>", (int)event->data.len, event->data.ptr);
        break;
    case H1_EVENT_TRAILERS:
        snprintf(out, size, "T%u ", event->trailers);
        break;
    case H1_EVENT_END:
        snprintf(out, size, "E ");
        break;
    case H1_EVENT_BAD:
        snprintf(out, size, "B");
        break;
    case H1_EVENT_MORE:
        break;
    }
}

/* Feeds the text cut at `cut` (and, when `bytewise`, byte by byte), each time in memory of exactly its size.
 */
static void feed(const char *text, size_t len, size_t cut, bool bytewise, bool request, bool to_head,
                 bool eof)
{
    struct h1 h1;
    size_t done = 0;

    h1_init(&h1, request);
    h1.to_head = to_head;
    seen[0] = '\0';
    for (size_t have = bytewise ? 1 : cut; have <= len; have = bytewise      ? have + 1
                                                               : have == len ? len + 1
                                                                             : len) {
        for (;;) {
            size_t used, size = have - done;
            char *copy = malloc(size > 0 ? size : 1);
            memcpy(copy, text + done, size);
            struct h1_event event = h1_next(&h1, copy, size, &used, &head);
            ck_assert_uint_le(used, size);
            note(&event, request);
            free(copy);
            done += used;
            if (event.type == H1_EVENT_BAD)
                return;
            if (event.type == H1_EVENT_MORE && used == 0)
                break;
        }
    }
    if (eof) {
        struct h1_event event = h1_eof(&h1);
        note(&event, request);
    }
}

#define POST  "POST / HTTP/1.1\r\nHost: a.test\r\n"
#define CHUNK POST "Transfer-Encoding: chunked\r\n\r\n"
#define GET   "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
#define OK    "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text, *want;
    bool request, to_head, eof;
} CASES[] = {
    {GET, "HGET E ", true, false, false},
    {GET GET GET, "HGET E HGET E HGET E ", true, false, false},
    {POST "Content-Length: 5\r\n\r\nhello" GET, "HPOST <hello>E HGET E ", true, false, false},
    {CHUNK "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" GET, "HPOST <hello world>T0 E HGET E ", true, false,
     false},
    {CHUNK "0\r\n\r\n" GET, "HPOST T0 E HGET E ", true, false, false},
    {CHUNK "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "HPOST <hello>T2 E ", true, false,
     false},
    {CHUNK "00005\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", "HPOST <hello0123456789>T0 E ", true, false,
     false},
    {OK "Content-Length: 5\r\n\r\nhello" OK "Content-Length: 0\r\n\r\n", "H200 <hello>E H200 E ", false,
     false, false},
    {OK "Content-Length: 5\r\n\r\n" OK "Content-Length: 7\r\n\r\n", "H200 E H200 E ", false, true, false},
    {OK "\r\nhello", "H200 <hello>E ", false, false, true},
    {OK "\r\n", "H200 E ", false, false, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "H200 <hello>T0 E ", false, false,
     false},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", "H100 E H200 <x>E ", false, false,
     false},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "H103 E H204 E ", false, false,
     false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
     "H304 E H200 <x>E ", false, false, false},
    /* cut short */
    {OK "Content-Length: 5\r\n\r\nhell", "H200 <hell>B", false, false, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "H200 <hello>B", false, false, true},
    {OK "Content-Le", "B", false, false, true},
    /* badly framed */
    {CHUNK "5\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5\r\nhello\n0\r\n\r\n", "HPOST <hello>B", true, false, false},
    {CHUNK "5\r\nhelloX\r\n0\r\n\r\n", "HPOST <hello>B", true, false, false},
    {CHUNK "5\r\nhello\r\n0\n\n", "HPOST <hello>B", true, false, false},
    {CHUNK "5\r\nhello\r\n0\r\n\n", "HPOST <hello>B", true, false, false},
    {CHUNK "5\r\nhello\r\n0\r\n\rX", "HPOST <hello>B", true, false, false},
    {CHUNK " 5\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5 \r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5 ;x\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0x5\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "+5\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "-1\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5g\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK ";x\r\n", "HPOST B", true, false, false},
    {CHUNK "FFFFFFFFFFFFFFFF\r\nhello", "HPOST B", true, false, false},
    {CHUNK "10000000000000005\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5;a\rb\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "5;a\1\r\nhello\r\n0\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\nX: a\nY: b\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\nX : a\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\nX: a\r\n folded\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\nContent-Length: 5\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\ntransfer-encoding: chunked\r\n\r\n", "HPOST B", true, false, false},
    {CHUNK "0\r\nHost: b.test\r\n\r\n", "HPOST B", true, false, false},
    {GET "\r\n" GET, "HGET E B", true, false, false},
    {GET "\nGET", "HGET E B", true, false, false},
};

START_TEST(every_split_gives_the_same_events)
{
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        size_t len = strlen(CASES[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            feed(CASES[i].text, len, cut, false, CASES[i].request, CASES[i].to_head, CASES[i].eof);
            ck_assert_msg(strcmp(seen, CASES[i].want) == 0, "%s\ncut at %zu: %s", CASES[i].text, cut, seen);
        }
        feed(CASES[i].text, len, 0, true, CASES[i].request, CASES[i].to_head, CASES[i].eof);
        ck_assert_msg(strcmp(seen, CASES[i].want) == 0, "%s\nbytewise: %s", CASES[i].text, seen);
    }
}
END_TEST

START_TEST(framing_lines_and_trailers_are_bounded)
{
    static char text[32768];

    size_t len = (size_t)sprintf(text, CHUNK "5;");
    memset(text + len, 'x', CHUNK_LINE_MAX);
    feed(text, len + CHUNK_LINE_MAX, 0, false, true, false, false);
    ck_assert_str_eq(seen, "HPOST B");
    len = (size_t)sprintf(text, CHUNK "0\r\n");
    for (int i = 0; i < 900; i++)
        len += (size_t)sprintf(text + len, "X: %010d\r\n", i);
    feed(text, len, 0, false, true, false, false);
    ck_assert_str_eq(seen, "HPOST B");
    len = (size_t)sprintf(text, CHUNK "0\r\nX: ");
    memset(text + len, 'x', TRAILERS_MAX);
    feed(text, len + TRAILERS_MAX, 0, false, true, false, false);
    ck_assert_str_eq(seen, "HPOST B");
}
END_TEST

SUITE_MAIN("h1", every_split_gives_the_same_events, framing_lines_and_trailers_are_bounded)

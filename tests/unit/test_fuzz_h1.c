/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_h1: fuzz_h1 for a bounded time, from messages as clients and servers send them. */
#include "core/str.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

enum { RESPONSE = 0, REQUEST = 1, TO_HEAD = 2 };

static void from(unsigned kind, const char *text)
{
    uint8_t bytes[FUZZ_MAX] = {(uint8_t)kind, 0, 33}; /* what fuzz_h1 reads it as, and where it cuts */
    struct str message = str_of(text);

    memcpy(bytes + 3, message.ptr, message.len);
    fuzz_mutations(bytes, message.len + 3, 4000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, message.len + 3), 0);
}

START_TEST(changed_messages_are_read_the_same_in_parts_and_written_anew_as_they_were_read)
{
    from(REQUEST, "GET http://a.test:80?b HTTP/1.1\r\nHost: a.test\r\nConnection: close, x\r\nX: y\r\n\r\n"
                  "OPTIONS * HTTP/1.0\r\nHost: a.test\r\n\r\n");
    from(REQUEST,
         "POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
         "5;x=\"y\"\r\nhello\r\n0\r\nX: y\r\n\r\nPUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: "
         "5\r\n\r\nhello");
    from(RESPONSE,
         "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nAlt-Svc: h3\r\n\r\nhello"
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.0 "
         "200\r\n\r\nabc");
    from(
        TO_HEAD,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n");
}
END_TEST

SUITE_MAIN("fuzz_h1", changed_messages_are_read_the_same_in_parts_and_written_anew_as_they_were_read)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_buf: the queue keeps its bytes in order and its cap, whatever is appended and consumed. */
#include <string.h>

#include "core/buf.h"
#include "tests/unit/suite.h"

START_TEST(an_append_past_the_cap_adds_nothing)
{
    struct buf buf;

    buf_init(&buf, 1000);
    char bytes[1001] = {0};
    ck_assert_int_eq(buf_append(&buf, bytes, 600), 0);
    ck_assert_int_eq(buf_append(&buf, bytes, 401), -1);
    ck_assert_uint_eq(buf.len, 600);
    ck_assert_int_eq(buf_append(&buf, bytes, 400), 0);
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    ck_assert_ptr_null(buf_reserve(&buf, (size_t)-1));
    buf_fini(&buf);
}
END_TEST

START_TEST(bytes_come_out_in_the_order_they_went_in)
{
    struct buf buf;
    unsigned char in = 0, out = 0;

    buf_init(&buf, 3000);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < round % 97; i++) {
            if (buf_append(&buf, &in, 1) != 0)
                break;
            in++;
        }
        size_t take = round % 89 < buf.len ? round % 89 : buf.len;
        for (size_t i = 0; i < take; i++)
            ck_assert_uint_eq((unsigned char)buf_str(&buf).ptr[i], out++);
        buf_consume(&buf, take);
        ck_assert_uint_le(buf.size, 3000);
    }
    buf_fini(&buf);
}
END_TEST

START_TEST(an_emptied_buf_holds_no_memory)
{
    struct buf buf;

    buf_init(&buf, 100);
    ck_assert_int_eq(buf_printf(&buf, "%s-%d", "a", 7), 0);
    ck_assert(str_equal(buf_str(&buf), str_of("a-7")));
    buf_consume(&buf, 3);
    ck_assert_ptr_null(buf.data);
    ck_assert_int_eq(buf_printf(&buf, "%200s", "x"), -1);
    ck_assert_uint_eq(buf.len, 0);
    buf_fini(&buf);
}
END_TEST

SUITE_MAIN("buf", an_append_past_the_cap_adds_nothing, bytes_come_out_in_the_order_they_went_in,
           an_emptied_buf_holds_no_memory)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate pkt: lengths are four hexadecimal digits and nothing else; a line that is cut short or too long is no line. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/pkt.h"
#include "suite.h"

START_TEST(the_length_is_four_digits_that_count_themselves)
{
    static const struct {
        const char *head;
        enum pkt kind;
        size_t len;
    } cases[] = {
        {"0000", PKT_FLUSH, 0},   {"0001", PKT_DELIM, 0},    {"0002", PKT_RESPONSE_END, 0},
        {"0003", PKT_BAD, 0},     {"0004", PKT_LINE, 0},     {"000a", PKT_LINE, 6},
        {"000A", PKT_LINE, 6},    {"fff0", PKT_LINE, 65516}, {"fff1", PKT_BAD, 0},
        {"ffff", PKT_BAD, 0},     {" 00a", PKT_BAD, 0},      {"+00a", PKT_BAD, 0},
        {"0x0a", PKT_BAD, 0},     {"-001", PKT_BAD, 0},      {"000g", PKT_BAD, 0},
        {"\0\0\0\0", PKT_BAD, 0}, {"git-", PKT_BAD, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = 7;
        ck_assert_msg(pkt_head(cases[i].head, &len) == cases[i].kind, "%s", cases[i].head);
        ck_assert_msg(len == cases[i].len, "%s", cases[i].head);
    }
}
END_TEST

/* A pipe with these bytes, closed behind them. */
static int bytes(const char *text, size_t len)
{
    int pair[2];

    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(write(pair[1], text, len), (int)len);
    close(pair[1]);
    return pair[0];
}

START_TEST(lines_are_read_one_by_one_and_nothing_behind_them)
{
    char room[16], rest[8];
    struct str line;
    int fd = bytes("0009hello000ahello\n00040000rest", 31);

    ck_assert_int_eq(pkt_read(fd, room, sizeof room, &line), PKT_LINE);
    ck_assert(str_equal(line, str_of("hello")));
    ck_assert_int_eq(pkt_read(fd, room, sizeof room, &line), PKT_LINE);
    ck_assert(str_equal(line, str_of("hello")));
    ck_assert_int_eq(pkt_read(fd, room, sizeof room, &line), PKT_LINE);
    ck_assert_uint_eq(line.len, 0);
    ck_assert_int_eq(pkt_read(fd, room, sizeof room, &line), PKT_FLUSH);
    ck_assert_int_eq(read(fd, rest, sizeof rest), 4);
    ck_assert_int_eq(pkt_read(fd, room, sizeof room, &line), PKT_END);
    close(fd);
}
END_TEST

START_TEST(a_line_that_is_cut_short_or_has_no_room_is_none)
{
    static const char *const broken[] = {"0", "000", "000ahell", "0015seventeen bytes.."};
    struct str line;

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *room = malloc(16); /* of exactly this size: the sanitizer watches its end */
        int fd = bytes(broken[i], strlen(broken[i]));
        ck_assert_msg(pkt_read(fd, room, 16, &line) == PKT_BAD, "%s", broken[i]);
        close(fd);
        free(room);
    }
}
END_TEST

START_TEST(what_is_added_counts_itself)
{
    static char longest[PKT_MAX - PKT_HEAD + 2];
    struct buf buf;

    buf_init(&buf, 1 << 20);
    ck_assert_int_eq(pkt_add(&buf, "ng %s %s", "refs/heads/main", "no"), 0);
    ck_assert_int_eq(pkt_add_flush(&buf), 0);
    ck_assert(str_equal(buf_str(&buf), str_of("0019ng refs/heads/main no0000")));
    memset(longest, 'x', sizeof longest - 1);
    ck_assert_int_eq(pkt_add(&buf, "%s", longest), -1);
    longest[sizeof longest - 2] = '\0';
    ck_assert_int_eq(pkt_add(&buf, "%s", longest), 0);
    ck_assert_uint_eq(buf_str(&buf).len, 29 + PKT_MAX);
    buf_fini(&buf);
    buf_init(&buf, 8);
    ck_assert_int_eq(pkt_add(&buf, "too long for it"), -1);
    ck_assert_uint_eq(buf_str(&buf).len, 0);
    buf_fini(&buf);
}
END_TEST

SUITE_MAIN("gate_pkt", the_length_is_four_digits_that_count_themselves,
           lines_are_read_one_by_one_and_nothing_behind_them, a_line_that_is_cut_short_or_has_no_room_is_none,
           what_is_added_counts_itself)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_line: what a worker may put into the stream, and what only init may say. */
#include <string.h>

#include "core/audit.h"
#include "init/audit_line.h"
#include "tests/unit/suite.h"

static struct audit_tally tally;

START_TEST(what_workers_write_is_sound)
{
    static const char *const lines[] = {
        "{\"kind\":\"http\"}\n",
        ("{\"time\":\"T\",\"kind\":\"dns\",\"host\":\"\\\"kind\\\":\\\"lifecycle\\\",\\\\\",\"port\":5,"
         "\"list\":[{\"seq\":1}],\"x\":true}\n"),
        "{\"detail\":\"end\",\"kind\":\"tcp\",\"host\":\"lifecycle\"}\n"};
    char line[AUDIT_LINE_MAX];

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(audit_line_sound(str_of(lines[i]), &tally), "%s", lines[i]);
    struct audit audit = {
        .kind = AUDIT_TLS, .host = str_of("a\"\\}{,:\x01\xff"), .alpn = str_of("\"kind\":\"control\"")};
    ck_assert(audit_line_sound((struct str){line, audit_format(&audit, 0, line)}, &tally));
}
END_TEST

START_TEST(what_breaks_the_stream_or_speaks_for_init_is_not)
{
    static const char *const lines[] = {"",
                                        "\n",
                                        "{}\n",
                                        "{\"kind\":\"http\"}",
                                        "{\"kind\":\"http\"}\n\n",
                                        "[\"kind\",\"http\"]\n",
                                        "{\"kind\":\"http\"}{\"kind\":\"http\"}\n",
                                        "{\"kind\":\"http\"}]\n",
                                        "{\"kind\":\"http\",\"a\":[}\n",
                                        "{\"kind\":\"http\",\"a\":\"}\n",
                                        "{\"kind\":\"http\",\"a\":\"\\\"}\n",
                                        "{\"kind\":\"http\",\"a\":\"\x1b\"}\n",
                                        "{\"kind\":\"http\",\"a\":\"\x7f\"}\n",
                                        "{\"kind\":\"http\", \"a\":1}\n",
                                        "{\"host\":\"a\"}\n",
                                        "{\"kind\":\"http\",\"kind\":\"http\"}\n",
                                        "{\"kind\":\"http\",\"\\u006bind\":\"lifecycle\"}\n",
                                        "{\"kind\":\"lifecycle\"}\n",
                                        "{\"kind\":\"life\\u0063ycle\"}\n",
                                        "{\"kind\":[\"control\"]}\n",
                                        "{\"kind\":\"control\"}\n",
                                        "{\"kind\":\"packet\"}\n",
                                        "{\"kind\":\"http\",\"seq\":1}\n",
                                        "{\"kind\":\"http\",\"prev\":\"0\"}\n",
                                        "{\"kind\":\"http\",\"boot\":\"0\"}\n",
                                        "{\"end\":true,\"kind\":\"http\"}\n",
                                        "{\"policy_digest\":\"0\",\"kind\":\"http\"}\n"};
    char line[AUDIT_LINE_MAX + 1];

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(!audit_line_sound(str_of(lines[i]), &tally), "%s", lines[i]);
    ck_assert(!audit_line_sound((struct str){"{\"kind\":\"a\0b\"}\n", 15}, &tally));
    memset(line, '[', sizeof line);
    memcpy(line, "{\"kind\":\"http\",\"a\":", 19);
    memcpy(line + AUDIT_UNSEALED_MAX - 2, "}\n", 2);
    ck_assert(!audit_line_sound((struct str){line, AUDIT_UNSEALED_MAX}, &tally));
}
END_TEST

START_TEST(a_line_that_leaves_no_room_for_the_seal_is_not)
{
    char line[AUDIT_LINE_MAX];

    for (size_t len = AUDIT_UNSEALED_MAX; len <= AUDIT_UNSEALED_MAX + 1; len++) {
        memset(line, 'x', sizeof line);
        memcpy(line, "{\"kind\":\"http\",\"a\":\"", 20);
        memcpy(line + len - 3, "\"}\n", 3);
        ck_assert_int_eq(audit_line_sound((struct str){line, len}, &tally), len == AUDIT_UNSEALED_MAX);
    }
}
END_TEST

START_TEST(a_denial_is_counted_by_its_own_reason_and_count_alone)
{
    static const struct {
        const char *line;
        enum denial reason;
        unsigned long long count;
    } lines[] = {
        {"{\"kind\":\"dns\",\"reason\":\"dns-name\"}\n", DENIAL_DNS_NAME, 1},
        {"{\"kind\":\"dns\",\"reason\":\"dns-name\",\"count\":700}\n", DENIAL_DNS_NAME, 700},
        {"{\"kind\":\"dns\",\"count\":7}\n", DENIAL_NONE, 7},
        {"{\"kind\":\"dns\",\"reason\":\"never-heard-of\"}\n", DENIAL_NONE, 1},
        {"{\"kind\":\"dns\",\"reason\":5,\"count\":\"9\"}\n", DENIAL_NONE, 1},
        {"{\"kind\":\"http\",\"host\":\"\\\"reason\\\":\\\"ssh\\\"\",\"list\":[{\"reason\":\"ssh\",\"count\":"
         "3}]}\n",
         DENIAL_NONE, 1},
        {"{\"kind\":\"http\",\"reason\":\"ssh\",\"count\":99999999999999999999}\n", DENIAL_SSH, 1},
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ck_assert_msg(audit_line_sound(str_of(lines[i].line), &tally), "%s", lines[i].line);
        ck_assert_msg(tally.reason == lines[i].reason && tally.count == lines[i].count, "%s", lines[i].line);
    }
}
END_TEST

START_TEST(no_byte_that_is_not_printable_is_let_in_anywhere)
{
    static const char sound[] = "{\"kind\":\"http\",\"a\":\"0123456789abcdef\"}\n";
    char line[sizeof sound];

    for (size_t at = 20; at < 36; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(line, sound, sizeof sound);
            line[at] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
            if (plain || byte < 0x20 || byte >= 0x7f)
                ck_assert_msg(audit_line_sound((struct str){line, sizeof line - 1}, &tally) == plain,
                              "0x%02x at %zu", (unsigned)byte, at);
        }
}
END_TEST

SUITE_MAIN("audit_line", no_byte_that_is_not_printable_is_let_in_anywhere,
           a_denial_is_counted_by_its_own_reason_and_count_alone, what_workers_write_is_sound,
           what_breaks_the_stream_or_speaks_for_init_is_not, a_line_that_leaves_no_room_for_the_seal_is_not)

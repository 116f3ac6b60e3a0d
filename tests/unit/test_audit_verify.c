/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_verify: a whole stream is whole; a line that was changed, removed, added or moved is named. */
#include "hostctl/audit_verify.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

#define LINES 6

static char lines[LINES][AUDIT_LINE_MAX];
static struct err err;

/* Six sealed lines, as init makes them; the digests are the verifier's own, so the first is checked by itself. */
static void make(uint64_t from)
{
    struct audit_verify verify = {.lines = 0};

    memcpy(verify.digest, AUDIT_SEAL_BEGIN, sizeof verify.digest);
    for (size_t i = 0; i < LINES; i++) {
        struct audit audit = {.kind = AUDIT_HTTP, .id = "00000001-000001", .host = str_of("a.example")};
        struct audit_seal seal = {.boot = from + i == 1 ? "0123456789abcdef0123456789abcdef" : NULL,
                                  .end = i == LINES - 1,
                                  .seq = from + i,
                                  .prev = verify.digest};
        size_t len = audit_seal_put(&seal, lines[i], audit_format(&audit, i, lines[i]));
        lines[i][len] = '\0';
        ck_assert_int_eq(audit_verify_line(&verify, (struct str){lines[i], len}, &err), 0);
    }
}

/* All lines in this order; returns what is wrong, "" when nothing is. */
static const char *verdict(const char *order, bool running)
{
    struct audit_verify verify = {.lines = 0};

    err.text[0] = '\0';
    for (const char *at = order; *at != '\0'; at++)
        if (audit_verify_line(&verify, str_of(lines[*at - '1']), &err) != 0)
            return err.text;
    return audit_verify_end(&verify, running, &err) == 0 ? "" : err.text;
}

START_TEST(a_digest_is_sha_256_of_the_line_with_its_end)
{
    struct audit_verify verify = {.lines = 0};
    struct str line =
        str_of("{\"a\":1,\"boot\":\"0123456789abcdef0123456789abcdef\",\"seq\":1,\"prev\":\"" AUDIT_SEAL_BEGIN
               "\"}\n");

    ck_assert_int_eq(audit_verify_line(&verify, line, &err), 0);
    ck_assert_str_eq(
        verify.digest,
        "3a4c5e0fa6b19271df7ced665ea9c3a85b544ad43e50c1df43dcc730f7bd7c94"); /* by sha256sum(1) */
}
END_TEST

START_TEST(what_was_done_to_a_stream_is_said)
{
    static const struct {
        const char *order;
        bool running;
        const char *verdict;
    } cases[] = {
        {"123456", false, ""},
        {"123456", true, ""},
        {"123", true, ""},
        {"123456123456", false, ""},
        {"", false, "there are no lines"},
        {"12345", false,
         "line 5: is not the stream's end: lines are missing behind it, or the sidecar was killed"},
        {"3456", false, "line 1: has the number 3: the stream's beginning is missing"},
        {"12456", false, "line 3: has the number 4 behind 2: lines between them are missing"},
        {"13456", false, "line 2: has the number 3 behind 1: lines between them are missing"},
        {"124356", false, "line 3: has the number 4 behind 2: lines between them are missing"},
        {"1223456", false, "line 3: has the number 2 behind 2: it is not in its place"},
        {"1234564", false, "line 7: stands behind the end of the stream"},
        {"123123456", false, "line 4: begins another stream, and the end of the one before is missing"},
    };

    make(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(verdict(cases[i].order, cases[i].running), cases[i].verdict);
}
END_TEST

START_TEST(a_changed_byte_is_seen_at_once_or_by_the_next_line)
{
    for (size_t at = 0; at + 1 < AUDIT_LINE_MAX; at++) {
        make(1);
        if (lines[2][at] == '\0')
            return;
        lines[2][at] = lines[2][at] == 'x' ? 'y' : 'x';
        const char *said = verdict("123456", false);
        ck_assert_msg(strncmp(said, "line 3: ", 8) == 0 || strncmp(said, "line 4: ", 8) == 0, "byte %zu: %s",
                      at, said);
    }
    ck_abort_msg("the line has no end");
}
END_TEST

START_TEST(a_last_line_that_is_cut_off_is_said)
{
    make(1);
    lines[5][strlen(lines[5]) - 1] = '\0';
    ck_assert_str_eq(verdict("123456", false), "line 6: is cut off");
}
END_TEST

SUITE_MAIN("audit_verify", a_digest_is_sha_256_of_the_line_with_its_end, what_was_done_to_a_stream_is_said,
           a_changed_byte_is_seen_at_once_or_by_the_next_line, a_last_line_that_is_cut_off_is_said)

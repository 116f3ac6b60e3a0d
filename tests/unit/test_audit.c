/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit: a line is one line of valid JSON in printable ASCII, whatever an agent put into it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "core/json_out.h"
#include "tests/unit/suite.h"

#define WALL 1700000000123456u /* 2023-11-14T22:13:20.123456Z */

static json_t *format(const struct audit *audit, char line[AUDIT_LINE_MAX])
{
    size_t len = audit_format(audit, WALL, line);

    ck_assert_uint_le(len, AUDIT_LINE_MAX);
    ck_assert_int_eq(line[len - 1], '\n');
    for (size_t i = 0; i < len - 1; i++)
        ck_assert_msg(line[i] >= 0x20 && line[i] < 0x7f, "byte %zu is 0x%02x", i, (unsigned char)line[i]);
    json_t *json = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

START_TEST(a_decision_is_written_member_by_member)
{
    char line[AUDIT_LINE_MAX] = "";
    struct audit audit = {.kind = AUDIT_HTTP,
                          .verdict = AUDIT_BLOCK,
                          .id = "00000001-000001",
                          .reason = DENIAL_HOST_NOT_ALLOWED,
                          .host = str_of("evil.example"),
                          .method = str_of("GET"),
                          .path = str_of("/a"),
                          .status = 403,
                          .port = 80,
                          .bytes_in = 1,
                          .count = 3};

    json_decref(format(&audit, line));
    ck_assert_str_eq(
        line, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"id\":\"00000001-000001\",\"kind\":\"http\","
              "\"verdict\":\"block\",\"reason\":\"host-not-allowed\",\"host\":\"evil.example\","
              "\"method\":\"GET\",\"path\":\"/a\",\"port\":80,\"status\":403,\"bytes_in\":1,\"count\":3}\n");
}
END_TEST

START_TEST(an_agents_bytes_cannot_leave_their_string)
{
    char line[AUDIT_LINE_MAX];
    char bytes[256];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    struct audit audit = {.kind = AUDIT_DNS, .verdict = AUDIT_BLOCK, .host = {bytes, sizeof bytes}};
    json_decref(format(&audit, line));
    audit.host = str_of("a\",\"verdict\":\"allow\n\x1b[2J\x7f");
    json_t *json = format(&audit, line);
    ck_assert_str_eq(json_string_value(json_object_get(json, "verdict")), "block");
    ck_assert_str_eq(json_string_value(json_object_get(json, "host")),
                     "a\",\"verdict\":\"allow\n\x1b[2J\x7f");
    json_decref(json);
    audit.host = str_of("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xff \xc0\x80 \xed\xa0\x80");
    json = format(&audit, line);
    ck_assert_str_eq(json_string_value(json_object_get(json, "host")),
                     "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(json);
}
END_TEST

START_TEST(the_largest_decision_still_fits)
{
    char line[AUDIT_LINE_MAX], text[5000];

    memset(text, 1, sizeof text); /* the longest escape for its size */
    text[sizeof text - 1] = '\0';
    struct str huge = {text, sizeof text};
    struct audit audit = {.kind = AUDIT_LIFECYCLE,
                          .verdict = AUDIT_ALARM,
                          .rule = text,
                          .reason = DENIAL_PACKET_SPOOFED,
                          .detail = huge,
                          .host = huge,
                          .method = huge,
                          .path = huge,
                          .protocol = text,
                          .alpn = huge,
                          .tls_version = text,
                          .address = text,
                          .port = 65535,
                          .upstream = text,
                          .status = 999,
                          .bytes_in = INT64_MAX,
                          .bytes_out = INT64_MAX,
                          .duration_us = INT64_MAX,
                          .generation = INT64_MAX,
                          .count = INT64_MAX};
    audit_id(audit.id);
    json_t *json = format(&audit, line);
    ck_assert_uint_eq(json_object_size(json), 22);
    json_decref(json);
}
END_TEST

START_TEST(the_largest_decision_about_git_still_fits)
{
    char line[AUDIT_LINE_MAX], text[5000], names[40][20];
    struct audit_finding findings[40];

    memset(text, 1, sizeof text);
    text[sizeof text - 1] = '\0';
    struct str huge = {text, sizeof text};
    for (unsigned i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "rule-%u", i);
        findings[i] = (struct audit_finding){names[i], UINT64_MAX / 64};
    }
    struct audit audit = {.kind = AUDIT_GIT,
                          .verdict = AUDIT_REDACT,
                          .rule = text,
                          .reason = DENIAL_UPSTREAM_UNREACHABLE,
                          .detail = huge,
                          .detector = "token_patterns",
                          .pattern = text,
                          .surface = "commit message",
                          .host = huge,
                          .method = huge,
                          .path = huge,
                          .repository = huge,
                          .ref = huge,
                          .old_id = huge,
                          .new_id = huge,
                          .commit = huge,
                          .line = INT64_MAX,
                          .commits = INT64_MAX,
                          .objects = INT64_MAX,
                          .findings = findings,
                          .finding_count = 40,
                          .port = 65535,
                          .upstream = text,
                          .status = 999,
                          .bytes_in = INT64_MAX,
                          .bytes_out = INT64_MAX,
                          .duration_us = INT64_MAX,
                          .generation = INT64_MAX,
                          .count = INT64_MAX};
    audit_id(audit.id);
    json_t *json = format(&audit, line);
    ck_assert_uint_eq(json_object_size(json), 30);
    ck_assert_str_eq(json_string_value(json_object_get(json, "kind")), "git");
    json_decref(json);
}
END_TEST

static char *found(const struct audit_finding *findings, size_t count)
{
    struct audit audit = {.kind = AUDIT_GIT,
                          .verdict = AUDIT_BLOCK,
                          .repository = str_of("r"),
                          .findings = findings,
                          .finding_count = count};
    char line[AUDIT_LINE_MAX];
    json_t *json = format(&audit, line);
    char *text = json_dumps(json_object_get(json, "findings"), JSON_COMPACT);

    ck_assert_ptr_nonnull(text);
    json_decref(json);
    return text;
}

START_TEST(findings_are_counted_by_rule_and_a_rules_name_is_no_way_out_of_its_string)
{
    static const struct {
        struct audit_finding findings[4];
        size_t count;
        const char *wanted;
    } cases[] = {
        {{{"npm", 2}, {"github-pat", 1}}, 2, "{\"npm\":2,\"github-pat\":1}"},
        {{{"a\"}b\\\n\xff c", 1}}, 1, "{\"a_}b____c\":1}"},
        {{{"a b", 1}, {"a\nb", 2}, {"others", 3}, {"c", 4}}, 4, "{\"a_b\":1,\"c\":4,\"others\":5}"},
        {{{"0123456789012345678901234567890123456789xx", 1}},
         1,
         "{\"0123456789012345678901234567890123456789\":1}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = found(cases[i].findings, cases[i].count);
        ck_assert_str_eq(text, cases[i].wanted);
        free(text);
    }
}
END_TEST

START_TEST(a_line_of_git_has_its_own_members_in_the_place_of_a_connections)
{
    char line[AUDIT_LINE_MAX] = "";
    struct audit audit = {.kind = AUDIT_GIT,
                          .verdict = AUDIT_ALLOW,
                          .id = "00000001-000001",
                          .method = str_of("push"),
                          .path = str_of("a.c"),
                          .protocol = "p",
                          .alpn = str_of("a"),
                          .tls_version = "t",
                          .address = "a",
                          .repository = str_of("app"),
                          .ref = str_of("refs/heads/x"),
                          .old_id = str_of("00"),
                          .new_id = str_of("12"),
                          .commit = str_of("12"),
                          .line = 3,
                          .commits = 1,
                          .objects = 4};

    json_decref(format(&audit, line));
    ck_assert_str_eq(line,
                     "{\"time\":\"2023-11-14T22:13:20.123Z\",\"id\":\"00000001-000001\",\"kind\":\"git\","
                     "\"verdict\":\"allow\",\"method\":\"push\",\"path\":\"a.c\",\"repository\":\"app\","
                     "\"ref\":\"refs/heads/x\",\"old\":\"00\",\"new\":\"12\",\"commit\":\"12\",\"line\":3,"
                     "\"commits\":1,\"objects\":4}\n");
    audit.repository = str_of("");
    json_t *json = format(&audit, line);
    ck_assert_ptr_null(json_object_get(json, "ref"));
    ck_assert_ptr_nonnull(json_object_get(json, "alpn"));
    json_decref(json);
}
END_TEST

START_TEST(ids_differ)
{
    char a[AUDIT_ID_MAX], b[AUDIT_ID_MAX];

    audit_id(a);
    audit_id(b);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(a_text_that_does_not_fit_is_cut_and_an_object_that_does_not_is_an_error)
{
    char small[24];
    struct json_out out;

    json_out_begin(&out, small, sizeof small);
    json_out_str(&out, "a", str_of("0123456789"), 9);
    ck_assert_int_eq(json_out_end(&out), 17);
    ck_assert_str_eq(small, "{\"a\":\"012\\u2026\"}");
    json_out_begin(&out, small, sizeof small);
    json_out_str(&out, "a", str_of("012345678901234"), 30);
    ck_assert_int_eq(json_out_end(&out), 23);
    json_out_begin(&out, small, sizeof small);
    json_out_str(&out, "a", str_of("0123456789012345"), 30);
    ck_assert_int_eq(json_out_end(&out), -1);
}
END_TEST

/* The string of one character, as it is written, without its quotation marks. */
static size_t written(const char *text, size_t len, char out[32])
{
    struct json_out one;

    json_out_begin(&one, out, 32);
    json_out_str(&one, "", (struct str){text, len}, 20);
    size_t all = (size_t)json_out_end(&one);
    memmove(out, out + 5, all - 7);
    return all - 7;
}

START_TEST(texts_of_any_kind_are_cut_at_the_character_that_does_not_fit)
{
    static const struct {
        const char *text;
        size_t len;
    } pieces[] = {{"a", 1},  {"zz ~", 4}, {"\"", 1},       {"\\", 1},
                  {"\n", 1}, {"\x7f", 1}, {"\xc3\xa9", 2}, {"\xff", 1}};
    char text[64], want[128], got[128], part[32];
    uint32_t dice = 1;

    for (int round = 0; round < 3000; round++) {
        size_t len = 0, max = 6 + round % 40, used = 0;
        bool cut = false;
        for (size_t count = (size_t)round % 12; count > 0; count--) {
            dice = dice * 1664525 + 1013904223;
            memcpy(text + len, pieces[dice >> 24 & 7].text, pieces[dice >> 24 & 7].len);
            len += pieces[dice >> 24 & 7].len;
        }
        strcpy(want, "{\"k\":\"");
        for (size_t at = 0, step; at < len && !cut; at += step) {
            step = text[at] == '\xc3' ? 2 : 1;
            size_t size = written(text + at, step, part);
            cut = used + size + (at + step < len ? 6 : 0) > max;
            size_t end = strlen(want);
            snprintf(want + end, sizeof want - end, "%.*s", cut ? 6 : (int)size, cut ? "\\u2026" : part);
            used += size;
        }
        strcat(want, "\"}");
        struct json_out out;
        json_out_begin(&out, got, sizeof got);
        json_out_str(&out, "k", (struct str){text, len}, max);
        ck_assert_int_gt(json_out_end(&out), 0);
        ck_assert_str_eq(got, want);
    }
}
END_TEST

START_TEST(each_line_has_its_own_time)
{
    static const struct {
        uint64_t wall_us;
        const char *text;
    } times[] = {{WALL, "2023-11-14T22:13:20.123Z"},
                 {WALL + 876543, "2023-11-14T22:13:20.999Z"},
                 {WALL + 876544, "2023-11-14T22:13:21.000Z"},
                 {WALL, "2023-11-14T22:13:20.123Z"},
                 {0, "1970-01-01T00:00:00.000Z"},
                 {4102444799007000u, "2099-12-31T23:59:59.007Z"}};
    char line[AUDIT_LINE_MAX];

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        audit_format(&(struct audit){.kind = AUDIT_DNS}, times[i].wall_us, line);
        ck_assert_int_eq(memcmp(line, "{\"time\":\"", 9), 0);
        ck_assert_int_eq(memcmp(line + 9, times[i].text, strlen(times[i].text)), 0);
    }
}
END_TEST

START_TEST(every_denial_has_a_name_a_sentence_and_a_hint)
{
    for (int i = 1; i < DENIAL_COUNT; i++) {
        ck_assert_uint_gt(strlen(denial_name((enum denial)i)), 0);
        ck_assert_uint_gt(strlen(denial_sentence((enum denial)i)), 0);
        ck_assert_uint_gt(strlen(denial_hint((enum denial)i)), 0);
        for (int j = 1; j < i; j++)
            ck_assert_str_ne(denial_name((enum denial)i), denial_name((enum denial)j));
    }
    ck_assert_str_eq(denial_name(DENIAL_NONE), "");
    ck_assert_int_eq(denial_status((enum denial)DENIAL_COUNT), 0);
}
END_TEST

SUITE_MAIN("audit", a_decision_is_written_member_by_member, an_agents_bytes_cannot_leave_their_string,
           the_largest_decision_still_fits, the_largest_decision_about_git_still_fits,
           findings_are_counted_by_rule_and_a_rules_name_is_no_way_out_of_its_string,
           a_line_of_git_has_its_own_members_in_the_place_of_a_connections, ids_differ,
           a_text_that_does_not_fit_is_cut_and_an_object_that_does_not_is_an_error,
           texts_of_any_kind_are_cut_at_the_character_that_does_not_fit, each_line_has_its_own_time,
           every_denial_has_a_name_a_sentence_and_a_hint)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_show: what a person reads of a line, and that no byte of an agent's gets to a terminal as it is. */
#include "hostctl/audit_show.h"

#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "tests/unit/suite.h"

static const char *shown(const struct audit_filter *filter, bool raw, struct str line)
{
    static char text[2 * AUDIT_LINE_MAX];
    FILE *to = fmemopen(text, sizeof text, "w");

    text[0] = '\0';
    ck_assert_ptr_nonnull(to);
    audit_show(filter, raw, line, to);
    fclose(to);
    return text;
}

static const char *person(const char *line)
{
    static const struct audit_filter all;

    return shown(&all, false, str_of(line));
}

START_TEST(a_line_for_a_person_has_its_columns)
{
    ck_assert_str_eq(
        person(
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"id\":\"1-2\",\"kind\":\"http\",\"verdict\":\"block\","
            "\"rule\":\"a.example deny[0]\",\"reason\":\"host-not-allowed\",\"detail\":\"our own words\","
            "\"host\":\"a.example\",\"method\":\"GET\",\"path\":\"/"
            "x\",\"address\":\"192.0.2.1\",\"port\":443,"
            "\"status\":403,\"count\":9}\n"),
        "2026-01-02T03:04:05.678Z block  http      GET a.example:443/x 403 host-not-allowed [a.example "
        "deny[0]] "
        "our own words x9\n");
    ck_assert_str_eq(person("{\"time\":\"T\",\"kind\":\"packet\",\"verdict\":\"block\",\"protocol\":\"udp\","
                            "\"address\":\"192.0.2.1\",\"port\":53}"),
                     "T block  packet    udp 192.0.2.1:53\n");
}
END_TEST

START_TEST(a_line_of_git_has_repository_ref_and_place)
{
    ck_assert_str_eq(
        person(
            "{\"time\":\"T\",\"kind\":\"git\",\"verdict\":\"block\",\"rule\":\"app "
            "push\",\"reason\":\"dlp-match\","
            "\"detail\":\"two words\",\"host\":\"git.example\",\"method\":\"push\",\"path\":\"src/a b.c\","
            "\"repository\":\"app\",\"ref\":\"refs/heads/agent/x\","
            "\"old\":\"0000000000000000000000000000000000000000\",\"new\":"
            "\"1234567890abcdef1234567890abcdef12345678\","
            "\"commit\":\"fedcba9876543210fedcba9876543210fedcba98\",\"line\":7,\"commits\":3,\"objects\":9,"
            "\"findings\":{\"npm\":2,\"a\\u001b\":1}}"),
        "T block  git       push app refs/heads/agent/x 000000000000..1234567890ab src/a\\u0020b.c:7 of "
        "fedcba987654 "
        "dlp-match [app push] two words found npm x2, a\\u001b x1\n");
    ck_assert_str_eq(
        person("{\"time\":\"T\",\"kind\":\"git\",\"verdict\":\"allow\",\"method\":\"fetch\",\"host\":\"h\","
               "\"repository\":\"app\"}"),
        "T allow  git       fetch app\n");
}
END_TEST

START_TEST(an_agents_text_cannot_drive_a_terminal_or_pass_for_a_column)
{
    /* ESC, BEL, CR, LF, DEL, CSI of C1, right-to-left override, line separator, emoji, space, backslash */
    ck_assert_str_eq(
        person("{\"kind\":\"dns\",\"verdict\":\"block\",\"host\":\"a\\u001b["
               "2J\\u0007\\r\\n\\u007f\\u009b\\u202e\\u2028"
               "\\ud83d\\ude00 403 \\\\\\u0000z\"}\n"),
        "block  dns       "
        "a\\u001b[2J\\u0007\\u000d\\u000a\\u007f\\u009b\\u202e\\u2028\\U0001f600\\u0020403\\u0020\\u005c\n");
    ck_assert_str_eq(person("{\"kind\":\"a\\u001bb\",\"verdict\":\"c\\u001bd\",\"time\":\"\\u001b\"}\n"),
                     "\\u001b c\\u001bd    a\\u001bb      \n");
}
END_TEST

START_TEST(what_is_no_line_is_shown_without_what_a_terminal_obeys)
{
    static const struct audit_filter deny = {.deny = true};
    char bytes[256];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)(i == '\n' ? ' ' : i);
    for (int raw = 0; raw < 2; raw++) {
        const char *text = shown(&deny, raw, (struct str){bytes, sizeof bytes});
        ck_assert_uint_eq(strlen(text), 257);
        for (size_t i = 0; i < 256; i++)
            ck_assert_int_eq(text[i], i == '\n' ? ' ' : i >= 0x20 && i <= 0x7e ? (char)i : '?');
    }
    ck_assert_str_eq(shown(&deny, true, str_of("{\"verdict\":\"allow\",\"host\":\"\x1b[2J\"}\n")),
                     "{\"verdict\":\"allow\",\"host\":\"?[2J\"}\n");
}
END_TEST

START_TEST(filters_choose)
{
    static const char *const lines[] = {
        "{\"kind\":\"http\",\"verdict\":\"allow\",\"host\":\"a.example\"}",
        "{\"kind\":\"dns\",\"verdict\":\"block\",\"host\":\"A.example\"}",
        "{\"kind\":\"lifecycle\",\"verdict\":\"alarm\",\"detail\":\"x\"}",
        "{\"kind\":\"http\",\"verdict\":\"redact\",\"host\":\"b.a.example\"}",
    };
    static const struct {
        bool deny;
        const char *host, *kind, *wanted;
    } cases[] = {{false, NULL, NULL, "0123"},       {true, NULL, NULL, "12"},
                 {false, "a.example", NULL, "01"},  {false, "*.a.example", NULL, "3"},
                 {false, "*.example", NULL, "013"}, {false, NULL, "http", "03"},
                 {true, "a.EXAMPLE", "dns", "1"},   {true, "b.example", NULL, ""}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *host = cases[i].host, *kind = cases[i].kind;
        struct audit_filter filter = {
            .deny = cases[i].deny, .hosts = {&host, host != NULL}, .kinds = {&kind, kind != NULL}};
        struct err err;
        ck_assert_int_eq(audit_filter_check(&filter, &err), 0);
        for (size_t line = 0; line < 4; line++) {
            bool wanted = strchr(cases[i].wanted, (int)('0' + line)) != NULL;
            ck_assert_msg((shown(&filter, false, str_of(lines[line]))[0] != '\0') == wanted,
                          "case %zu, line %zu", i, line);
            const char *raw = shown(&filter, true, str_of(lines[line]));
            ck_assert(wanted ? strncmp(raw, lines[line], strlen(lines[line])) == 0 : raw[0] == '\0');
        }
    }
}
END_TEST

START_TEST(an_unknown_kind_is_an_error)
{
    const char *kind = "htpp";
    struct audit_filter filter = {.kinds = {&kind, 1}};
    struct err err;

    ck_assert_int_eq(audit_filter_check(&filter, &err), -1);
    ck_assert_str_eq(err.text,
                     "--kind: there is no \"htpp\"; kinds are http tls dns tcp git packet control lifecycle");
}
END_TEST

SUITE_MAIN("audit_show", a_line_for_a_person_has_its_columns, a_line_of_git_has_repository_ref_and_place,
           an_agents_text_cannot_drive_a_terminal_or_pass_for_a_column,
           what_is_no_line_is_shown_without_what_a_terminal_obeys, filters_choose,
           an_unknown_kind_is_an_error)

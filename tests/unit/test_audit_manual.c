/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_manual: stopper-audit(5) describes the members of a line with their types, the kinds and the verdicts, each
 * once, in their order, and no other. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/audit_seal.h"
#include "tests/unit/suite.h"

/* The next line of the page from `section` on that begins with `item`; false at the section's end. */
static bool next_item(FILE *page, const char *item, char line[256])
{
    while (fgets(line, 256, page) != NULL && strncmp(line, ".Sh ", 4) != 0) {
        if (strncmp(line, item, strlen(item)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        memmove(line, line + strlen(item), strlen(line + strlen(item)) + 1);
        return true;
    }
    return false;
}

static FILE *section(const char *name)
{
    FILE *page = fopen("docs/stopper-audit.5", "r");
    char line[256], wanted[64];

    ck_assert_ptr_nonnull(page);
    snprintf(wanted, sizeof wanted, ".Sh %s\n", name);
    while (fgets(line, sizeof line, page) != NULL)
        if (strcmp(line, wanted) == 0)
            return page;
    ck_abort_msg("the page has no section %s", name);
}

static const char *type_of(const json_t *value)
{
    return json_is_string(value)    ? "string"
           : json_is_integer(value) ? "integer"
           : json_is_object(value)  ? "object"
                                    : "true";
}

/* The page has the members of a line, about git when a repository is named, in their order, among others. Returns how many of the
 * page's are not in it. */
static unsigned members_are(const char *repository)
{
    char line[AUDIT_LINE_MAX], item[256], said[256];
    const struct audit_finding finding = {"r", 1};
    unsigned passed = 0;
    struct audit audit = {.kind = AUDIT_HTTP,
                          .verdict = AUDIT_BLOCK,
                          .id = "00000001-000001",
                          .rule = "r",
                          .reason = DENIAL_HOST_NOT_ALLOWED,
                          .detail = str_of("d"),
                          .detector = "d",
                          .pattern = "p",
                          .surface = "s",
                          .host = str_of("h"),
                          .method = str_of("m"),
                          .path = str_of("p"),
                          .repository = str_of(repository),
                          .ref = str_of("r"),
                          .old_id = str_of("1"),
                          .new_id = str_of("2"),
                          .commit = str_of("2"),
                          .line = 1,
                          .commits = 1,
                          .objects = 1,
                          .findings = &finding,
                          .finding_count = 1,
                          .protocol = "p",
                          .alpn = str_of("a"),
                          .tls_version = "t",
                          .address = "a",
                          .port = 1,
                          .upstream = "u",
                          .status = 1,
                          .bytes_in = 1,
                          .bytes_out = 1,
                          .duration_us = 1000,
                          .generation = 1,
                          .count = 2};
    struct audit_seal seal = {
        .policy_digest = "x", .boot = "x", .end = true, .seq = 1, .prev = AUDIT_SEAL_BEGIN};
    size_t len = audit_seal_put(&seal, line, audit_format(&audit, 0, line));
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *value;
    FILE *page = section("MEMBERS");
    const char *key;

    ck_assert_ptr_nonnull(object);
    json_object_foreach(object, key, value) {
        snprintf(said, sizeof said, "%s Pq %s", key, type_of(value));
        do {
            ck_assert_msg(next_item(page, ".It Ic ", item), "the page does not have \"%s\"", said);
            item[strcspn(item, ",")] = '\0'; /* behind it is the cap */
            passed++;
        } while (strcmp(item, said) != 0);
        passed--;
    }
    ck_assert_msg(!next_item(page, ".It Ic ", item), "the page has \"%s\" too many", item);
    fclose(page);
    json_decref(object);
    return passed;
}

START_TEST(the_page_has_the_members_of_a_line_and_their_types)
{
    ck_assert_uint_eq(members_are(""), 9);  /* git's */
    ck_assert_uint_eq(members_are("r"), 4); /* a connection's */
}
END_TEST

START_TEST(the_page_has_the_caps)
{
    char line[2][AUDIT_LINE_MAX], item[256], name[64], text[2000];
    struct str huge = {text, sizeof text - 1};
    FILE *page = section("MEMBERS");
    unsigned cap, found = 0;
    json_t *objects[2];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct audit audit = {.rule = text,
                          .detail = huge,
                          .pattern = text,
                          .host = huge,
                          .method = huge,
                          .path = huge,
                          .ref = huge,
                          .protocol = text,
                          .alpn = huge};
    for (size_t i = 0; i < 2; i++) {
        audit.repository = str_of(i == 0 ? "" : "r");
        objects[i] = json_loadb(line[i], audit_format(&audit, 0, line[i]), 0, NULL);
    }
    while (next_item(page, ".It Ic ", item)) {
        if (sscanf(item, "%63s Pq string, %u bytes", name, &cap) != 2)
            continue;
        found++; /* written, the ellipsis has 6 bytes, read it has 3 */
        const json_t *has = objects[json_object_get(objects[0], name) == NULL];
        ck_assert_msg(json_string_length(json_object_get(has, name)) == cap - 3, "%s: %u, and %zu are read",
                      name, cap, json_string_length(json_object_get(has, name)));
    }
    ck_assert_uint_eq(found, 9);
    fclose(page);
    json_decref(objects[0]);
    json_decref(objects[1]);
}
END_TEST

static void words_are(const char *title, const char *(*name)(size_t at))
{
    FILE *page = section(title);
    char item[256];

    for (size_t i = 0; name(i) != NULL; i++) {
        ck_assert_msg(next_item(page, ".It Cm ", item), "%s: the page does not have \"%s\"", title, name(i));
        ck_assert_str_eq(item, name(i));
    }
    ck_assert_msg(!next_item(page, ".It Cm ", item), "%s: the page has \"%s\" too many", title, item);
    fclose(page);
}

START_TEST(the_page_has_the_kinds_and_the_verdicts)
{
    words_are("KINDS", audit_kind_name);
    words_are("VERDICTS", audit_verdict_name);
}
END_TEST

SUITE_MAIN("audit_manual", the_page_has_the_members_of_a_line_and_their_types, the_page_has_the_caps,
           the_page_has_the_kinds_and_the_verdicts)

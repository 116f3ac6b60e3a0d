/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_seal: a seal is read back as it was written, fits behind the longest line, and nothing that an agent
 * chose can be taken for one. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/audit_seal.h"
#include "tests/unit/suite.h"

#define HEX32 "0123456789abcdef0123456789abcdef"

static size_t decision(char line[AUDIT_LINE_MAX], const char *host, uint64_t generation)
{
    struct audit audit = {.kind = AUDIT_DNS,
                          .verdict = AUDIT_BLOCK,
                          .id = "00000001-000001",
                          .host = str_of(host),
                          .generation = generation};

    return audit_format(&audit, 0, line);
}

START_TEST(a_seal_is_read_back)
{
    char line[AUDIT_LINE_MAX];
    struct audit_seal seal = {
        .policy_digest = HEX32, .boot = HEX32, .end = true, .seq = 1234567, .prev = HEX32 HEX32};
    struct audit_seal_read read;

    ck_assert_uint_eq(audit_seal_generation((struct str){line, decision(line, "a", 42)}), 42);
    size_t len = audit_seal_put(&seal, line, decision(line, "a", 42));
    json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_int_eq(json_object_size(json), 11);
    json_decref(json);
    ck_assert_int_eq(audit_seal_read((struct str){line, len}, &read), 0);
    ck_assert_uint_eq(read.seq, 1234567);
    ck_assert_str_eq(read.prev, seal.prev);
    ck_assert_str_eq(read.boot, seal.boot);
    ck_assert(read.end);

    seal = (struct audit_seal){.generation = 7, .seq = 2, .prev = AUDIT_SEAL_BEGIN};
    len = audit_seal_put(&seal, line, decision(line, "a", 0));
    ck_assert_uint_eq(audit_seal_generation((struct str){line, len}), 7);
    ck_assert_int_eq(audit_seal_read((struct str){line, len}, &read), 0);
    ck_assert_str_eq(read.boot, "");
    ck_assert(!read.end);
}
END_TEST

START_TEST(what_an_agent_writes_is_no_seal)
{
    static const char *const hosts[] = {"x,\"generation\":9", "x\",\"generation\":9,\"y\":\"",
                                        "x\",\"end\":true,\"boot\":\"" HEX32 "\"",
                                        ",\"end\":true,\"seq\":1,\"prev\":\"" HEX32 HEX32 "\"}\n"};
    char line[AUDIT_LINE_MAX];
    struct audit_seal_read read;

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t len = decision(line, hosts[i], 0);
        ck_assert_uint_eq(audit_seal_generation((struct str){line, len}), 0);
        ck_assert_int_eq(audit_seal_read((struct str){line, len}, &read), -1);
        struct audit_seal seal = {.seq = 5, .prev = AUDIT_SEAL_BEGIN};
        len = audit_seal_put(&seal, line, len);
        ck_assert_int_eq(audit_seal_read((struct str){line, len}, &read), 0);
        ck_assert_uint_eq(read.seq, 5);
        ck_assert(!read.end && read.boot[0] == '\0');
    }
}
END_TEST

START_TEST(a_line_without_a_whole_seal_has_none)
{
    static const char *const lines[] = {"",
                                        "\n",
                                        "{}\n",
                                        "{\"a\":1,\"seq\":1,\"prev\":\"" HEX32 HEX32 "\"}",
                                        "{\"a\":1,\"seq\":1,\"prev\":\"" HEX32 "\"}\n",
                                        "{\"a\":1,\"seq\":,\"prev\":\"" HEX32 HEX32 "\"}\n",
                                        "{\"a\":1,\"seq\":-1,\"prev\":\"" HEX32 HEX32 "\"}\n",
                                        "{\"a\":1,\"prev\":\"" HEX32 HEX32 "\",\"seq\":1}\n"};
    struct audit_seal_read read;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(audit_seal_read(str_of(lines[i]), &read) == -1, "%s", lines[i]);
    ck_assert_int_eq(audit_seal_read(str_of("{\"a\":1,\"seq\":1,\"prev\":\"" HEX32 HEX32 "\"}\n"), &read), 0);
}
END_TEST

START_TEST(the_longest_seal_fits_behind_the_longest_line)
{
    char line[AUDIT_LINE_MAX];
    struct audit_seal seal = {.generation = UINT64_MAX,
                              .policy_digest = HEX32,
                              .boot = HEX32,
                              .end = true,
                              .seq = UINT64_MAX,
                              .prev = AUDIT_SEAL_BEGIN};

    memset(line, ' ', sizeof line);
    memcpy(line + AUDIT_UNSEALED_MAX - 2, "}\n", 2);
    size_t len = audit_seal_put(&seal, line, AUDIT_UNSEALED_MAX);
    ck_assert_uint_le(len, AUDIT_LINE_MAX);
    ck_assert(line[len - 1] == '\n' && line[len - 2] == '}');
}
END_TEST

SUITE_MAIN("audit_seal", a_seal_is_read_back, what_an_agent_writes_is_no_seal,
           a_line_without_a_whole_seal_has_none, the_longest_seal_fits_behind_the_longest_line)

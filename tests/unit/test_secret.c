/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_secret: values that cannot be a field are refused without being quoted; memory is locked, hidden and
 * wiped. */
#include "core/secret.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

#define VALUE "tok-3f9a77c1e5"

START_TEST(a_value_is_visible_ascii_of_a_length_that_can_be_recognised)
{
    static const struct {
        const char *value, *problem;
    } table[] = {
        {VALUE, NULL},
        {"12345678", NULL},
        {"", "is empty"},
        {"1234567", "is shorter than 8 bytes"},
        {"12345678\n", "holds a line break"},
        {"1234\r5678", "holds a line break"},
        {"1234 5678", "holds a space"},
        {"1234\t5678", "holds a space"},
        {"1234\x01"
         "5678",
         "holds a byte that is not visible ASCII"},
        {"1234\x7f"
         "5678",
         "holds a byte that is not visible ASCII"},
        {"1234\xc3\xa9"
         "5678",
         "holds a byte that is not visible ASCII"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *problem = secret_problem(str_of(table[i].value));
        ck_assert((problem == NULL) == (table[i].problem == NULL));
        if (problem != NULL)
            ck_assert_str_eq(problem, table[i].problem);
    }
    ck_assert_str_eq(secret_problem((struct str){"1234\0"
                                                 "5678",
                                                 9}),
                     "holds a byte that is not visible ASCII");
    char *large = malloc(SECRET_MAX + 1);
    memset(large, 'x', SECRET_MAX + 1);
    ck_assert_ptr_null(secret_problem((struct str){large, SECRET_MAX}));
    ck_assert_str_eq(secret_problem((struct str){large, SECRET_MAX + 1}), "is longer than 8192 bytes");
    free(large);
}
END_TEST

START_TEST(a_set_is_read_by_name)
{
    struct secrets *secrets;
    struct err err;

    ck_assert_int_eq(
        secrets_parse(str_of("{\"FORGE_TOKEN\":\"" VALUE "\",\"_b2\":\"abcdefgh\"}"), &secrets, &err), 0);
    ck_assert_uint_eq(secrets->count, 2);
    struct str value = secret_expose(secrets_find(secrets, "FORGE_TOKEN")->value);
    ck_assert(str_equal(value, str_of(VALUE)));
    ck_assert_ptr_null(secrets_find(secrets, "FORGE"));
    ck_assert_ptr_null(secrets_find(NULL, "FORGE_TOKEN"));
    secrets_free(secrets);
    ck_assert_int_eq(secrets_parse(str_of("{}"), &secrets, &err), 0);
    secrets_free(secrets);
    secrets_free(NULL);
}
END_TEST

START_TEST(errors_name_the_secret_and_hold_nothing_of_it)
{
    static const struct {
        const char *json, *error;
    } table[] = {
        {"{\"A\":\"" VALUE "\\n\"}", "secrets: A: the value holds a line break"},
        {"{\"A\":\"" VALUE "\\u0001\"}", "secrets: A: the value holds a byte that is not visible ASCII"},
        {"{\"A\":7}", "secrets: A: expected a string"},
        {"{\"A-B\":\"" VALUE "\"}", "secrets: a name is not letters, digits and '_', or too long"},
        {"{\"A\":\"" VALUE "\",\"A\":\"" VALUE "\"}",
         "secrets: not an object of names and strings, with each name once, or too large"},
        {"{\"A\":\"" VALUE "}",
         "secrets: not an object of names and strings, with each name once, or too large"},
        {"[\"" VALUE "\"]", "secrets: not an object of names and strings, with each name once, or too large"},
        {"", "secrets: not an object of names and strings, with each name once, or too large"},
    };
    struct secrets *secrets;
    struct err err;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        memset(&err, 0, sizeof err);
        ck_assert_int_eq(secrets_parse(str_of(table[i].json), &secrets, &err), -1);
        ck_assert_str_eq(err.text, table[i].error);
        ck_assert_ptr_null(strstr(err.text, "3f9a"));
    }
}
END_TEST

/* The value of a field in the smaps block of the mapping that holds this address. */
static long smaps(const void *address, const char *field, char *flags, size_t size)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    unsigned long at = (unsigned long)address, from, to;
    bool here = false;
    char line[512];
    long value = -1, kb;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = at >= from && at < to;
        else if (here && strncmp(line, field, strlen(field)) == 0 &&
                 sscanf(line + strlen(field), " %ld", &kb) == 1)
            value = kb;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, size, "%s", line);
    }
    fclose(file);
    return value;
}

START_TEST(a_value_is_locked_and_left_out_of_core_dumps)
{
    struct secret *secret = secret_new(str_of(VALUE));
    char flags[512] = "";

    ck_assert_ptr_nonnull(secret);
    long locked = smaps(secret, "Locked:", flags, sizeof flags);
#ifdef __SANITIZE_ADDRESS__ /* it swallows mlock */
    ck_assert_int_ge(locked, 0);
#else
    ck_assert_int_gt(locked, 0);
    ck_assert_ptr_nonnull(strstr(flags, " lo"));
#endif
    ck_assert_ptr_nonnull(strstr(flags, " dd")); /* do not dump: proc(5) */
    secret_free(secret);
    secret_free(NULL);
    ck_assert_ptr_null(secret_new((struct str){VALUE, SECRET_MAX + 1}));
}
END_TEST

START_TEST(json_values_are_wiped_when_they_go)
{
    json_malloc_t take;
    json_free_t give;

    secret_json();
    json_get_alloc_funcs(&take, &give);
    json_t *value = json_string(VALUE);
    ck_assert_str_eq(json_string_value(value), VALUE);
    json_decref(value);
    void *memory = take(64);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq((size_t)memory % _Alignof(max_align_t), 0);
    give(memory);
    give(NULL);
}
END_TEST

START_TEST(wiping_leaves_nothing)
{
    char text[] = VALUE;

    secret_wipe(text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        ck_assert_int_eq(text[i], 0);
}
END_TEST

SUITE_MAIN("secret", a_value_is_visible_ascii_of_a_length_that_can_be_recognised, a_set_is_read_by_name,
           errors_name_the_secret_and_hold_nothing_of_it, a_value_is_locked_and_left_out_of_core_dumps,
           json_values_are_wiped_when_they_go, wiping_leaves_nothing)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_leak: what belongs to one host is found in the head for another, in every writing and at every place in a text; what
 * is a host's own is not, and neither is what only looks like it. */
#include "proxy/leak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/suite.h"

#define TOKEN    "tok/3f9A+77c1=e5~b"
#define PASSWORD "pa55/w-rd_of:it"
#define KNOWN    "8bytes-x"
#define CANARY   "itk_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define HOLDER   "sk-stopper-placeholder-0123456789abcdef"

static const char json[] =
    "{\"protocol\":1,\"routes\":["
    "{\"host\":\"a.test\",\"auth\":{\"scheme\":\"Bearer\",\"secret\":\"TOKEN\",\"placeholder\":\"" HOLDER
    "\"}},"
    "{\"host\":\"b.test\",\"auth\":{\"scheme\":\"basic\",\"secret\":\"LOGIN\"}},"
    "{\"host\":\"c.test\"},"
    "{\"host\":\"d.test\",\"auth\":{\"scheme\":\"raw\",\"secret\":\"SAME\"}},"
    "{\"host\":\"e.test\",\"auth\":\"passthrough\"}]}";
static const char values[] = "{\"TOKEN\":\"" TOKEN "\",\"LOGIN\":\"user:" PASSWORD "\",\"KNOWN\":\"" KNOWN
                             "\",\"SAME\":\"" TOKEN "\"}";

static struct policy *made(void)
{
    struct secrets *secrets = NULL;
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), false, &policy, &err) == 0 &&
                      secrets_parse(str_of(values), &secrets, &err) == 0 &&
                      policy_take_secrets(policy, secrets, &err) == 0,
                  "%s", err.text);
    return policy;
}

/* What is found in a text that stands in a field of a request for this host. "": nothing. */
static const char *found_in(struct policy *policy, const char *host, struct str text)
{
    static struct leak_found found;
    static struct h1_head head;

    found.name[0] = '\0';
    head = (struct h1_head){.target = str_of("/"), .field_count = 1};
    head.fields[0] = (struct h1_field){str_of("X-Field"), text};
    int status = leak_head(policy, policy_find(policy, host), &head, &found);
    ck_assert_int_eq(status, found.name[0] != '\0');
    head.fields[0] = (struct h1_field){text, str_of("value")};
    ck_assert_int_eq(leak_head(policy, policy_find(policy, host), &head, &found), status);
    head.field_count = 0;
    head.target = text;
    ck_assert_int_eq(leak_head(policy, policy_find(policy, host), &head, &found), status);
    return found.name;
}

static const char *in(const char *host, const char *text)
{
    static char out[LEAK_NAME];
    struct policy *policy = made();

    snprintf(out, sizeof out, "%s", found_in(policy, host, str_of(text)));
    policy_unref(policy);
    return out;
}

START_TEST(each_writing_is_found)
{
    static const char *const writings[] = {
        TOKEN,
        "Bearer " TOKEN,
        "x" TOKEN "x",
        "tok%2F3f9A%2B77c1%3De5~b",
        "tok%2f3f9A%2b77c1%3de5%7eb",
        "%74%6f%6b%2f%33%66%39%41%2b%37%37%63%31%3d%65%35%7e%62",
        "tok%252F3f9A%25252B77c1%3De5~b",
        "a=1; id=" TOKEN "; b=2",
        "746f6b2f3366394  746f6b2f336639412b373763313d65357e62",
        "0746F6b2f336639412B373763313D65357E62f",
        "dG9rLzNmOUErNzdjMT1lNX5i",               /* at the begin of a group */
        "Basic dXNlcjp0b2svM2Y5QSs3N2MxPWU1fmI=", /* user:TOKEN */
        "dTp0b2svM2Y5QSs3N2MxPWU1fmI6cA==",       /* u:TOKEN:p */
        "dTp0b2svM2Y5QSs3N2MxPWU1fmI6cA",
        "dTp0b2svM2Y5QSs3N2MxPWU1fmI6cA%3D%3D",
    };

    for (size_t i = 0; i < sizeof writings / sizeof writings[0]; i++) {
        ck_assert_msg(strcmp(in("c.test", writings[i]), "the value of TOKEN") == 0, "%s", writings[i]);
        ck_assert_msg(strcmp(in("none.test", writings[i]), "the value of TOKEN") == 0, "%s", writings[i]);
        ck_assert_msg(strcmp(in("b.test", writings[i]), "the value of TOKEN") == 0, "%s", writings[i]);
        ck_assert_msg(strcmp(in("a.test", writings[i]), "") == 0, "own: %s", writings[i]);
        ck_assert_msg(strcmp(in("d.test", writings[i]), "") == 0, "own by another name: %s", writings[i]);
    }
}
END_TEST

START_TEST(what_is_whose)
{
    static const struct {
        const char *host, *text, *found;
    } table[] = {
        {"c.test", HOLDER, "the placeholder of a.test"},
        {"b.test",
         "Basic eDpzay1zdG9wcGVyLXBsYWNlaG9sZGVyLTAxMjM0NTY3ODlhYmNkZWY=", "the placeholder of a.test"},
        {"a.test", HOLDER, ""},
        {"a.test", HOLDER " " PASSWORD, "the value of LOGIN"},
        {"b.test", PASSWORD, ""},
        {"b.test", "user:" PASSWORD, ""},
        {"c.test", "dXNlcjpwYTU1L3ctcmRfb2Y6aXQ=", "the value of LOGIN"},
        {"c.test", PASSWORD, "the value of LOGIN"},
        {"a.test", KNOWN, "the value of KNOWN"},
        {"e.test", KNOWN, "the value of KNOWN"},
        {"none.test", "OGJ5dGVzLXg", "the value of KNOWN"},
        {"c.test", "tok/3f9A+77c1=e5~", ""},
        {"c.test", "ok/3f9A+77c1=e5~b", ""},
        {"c.test", "3f9A+77c1=e5~b tok/", ""},
        {"c.test", "user", ""},
        {"c.test", "", ""},
        {"c.test", "%", ""},
        {"c.test", "%2", ""},
        {"c.test", "0123456789abcdef0123456789abcdef", ""},
        {"c.test", "sk-stopper-placeholder-0123456789abcdee", ""},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        ck_assert_msg(strcmp(in(table[i].host, table[i].text), table[i].found) == 0, "%s for %s: %s",
                      table[i].text, table[i].host, in(table[i].host, table[i].text));
}
END_TEST

/* Every alphabet, alignment and place: a reference that encodes the whole text. */
START_TEST(every_place_in_a_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct policy *policy = made();

    for (size_t before = 0; before < 24; before++)
        for (size_t after = 0; after < 9; after++)
            for (size_t writing = 0; writing < 3; writing++) {
                char plain[128], text[256];
                size_t len = (size_t)snprintf(plain, sizeof plain, "%.*s%s%.*s", (int)before,
                                              "!x.y;z!x.y;z!x.y;z!x.y;z", TOKEN, (int)after, "?????????"),
                       to = 0;
                for (size_t at = 0; writing == 1 && at < len; at += 3) {
                    unsigned long group = 0;
                    for (size_t i = 0; i < 3; i++)
                        group = group << 8 | (at + i < len ? (unsigned char)plain[at + i] : 0);
                    for (size_t i = 0; i < 4 && at + i <= len; i++) {
                        char digit = digits[group >> (18 - 6 * i) & 63];
                        text[to++] = digit == '+' && at % 2 ? '-' : digit == '/' && at % 2 ? '_' : digit;
                    }
                }
                for (size_t at = 0; writing == 2 && at < len; at++)
                    to += (size_t)sprintf(text + to, at % 2 ? "%02x" : "%02X", (unsigned char)plain[at]);
                struct str whole = writing == 0 ? (struct str){plain, len} : (struct str){text, to};
                ck_assert_msg(strcmp(found_in(policy, "c.test", whole), "the value of TOKEN") == 0,
                              "writing %zu, %zu before, %zu after", writing, before, after);
                ck_assert_str_eq(found_in(policy, "a.test", whole), "");
            }
    policy_unref(policy);
}
END_TEST

START_TEST(a_log_has_no_value_of_any_route)
{
    struct policy *policy = made();

    ck_assert_int_eq(leak_text(policy, str_of("/v1/" TOKEN), NULL), 1);
    ck_assert_int_eq(leak_text(policy, str_of("/v1/" PASSWORD "/x"), NULL), 1);
    ck_assert_int_eq(leak_text(policy, str_of("/v1/" HOLDER), NULL), 0); /* no secret */
    ck_assert_int_eq(leak_text(policy, str_of("/v1/messages"), NULL), 0);
    policy_unref(policy);
}
END_TEST

START_TEST(no_secret_nothing_to_find)
{
    struct policy *policy = NULL;
    struct err err;

    ck_assert_int_eq(
        policy_parse(str_of("{\"protocol\":1,\"routes\":[{\"host\":\"c.test\"}]}"), false, &policy, &err), 0);
    ck_assert_str_eq(found_in(policy, "c.test", str_of(TOKEN)), "");
    ck_assert_int_eq(leak_text(policy, str_of(TOKEN), NULL), 0);
    policy_unref(policy);
}
END_TEST

/* Prints what it costs; a head that is made to be hard must not take long (no assertion on time: it would end in the
 * time-out of the test, were it quadratic). */
START_TEST(the_cost_is_the_heads_length)
{
    static char hard[HEAD_MAX], routes[4000000];
    static const size_t counts[] = {1, 100, 10000};

    for (size_t c = 0; c < 3; c++) {
        size_t to = (size_t)sprintf(routes, "{\"protocol\":1,\"routes\":[{\"host\":\"c.test\"}");
        for (size_t i = 0; i < counts[c]; i++)
            to +=
                (size_t)sprintf(routes + to,
                                ",{\"host\":\"r%zu.test\",\"auth\":{\"scheme\":\"raw\",\"secret\":\"TOKEN\","
                                "\"placeholder\":\"sk-stopper-placeholder-%08zx%08zx\"}}",
                                i, i, i * 2654435761u % 1000000007);
        strcpy(routes + to, "]}");
        struct secrets *secrets = NULL;
        struct policy *policy = NULL;
        struct err err = {""};
        ck_assert_int_eq(policy_parse(str_of(routes), false, &policy, &err), 0);
        ck_assert_int_eq(secrets_parse(str_of(values), &secrets, &err), 0);
        ck_assert_int_eq(policy_take_secrets(policy, secrets, &err), 0);
        for (int kind = 0; kind < 2; kind++) {
            const char *unit =
                kind == 0 ? "/v1/messages?x=1 application/json; q=0.9 " : "r-0000000000000000 %41%";
            for (size_t at = 0; at < sizeof hard; at++)
                hard[at] = unit[at % strlen(unit)];
            const struct str text = {hard, sizeof hard};
            struct timespec start, end;
            found_in(policy, "c.test", text); /* makes it */
            clock_gettime(CLOCK_MONOTONIC, &start);
            for (int i = 0; i < 10; i++)
                ck_assert_int_eq(leak_text(policy, text, NULL), 0);
            clock_gettime(CLOCK_MONOTONIC, &end);
            printf("leak: %zu placeholders, %s text: %.2f ns a byte\n", counts[c],
                   kind == 0 ? "plain" : "hard",
                   ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / 10 /
                       sizeof hard);
        }
        policy_unref(policy);
    }
}
END_TEST

START_TEST(the_canary_is_told_apart_and_hides_behind_nothing)
{
    static const char with_canary[] = "{\"TOKEN\":\"" TOKEN "\",\"LOGIN\":\"user:" PASSWORD
                                      "\",\"SAME\":\"" TOKEN "\",\"" SECRET_CANARY "\":\"" CANARY "\"}";
    static struct h1_head head = {.target = {"/" TOKEN, 1 + sizeof TOKEN - 1}, .field_count = 1};
    struct secrets *secrets = NULL;
    struct policy *policy = NULL;
    struct leak_found found;
    struct err err;

    ck_assert(policy_parse(str_of(json), false, &policy, &err) == 0 &&
              secrets_parse(str_of(with_canary), &secrets, &err) == 0 &&
              policy_take_secrets(policy, secrets, &err) == 0);
    head.fields[0] = (struct h1_field){str_of("X-Field"), str_of("a")};
    ck_assert_int_eq(leak_head(policy, NULL, &head, &found), 1);
    ck_assert(!found.canary);
    ck_assert_str_eq(found.name, "the value of TOKEN");
    head.fields[0].value = str_of("a" CANARY);
    ck_assert_int_eq(leak_head(policy, NULL, &head, &found), 1);
    ck_assert(found.canary);
    ck_assert_str_eq(found.name, "the value of STOPPER_CANARY");
    ck_assert_int_eq(leak_text(policy, str_of(CANARY ".test"), &found), 1);
    ck_assert(found.canary);
    policy_unref(policy);
}
END_TEST

SUITE_MAIN("leak", the_canary_is_told_apart_and_hides_behind_nothing, each_writing_is_found, what_is_whose,
           every_place_in_a_text, a_log_has_no_value_of_any_route, no_secret_nothing_to_find,
           the_cost_is_the_heads_length)

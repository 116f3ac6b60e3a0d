/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tokens: each shape of the table finds its example and no other's, and nothing that only looks like one. */
#include "dlp/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dlp/finder.h"
#include "tests/unit/suite.h"

#define LONGEST 1024 /* what the scanner holds of one match */

static struct finder *finder;

/* Compiled once, before Check forks for each test. */
__attribute__((constructor)) static void compile(void)
{
    static struct finder_expression expressions[1024];
    if (dlp_token_count > sizeof expressions / sizeof expressions[0])
        abort();
    for (size_t i = 0; i < dlp_token_count; i++)
        expressions[i] = (struct finder_expression){
            dlp_tokens[i].expression, dlp_tokens[i].flags & DLP_TOKEN_CASELESS, dlp_tokens[i].max_len};
    finder = finder_new(expressions, dlp_token_count);
}

struct fired {
    char names[512]; /* each name once, separated by blanks */
};

/* The match is asked about where nothing may be read behind it. */
static void fire(void *user, size_t index, struct str match)
{
    struct fired *fired = user;
    const struct dlp_token *token = &dlp_tokens[index];
    char *copy = malloc(match.len);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, match.ptr, match.len);
    bool holds = dlp_token_holds(token, (struct str){copy, match.len});
    free(copy);
    ck_assert_msg(match.len <= token->max_len, "%s: a match of %zu bytes", token->name, match.len);
    char word[64];
    snprintf(word, sizeof word, "%s ", token->name);
    if (holds && strstr(fired->names, word) == NULL)
        strncat(fired->names, word, sizeof fired->names - strlen(fired->names) - 1);
}

static const char *fires(const char *text, size_t step)
{
    static struct fired fired;
    fired.names[0] = '\0';
    finder_scan(finder, str_of(text), step, fire, &fired);
    return fired.names;
}

static void fires_alone(const struct dlp_token *token, const char *text, size_t step)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%s ", token->name);
    const char *names = fires(text, step);
    ck_assert_msg(strcmp(names, wanted) == 0, "%s: fired: %s\n%s", token->name, names, text);
}

START_TEST(the_table_is_sound)
{
    ck_assert_uint_ge(dlp_token_count, 100);
    for (size_t i = 0; i < dlp_token_count; i++) {
        const struct dlp_token *token = &dlp_tokens[i];
        ck_assert_msg(strspn(token->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(token->name),
                      "%s", token->name);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(token->name, dlp_tokens[k].name);
        size_t width = finder_width(token->expression, token->flags & DLP_TOKEN_CASELESS);
        ck_assert_msg(width == token->max_len, "%s: the longest match has %zu bytes", token->name, width);
        ck_assert_uint_le(token->max_len, LONGEST);
        ck_assert_uint_lt(token->skip, token->max_len);
    }
}
END_TEST

START_TEST(each_positive_fires_its_rule_alone)
{
    for (size_t i = 0; i < dlp_token_count; i++)
        fires_alone(&dlp_tokens[i], dlp_tokens[i].positive, SIZE_MAX);
}
END_TEST

START_TEST(a_positive_that_comes_byte_by_byte_fires)
{
    for (size_t i = 0; i < dlp_token_count; i++)
        fires_alone(&dlp_tokens[i], dlp_tokens[i].positive, 1);
}
END_TEST

START_TEST(no_negative_fires)
{
    for (size_t i = 0; i < dlp_token_count; i++) {
        const char *names = fires(dlp_tokens[i].negative, SIZE_MAX);
        ck_assert_msg(names[0] == '\0', "%s: fired: %s\n%s", dlp_tokens[i].name, names,
                      dlp_tokens[i].negative);
    }
}
END_TEST

/* Where tokens stand in practice. */
START_TEST(a_positive_fires_in_its_surroundings)
{
    static const char *const around[][2] = {
        {"\n", "\n"},      {"the token is ", " (do not share)"},
        {"(", ")"},        {"a=1&b=", "&c=2"},
        {"<t>", "</t>"},   {"`", "`"},
        {"[\"", "\", 1]"},
    };
    for (size_t i = 0; i < dlp_token_count; i++)
        for (size_t k = 0; k < sizeof around / sizeof around[0]; k++) {
            char text[2048], wanted[64];
            snprintf(text, sizeof text, "%s%s%s", around[k][0], dlp_tokens[i].positive, around[k][1]);
            snprintf(wanted, sizeof wanted, "%s ", dlp_tokens[i].name);
            const char *names = fires(text, SIZE_MAX);
            ck_assert_msg(strstr(names, wanted) != NULL, "%s: fired: %s\n%s", dlp_tokens[i].name, names,
                          text);
        }
}
END_TEST

/* One character of a token that has a checksum is another one: that token does not exist. */
START_TEST(a_wrong_checksum_does_not_fire)
{
    static const char *const summed[] = {"github-token", "npm-token", "grafana-service-token",
                                         "matrix-access-token", "age-secret-key"};
    for (size_t k = 0; k < sizeof summed / sizeof summed[0]; k++)
        for (size_t i = 0; i < dlp_token_count; i++) {
            const struct dlp_token *token = &dlp_tokens[i];
            if (strcmp(token->name, summed[k]) != 0)
                continue;
            char text[256];
            size_t len = strlen(token->positive);
            for (size_t at = token->skip; at < len; at++) {
                strcpy(text, token->positive);
                text[at] = text[at] == '7' ? '6' : '7';
                const char *names = fires(text, SIZE_MAX);
                ck_assert_msg(names[0] == '\0' || strcmp(text, token->positive) == 0, "fired: %s\n%s", names,
                              text);
            }
        }
}
END_TEST

/* What documentation, templates and lock files hold. */
START_TEST(what_is_no_secret_does_not_fire)
{
    static const char *const texts[] = {
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "export GITHUB_TOKEN=<token>",
        "export GITHUB_TOKEN=${GITHUB_TOKEN}",
        "GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "OPENAI_API_KEY=sk-...",
        "ANTHROPIC_API_KEY=your-api-key-here-please",
        "api_key: \"YOUR_API_KEY_GOES_HERE\"",
        "password = \"correct-horse-battery-staple\"",
        "token: '{{ secrets.DEPLOY_TOKEN_PRODUCTION }}'",
        "\"integrity\": "
        "\"sha512-6LrlyKU0dQqgYz7YKmVVVjDzXsBFxXMbKpBqZ3wNyGXHM9fvR5pRkKhYzhV9ZQ7F0wqvJxFl5rM0cY5c2zN0Cw==\"",
        "  \"resolved\": "
        "\"https://registry.test/lodash/-/lodash-4.17.21.tgz#679591c564c3bffaae8454cf0b3df370c3d6911c\"",
        "sha256:3fc9b689459d738f8c88a3a48aa9e33542016b7a4052e001aaa536fca74813cb",
        "--hash=sha1:2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "checksum = \"c2e2b1b5a5a5a5d2c4a0f6c8b4d7e3f1\"",
        "h1:K+dQyqXkGFO1tOxjpSNNfVcMQbUmZgjAWzfNpuZ2YcM=",
        "postgres://user:password@localhost:5432/db",
        "postgres://user:${DB_PASSWORD}@localhost/db",
        "https://user:token@git.example/repo",
        "redis://:foobared@localhost",
        "mysql://root:secret123@localhost/test",
        "git@git.example:owner/repo.git",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm3Kc3b7hYcPq0uO0l1Jj6Yz0Z8V1Q9b6nK0mD5sXwE alice@laptop",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *names = fires(texts[i], SIZE_MAX);
        ck_assert_msg(names[0] == '\0', "fired: %s\n%s", names, texts[i]);
    }
}
END_TEST

START_TEST(a_token_goes_on_as_its_set_says)
{
    struct dlp_token token = {.tail = "A-Z0-9_-"};
    const char *inside = "AMZ059_-", *outside = "@[/:`a .\x80";
    for (const char *c = inside; *c != '\0'; c++)
        ck_assert_msg(dlp_token_goes_on(&token, *c), "%c", *c);
    for (const char *c = outside; *c != '\0'; c++)
        ck_assert_msg(!dlp_token_goes_on(&token, *c), "%c", *c);
    ck_assert(!dlp_token_goes_on(&token, '\0'));
    token.tail = NULL;
    ck_assert(!dlp_token_goes_on(&token, 'A'));
}
END_TEST

SUITE_MAIN("tokens", the_table_is_sound, each_positive_fires_its_rule_alone,
           a_positive_that_comes_byte_by_byte_fires, no_negative_fires, a_positive_fires_in_its_surroundings,
           a_wrong_checksum_does_not_fire, what_is_no_secret_does_not_fire, a_token_goes_on_as_its_set_says)

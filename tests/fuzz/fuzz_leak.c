/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_leak: any text in a head. What leak.c finds by anchors is what a plain search of every decoding finds; and where a
 * value takes the placeholder's place, nothing else of the text changes.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/swap.h"
#include "proxy/credentials.h"
#include "proxy/leak.h"
#include "tests/fuzz/fuzz.h"

#define VALUE  "tok/3f9A+77c1=e5~b"
#define HOLDER "fake-placeholder"

static void require(int holds)
{
    if (!holds)
        abort();
}

static struct policy *loaded(void)
{
    static const char text[] =
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\",\"auth\":{\"scheme\":\"raw\",\"secret\":\"T\","
        "\"placeholder\":\"" HOLDER "\",\"in\":[\"query:key\"]}}]}";
    static struct policy *policy;
    struct secrets *secrets;
    struct err err;

    if (policy == NULL && (policy_parse(str_of(text), false, &policy, &err) != 0 ||
                           secrets_parse(str_of("{\"T\":\"" VALUE "\"}"), &secrets, &err) != 0 ||
                           policy_take_secrets(policy, secrets, &err) != 0))
        abort();
    return policy;
}

static int holds(const char *text, size_t len, const char *wanted)
{
    return memmem(text, len, wanted, strlen(wanted)) != NULL;
}

/* The value's writings, both alphabets of base64 as one: encoded by hand, without what it shares with its neighbours. */
static int holds_any(const char *text, size_t len)
{
    static char folded[FUZZ_MAX];

    for (size_t i = 0; i < len; i++)
        folded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    return holds(folded, len, VALUE) || holds(folded, len, "dG9rLzNmOUErNzdjMT1lNX5i") ||
           holds(folded, len, "Rvay8zZjlBKzc3YzE9ZTV+Y") || holds(folded, len, "0b2svM2Y5QSs3N2MxPWU1fm");
}

static unsigned digit(char c)
{
    return (unsigned)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

static int found_plainly(const char *data, size_t size)
{
    static char text[FUZZ_MAX], bytes[FUZZ_MAX];
    size_t len = size, before = size + 1;

    memcpy(text, data, size);
    for (int round = 0; round <= 4 && len != before; round++) {
        if (holds_any(text, len))
            return 1;
        for (size_t start = 0; start < len;
             start++) { /* from every digit on: runs, and both places in a pair */
            size_t to = 0;
            for (size_t at = start;
                 at + 1 < len && isxdigit((unsigned char)text[at]) && isxdigit((unsigned char)text[at + 1]);
                 at += 2)
                bytes[to++] = (char)(digit(text[at]) << 4 | digit(text[at + 1]));
            if (to >= 8 && holds_any(bytes, to))
                return 1;
        }
        before = len;
        size_t to = 0;
        for (size_t at = 0; at < len; to++) {
            int coded = text[at] == '%' && at + 2 < len && isxdigit((unsigned char)text[at + 1]) &&
                        isxdigit((unsigned char)text[at + 2]);
            text[to] = coded ? (char)(digit(text[at + 1]) << 4 | digit(text[at + 2])) : text[at];
            at += coded ? 3 : 1;
        }
        len = to;
    }
    return 0;
}

static void check_swap(const char *data, size_t size)
{
    struct policy *policy = loaded();
    struct h1_field field = {STR("Authorization"), {data, size}};
    struct buf buf;

    buf_init(&buf, 1 << 20);
    int swapped = credentials_swap(&policy->routes[0], &field, &buf);
    struct str out = buf_str(&buf);
    require(swapped == 0 ? out.len == 0 : swapped == 1 && out.len >= size);
    struct str coded;
    if (swapped == 1 &&
        !swap_is_basic(field.value, &coded)) { /* as many words as went in, and all else as it was */
        size_t count = (out.len - strlen("Authorization: \r\n") - size) / (strlen(VALUE) - strlen(HOLDER));
        require(count > 0 &&
                size + count * (strlen(VALUE) - strlen(HOLDER)) + strlen("Authorization: \r\n") == out.len);
        require(holds(data, size, HOLDER) && holds(out.ptr, out.len, VALUE));
    }
    buf_fini(&buf);
    if (size > 0 && data[0] == '?') {
        buf_init(&buf, 1 << 20);
        swapped = credentials_query(&policy->routes[0], field.value, &buf);
        out = buf_str(&buf);
        require(swapped >= 0 && (out.len == 0 || out.ptr[0] == '?'));
        require(!swapped || holds(out.ptr, out.len, "=tok%2F3f9A%2B77c1%3De5~b"));
        struct str pair, name;
        for (size_t at = 1;
             out.len > 0 && swap_next_pair(out, &at, &pair);) /* nothing of the agent's is left there */
            require(swap_parameter(&policy->routes[0], pair, &name) != SWAP_OUT ||
                    holds(pair.ptr, pair.len, "=tok%2F3f9A%2B77c1%3De5~b"));
        buf_fini(&buf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FUZZ_MAX)
        return 0;
    require(leak_text(loaded(), (struct str){(const char *)data, size}, NULL) ==
            found_plainly((const char *)data, size));
    check_swap((const char *)data, size);
    return 0;
}

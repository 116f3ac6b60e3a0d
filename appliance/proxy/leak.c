/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leak: see leak.h. A needle is a value or a placeholder; a trace of it is what it looks like in one writing: as it is, or
 * in base64 behind 0 to 2 bytes of others, without the digits that it shares with them. Text and traces are compared with
 * both base64 alphabets folded into one, so a mixture of them hides nothing. Every trace has eight bytes at least; its last
 * eight are its anchor, by which it is found. A bitmap knows the five groups of four bytes in each anchor: every fifth place
 * of a text meets one of them. Traces are computed and not kept: a value has no other copy here.
 */
#include "proxy/leak.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/secret.h"

#define ANCHOR     8
#define GROUP      4
#define STRIDE     (ANCHOR - GROUP + 1)
#define WRITINGS   4 /* as it is, and three of base64 */
#define ROUNDS_MAX 4 /* of percent-encoding */
#define HEX_MIN    (2 * SECRET_MIN)

struct needle {
    struct str text;  /* the policy's own */
    const char *name; /* of the secret, or the placeholder's route */
    bool placeholder;
};

struct trace {
    uint32_t needle, next; /* next: of this bucket, index + 1 */
    uint32_t writing;
};

struct leak {
    size_t size; /* bytes of this allocation */
    size_t needle_count, trace_count;
    uint32_t mask; /* of buckets; of the bitmap's bits it is 16 times as many */
    struct needle *needles;
    struct trace *traces;
    uint32_t *buckets;
    uint8_t *map;
};

/* A text that is being looked at. */
struct look {
    const struct leak *leak;
    const struct route *route; /* whose own may be there */
    bool values;               /* look for values only, those of the route included */
    bool canary;               /* look for nothing else */
    const struct needle *found;
};

/* The worker has one thread, and a head is used up in its turn. */
static char unfolded[HEAD_MAX], folded[HEAD_MAX], hexed[HEAD_MAX / 2];

static char fold(char c)
{
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

static uint64_t mix(uint64_t value)
{
    return value * 0x9e3779b97f4a7c15u;
}

static uint32_t bucket_of(const struct leak *leak, const char *anchor)
{
    uint64_t bytes;

    memcpy(&bytes, anchor, ANCHOR);
    return (uint32_t)(mix(bytes) >> 32) & leak->mask;
}

static uint32_t bit_of(const struct leak *leak, const char *group)
{
    uint32_t bytes;

    memcpy(&bytes, group, GROUP);
    return (uint32_t)(mix(bytes) >> 28) & (16 * leak->mask + 15);
}

/* Traces. */

static size_t trace_first(uint32_t writing)
{
    return writing == 0 ? 0 : (8 * (writing - 1) + 5) / 6;
}

static size_t trace_len(struct str text, uint32_t writing)
{
    return writing == 0 ? text.len : 8 * (writing - 1 + text.len) / 6 - trace_first(writing);
}

static char trace_at(struct str text, uint32_t writing, size_t at)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (writing == 0)
        return fold(text.ptr[at]);
    size_t bit = 6 * (at + trace_first(writing)) - 8 * (writing - 1), byte = bit / 8;
    unsigned pair = (unsigned)(uint8_t)text.ptr[byte] << 8;
    if (byte + 1 < text.len)
        pair |= (uint8_t)text.ptr[byte + 1];
    return digits[pair >> (10 - bit % 8) & 63];
}

/* Making. */

static bool known(const struct leak *leak, struct str text, uint32_t bucket, bool placeholder)
{
    for (uint32_t at = leak->buckets[bucket]; at > 0; at = leak->traces[at - 1].next) {
        const struct needle *needle = &leak->needles[leak->traces[at - 1].needle];
        if (leak->traces[at - 1].writing == 0 && needle->placeholder == placeholder &&
            str_equal(needle->text, text))
            return true;
    }
    return false;
}

static void add(struct leak *leak, struct str text, const char *name, bool placeholder)
{
    uint32_t needle = (uint32_t)leak->needle_count;
    char anchor[ANCHOR];

    for (uint32_t writing = 0; writing < WRITINGS; writing++) {
        size_t len = trace_len(text, writing);
        for (size_t i = 0; i < ANCHOR; i++)
            anchor[i] = trace_at(text, writing, len - ANCHOR + i);
        uint32_t bucket = bucket_of(leak, anchor);
        if (writing == 0 && known(leak, text, bucket, placeholder))
            return;
        leak->traces[leak->trace_count] = (struct trace){needle, leak->buckets[bucket], writing};
        leak->buckets[bucket] = (uint32_t)++leak->trace_count;
        for (size_t i = 0; i < STRIDE; i++) {
            uint32_t bit = bit_of(leak, anchor + i);
            leak->map[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    }
    secret_wipe(anchor, sizeof anchor);
    leak->needles[leak->needle_count++] = (struct needle){text, name, placeholder};
}

/* What of a value must not be seen: its password, where some route takes it for a user and a password. */
static struct str sensitive(const struct policy *policy, const struct secret_entry *entry)
{
    struct str value = secret_expose(entry->value);

    for (size_t i = 0; i < policy->route_count; i++)
        if (policy->routes[i].auth.secret == entry && policy->routes[i].auth.scheme == AUTH_BASIC)
            return policy_sensitive(AUTH_BASIC, value);
    return value;
}

static void detach(void *attached)
{
    struct leak *leak = attached;

    secret_release(leak, leak->size);
}

static struct leak *make(const struct policy *policy)
{
    size_t secrets = policy->secrets != NULL ? policy->secrets->count : 0, count = secrets;

    for (size_t i = 0; i < policy->route_count; i++)
        count += policy->routes[i].auth.placeholder != NULL;
    uint32_t buckets = 256;
    while (buckets < count * WRITINGS)
        buckets *= 2;
    size_t size = sizeof(struct leak) + count * sizeof(struct needle) +
                  count * WRITINGS * sizeof(struct trace) + buckets * sizeof(uint32_t) + buckets * 2;
    struct leak *leak = secret_alloc(size);
    if (leak == NULL)
        return NULL;
    leak->size = size;
    leak->mask = buckets - 1;
    leak->needles = (struct needle *)(leak + 1);
    leak->traces = (struct trace *)(leak->needles + count);
    leak->buckets = (uint32_t *)(leak->traces + count * WRITINGS);
    leak->map = (uint8_t *)(leak->buckets + buckets);
    for (size_t i = 0; i < secrets; i++) {
        const struct secret_entry *entry = &policy->secrets->entries[i];
        add(leak, sensitive(policy, entry), entry->name, false);
    }
    for (size_t i = 0; i < policy->route_count; i++)
        if (policy->routes[i].auth.placeholder != NULL)
            add(leak, str_of(policy->routes[i].auth.placeholder), policy->routes[i].host, true);
    return leak;
}

static const struct leak *leak_of(struct policy *policy)
{
    if (policy->attached == NULL) {
        policy->attached = make(policy);
        policy->detach = detach;
    }
    return policy->attached;
}

/* Looking. */

/* Whether the needle may be in a request for this route. */
static bool own(const struct route *route, const struct needle *needle)
{
    if (route == NULL || !route_injects(route))
        return false;
    if (needle->placeholder)
        return route->auth.placeholder != NULL && str_equal(str_of(route->auth.placeholder), needle->text);
    struct str value = secret_expose(route->auth.secret->value);
    for (size_t at = 0; at + needle->text.len <= value.len; at++)
        if (memcmp(value.ptr + at, needle->text.ptr, needle->text.len) == 0)
            return true;
    return false;
}

static bool is_canary(const struct needle *needle)
{
    return !needle->placeholder && strcmp(needle->name, SECRET_CANARY) == 0;
}

/* Whether a text that holds this needle is of interest. */
static bool wanted(const struct look *look, const struct needle *needle)
{
    if (look->canary)
        return is_canary(needle);
    return look->values ? !needle->placeholder : !own(look->route, needle);
}

/* Whether the trace ends here. */
static bool ends_at(const struct needle *needle, uint32_t writing, const char *text, size_t end)
{
    size_t len = trace_len(needle->text, writing);

    if (len > end)
        return false;
    for (size_t i = len; i-- > 0;)
        if (trace_at(needle->text, writing, i) != text[end - len + i])
            return false;
    return true;
}

static bool search_anchor(struct look *look, const char *text, size_t at)
{
    const struct leak *leak = look->leak;

    for (uint32_t next = leak->buckets[bucket_of(leak, text + at)]; next > 0;) {
        const struct trace *trace = &leak->traces[next - 1];
        const struct needle *needle = &leak->needles[trace->needle];
        next = trace->next;
        if (!wanted(look, needle) || !ends_at(needle, trace->writing, text, at + ANCHOR))
            continue;
        look->found = needle;
        return true;
    }
    return false;
}

/* In folded text. */
static bool search(struct look *look, const char *text, size_t len)
{
    for (size_t at = STRIDE - 1; at + GROUP <= len; at += STRIDE) {
        uint32_t bit = bit_of(look->leak, text + at);
        if (!(look->leak->map[bit / 8] & 1u << bit % 8))
            continue;
        for (size_t before = 0; before < STRIDE; before++)
            if (at - before + ANCHOR <= len && search_anchor(look, text, at - before))
                return true;
    }
    return false;
}

static int hex_digit(char c)
{
    unsigned digit = (unsigned)(unsigned char)c - '0', letter = ((unsigned)(unsigned char)c | 0x20) - 'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

/* What a run of hexadecimal digits stands for, from its first and from its second digit on. */
static bool search_hex(struct look *look, const char *text, size_t len)
{
    for (size_t odd = 0; odd < 2; odd++) {
        size_t to = 0;
        for (size_t at = odd; at + 2 <= len; at += 2)
            hexed[to++] = fold((char)(hex_digit(text[at]) << 4 | hex_digit(text[at + 1])));
        if (search(look, hexed, to))
            return true;
    }
    return false;
}

/* A text in one of its percent-decodings. */
static bool search_all(struct look *look, const char *text, size_t len)
{
    size_t run = 0;

    for (size_t at = 0; at < len; at++)
        folded[at] = fold(text[at]);
    if (search(look, folded, len))
        return true;
    for (size_t at = 0; at <= len; at++) {
        if (at < len && hex_digit(text[at]) >= 0) {
            run++;
            continue;
        }
        if (run >= HEX_MIN && search_hex(look, text + at - run, run))
            return true;
        run = 0;
    }
    return false;
}

/* Decodes in place, once. Returns the length, which is the same when there was nothing to decode. */
static size_t decode(char *text, size_t len)
{
    size_t to = 0;

    for (size_t at = 0; at < len; to++) {
        bool coded =
            text[at] == '%' && at + 2 < len && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
        text[to] = coded ? (char)(hex_digit(text[at + 1]) << 4 | hex_digit(text[at + 2])) : text[at];
        at += coded ? 3 : 1;
    }
    return to;
}

static bool search_text(struct look *look, struct str text)
{
    size_t len = text.len < HEAD_MAX ? text.len : HEAD_MAX; /* a head is no longer */

    if (len < SECRET_MIN)
        return false;
    bool found = search_all(look, text.ptr, len);
    if (found || memchr(text.ptr, '%', len) == NULL)
        return found;
    memcpy(unfolded, text.ptr, len);
    for (int round = 0; !found && round < ROUNDS_MAX; round++) {
        size_t before = len;
        len = decode(unfolded, len);
        if (len == before)
            break;
        found = search_all(look, unfolded, len);
    }
    return found;
}

/* The agent had it; there need be no more copies. */
static void forget(void)
{
    secret_wipe(unfolded, sizeof unfolded);
    secret_wipe(folded, sizeof folded);
    secret_wipe(hexed, sizeof hexed);
}

static bool search_head(struct look *look, const struct h1_head *head)
{
    bool any = search_text(look, head->target);

    for (size_t i = 0; !any && i < head->field_count; i++)
        any = search_text(look, head->fields[i].value) || search_text(look, head->fields[i].name);
    return any;
}

static void tell(const struct needle *needle, struct leak_found *found)
{
    snprintf(found->name, sizeof found->name,
             needle->placeholder ? "the placeholder of %s" : "the value of %s", needle->name);
    found->canary = is_canary(needle);
}

int leak_head(struct policy *policy, const struct route *route, const struct h1_head *head,
              struct leak_found *found)
{
    struct look look = {.leak = leak_of(policy), .route = route};

    if (look.leak == NULL)
        return -1;
    if (look.leak->needle_count == 0)
        return 0;
    if (!search_head(&look, head))
        return 0;
    if (!is_canary(look.found)) { /* it may stand behind another one */
        look.canary = true;
        search_head(&look, head);
    }
    tell(look.found, found);
    forget();
    return 1;
}

int leak_text(struct policy *policy, struct str text, struct leak_found *found)
{
    struct look look = {.leak = leak_of(policy), .values = true};

    if (look.leak == NULL)
        return -1;
    if (look.leak->needle_count == 0 || !search_text(&look, text))
        return 0;
    if (found != NULL)
        tell(look.found, found);
    forget();
    return 1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hello: the first bytes of a TLS connection, RFC 8446 sections 4.1.2, 4.2 and 5.1. The decision hangs on the
 * server name, so whatever two parsers could read differently is refused: lengths that do not add up, an
 * extension twice, two names, bytes behind the message. It must never allocate, nor read a byte past `len`.
 */
#include "proxy/hello.h"

#include <string.h>

#include "proxy/limits.h"

#define RECORD_HEAD       5
#define RECORD_MAX        16384
#define TYPE_HANDSHAKE    22
#define TYPE_CLIENT_HELLO 1
#define EXTENSIONS_MAX    128 /* browsers send twenty */
#define SHARES_MAX        32

/* A run of bytes that is used up from the front; a read past its end makes it bad, and it stays so. */
struct run {
    const uint8_t *ptr;
    size_t len;
    bool bad;
};

static struct run run_take(struct run *run, size_t len)
{
    if (run->bad || len > run->len) {
        *run = (struct run){.bad = true};
        return *run;
    }
    struct run taken = {run->ptr, len, false};
    run->ptr += len;
    run->len -= len;
    return taken;
}

static unsigned run_number(struct run *run, unsigned bytes)
{
    struct run taken = run_take(run, bytes);
    unsigned number = 0;

    for (size_t i = 0; i < taken.len; i++)
        number = number << 8 | taken.ptr[i];
    return number;
}

/* A vector with a length of `bytes` bytes in front, at least `min` long; a short one makes the run bad. */
static struct run run_vector(struct run *run, unsigned bytes, size_t min)
{
    size_t len = run_number(run, bytes);
    struct run taken = run_take(run, len);

    if (taken.bad || len < min)
        run->bad = taken.bad = true;
    return taken;
}

/* A vector that is all there is. */
static struct run run_only_vector(struct run run, unsigned bytes, size_t min)
{
    struct run taken = run_vector(&run, bytes, min);

    if (run.bad || run.len > 0)
        taken.bad = true;
    return taken;
}

static bool read_name(struct hello *hello, struct run data)
{
    struct run list = run_only_vector(data, 2, 1);
    unsigned type = run_number(&list, 1);
    struct run name = run_vector(&list, 2, 1);

    if (list.bad || list.len > 0 || type != 0 || name.len > HELLO_NAME_MAX ||
        memchr(name.ptr, 0, name.len) != NULL)
        return false;
    memcpy(hello->name, name.ptr, name.len);
    hello->name[name.len] = '\0';
    hello->name_len = name.len;
    return true;
}

static bool read_alpn(struct hello *hello, struct run data)
{
    struct run list = run_only_vector(data, 2, 2);
    size_t at = 0;

    if (list.bad)
        return false;
    while (list.len > 0) {
        struct run protocol = run_vector(&list, 1, 1);
        if (list.bad)
            return false;
        if (at + 1 + protocol.len >= sizeof hello->alpn)
            continue;
        if (at > 0)
            hello->alpn[at++] = ',';
        for (size_t i = 0; i < protocol.len; i++)
            hello->alpn[at++] = protocol.ptr[i] > ' ' && protocol.ptr[i] < 0x7f ? (char)protocol.ptr[i] : '?';
        hello->alpn[at] = '\0';
    }
    return true;
}

static const char *version_name(unsigned version)
{
    static const char *const names[] = {"1.0", "1.1", "1.2", "1.3"};

    return version >= 0x0301 && version <= 0x0304 ? names[version - 0x0301] : "";
}

static bool read_versions(struct hello *hello, struct run data)
{
    struct run list = run_only_vector(data, 1, 2);

    if (list.bad || list.len % 2 != 0)
        return false;
    hello->version = "";
    while (list.len > 0) {
        const char *name = version_name(run_number(&list, 2));
        if (strcmp(name, hello->version) > 0) /* GREASE (RFC 8701) and unknown ones are "" */
            hello->version = name;
    }
    return true;
}

/* Two shares for one group are forbidden (RFC 8446 section 4.2.8), and have crashed servers. */
static bool read_shares(struct hello *hello, struct run data)
{
    struct run list = run_only_vector(data, 2, 0);
    unsigned groups[SHARES_MAX];
    size_t count = 0;

    (void)hello;
    while (list.len > 0) {
        unsigned group = run_number(&list, 2);
        run_vector(&list, 2, 1);
        if (list.bad || count == SHARES_MAX)
            return false;
        for (size_t i = 0; i < count; i++)
            if (groups[i] == group)
                return false;
        groups[count++] = group;
    }
    return !list.bad;
}

static bool read_ech(struct hello *hello, struct run data)
{
    (void)data;
    hello->ech = true;
    return true;
}

#define EXTENSION_PRE_SHARED_KEY 41

static const struct {
    unsigned type;
    bool (*read)(struct hello *hello, struct run data);
} READERS[] = {
    {0, read_name},    {16, read_alpn},    {43, read_versions},
    {51, read_shares}, {0xfe0d, read_ech}, {0xffce, read_ech}, /* the drafts' ESNI hides the name as well */
};

static bool read_extensions(struct hello *hello, struct run all)
{
    unsigned seen[EXTENSIONS_MAX];
    size_t count = 0;

    while (all.len > 0) {
        unsigned type = run_number(&all, 2);
        struct run data = run_vector(&all, 2, 0);
        if (all.bad || count == EXTENSIONS_MAX)
            return false;
        for (size_t i = 0; i < count; i++)
            if (seen[i] == type)
                return false;
        seen[count++] = type;
        if (type == EXTENSION_PRE_SHARED_KEY && all.len > 0)
            return false; /* must be the last, RFC 8446 section 4.2.11 */
        for (size_t i = 0; i < sizeof READERS / sizeof READERS[0]; i++)
            if (READERS[i].type == type && !READERS[i].read(hello, data))
                return false;
    }
    return true;
}

/* The message behind its four bytes of type and length. */
static bool read_body(struct hello *hello, struct run body)
{
    unsigned version = run_number(&body, 2);

    run_take(&body, 32);
    struct run session = run_vector(&body, 1, 0);
    struct run suites = run_vector(&body, 2, 2);
    run_vector(&body, 1, 1);
    if (body.bad || version >> 8 != 3 || session.len > 32 || suites.len % 2 != 0)
        return false;
    hello->version = version_name(version);
    if (body.len == 0)
        return true; /* before TLS 1.3 extensions may be absent */
    struct run extensions = run_only_vector(body, 2, 0);
    return !extensions.bad && read_extensions(hello, extensions);
}

/* The message without the heads of its records; valid until the next call. */
static const uint8_t *join(const struct hello *hello, const char *bytes)
{
    static uint8_t joined[HELLO_MAX]; /* one loop, never re-entered */
    const uint8_t *record = (const uint8_t *)bytes;

    if (hello->records == 1)
        return record + RECORD_HEAD;
    for (size_t len = 0; len < hello->have;) {
        size_t part = (size_t)record[3] << 8 | record[4];
        memcpy(joined + len, record + RECORD_HEAD, part);
        record += RECORD_HEAD + part;
        len += part;
    }
    return joined;
}

static enum hello_result finish(struct hello *hello, const char *bytes)
{
    const uint8_t *message = join(hello, bytes);
    struct run body = {message + sizeof hello->head, hello->have - sizeof hello->head, false};

    return read_body(hello, body) ? HELLO_OK : HELLO_BAD;
}

void hello_reframe(struct hello *hello, struct buf *in)
{
    size_t records = (hello->have + RECORD_MAX - 1) / RECORD_MAX;
    size_t len = hello->have + records * RECORD_HEAD;

    if (hello->records <= records)
        return;
    const uint8_t *message = join(hello, buf_str(in).ptr);
    buf_consume(in, hello->at - len); /* what is left of the old records is as long as the new ones */
    uint8_t *out = (uint8_t *)in->data + in->head;
    for (size_t at = 0; at < hello->have;) {
        size_t part = hello->have - at < RECORD_MAX ? hello->have - at : RECORD_MAX;
        const uint8_t head[RECORD_HEAD] = {TYPE_HANDSHAKE, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        memcpy(out, head, sizeof head);
        memcpy(out + sizeof head, message + at, part);
        out += sizeof head + part;
        at += part;
    }
    hello->at = len;
    hello->records = records;
}

void hello_init(struct hello *hello)
{
    *hello = (struct hello){.version = ""};
}

/* Takes one whole record in. HELLO_OK = the message is whole. */
static enum hello_result take_record(struct hello *hello, const uint8_t *payload, size_t len)
{
    for (size_t i = 0; i < len && hello->have + i < sizeof hello->head; i++)
        hello->head[hello->have + i] = payload[i];
    hello->have += len;
    hello->records++;
    hello->at += RECORD_HEAD + len;
    if (hello->head[0] != TYPE_CLIENT_HELLO)
        return HELLO_BAD;
    if (hello->have < sizeof hello->head)
        return HELLO_MORE;
    size_t need =
        sizeof hello->head + ((size_t)hello->head[1] << 16 | (size_t)hello->head[2] << 8 | hello->head[3]);
    if (need > HELLO_MAX || hello->have > need)
        return HELLO_BAD;
    return hello->have == need ? HELLO_OK : HELLO_MORE;
}

enum hello_result hello_parse(struct hello *hello, const char *bytes, size_t len)
{
    for (;;) {
        const uint8_t *record = (const uint8_t *)bytes + hello->at;
        size_t left = len - hello->at;
        if ((left >= 1 && record[0] != TYPE_HANDSHAKE) || (left >= 2 && record[1] != 3))
            return HELLO_BAD;
        if (left < RECORD_HEAD)
            return hello->at + RECORD_HEAD < HELLO_MAX ? HELLO_MORE : HELLO_BAD;
        size_t part = (size_t)record[3] << 8 | record[4];
        if (part == 0 || part > RECORD_MAX || hello->at + RECORD_HEAD + part > HELLO_MAX)
            return HELLO_BAD;
        if (hello->have == 0 && left > RECORD_HEAD && record[RECORD_HEAD] != TYPE_CLIENT_HELLO)
            return HELLO_BAD;
        if (left < RECORD_HEAD + part)
            return HELLO_MORE;
        enum hello_result result = take_record(hello, record + RECORD_HEAD, part);
        if (result != HELLO_MORE)
            return result == HELLO_OK ? finish(hello, bytes) : HELLO_BAD;
    }
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_parts: see key_parts.h. Nothing is copied but the whole, once, from base64 to locked memory. */
#include "init/key_parts.h"

#include <stdbool.h>
#include <string.h>

#include <wolfssl/wolfcrypt/coding.h>

#include "core/keys.h"

#define MAGIC "openssh-key-v1" /* with its NUL */

static const char not_known[] =
    "is of a kind whose private part is not known (RSA, ECDSA, Ed25519 and DSA are)";
static const char not_sound[] = "is damaged";

/* What is left to read. Once something is not there nothing more is: `bad` stays. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static struct reader take(struct reader *reader, size_t len)
{
    struct reader taken = {reader->at, len, reader->bad || len > reader->left};

    if (taken.bad) {
        reader->bad = true;
        return (struct reader){NULL, 0, true};
    }
    reader->at += len;
    reader->left -= len;
    return taken;
}

static bool is(struct reader reader, const void *bytes, size_t len)
{
    return !reader.bad && reader.left == len && memcmp(reader.at, bytes, len) == 0;
}

/* Notes a number, or a string of bytes, as private. */
static void part(struct key_parts *parts, struct reader number)
{
    while (number.left > 0 && *number.at == 0) {
        number.at++;
        number.left--;
    }
    if (!number.bad && parts->count < KEY_PARTS_MAX)
        parts->list[parts->count++] = (struct key_part){number.at, number.left};
}

/* OpenSSH's own form. */

static uint32_t take_u32(struct reader *reader)
{
    struct reader four = take(reader, 4);

    return four.bad ? 0
                    : (uint32_t)four.at[0] << 24 | (uint32_t)four.at[1] << 16 | (uint32_t)four.at[2] << 8 |
                          four.at[3];
}

static struct reader take_string(struct reader *reader)
{
    return take(reader, take_u32(reader));
}

/* What stands behind a key's type: '.' is public, 's' private, 'h' private in its first half (of Ed25519 the other is the public key). */
static const struct {
    const char *type, *fields;
} types[] = {{"ssh-ed25519", ".h"},          {"ssh-rsa", "..ssss"},          {"ecdsa-sha2-nistp256", "..s"},
             {"ecdsa-sha2-nistp384", "..s"}, {"ecdsa-sha2-nistp521", "..s"}, {"ssh-dss", "....s"}};

static const char *read_openssh(struct reader file, struct key_parts *parts)
{
    if (!is(take(&file, sizeof MAGIC), MAGIC, sizeof MAGIC) || !is(take_string(&file), "none", 4) ||
        !is(take_string(&file), "none", 4) || !is(take_string(&file), "", 0) || take_u32(&file) != 1)
        return not_sound;
    take_string(&file); /* the public key */
    struct reader key = take_string(&file);
    uint32_t check = take_u32(&key);
    if (file.bad || file.left > 0 || take_u32(&key) != check)
        return not_sound;
    struct reader type = take_string(&key);
    if (type.bad)
        return not_sound;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!is(type, types[i].type, strlen(types[i].type)))
            continue;
        for (const char *field = types[i].fields; *field != '\0'; field++) {
            struct reader value = take_string(&key);
            if (*field == 'h' && value.left != 64)
                return not_sound;
            value.left /= *field == 'h' ? 2 : 1;
            if (*field != '.')
                part(parts, value);
        }
        take_string(&key); /* the comment */
        return key.bad ? not_sound : NULL;
    }
    return not_known;
}

/* DER. */

enum { INTEGER = 0x02, OCTETS = 0x04, OBJECT = 0x06, SEQUENCE = 0x30 };

static struct reader take_der(struct reader *reader, uint8_t tag)
{
    struct reader head = take(reader, 2);

    if (head.bad || head.at[0] != tag) {
        reader->bad = true;
        return (struct reader){NULL, 0, true};
    }
    size_t len = head.at[1], more = len > 0x80 ? len - 0x80 : 0;
    if (len == 0x80 || more > 2) /* without a length, or with one that no key has */
        reader->bad = true;
    if (more > 0) {
        struct reader digits = take(reader, more);
        len = 0;
        for (size_t i = 0; i < digits.left; i++)
            len = len << 8 | digits.at[i];
    }
    return take(reader, len);
}

/* RFC 8017 appendix A.1.2, of two primes. */
static const char *read_rsa(struct reader file, struct key_parts *parts)
{
    struct reader key = take_der(&file, SEQUENCE);

    if (!is(take_der(&key, INTEGER), "", 1))
        return not_sound;
    take_der(&key, INTEGER);
    take_der(&key, INTEGER);
    for (size_t i = 0; i < 6; i++)
        part(parts, take_der(&key, INTEGER));
    return key.bad || key.left > 0 ? not_sound : NULL;
}

/* RFC 5915. */
static const char *read_ec(struct reader file, struct key_parts *parts)
{
    struct reader key = take_der(&file, SEQUENCE);

    if (!is(take_der(&key, INTEGER), "\1", 1))
        return not_sound;
    part(parts, take_der(&key, OCTETS));
    return key.bad ? not_sound : NULL;
}

/* RFC 8410. */
static const char *read_ed25519(struct reader file, struct key_parts *parts)
{
    part(parts, take_der(&file, OCTETS));
    return file.bad || file.left > 0 ? not_sound : NULL;
}

static const char *read_pkcs8(struct reader file, struct key_parts *parts)
{
    static const struct {
        const char *id;
        size_t len;
        const char *(*read)(struct reader file, struct key_parts *parts);
    } kinds[] = {{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9, read_rsa},
                 {"\x2a\x86\x48\xce\x3d\x02\x01", 7, read_ec},
                 {"\x2b\x65\x70", 3, read_ed25519}};
    struct reader info = take_der(&file, SEQUENCE), version = take_der(&info, INTEGER);
    struct reader algorithm = take_der(&info, SEQUENCE), id = take_der(&algorithm, OBJECT);
    struct reader key = take_der(&info, OCTETS);

    if (info.bad || version.bad || id.bad || key.bad)
        return not_sound;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (is(id, kinds[i].id, kinds[i].len))
            return kinds[i].read(key, parts);
    return not_known;
}

/* The lines between the first and the last, from base64. */
static const char *unwrap(struct str text, struct key_parts *parts, struct reader *file)
{
    const char *begin = memchr(text.ptr, '\n', text.len), *end = NULL;
    word32 len = KEY_MAX;

    for (const char *at = begin; at != NULL;
         at = memchr(at + 1, '\n', (size_t)(text.ptr + text.len - at - 1)))
        if (text.ptr + text.len - at > 9 && memcmp(at, "\n-----END", 9) == 0)
            end = at;
    parts->memory = secret_alloc(KEY_MAX);
    if (parts->memory == NULL)
        return "finds no locked memory (RLIMIT_MEMLOCK)";
    if (end == NULL || end == begin ||
        Base64_Decode((const byte *)begin + 1, (word32)(end - begin), parts->memory, &len) != 0)
        return not_sound;
    *file = (struct reader){parts->memory, len, false};
    return NULL;
}

const char *key_parts_read(struct str text, struct key_parts *parts)
{
    static const struct {
        struct str label;
        const char *(*read)(struct reader file, struct key_parts *parts);
    } forms[] = {{STR("-----BEGIN OPENSSH PRIVATE KEY-----"), read_openssh},
                 {STR("-----BEGIN RSA PRIVATE KEY-----"), read_rsa},
                 {STR("-----BEGIN EC PRIVATE KEY-----"), read_ec},
                 {STR("-----BEGIN PRIVATE KEY-----"), read_pkcs8}};
    struct reader file;
    const char *problem = not_known;

    *parts = (struct key_parts){.count = 0};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (text.len < forms[i].label.len || memcmp(text.ptr, forms[i].label.ptr, forms[i].label.len) != 0)
            continue;
        problem = unwrap(text, parts, &file);
        if (problem == NULL)
            problem = forms[i].read(file, parts);
    }
    for (size_t i = 0; i < parts->count && problem == NULL; i++)
        if (parts->list[i].len < 16)
            problem = not_sound; /* no key has so little */
    return problem;
}

void key_parts_free(struct key_parts *parts)
{
    secret_release(parts->memory, KEY_MAX);
    parts->memory = NULL;
}

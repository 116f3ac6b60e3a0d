/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_seal: see the header. An unescaped quote cannot stand inside a string, so `,"member":` is found only
 * where a member begins. */
#include "core/audit_seal.h"

#include <string.h>

#define GENERATION ",\"generation\":"
#define DIGITS     "0123456789"
#define HEX        DIGITS "abcdef"

uint64_t audit_seal_generation(struct str line)
{
    uint64_t generation = 0;

    if (line.len < sizeof GENERATION)
        return 0;
    for (const char *at = line.ptr, *end = line.ptr + line.len - sizeof GENERATION;
         (at = memchr(at, ',', (size_t)(end - at))) != NULL; at++) {
        if (memcmp(at, GENERATION, sizeof GENERATION - 1) != 0)
            continue;
        for (at += sizeof GENERATION - 1; at < line.ptr + line.len && *at >= '0' && *at <= '9'; at++)
            generation = generation * 10 + (uint64_t)(*at - '0');
        break;
    }
    return generation;
}

/* At most `max` bytes of the text. */
static char *put(char *at, const char *text, size_t max)
{
    size_t len = strnlen(text, max);

    memcpy(at, text, len);
    return at + len;
}

static char *put_number(char *at, uint64_t value)
{
    return at + str_digits(value, at);
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

/* At its longest, with both numbers of 20 digits, it is 246 bytes: AUDIT_SEAL_MAX holds it. */
size_t audit_seal_put(const struct audit_seal *seal, char line[AUDIT_LINE_MAX], size_t len)
{
    char *at = line + len - 2;

    if (seal->generation != 0)
        at = put_number(PUT(at, GENERATION), seal->generation);
    if (seal->policy_digest != NULL)
        at = PUT(put(PUT(at, ",\"policy_digest\":\""), seal->policy_digest, 32), "\"");
    if (seal->boot != NULL)
        at = PUT(put(PUT(at, ",\"boot\":\""), seal->boot, 32), "\"");
    if (seal->end)
        at = PUT(at, ",\"end\":true");
    at = put_number(PUT(at, ",\"seq\":"), seal->seq);
    at = PUT(put(PUT(at, ",\"prev\":\""), seal->prev, AUDIT_DIGEST_TEXT), "\"}\n");
    return (size_t)(at - line);
}

/* Takes `text` off the end. */
static bool take_text(struct str *line, const char *text)
{
    size_t len = strlen(text);

    if (line->len < len || memcmp(line->ptr + line->len - len, text, len) != 0)
        return false;
    line->len -= len;
    return true;
}

/* Takes the longest run of these letters, `min` to `max` of them, off the end, and copies it. */
static bool take_run(struct str *line, const char *letters, size_t min, size_t max, char *into)
{
    size_t len = 0;

    while (len < line->len && len < max && strchr(letters, line->ptr[line->len - len - 1]) != NULL &&
           line->ptr[line->len - len - 1] != '\0')
        len++;
    if (len < min)
        return false;
    line->len -= len;
    memcpy(into, line->ptr + line->len, len);
    into[len] = '\0';
    return true;
}

int audit_seal_read(struct str line, struct audit_seal_read *out)
{
    char number[21];

    *out = (struct audit_seal_read){.seq = 0};
    if (!take_text(&line, "\"}\n") ||
        !take_run(&line, HEX, AUDIT_DIGEST_TEXT, AUDIT_DIGEST_TEXT, out->prev) ||
        !take_text(&line, ",\"prev\":\"") || !take_run(&line, DIGITS, 1, 19, number) ||
        !take_text(&line, ",\"seq\":"))
        return -1;
    for (const char *digit = number; *digit != '\0'; digit++)
        out->seq = out->seq * 10 + (uint64_t)(*digit - '0');
    out->end = take_text(&line, ",\"end\":true");
    struct str rest = line;
    if (!take_text(&rest, "\"") || !take_run(&rest, HEX, AUDIT_BOOT_TEXT, AUDIT_BOOT_TEXT, out->boot) ||
        !take_text(&rest, ",\"boot\":\""))
        out->boot[0] = '\0';
    return 0;
}

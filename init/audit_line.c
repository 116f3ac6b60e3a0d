/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_line: see the header. It walks over strings and brackets and looks at the keys of the outermost object; what
 * lies between is not judged further. A key with an escape in it is refused: there is no need for one. */
#include "init/audit_line.h"

#include <string.h>

#include "core/audit.h"

#define DEPTH_MAX  16
#define DIGITS_MAX 15 /* of a count */

struct walk {
    struct str line;
    size_t at;
    unsigned depth;
    bool key; /* the next string of the outermost object is a key */
    unsigned kinds;
    struct audit_tally *tally;
};

/* Takes a string whose opening quote is at `at`. False when it has no end. */
static bool take_string(struct walk *walk, struct str *inner)
{
    size_t begin = ++walk->at;

    for (; walk->at < walk->line.len && walk->line.ptr[walk->at] != '"'; walk->at++)
        walk->at += walk->line.ptr[walk->at] == '\\';
    if (walk->at >= walk->line.len)
        return false;
    *inner = (struct str){walk->line.ptr + begin, walk->at - begin};
    walk->at++;
    return true;
}

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (str_equal(text, str_of(*words)))
            return true;
    return false;
}

/* The value behind the key "kind" has to be a string, and not init's. */
static bool take_kind(struct walk *walk)
{
    static const char *const own[] = {"packet", "control", "lifecycle", NULL};
    struct str value;

    if (walk->at >= walk->line.len || walk->line.ptr[walk->at] != '"' || !take_string(walk, &value))
        return false;
    walk->kinds++;
    return !is_one_of(value, own) && memchr(value.ptr, '\\', value.len) == NULL;
}

static void tally_text(struct audit_tally *tally, struct str key, struct str value)
{
    const struct {
        const char *key;
        struct str *to;
    } texts[] = {{"time", &tally->time},
                 {"id", &tally->id},
                 {"kind", &tally->kind},
                 {"verdict", &tally->verdict},
                 {"host", &tally->host},
                 {"method", &tally->method},
                 {"repository", &tally->repository}};

    if (str_equal(key, str_of("reason")))
        tally->reason = denial_find(value);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (str_equal(key, str_of(texts[i].key)) && memchr(value.ptr, '\\', value.len) == NULL)
            *texts[i].to = value;
}

/* Of a value only what counts; the walk goes over it as over any other. */
static void tally_look(struct walk *walk, struct str key)
{
    struct walk ahead = *walk;
    struct str value;
    uint64_t count = 0;
    size_t digits = 0;

    if (ahead.at < ahead.line.len && ahead.line.ptr[ahead.at] == '"' && take_string(&ahead, &value))
        tally_text(walk->tally, key, value);
    if (!str_equal(key, str_of("count")))
        return;
    for (; ahead.at < ahead.line.len && ahead.line.ptr[ahead.at] >= '0' && ahead.line.ptr[ahead.at] <= '9';
         ahead.at++) {
        count = count * 10 + (uint64_t)(ahead.line.ptr[ahead.at] - '0');
        if (++digits > DIGITS_MAX)
            return;
    }
    walk->tally->count = count > 0 ? count : 1;
}

static bool take_key(struct walk *walk)
{
    static const char *const seal[] = {"policy_digest", "boot", "end", "seq", "prev", NULL};
    struct str key;

    if (!take_string(walk, &key) || memchr(key.ptr, '\\', key.len) != NULL || is_one_of(key, seal) ||
        walk->at >= walk->line.len || walk->line.ptr[walk->at++] != ':')
        return false;
    walk->key = false;
    tally_look(walk, key);
    return !str_equal(key, str_of("kind")) || take_kind(walk);
}

/* One string or one other byte. */
static bool step(struct walk *walk)
{
    struct str text;
    char byte = walk->line.ptr[walk->at];

    if (byte == '"')
        return walk->depth == 1 && walk->key ? take_key(walk) : take_string(walk, &text);
    walk->at++;
    if (byte == '{' || byte == '[')
        walk->depth++;
    if (byte == '}' || byte == ']')
        walk->depth--;
    if (byte == ',' && walk->depth == 1)
        walk->key = true;
    return byte != ' ' && walk->depth <= DEPTH_MAX && (walk->depth > 0 || walk->at == walk->line.len);
}

bool audit_line_sound(struct str line, struct audit_tally *tally)
{
    *tally = (struct audit_tally){.reason = DENIAL_NONE, .count = 1};
    if (line.len < 3 || line.len > AUDIT_UNSEALED_MAX || line.ptr[0] != '{' ||
        line.ptr[line.len - 2] != '}' || line.ptr[line.len - 1] != '\n')
        return false;
    struct walk walk = {.line = {line.ptr, line.len - 1}, .at = 1, .depth = 1, .key = true, .tally = tally};
    for (size_t i = 0; i < walk.line.len; i++)
        if (walk.line.ptr[i] < 0x20 || walk.line.ptr[i] > 0x7e)
            return false;
    while (walk.at < walk.line.len)
        if (!step(&walk))
            return false;
    return walk.depth == 0 && walk.kinds == 1;
}

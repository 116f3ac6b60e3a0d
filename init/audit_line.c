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

    const char *line = walk->line.ptr;
    size_t at = begin, len = walk->line.len;

    for (; at < len && line[at] != '"'; at++)
        at += line[at] == '\\';
    walk->at = at + 1;
    if (at >= len)
        return false;
    *inner = (struct str){line + begin, at - begin};
    return true;
}

static bool is_one_of(struct str text, const struct str *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(text, words[i]))
            return true;
    return false;
}

/* The value behind the key "kind" has to be a string, and not init's. */
static bool take_kind(struct walk *walk)
{
    static const struct str own[] = {STR("packet"), STR("control"), STR("lifecycle")};
    struct str value;

    if (walk->at >= walk->line.len || walk->line.ptr[walk->at] != '"' || !take_string(walk, &value))
        return false;
    walk->kinds++;
    return !is_one_of(value, own, sizeof own / sizeof own[0]) && memchr(value.ptr, '\\', value.len) == NULL;
}

/* Where the text with this key goes; NULL: nowhere. */
static struct str *tally_text(struct audit_tally *tally, struct str key)
{
    const struct {
        struct str key, *to;
    } texts[] = {{STR("time"), &tally->time},
                 {STR("id"), &tally->id},
                 {STR("kind"), &tally->kind},
                 {STR("verdict"), &tally->verdict},
                 {STR("host"), &tally->host},
                 {STR("method"), &tally->method},
                 {STR("repository"), &tally->repository}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (str_equal(key, texts[i].key))
            return texts[i].to;
    return NULL;
}

static uint64_t tally_count(struct str text)
{
    uint64_t count = 0;
    size_t digits = 0;

    for (; digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9'; digits++) {
        if (digits == DIGITS_MAX)
            return 1;
        count = count * 10 + (uint64_t)(text.ptr[digits] - '0');
    }
    return count > 0 ? count : 1;
}

/* Of a value only what counts; the walk goes over it as over any other. */
static void tally_look(const struct walk *walk, struct str key)
{
    struct audit_tally *tally = walk->tally;
    struct str *to = tally_text(tally, key), value;
    bool reason = str_equal(key, str_of("reason"));
    struct walk ahead = *walk;

    if (str_equal(key, str_of("count")))
        tally->count = tally_count((struct str){ahead.line.ptr + ahead.at, ahead.line.len - ahead.at});
    if ((to == NULL && !reason) || ahead.at >= ahead.line.len || ahead.line.ptr[ahead.at] != '"' ||
        !take_string(&ahead, &value))
        return;
    if (reason)
        tally->reason = denial_find(value);
    else if (memchr(value.ptr, '\\', value.len) == NULL)
        *to = value;
}

static bool take_key(struct walk *walk)
{
    static const struct str seal[] = {STR("policy_digest"), STR("boot"), STR("end"), STR("seq"), STR("prev")};
    struct str key;

    if (!take_string(walk, &key) || memchr(key.ptr, '\\', key.len) != NULL ||
        is_one_of(key, seal, sizeof seal / sizeof seal[0]) || walk->at >= walk->line.len ||
        walk->line.ptr[walk->at++] != ':')
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

/* ASCII without control characters: eight bytes at once have their high bits clear, and so have they when 0x60 is added
 * to each (0x20 and more has it set then) or one (0x7f has it set then). */
static bool printable(struct str text)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x80 * ones;
    size_t at = 0;

    for (uint64_t eight; text.len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.ptr + at, sizeof eight);
        if (((eight | (eight + ones)) & highs) != 0 || ((eight + 0x60 * ones) & highs) != highs)
            return false;
    }
    for (; at < text.len; at++)
        if (text.ptr[at] < 0x20 || text.ptr[at] > 0x7e)
            return false;
    return true;
}

bool audit_line_sound(struct str line, struct audit_tally *tally)
{
    *tally = (struct audit_tally){.reason = DENIAL_NONE, .count = 1};
    if (line.len < 3 || line.len > AUDIT_UNSEALED_MAX || line.ptr[0] != '{' ||
        line.ptr[line.len - 2] != '}' || line.ptr[line.len - 1] != '\n')
        return false;
    struct walk walk = {.line = {line.ptr, line.len - 1}, .at = 1, .depth = 1, .key = true, .tally = tally};
    if (!printable(walk.line))
        return false;
    while (walk.at < walk.line.len)
        if (!step(&walk))
            return false;
    return walk.depth == 0 && walk.kinds == 1;
}

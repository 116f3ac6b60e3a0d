/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * glob: see glob.h. No recursion: a run of bytes that did not fit is made longer by one. Only the last '*' of a component has to
 * be, since one before it can take no more than what the bytes between the two leave; and when that is over, the last "**".
 */
#include "core/glob.h"

#include <string.h>

static int fold(unsigned char c, unsigned flags)
{
    return flags & GLOB_FOLD && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool is_class(struct str name, unsigned char c)
{
    static const struct {
        const char *name, *ranges; /* pairs of first and last */
    } classes[] = {
        {"alnum", "azAZ09"},   {"alpha", "azAZ"},   {"blank", "  \t\t"}, {"cntrl", "\x01\x1f\x7f\x7f"},
        {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},     {"print", " ~"},
        {"punct", "!/:@[`{~"}, {"space", "  \t\r"}, {"upper", "AZ"},     {"xdigit", "09afAF"},
    };

    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (!str_equal(name, str_of(classes[i].name)))
            continue;
        for (const char *range = classes[i].ranges; *range != '\0'; range += 2)
            if (c >= (unsigned char)range[0] && c <= (unsigned char)range[1])
                return true;
    }
    return false;
}

/* One member of a set at *at, which is moved behind it: a class, a range or a byte. */
static bool is_member(struct str pattern, size_t *at, unsigned char c, unsigned flags)
{
    const char *p = pattern.ptr;

    if (p[*at] == '[' && *at + 1 < pattern.len && p[*at + 1] == ':') {
        size_t end = *at + 2;
        while (end + 1 < pattern.len && !(p[end] == ':' && p[end + 1] == ']'))
            end++;
        if (end + 1 < pattern.len) {
            struct str name = {p + *at + 2, end - *at - 2};
            *at = end + 2;
            return is_class(name, c) ||
                   (flags & GLOB_FOLD && str_equal(name, str_of("upper")) && is_class(str_of("lower"), c));
        }
    }
    if (p[*at] == '\\' && *at + 1 < pattern.len)
        ++*at;
    unsigned char first = (unsigned char)p[(*at)++], last = first;
    if (*at + 1 < pattern.len && p[*at] == '-' && p[*at + 1] != ']') {
        *at += p[*at + 1] == '\\' && *at + 2 < pattern.len ? 2 : 1;
        last = (unsigned char)p[(*at)++];
    }
    int folded = fold(c, flags), upper = folded >= 'a' && folded <= 'z' ? folded - 'a' + 'A' : folded;
    return (c >= first && c <= last) ||
           (flags & GLOB_FOLD && ((folded >= first && folded <= last) || (upper >= first && upper <= last)));
}

/* Whether the set behind the '[' at *at holds c; *at is moved behind its ']'. */
static bool in_set(struct str pattern, size_t *at, unsigned char c, unsigned flags)
{
    size_t i = *at + 1;
    bool negated = i < pattern.len && (pattern.ptr[i] == '!' || pattern.ptr[i] == '^'), found = false;

    i += negated;
    for (size_t first = i; i < pattern.len && (pattern.ptr[i] != ']' || i == first);)
        found = is_member(pattern, &i, c, flags) || found;
    if (i >= pattern.len)
        return false;
    *at = i + 1;
    return found != negated && !(flags & GLOB_PATH && c == '/');
}

/* One byte of the text by what stands at *at, which is moved behind it. */
static bool one(struct str pattern, size_t *at, unsigned char c, unsigned flags)
{
    unsigned char p = (unsigned char)pattern.ptr[*at];

    if (p == '[')
        return in_set(pattern, at, c, flags);
    if (p == '?') {
        ++*at;
        return !(flags & GLOB_PATH && c == '/');
    }
    if (p == '\\') {
        if (++*at == pattern.len)
            return false;
        p = (unsigned char)pattern.ptr[*at];
    }
    ++*at;
    return fold(p, flags) == fold(c, flags);
}

/* Where the pattern goes on behind a "**" (or more of them) as a whole component, with the slash behind it; 0 when there is none. */
static size_t behind_folders(struct str pattern, size_t at)
{
    size_t end = at;

    if (at > 0 && pattern.ptr[at - 1] != '/')
        return 0;
    while (end < pattern.len && pattern.ptr[end] == '*')
        end++;
    if (end < at + 2)
        return 0;
    return end == pattern.len ? end : pattern.ptr[end] == '/' ? end + 1 : 0;
}

bool glob_match(struct str pattern, struct str text, unsigned flags)
{
    struct {
        bool open;
        size_t pattern, text;
    } star = {false, 0, 0}, deep = {false, 0, 0};
    size_t p = 0, t = 0;

    for (;;) {
        size_t behind = flags & GLOB_PATH ? behind_folders(pattern, p) : 0;
        if (behind == pattern.len && behind > 0 && pattern.ptr[behind - 1] == '*')
            return t < text.len || p == 0; /* all that is below */
        if (behind > 0) {
            p = behind;
            deep.open = true;
            deep.pattern = p;
            deep.text = t;
            star.open = false;
            continue;
        }
        if (p < pattern.len && pattern.ptr[p] == '*') {
            while (p < pattern.len && pattern.ptr[p] == '*')
                p++;
            star.open = true;
            star.pattern = p;
            star.text = t;
            continue;
        }
        if (p == pattern.len && t == text.len)
            return true;
        if (p < pattern.len && t < text.len && one(pattern, &p, (unsigned char)text.ptr[t], flags)) {
            t++;
            continue;
        }
        if (star.open && star.text < text.len && !(flags & GLOB_PATH && text.ptr[star.text] == '/')) {
            p = star.pattern;
            t = ++star.text;
            continue;
        }
        if (!deep.open)
            return false;
        while (deep.text < text.len && text.ptr[deep.text] != '/')
            deep.text++;
        if (deep.text == text.len)
            return false;
        p = deep.pattern;
        t = ++deep.text;
        star.open = false;
    }
}

bool glob_covers(struct str pattern, struct str path, unsigned flags)
{
    for (size_t i = 0; i <= path.len; i++)
        if ((i == path.len || path.ptr[i] == '/') && glob_match(pattern, (struct str){path.ptr, i}, flags))
            return true;
    return false;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * entropy: see entropy.h. Of 24 random digits of base 62 about 20 differ, and 14 times a digit is of another kind (capital,
 * small letter, digit) than the one before; in names, paths and versions far fewer do.
 */
#include "dlp/entropy.h"

#include <string.h>

#define WINDOW 24
#define STEP   12

enum kind { CAPITAL, SMALL, DIGIT, OTHER };

static enum kind kind_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return CAPITAL;
    if (c >= 'a' && c <= 'z')
        return SMALL;
    return c >= '0' && c <= '9' ? DIGIT : OTHER;
}

static bool looks_random(struct str window)
{
    bool seen[256] = {false};
    size_t count[4] = {0}, distinct = 0, changes = 0;
    for (size_t i = 0; i < window.len; i++) {
        unsigned char byte = (unsigned char)window.ptr[i];
        count[kind_of(window.ptr[i])]++;
        changes += i > 0 && kind_of(window.ptr[i]) != kind_of(window.ptr[i - 1]);
        distinct += !seen[byte];
        seen[byte] = true;
    }
    if (count[OTHER] > 4)
        return false;
    if (count[CAPITAL] >= 2 && count[SMALL] >= 2 && count[DIGIT] >= 1)
        return distinct * 24 >= window.len * 17 && changes * 24 >= window.len * 10;
    /* Letters of one case, and digits. */
    return count[OTHER] == 0 && count[DIGIT] >= 3 && distinct * 24 >= window.len * 15 &&
           changes * 24 >= window.len * 8;
}

static bool is_digest(struct str run)
{
    static const char *const names[] = {
        "sha1-", "sha256-", "sha384-", "sha512-", "sha1:", "sha256:", "sha512:", "md5:", "h1:"};
    size_t hex = 0;
    for (size_t i = 0; i < run.len; i++)
        hex += strchr("0123456789abcdefABCDEF-:.", run.ptr[i]) != NULL;
    if (hex == run.len)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (run.len > strlen(names[i]) && memcmp(run.ptr, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

bool dlp_entropy_suspects(struct str run)
{
    size_t windows = 0, random = 0;
    if (run.len < DLP_ENTROPY_MIN || run.len > DLP_ENTROPY_MAX || is_digest(run))
        return false;
    for (size_t at = 0; at == 0 || at + WINDOW <= run.len; at += STEP) {
        size_t len = run.len - at < WINDOW ? run.len - at : WINDOW;
        windows++;
        random += looks_random((struct str){run.ptr + at, len});
    }
    return 2 * random >= windows;
}

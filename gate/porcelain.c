/* SPDX-License-Identifier: GPL-3.0-or-later */
/* porcelain: see the header. The format is transport.c's print_ref_status, the mark and the blanks sideband.c's. */
#define _GNU_SOURCE
#include "gate/porcelain.h"

#include <string.h>

static struct str cut(const char *from, const char *to)
{
    return (struct str){from, (size_t)(to - from)};
}

/* "[remote rejected] (pre-receive hook declined)": what is between the outer parentheses, else all of it. */
static struct str reason_of(struct str summary)
{
    const char *open = memmem(summary.ptr, summary.len, "] (", 3);

    if (open == NULL || summary.ptr[summary.len - 1] != ')')
        return summary;
    return cut(open + 3, summary.ptr + summary.len - 1);
}

int porcelain_read(struct str line, struct porcelain_ref *ref)
{
    const char *end = line.ptr + line.len;
    const char *tab = line.len > 2 && line.ptr[1] == '\t' ? memchr(line.ptr + 2, '\t', line.len - 2) : NULL;
    const char *colon = tab != NULL ? memchr(line.ptr + 2, ':', (size_t)(tab - line.ptr) - 2) : NULL;

    if (colon == NULL || memchr("*+-= !", line.ptr[0], 6) == NULL)
        return -1;
    struct str summary = cut(tab + 1, end);
    *ref = (struct porcelain_ref){.from = cut(line.ptr + 2, colon), .to = cut(colon + 1, tab)};
    if (line.ptr[0] != '!') {
        ref->outcome = PORCELAIN_TAKEN;
        return 0;
    }
    ref->outcome = memmem(summary.ptr, summary.len, "[remote failure]", 16) != NULL ? PORCELAIN_BROKEN
                                                                                    : PORCELAIN_DECLINED;
    ref->reason = reason_of(summary);
    return 0;
}

static bool begins(struct str s, struct str with)
{
    return s.len >= with.len && memcmp(s.ptr, with.ptr, with.len) == 0;
}

bool porcelain_word(struct str line, struct str *word)
{
    static const struct str mark = STR("remote: "), blanks = STR("        ");
    static const struct str own = STR("error: failed to push some refs to ");

    *word = line;
    if (!begins(line, mark))
        return !begins(line, own);
    word->ptr += mark.len;
    word->len -= mark.len;
    if (word->len >= blanks.len && memcmp(word->ptr + word->len - blanks.len, blanks.ptr, blanks.len) == 0)
        word->len -= blanks.len;
    return true;
}

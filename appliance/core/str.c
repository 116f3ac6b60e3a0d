/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str: comparing and trimming borrowed bytes. */
#include "core/str.h"

#include <string.h>

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned differ = (unsigned char)a.ptr[i] ^ (unsigned char)b.ptr[i], letter = a.ptr[i] | 0x20u;
        if (differ != 0 && (differ != 0x20 || letter < 'a' || letter > 'z')) /* the case bit of a letter */
            return false;
    }
    return true;
}

size_t str_digits(uint64_t value, char out[STR_DIGITS_MAX])
{
    char text[STR_DIGITS_MAX];
    size_t at = sizeof text;

    do
        text[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    memcpy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

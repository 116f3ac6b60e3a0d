/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str: comparing and trimming borrowed bytes. */
#include "core/str.h"

#include <string.h>

bool str_same_letters(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned differ = (unsigned char)a[i] ^ (unsigned char)b[i], letter = a[i] | 0x20u;
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

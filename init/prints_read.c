/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prints_read: see prints_read.h. */
#include "init/prints_read.h"

#include <stdlib.h>

#include "dlp/decode.h"

/* So many bytes of a number's digits; false when they are not all there. */
static bool hex_read(const char *digits, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < 2 * bytes; i++) {
        int digit = dlp_hex_digit(digits[i]);
        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | digit);
    }
    return true;
}

/* A key's prints, to be freed; NULL when they are none, or memory is out. */
static uint64_t *prints_of(const json_t *value, size_t *count)
{
    const char *digits = json_string_value(value);
    uint64_t *prints;
    uint8_t bytes[sizeof *prints];

    *count = json_string_length(value) / (2 * sizeof bytes);
    prints = calloc(*count + 1, sizeof *prints);
    for (size_t i = 0; i < *count && prints != NULL; i++, digits += 2 * sizeof bytes) {
        if (!hex_read(digits, sizeof bytes, bytes)) {
            free(prints);
            return NULL;
        }
        for (size_t at = 0; at < sizeof bytes; at++)
            prints[i] = prints[i] << 8 | bytes[at];
    }
    return prints;
}

void prints_free(struct dlp_prints *prints)
{
    for (size_t i = 0; i < prints->count; i++)
        free((void *)prints->keys[i].prints);
    free(prints->keys);
}

int prints_read(const json_t *object, struct dlp_prints *prints, struct err *err)
{
    json_t *key = json_object_get(object, "key"), *keys = json_object_get(object, "keys"), *value;
    const char *name;

    *prints = (struct dlp_prints){.plain = json_is_true(json_object_get(object, "plain"))};
    if (object == NULL)
        return 0;
    if (json_string_length(key) != 2 * sizeof prints->key ||
        !hex_read(json_string_value(key), sizeof prints->key, prints->key) ||
        (prints->keys = calloc(json_object_size(keys) + 1, sizeof *prints->keys)) == NULL)
        return err_set(err, "the source has fingerprints without a key");
    json_object_foreach(keys, name, value) {
        struct dlp_prints_key *into = &prints->keys[prints->count];
        *into = (struct dlp_prints_key){.name = name};
        if ((into->prints = prints_of(value, &into->count)) == NULL)
            return err_set(err, "the source has fingerprints that are none");
        prints->count++;
    }
    return 0;
}

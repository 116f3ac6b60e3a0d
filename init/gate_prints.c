/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_prints: see gate_prints.h. Windows lie in locked memory until the cipher has taken them. */
#include "init/gate_prints.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/prints.h"
#include "init/key_parts.h"

#define DIGITS 16 /* of a print */
#define BITS   (8 * DLP_PRINT_WINDOW)

struct maker {
    struct dlp_printer *printer;
    uint8_t *windows; /* DLP_PRINT_BATCH of them */
    size_t waiting;
    char *text; /* the digits of this key's prints */
    size_t count, room;
    size_t total; /* prints of all keys */
    bool plain;
};

static bool is_ascii(const uint8_t *window)
{
    uint8_t all = 0;

    for (size_t i = 0; i < DLP_PRINT_WINDOW; i++)
        all |= window[i];
    return all < 0x80;
}

/* Whether it has no upper-case letter among its digits of base64, from the first one on. */
static bool is_lower(const uint8_t *window)
{
    for (size_t bit = 0; bit + 6 <= BITS; bit += 6) {
        unsigned two =
            (unsigned)window[bit / 8] << 8 | (bit / 8 + 1 < DLP_PRINT_WINDOW ? window[bit / 8 + 1] : 0);
        if ((two >> (10 - bit % 8) & 63) < 26)
            return false;
    }
    return true;
}

static int print_waiting(struct maker *maker)
{
    uint64_t prints[DLP_PRINT_BATCH];

    if (dlp_print(maker->printer, maker->windows, maker->waiting, prints) != 0)
        return -1;
    for (size_t i = 0; i < maker->waiting; i++)
        snprintf(maker->text + DIGITS * maker->count++, DIGITS + 1, "%016llx", (unsigned long long)prints[i]);
    maker->waiting = 0;
    return 0;
}

static size_t windows_of(const struct key_part *part)
{
    return part->len >= DLP_PRINT_WINDOW ? (8 * part->len - BITS) / DLP_PRINT_STEP + 1 : 0;
}

static int print_part(struct maker *maker, const struct key_part *part)
{
    for (size_t i = 0; i < windows_of(part); i++) {
        size_t bit = i * DLP_PRINT_STEP, turn = bit % 8;
        const uint8_t *from = part->bytes + bit / 8;
        uint8_t *window = maker->windows + maker->waiting * DLP_PRINT_WINDOW;
        for (size_t at = 0; at < DLP_PRINT_WINDOW; at++)
            window[at] = turn == 0 ? from[at] : (uint8_t)(from[at] << turn | from[at + 1] >> (8 - turn));
        maker->plain = maker->plain || (turn == 0 && is_ascii(window)) || is_lower(window);
        if (++maker->waiting == DLP_PRINT_BATCH && print_waiting(maker) != 0)
            return -1;
    }
    return print_waiting(maker);
}

static int print_key(struct maker *maker, const struct key *key, json_t *into, struct err *err)
{
    struct key_parts parts;
    size_t count = 0;
    const char *problem = key_parts_read(secret_expose(key->text), &parts);
    int status = problem != NULL ? err_set(err, "keys: %s: the key %s", key->name, problem) : 0;

    for (size_t i = 0; i < parts.count; i++)
        count += windows_of(&parts.list[i]);
    maker->total += count;
    if (status == 0 && maker->total > DLP_PRINTS_MAX)
        status = err_set(
            err,
            "keys: %s: all keys together have more than there is room for where they are searched for (%u "
            "fingerprints)",
            key->name, DLP_PRINTS_MAX);
    maker->text = status == 0 ? malloc(DIGITS * count + 1) : NULL;
    if (status == 0 && maker->text == NULL)
        status = err_set(err, "out of memory");
    maker->count = 0;
    for (size_t i = 0; i < parts.count && status == 0; i++)
        if (print_part(maker, &parts.list[i]) != 0)
            status = err_set(err, "keys: %s: the library cannot make its fingerprints", key->name);
    key_parts_free(&parts);
    if (status == 0 &&
        json_object_set_new(into, key->name, json_stringn(maker->text, DIGITS * maker->count)) != 0)
        status = err_set(err, "out of memory");
    free(maker->text);
    return status;
}

json_t *gate_prints_make(const uint8_t key[DLP_PRINT_KEY], const struct keys *keys, struct err *err)
{
    struct maker maker = {.printer = dlp_printer_new(key),
                          .windows = secret_alloc(DLP_PRINT_BATCH * DLP_PRINT_WINDOW)};
    char digits[2 * DLP_PRINT_KEY + 1];
    json_t *all = json_object(), *made = NULL;
    int status = maker.printer != NULL && maker.windows != NULL && all != NULL
                     ? 0
                     : err_set(err, "no memory for fingerprints of keys");

    for (size_t i = 0; i < keys->count && status == 0; i++)
        status = print_key(&maker, &keys->list[i], all, err);
    for (size_t i = 0; i < DLP_PRINT_KEY; i++)
        snprintf(digits + 2 * i, 3, "%02x", key[i]);
    if (status == 0 &&
        (made = json_pack("{s:s, s:b, s:O}", "key", digits, "plain", maker.plain, "keys", all)) == NULL)
        err_set(err, "out of memory");
    json_decref(all);
    secret_release(maker.windows, DLP_PRINT_BATCH * DLP_PRINT_WINDOW);
    dlp_printer_free(maker.printer);
    return made;
}

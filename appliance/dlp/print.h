/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * print: keyed fingerprints of what no scanner may hold, the private keys of the git-gate. Init, which has the keys, makes
 * them of every window of 128 bits that begins at an even bit of a private part; scanners get these and the key that they are
 * made with, and compare.
 *
 * A print is 64 bits of F(w) = D(w) ^ w, where D is AES-128's decryption under a key that each init draws (Davies and Meyer's
 * construction; the direction is the one that libraries run on many blocks at once). Who has taken over a scanner has that
 * key, and F has to hold against him: it is one-way by AES's being a good cipher, and a window has as many bits as there are
 * to guess, 2^128 over the number of windows. Nothing else is derived from windows. In front of a slow hash a quick one, such as
 * a multiplication, would give the keys away: windows overlap, so each of its results tells a few bits of what the last one did not, and
 * a few bits of each window are all of the key. So there is one function, which is good and quick.
 */
#ifndef DLP_PRINT_H
#define DLP_PRINT_H

#include <stddef.h>
#include <stdint.h>

#define DLP_PRINT_KEY    16 /* bytes */
#define DLP_PRINT_WINDOW 16 /* bytes */
#define DLP_PRINT_STEP                                                                                       \
    2 /* bits from one window of a private part to the next: so digits of base64 and hexadecimal begin at some */
#define DLP_PRINT_BATCH 64 /* windows in one call */

/* The cipher, made ready. NULL when memory is out, or the library fails. */
struct dlp_printer;
struct dlp_printer *dlp_printer_new(const uint8_t key[DLP_PRINT_KEY]);
void dlp_printer_free(struct dlp_printer *printer); /* wipes; NULL is fine */

/* The prints of `count` windows, DLP_PRINT_BATCH at most, which lie one behind the other. Returns 0, or -1: the library fails. */
int dlp_print(struct dlp_printer *printer, const uint8_t *windows, size_t count, uint64_t *prints);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* print: see print.h. CBC's decryption is that of each block by itself, and XOR with the block before, which is taken off again. */
#include "dlp/print.h"

#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "core/secret.h"

struct dlp_printer {
    Aes aes;
    _Alignas(16) uint8_t out[DLP_PRINT_BATCH * DLP_PRINT_WINDOW];
};

struct dlp_printer *dlp_printer_new(const uint8_t key[DLP_PRINT_KEY])
{
    struct dlp_printer *printer = aligned_alloc(_Alignof(struct dlp_printer), sizeof *printer);

    if (printer == NULL)
        return NULL;
    if (wc_AesInit(&printer->aes, NULL, INVALID_DEVID) != 0) {
        free(printer);
        return NULL;
    }
    if (wc_AesSetKey(&printer->aes, key, DLP_PRINT_KEY, NULL, AES_DECRYPTION) == 0)
        return printer;
    dlp_printer_free(printer);
    return NULL;
}

void dlp_printer_free(struct dlp_printer *printer)
{
    if (printer == NULL)
        return;
    wc_AesFree(&printer->aes);
    secret_wipe(printer, sizeof *printer);
    free(printer);
}

int dlp_print(struct dlp_printer *printer, const uint8_t *windows, size_t count, uint64_t *prints)
{
    uint64_t decrypted, before = 0, window;

    if (count == 0)
        return 0;
    if (count > DLP_PRINT_BATCH || wc_AesSetIV(&printer->aes, NULL) != 0 ||
        wc_AesCbcDecrypt(&printer->aes, printer->out, windows, (word32)(count * DLP_PRINT_WINDOW)) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        memcpy(&decrypted, printer->out + i * DLP_PRINT_WINDOW, sizeof decrypted);
        memcpy(&window, windows + i * DLP_PRINT_WINDOW, sizeof window);
        prints[i] = decrypted ^ before ^ window;
        before = window;
    }
    return 0;
}

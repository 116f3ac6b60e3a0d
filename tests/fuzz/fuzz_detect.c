/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_detect: whatever the bytes, what confirms a match reads nothing outside of them, and the plain form of a text is not
 * longer than it is, clean, and found again in it. */
#include <stdint.h>
#include <stdlib.h>

#include "core/str.h"
#include "dlp/entropy.h"
#include "dlp/plain.h"
#include "dlp/tokens.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    char *plain = malloc(size > 0 ? size : 1);

    if (plain == NULL)
        return 0;
    for (size_t i = 0; i < dlp_token_count; i++)
        if (dlp_tokens[i].check != NULL)
            (void)(dlp_token_holds(&dlp_tokens[i], text) + dlp_tokens[i].check(text));
    (void)dlp_entropy_suspects(text);
    for (int html = 0; html < 2; html++) {
        size_t len = dlp_plain(html == 1, text, plain, NULL, NULL), last = 0;
        require(len <= size);
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)plain[i];
            require(c < 0x7f && (c >= ' ' || c == '\n' || c <= DLP_PLAIN_HIDDEN) && (c < 'A' || c > 'Z'));
            if (i % 16 == 0) {
                size_t start = dlp_plain_start(html == 1, text, NULL, i);
                require(start < size && start >= last);
                last = start;
            }
        }
    }
    free(plain);
    return 0;
}

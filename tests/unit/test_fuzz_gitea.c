/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_gitea: fuzz_gitea for a bounded time, from answers of the API. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

static const char *const seeds[] = {
    "[{\"id\": 1, \"title\": \"a\"}]\n200 ",
    "{\"id\": 42, \"key\": \"ssh-ed25519 AAAA\", \"title\": \"a\", \"read_only\": false}\n201 ",
    "\n204 ",
    "{\"message\": \"no 0123456789abcdef\\u001b[2J \\u00e4\", \"url\": \"https://x.example\"}\n422 ",
    "<html>\n0123456789abcdef\n307 https://forge.example/0123456789abcdef/keys",
    "\n502 ",
};

START_TEST(answers_are_taken_or_refused_in_words_without_the_token)
{
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        const uint8_t *bytes = (const uint8_t *)seeds[i];
        size_t len = strlen(seeds[i]);

        ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, len), 0);
        fuzz_mutations(bytes, len, 3000);
    }
}
END_TEST

SUITE_MAIN("fuzz_gitea", answers_are_taken_or_refused_in_words_without_the_token)

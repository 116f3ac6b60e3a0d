/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_gitea: whatever a server answers, it is JSON with the status that was asked for, or is refused in printable words
 * without the token. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/gitea.h"
#include "tests/fuzz/fuzz.h"

#define TOKEN "0123456789abcdef"

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned wanted[] = {200, 201, 204};
    static struct secret *token;
    static const struct gitea_request request = {"GET", "https://forge.example/api/v1/repos/org/app/keys",
                                                 NULL};

    if (token == NULL)
        token = secret_new(str_of(TOKEN));
    require(token != NULL);
    struct gitea gitea = {
        .url = "https://forge.example", .owner = "org", .repo = "app", .token = token, .interrupt = -1};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct err err = {""};
        json_t *answer = NULL;
        enum gitea_result result = gitea_judge(&gitea, &request, (struct str){(const char *)data, size},
                                               wanted[i], wanted[i] != 204 ? &answer : NULL, &err);
        require((result == GITEA_DONE) == (err.text[0] == '\0'));
        require((answer != NULL) == (result == GITEA_DONE && wanted[i] != 204));
        require(strstr(err.text, TOKEN) == NULL && strlen(err.text) < sizeof err.text - 1);
        for (const char *c = err.text; *c != '\0'; c++)
            require(*c >= ' ' && *c <= '~');
        json_decref(answer);
    }
    return 0;
}

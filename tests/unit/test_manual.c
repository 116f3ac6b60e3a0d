/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manual: stopper-manifest(5) describes the keys of the table, each once, in its order, and no other. */
#include <stdio.h>
#include <string.h>

#include "hostctl/manifest.h"
#include "tests/unit/suite.h"

#define ITEM ".It Ic "

START_TEST(the_page_names_the_keys_of_the_table)
{
    FILE *page = fopen("docs/stopper-manifest.5", "r");
    const struct manifest_key *key = manifest_keys;
    char line[1024];

    ck_assert_ptr_nonnull(page);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strncmp(line, ITEM, strlen(ITEM)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        ck_assert_msg(key->path != NULL, "the page has \"%s\" too many", line);
        ck_assert_str_eq(line + strlen(ITEM), key->path);
        key++;
    }
    ck_assert_msg(key->path == NULL, "the page does not have \"%s\"", key->path);
    fclose(page);
}
END_TEST

SUITE_MAIN("manual", the_page_names_the_keys_of_the_table)

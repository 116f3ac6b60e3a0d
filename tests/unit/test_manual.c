/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manual: stopper-manifest(5) describes the keys of both tables and the denials, each once, in their order, and
 * no other. */
#include <stdio.h>
#include <string.h>

#include "core/denial.h"
#include "hostctl/manifest.h"
#include "tests/unit/suite.h"

#define ITEM ".It Ic "

START_TEST(the_page_names_the_keys_of_both_tables)
{
    FILE *page = fopen("docs/stopper-manifest.5", "r");
    const struct manifest_key *key = manifest_keys;
    bool agents = false;
    char line[1024];

    ck_assert_ptr_nonnull(page);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strcmp(line, ".Sh KEYS OF AN AGENT\n") == 0) {
            ck_assert_msg(key->path == NULL, "the page does not have \"%s\"", key->path);
            key = manifest_agent_keys;
            agents = true;
        }
        if (strncmp(line, ITEM, strlen(ITEM)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        ck_assert_msg(key->path != NULL, "the page has \"%s\" too many", line);
        ck_assert_str_eq(line + strlen(ITEM), key->path);
        key++;
    }
    ck_assert_msg(agents && key->path == NULL, "the page does not have \"%s\"", key->path);
    fclose(page);
}
END_TEST

START_TEST(the_page_names_the_denials_with_their_status_and_says_something_of_each)
{
    FILE *page = fopen("docs/stopper-manifest.5", "r");
    enum denial denial = DENIAL_NONE;
    char line[1024], want[128];

    ck_assert_ptr_nonnull(page);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strncmp(line, ".It Sy ", 7) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        denial = (enum denial)(denial + 1);
        ck_assert_msg(denial < DENIAL_COUNT, "the page has \"%s\" too many", line);
        snprintf(want, sizeof want, denial_status(denial) != 0 ? ".It Sy %s Pq %d" : ".It Sy %s",
                 denial_name(denial), denial_status(denial));
        ck_assert_str_eq(line, want);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, page));
        ck_assert_msg(line[0] != '.' && strlen(line) > 4, "the page says nothing of %s", denial_name(denial));
    }
    ck_assert_msg(denial + 1 == DENIAL_COUNT, "the page does not have \"%s\"",
                  denial_name((enum denial)(denial + 1)));
    fclose(page);
}
END_TEST

SUITE_MAIN("manual", the_page_names_the_keys_of_both_tables,
           the_page_names_the_denials_with_their_status_and_says_something_of_each)

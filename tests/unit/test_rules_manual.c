/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_rules_manual: stopper-manifest(5) names the rules of both tables, each once, in their order, and no other. */
#include <stdio.h>
#include <string.h>

#include "dlp/phrases.h"
#include "dlp/tokens.h"
#include "tests/unit/suite.h"

static const char *rule_name(size_t i)
{
    if (i < dlp_token_count)
        return dlp_tokens[i].name;
    i -= dlp_token_count;
    return i < dlp_phrase_count ? dlp_phrases[i].name : NULL;
}

START_TEST(the_page_names_the_rules_of_both_tables)
{
    FILE *page = fopen("docs/stopper-manifest.5", "r");
    bool inside = false, seen = false;
    size_t rule = 0;
    char line[1024];

    ck_assert_ptr_nonnull(page);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strncmp(line, ".Sh ", 4) == 0)
            inside = strcmp(line, ".Sh DETECTORS\n") == 0;
        seen |= inside;
        if (!inside || strncmp(line, ".Li ", 4) != 0)
            continue;
        for (char *word = strtok(line + 4, " \n"); word != NULL; word = strtok(NULL, " \n")) {
            if (strcmp(word, ",") == 0 || strcmp(word, ".") == 0)
                continue;
            ck_assert_msg(rule_name(rule) != NULL, "the page has \"%s\" too many", word);
            ck_assert_str_eq(word, rule_name(rule));
            rule++;
        }
    }
    ck_assert_msg(seen && rule_name(rule) == NULL, "the page does not have \"%s\"", rule_name(rule));
    fclose(page);
}
END_TEST

SUITE_MAIN("rules_manual", the_page_names_the_rules_of_both_tables)

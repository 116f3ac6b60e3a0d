/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_starter: whatever a tool says of itself, it is refused with printable words, or becomes a bottle that the manifest's own
 * readers take, of printable lines. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/frontmatter.h"
#include "hostctl/manifest.h"
#include "hostctl/starter_tools.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

/* The question of this number, counted over all tools. */
static const struct starter_question *question_of(size_t number)
{
    for (const struct starter_tool *tool = starter_tools; tool->name != NULL; tool++)
        for (const struct starter_question *question = tool->questions; question->argv != NULL; question++)
            if (number-- == 0)
                return question;
    return NULL;
}

static void require_bottle(const char *text, size_t len)
{
    struct manifest *manifest = NULL;
    struct frontmatter matter;
    struct report report;

    for (size_t i = 0; i < len; i++)
        require(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
    report_init(&report, "starter.md");
    require(frontmatter_parse(&matter, (struct str){text, len}, &report) == 0);
    struct node *root = node_parse(matter.yaml, matter.first_line, &report);
    require(root != NULL);
    manifest = manifest_read(root, &report);
    require(manifest != NULL && manifest_check(manifest, &report) == 0 && report.count == 0);
    node_free(root);
    manifest_free(manifest);
    frontmatter_fini(&matter);
    report_fini(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct starter starter; /* large */
    struct err err = {""};
    char *text = NULL;
    size_t len = 0;

    const struct starter_question *question = size > 0 ? question_of(data[0]) : NULL;
    if (question == NULL)
        return 0;
    starter_init(&starter);
    int status = question->take(&starter, (struct str){(const char *)data + 1, size - 1}, &err);
    require((status == -1) == (err.text[0] != '\0'));
    for (int gate_open = 0; status >= 0 && gate_open < 2; gate_open++) {
        FILE *out = open_memstream(&text, &len);
        require(out != NULL && starter_write(&starter, "starter", gate_open, out) == 0 && fclose(out) == 0);
        require_bottle(text, len);
        free(text);
    }
    starter_fini(&starter);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: what a command line means, and what is refused. */
#include "hostctl/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

struct taken {
    bool all;
    const char *file;
    struct option_list mounts;
};

static const struct option table[] = {{'a', "all", NULL, "all of them", offsetof(struct taken, all), 0},
                                      {'f', "file", "FILE", "a file", offsetof(struct taken, file), 0},
                                      {0, "mount", "HOST", "a mount", offsetof(struct taken, mounts), 1},
                                      {0, NULL, NULL, NULL, 0, 0}};

/* The words, blank between, to what came of them. */
static const struct {
    const char *line, *wanted;
} cases[] = {
    {"x", "all=0 file=- mounts= names= command=-"},
    {"x a b", "all=0 file=- mounts= names=a,b, command=-"},
    {"x a -a b -f F c", "all=1 file=F mounts= names=a,b,c, command=-"},
    {"x --file F --all", "all=1 file=F mounts= names= command=-"},
    {"x --file=F=G", "all=0 file=F=G mounts= names= command=-"},
    {"x --mount=1 --mount 2 n --mount -a", "all=0 file=- mounts=1,2,-a, names=n, command=-"},
    {"x n -- -f --all --", "all=0 file=- mounts= names=n, command=-f,--all,--,"},
    {"x --", "all=0 file=- mounts= names= command="},
    {"x -f", "--file needs FILE"},
    {"x --file=", "--file: FILE is empty"},
    {"x -f F -f G", "--file is given twice"},
    {"x --all=1", "--all takes no value"},
    {"x --al", "unknown option --al"},
    {"x -", "unknown option -"},
    {"x -af", "unknown option -af"},
    {"x -x", "unknown option -x"},
    {"x ---all", "unknown option ---all"},
};

START_TEST(command_lines_mean_what_they_say)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[256], out[512], *argv[32];
        struct taken taken = {0};
        struct operands operands;
        struct err err;
        int argc = 0;

        snprintf(words, sizeof words, "%s", cases[i].line);
        for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
            argv[argc++] = word;
        argv[argc] = NULL;
        if (options_parse(table, argc, argv, &taken, &operands, &err) != 0) {
            ck_assert_str_eq(err.text, cases[i].wanted);
            options_free(table, &taken);
            continue;
        }
        int at = sprintf(out, "all=%d file=%s mounts=", taken.all, taken.file != NULL ? taken.file : "-");
        for (size_t j = 0; j < taken.mounts.count; j++)
            at += sprintf(out + at, "%s,", taken.mounts.values[j]);
        at += sprintf(out + at, " names=");
        for (size_t j = 0; j < operands.count; j++)
            at += sprintf(out + at, "%s,", operands.names[j]);
        ck_assert_ptr_null(operands.names[operands.count]);
        at += sprintf(out + at, " command=%s", operands.command == NULL ? "-" : "");
        for (char **word = operands.command; word != NULL && *word != NULL; word++)
            at += sprintf(out + at, "%s,", *word);
        ck_assert_str_eq(out, cases[i].wanted);
        options_free(table, &taken);
    }
}
END_TEST

SUITE_MAIN("options", command_lines_mean_what_they_say)

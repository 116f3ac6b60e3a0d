/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl completions: a shell's script, and the answers to what such a script asks. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/command.h"
#include "hostctl/complete.h"

static const struct option options[] = {{0, NULL, NULL, NULL, 0, 0}};

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct err err;
    size_t count = 0;

    if (options_parse(options, argc, argv, NULL, &operands, &err) != 0)
        return command_usage(command, &err);
    const char *script = operands.count == 1 ? complete_script(operands.names[0]) : NULL;
    if (operands.count == 1 && operands.command != NULL && strcmp(operands.names[0], "words") == 0) {
        while (operands.command[count] != NULL)
            count++;
        complete_words(operands.command, count, stdout);
        return EXIT_OK;
    }
    if (script == NULL || operands.command != NULL) {
        err_set(&err, "name one shell: bash, zsh or fish");
        return command_usage(command, &err);
    }
    fputs(script, stdout);
    return EXIT_OK;
}

const struct command cmd_completions = {
    "completions", "bash|zsh|fish", "Print a shell's script for completing hostctl's words",
    options,       "bash|zsh|fish", run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: see options.h. It must never guess: no abbreviated names, no repeated single options, no empty
 * values. */
#include "hostctl/options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct option *find_option(const struct option *options, const char *word, size_t len)
{
    for (const struct option *option = options; option->name != NULL; option++)
        if ((len == 2 && word[1] == option->letter) ||
            (len > 3 && word[1] == '-' && strlen(option->name) == len - 2 &&
             memcmp(option->name, word + 2, len - 2) == 0))
            return option;
    return NULL;
}

static int keep(const struct option *option, const char *value, void *into, struct err *err)
{
    void *member = (char *)into + option->member;

    if (option->argument == NULL) {
        *(bool *)member = true;
        return 0;
    }
    if (value[0] == '\0')
        return err_set(err, "--%s: %s is empty", option->name, option->argument);
    if (!option->many) {
        if (*(const char **)member != NULL)
            return err_set(err, "--%s is given twice", option->name);
        *(const char **)member = value;
        return 0;
    }
    struct option_list *list = member;
    const char **values = realloc(list->values, (list->count + 1) * sizeof *values);
    if (values == NULL)
        return err_set(err, "out of memory");
    list->values = values;
    values[list->count++] = value;
    return 0;
}

int options_parse(const struct option *options, int argc, char **argv, void *into, struct operands *operands,
                  struct err *err)
{
    *operands = (struct operands){.names = argv};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *equals = strchr(word, '=');
        if (strcmp(word, "--") == 0) {
            operands->command = argv + i + 1;
            break;
        }
        if (word[0] != '-') {
            argv[operands->count++] = argv[i];
            continue;
        }
        bool joined = word[1] == '-' && equals != NULL;
        size_t len = joined ? (size_t)(equals - word) : strlen(word);
        const struct option *option = find_option(options, word, len);
        if (option == NULL)
            return err_set(err, "unknown option %s", word);
        if (joined && option->argument == NULL)
            return err_set(err, "--%s takes no value", option->name);
        if (option->argument != NULL && !joined && i + 1 == argc)
            return err_set(err, "--%s needs %s", option->name, option->argument);
        const char *value = option->argument == NULL ? "" : joined ? equals + 1 : argv[++i];
        if (keep(option, value, into, err) != 0)
            return -1;
    }
    argv[operands->count] = NULL; /* argv[0] or an option word at the least stood here */
    return 0;
}

void options_free(const struct option *options, void *into)
{
    for (const struct option *option = options; option->name != NULL; option++)
        if (option->many)
            free(((struct option_list *)(void *)((char *)into + option->member))->values);
}

void options_help(const struct option *options, FILE *to)
{
    for (const struct option *option = options; option->name != NULL; option++) {
        char left[64];
        snprintf(left, sizeof left, "%c%c%s--%s%s%s", option->letter != 0 ? '-' : ' ',
                 option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : "  ", option->name,
                 option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
        fprintf(to, "  %-34s %s\n", left, option->help);
    }
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* complete: see complete.h. It reads a command line as options.c does, as far as it has been written, and must never fail or say
 * anything but candidates: a shell shows what it says. */
#include "hostctl/complete.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "core/audit.h"
#include "hostctl/audit_kept.h"
#include "hostctl/command.h"
#include "hostctl/manifest.h"
#include "hostctl/places.h"
#include "hostctl/rt_oci_run.h"
#include "hostctl/state.h"

struct completion {
    FILE *out;
    const char *head; /* of the last word, what stays: "--runtime=" */
    const char *typed;
    struct words given; /* candidates so far */
};

/* One candidate, if it begins as the word does and was not there before. */
static void give(struct completion *c, const char *word, const char *is)
{
    if (strncmp(word, c->typed, strlen(c->typed)) != 0)
        return;
    for (size_t i = 0; i < c->given.count; i++)
        if (strcmp(c->given.list[i], word) == 0)
            return;
    words_add(&c->given, word);
    fprintf(c->out, "%s%s%s%s\n", c->head, word, is != NULL ? "\t" : "", is != NULL ? is : "");
}

/* ---- kinds ---- */

static int give_bottle(void *ctx, const char *name)
{
    give(ctx, name, "bottle");
    return 0;
}

static void bottles(struct completion *c)
{
    struct err err;

    state_each(give_bottle, c, &err);
}

static void kept(struct completion *c)
{
    audit_kept_each(give_bottle, c);
}

static void kinds(struct completion *c)
{
    for (size_t i = 0; audit_kind_name(i) != NULL; i++)
        give(c, audit_kind_name(i), NULL);
}

static void methods(struct completion *c)
{
    static const char *const usual[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        give(c, usual[i], NULL);
}

static void files(struct completion *c)
{
    fprintf(c->out, ":files\n");
}

/* The names of FOLDER/KIND's .md files. */
static void names(struct completion *c, const char *folder, const char *kind, const char *is)
{
    char path[PATH_MAX], name[65];

    if (snprintf(path, sizeof path, "%s/%s", folder, kind) >= (int)sizeof path)
        return;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len < 4 || len - 3 >= sizeof name || strcmp(entry->d_name + len - 3, ".md") != 0)
            continue;
        memcpy(name, entry->d_name, len - 3);
        name[len - 3] = '\0';
        if (manifest_is_name(str_of(name)))
            give(c, name, is);
    }
    if (dir != NULL)
        closedir(dir);
}

static void manifests(struct completion *c)
{
    char config[PATH_MAX];
    struct err err;

    if (places_config(config, &err) == 0)
        names(c, config, "bottles", "bottle's file");
}

static void agents(struct completion *c)
{
    char config[PATH_MAX];
    struct err err;

    if (places_config(config, &err) == 0)
        names(c, config, "agents", "agent");
    names(c, PLACES_REPOSITORY, "agents", "this repository's agent");
}

static void commands_of(struct completion *c)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        give(c, commands[i]->name, commands[i]->summary);
}

/* What options take and operands are. NULL: nobody can know what the user wants. */
static const struct {
    const char *kind;
    void (*give)(struct completion *c);
} known[] = {{"BOTTLE", bottles},
             {"KEPT", kept},
             {"MANIFEST", manifests},
             {"AGENT", agents},
             {"COMMAND", commands_of},
             {"FILE", files},
             {"HOST[:AGENT[:ro]]", files},
             {"KIND", kinds},
             {"METHOD", methods},
             {"DIR", NULL}, /* in the bottle */
             {"DIGEST", NULL},
             {"HOST", NULL},
             {"IMAGE", NULL},
             {"NAME", NULL}, /* a new one */
             {"NAME[=VALUE]", NULL},
             {"'NAME: VALUE'", NULL},
             {"NUMBER", NULL},
             {"PORT", NULL},
             {"TEXT", NULL},
             {"TIME", NULL},
             {"SIZE", NULL},
             {"URL", NULL},
             {"VOLUME[:DIR]", NULL}};

static void give_kind(struct completion *c, const char *kind)
{
    if (kind[0] >= 'a' && kind[0] <= 'z') {
        give(c, kind, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].kind, kind) == 0) {
            if (known[i].give != NULL)
                known[i].give(c);
            return;
        }
    fprintf(c->out, ":unknown %s\n", kind);
}

/* Each of the alternatives. */
static void give_kinds(struct completion *c, const char *kinds_text, size_t len)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)len, kinds_text);
    for (char *at = text, *next; at != NULL; at = next) {
        next = strchr(at, '|');
        if (next != NULL)
            *next++ = '\0';
        give_kind(c, at);
    }
}

/* ---- a command line ---- */

static const struct option *option_of(const struct option *options, const char *word, size_t len)
{
    for (const struct option *option = options; option->name != NULL; option++)
        if ((len == 2 && word[1] == option->letter) ||
            (len > 3 && word[1] == '-' && strlen(option->name) == len - 2 &&
             strncmp(option->name, word + 2, len - 2) == 0))
            return option;
    return NULL;
}

/* What has been written already. */
struct written {
    size_t operands;
    unsigned long used;          /* a bit an option */
    const struct option *option; /* whose argument the last word is */
    bool file, command;          /* --file was given; "--" */
};

static struct written read_words(const struct command *command, char *const *words, size_t count)
{
    struct written w = {0};

    for (size_t i = 1; i + 1 < count && !w.command; i++) {
        const char *word = words[i], *equals = strchr(word, '=');
        if (word[0] != '-') {
            w.operands++;
            continue;
        }
        w.command = strcmp(word, "--") == 0;
        bool joined = word[1] == '-' && equals != NULL;
        const struct option *option =
            option_of(command->options, word, joined ? (size_t)(equals - word) : strlen(word));
        if (w.command || option == NULL)
            continue;
        w.used |= 1ul << (option - command->options);
        w.file = w.file || strcmp(option->name, "file") == 0;
        if (option->argument != NULL && !joined && i + 2 == count)
            w.option = option;
        else if (option->argument != NULL && !joined)
            i++;
    }
    return w;
}

static void give_options(struct completion *c, const struct command *command, const struct written *w)
{
    char word[64];

    for (const struct option *option = command->options; option->name != NULL; option++) {
        if (!option->many && (w->used & 1ul << (option - command->options)) != 0)
            continue;
        snprintf(word, sizeof word, "--%s", option->name);
        give(c, word, option->help);
    }
    give(c, "--help", "say what it does and takes");
}

/* What the operand of this number is; false: there is none. */
static bool give_operand(struct completion *c, const char *operands, size_t number, bool file)
{
    while (operands != NULL && operands[0] != '\0') {
        size_t len = strcspn(operands, " ");
        bool maybe = operands[len - 1] == '?', all = len > 3 && memcmp(operands + len - 3, "...", 3) == 0;
        if (!(maybe && file) && (number-- == 0 || all)) {
            give_kinds(c, operands, len - maybe - (all ? 3 : 0));
            return true;
        }
        operands += len + strspn(operands + len, " ");
    }
    return false;
}

static void complete_command(struct completion *c, const struct command *command, char *const *words,
                             size_t count)
{
    struct written w = read_words(command, words, count);
    const char *last = words[count - 1], *equals = strchr(last, '=');
    char head[64];

    if (w.command)
        return; /* the bottle's own words */
    if (w.option != NULL) {
        give_kinds(c, w.option->argument, strlen(w.option->argument));
        return;
    }
    if (last[0] == '-' && last[1] == '-' && equals != NULL) {
        const struct option *option = option_of(command->options, last, (size_t)(equals - last));
        if (option == NULL || option->argument == NULL)
            return;
        snprintf(head, sizeof head, "--%s=", option->name);
        c->head = head;
        c->typed = equals + 1;
        give_kinds(c, option->argument, strlen(option->argument));
        c->head = "";
        return;
    }
    if (last[0] == '-' || (!give_operand(c, command->operands, w.operands, w.file) && last[0] == '\0'))
        give_options(c, command, &w);
}

void complete_words(char *const *words, size_t count, FILE *out)
{
    struct completion c = {.out = out, .head = "", .typed = count > 0 ? words[count - 1] : ""};

    if (count == 1 || (count == 2 && strcmp(words[0], "help") == 0))
        commands_of(&c);
    if (count == 1) {
        give(&c, "help", "say what a command does and takes");
        if (words[0][0] == '-') {
            give(&c, "--help", "list the commands");
            give(&c, "--version", "the same as version");
        }
    }
    for (size_t i = 0; count > 1 && commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, words[0]) == 0)
            complete_command(&c, commands[i], words, count);
    words_free(&c.given);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl init: writes a starter bottle from what the user's tools say of themselves. It needs no root and starts no bottle. What
 * it writes has passed the checks of any manifest; nothing that is there is ever written over unasked. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/command.h"
#include "hostctl/frontmatter.h"
#include "hostctl/key_files.h"
#include "hostctl/manifest.h"
#include "hostctl/places.h"
#include "hostctl/starter_tools.h"
#include "hostctl/state.h"

#define ADDRESSES_MAX 64 /* that are looked at of one name */

struct init {
    const char *name, *output;
    bool force;
};

static const struct option options[] = {
    {'n', "name", "NAME", "the bottle's name (default: the tools', with - between)",
     offsetof(struct init, name), 0},
    {'o', "output", "FILE", "write this file (.md), not one of the user's bottles; - is stdout",
     offsetof(struct init, output), 0},
    {0, "force", NULL, "write over a file that is there", offsetof(struct init, force), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static const struct starter_tool *find_tool(const char *name)
{
    for (const struct starter_tool *tool = starter_tools; tool->name != NULL; tool++)
        if (strcmp(tool->name, name) == 0)
            return tool;
    return NULL;
}

static bool is_named(const struct operands *operands, const char *tool)
{
    for (size_t i = 0; i < operands->count; i++)
        if (strcmp(operands->names[i], tool) == 0)
            return true;
    return false;
}

/* The host's resolver says whether a server is in a private network. */
static int resolve(struct starter_route *route, struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct ip addresses[ADDRESSES_MAX];
    struct addrinfo *list = NULL;
    size_t count = 0;

    if (strcmp(route->host, POLICY_HOST_SERVICE) == 0)
        return 0; /* no resolver's */
    if (getaddrinfo(route->host, NULL, &hints, &list) != 0)
        list = NULL;
    for (const struct addrinfo *at = list; at != NULL && count < ADDRESSES_MAX; at = at->ai_next) {
        const struct sockaddr_in *address = (const void *)at->ai_addr;
        addresses[count++] = ip_from_v4((const void *)&address->sin_addr);
    }
    if (list != NULL)
        freeaddrinfo(list);
    return starter_addresses(route, addresses, count, err);
}

/* The bottle's text (free), or NULL with err. */
static char *text_of(const struct starter *starter, const char *name, bool gate_open, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool good = out != NULL && starter_write(starter, name, gate_open, out) == 0;

    if ((out == NULL || fclose(out) == 0) && good)
        return text;
    free(text);
    err_set(err, "out of memory");
    return NULL;
}

/* Whether the manifest's own readers take it, as `validate` would. Says what they do not. */
static int check(const char *text, const char *file, struct err *err)
{
    struct manifest *manifest = NULL;
    struct frontmatter matter;
    struct report report;

    report_init(&report, file);
    if (frontmatter_parse(&matter, str_of(text), &report) == 0) {
        struct node *root = node_parse(matter.yaml, matter.first_line, &report);
        if (root != NULL)
            manifest = manifest_read(root, &report);
        if (manifest != NULL)
            manifest_check(manifest, &report);
        node_free(root);
        frontmatter_fini(&matter);
    }
    manifest_free(manifest);
    report_print(&report, stderr);
    bool good = report.count == 0;
    report_fini(&report);
    return good ? 0 : err_set(err, "what the tools say makes no bottle");
}

/* 1: the file has this content already. 0: it has another, or is not there. */
static int is_same(const char *path, const char *text)
{
    size_t len = strlen(text), got = 0;
    FILE *file = fopen(path, "rb");
    char *held = file != NULL ? malloc(len + 1) : NULL;

    if (held != NULL)
        got = fread(held, 1, len + 1, file);
    bool same = held != NULL && got == len && memcmp(held, text, len) == 0;
    free(held);
    if (file != NULL)
        fclose(file);
    return same;
}

/* Whole or not at all, through a file beside it: link never takes the place of another, rename does. */
static int write_file(const char *path, const char *text, bool force, struct err *err)
{
    char beside[PATH_MAX];
    int status = -1;

    if (snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= (int)sizeof beside)
        return err_set(err, "%s: too long a path", path);
    int fd = mkstemp(beside);
    if (fd < 0)
        return err_set_errno(err, "%s", beside);
    FILE *file = fchmod(fd, 0644) == 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        close(fd);
    bool good = file != NULL && fputs(text, file) >= 0;
    good = (file == NULL || fclose(file) == 0) && good;
    if (!good)
        err_set_errno(err, "%s", beside);
    else if ((force ? rename(beside, path) : link(beside, path)) == 0)
        status = 0;
    else if (errno == EEXIST)
        err_set(err, "%s is there already, with another content: --force writes over it", path);
    else
        err_set_errno(err, "%s", path);
    unlink(beside); /* gone where it was renamed */
    return status;
}

/* Where it goes: FILE, or the user's bottle of this name, whose folders are made. */
static int place(const struct init *init, const char *name, char path[PATH_MAX], struct err *err)
{
    char config[PATH_MAX], folder[PATH_MAX];
    size_t len = init->output != NULL ? strlen(init->output) : 0;

    if (init->output != NULL) {
        if (len < 4 || strcmp(init->output + len - 3, ".md") != 0)
            return err_set(err, "%s: a bottle's file ends in .md", init->output);
        return snprintf(path, PATH_MAX, "%s", init->output) >= PATH_MAX
                   ? err_set(err, "%s: too long a path", init->output)
                   : 0;
    }
    if (places_config(config, err) != 0 || places_file(config, "bottles", name, path, err) != 0)
        return -1;
    memcpy(folder, path, PATH_MAX);
    *strrchr(folder, '/') = '\0';
    return state_make_folders(folder, err);
}

static int put(const struct init *init, const char *name, const char *text, struct err *err)
{
    char path[PATH_MAX];

    if (init->output != NULL && strcmp(init->output, "-") == 0) {
        fputs(text, stdout);
        return 0;
    }
    if (place(init, name, path, err) != 0)
        return -1;
    if (!is_same(path, text) && write_file(path, text, init->force, err) != 0)
        return -1;
    printf("%s\n", path);
    return 0;
}

/* The key that ssh itself would try first: one that the gate can use, else one that is there. */
static const char *find_key(void)
{
    static const char *const keys[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};
    const char *there = NULL;
    char path[PATH_MAX];
    struct err err;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (key_files_check(keys[i], &err) == 0)
            return keys[i];
        if (there == NULL && places_user_file(keys[i], path, &err) == 0 && places_exists(path))
            there = keys[i];
    }
    return there;
}

static int make(const struct init *init, const struct operands *operands, const char *name,
                struct starter *starter, struct err *err)
{
    for (const struct starter_tool *tool = starter_tools; tool->name != NULL; tool++)
        if (is_named(operands, tool->name) && starter_ask(starter, tool, err) != 0)
            return -1;
    for (size_t i = 0; i < starter->route_count; i++)
        if (resolve(&starter->routes[i], err) != 0)
            return -1;
    starter->key = find_key();
    char *open = text_of(starter, name, true, err), *text = text_of(starter, name, false, err);
    int status = open != NULL && text != NULL && check(open, "starter.md", err) == 0 &&
                         check(text, "starter.md", err) == 0
                     ? put(init, name, text, err)
                     : -1;
    free(open);
    free(text);
    return status;
}

/* What the operator has to do, or should know. */
static void tell(const struct command *command, const struct starter *starter)
{
    struct err err;

    for (size_t i = 0; i < starter->notes.count; i++)
        fprintf(stderr, "hostctl %s: %s\n", command->name, starter->notes.list[i]);
    for (size_t i = 0; i < starter->route_count; i++)
        if (starter->routes[i].credentials)
            fprintf(stderr,
                    "hostctl %s: %s: the URL of %s has a credential in it, which was left out: see "
                    "auth.token_ref "
                    "in the file\n",
                    command->name, starter->routes[i].tool, starter->routes[i].host);
    if (starter->gate_count > 0 && starter->key == NULL)
        fprintf(stderr,
                "hostctl %s: git: what is reached by ssh stands in the file as a comment: there is no key in "
                "~/.ssh\n",
                command->name);
    else if (starter->gate_count > 0 && key_files_check(starter->key, &err) != 0)
        fprintf(
            stderr,
            "hostctl %s: git: %s %s, so \"up\" will not take it: let key name one that the gate can use\n",
            command->name, starter->key, err.text);
}

static int check_words(const struct init *init, const struct operands *operands, char name[65],
                       struct err *err)
{
    size_t len = 0;

    if (operands->count == 0 || operands->command != NULL)
        return err_set(err, "name one or several tools: npm, pip, apt, go, git");
    for (size_t i = 0; i < operands->count; i++)
        if (find_tool(operands->names[i]) == NULL)
            return err_set(err, "\"%.32s\" is no tool that it knows: npm, pip, apt, go, git",
                           operands->names[i]);
    if (init->name != NULL && init->output != NULL)
        return err_set(err, "--name is the name of a bottle of the user's, --output another file");
    if (init->name != NULL && !manifest_is_name(str_of(init->name)))
        return err_set(err, "\"%.64s\" is no name of a bottle", init->name);
    if (init->name != NULL)
        return snprintf(name, 65, "%s", init->name) < 0;
    for (const struct starter_tool *tool = starter_tools; tool->name != NULL; tool++)
        if (is_named(operands, tool->name))
            len += (size_t)snprintf(name + len, 65 - len, "%s%s", len > 0 ? "-" : "", tool->name);
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    static struct starter starter; /* large */
    struct init init = {0};
    struct operands operands;
    struct err err;
    char name[65];

    if (options_parse(options, argc, argv, &init, &operands, &err) != 0 ||
        check_words(&init, &operands, name, &err) != 0)
        return command_usage(command, &err);
    starter_init(&starter);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* a key is looked at */
    int status = make(&init, &operands, name, &starter, &err);
    if (status == 0)
        tell(command, &starter);
    starter_fini(&starter);
    return status == 0 ? EXIT_OK : command_fail(command, &err);
}

const struct command cmd_init = {"init",
                                 "npm|pip|apt|go|git... [-n NAME | -o FILE] [--force]",
                                 "Write a starter bottle from what these tools say of themselves",
                                 options,
                                 "npm|pip|apt|go|git...",
                                 run};

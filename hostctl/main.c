/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl: the user's side of Stopper. Finds the command in a table and runs it; everything else is in
 * cmd_*.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/secret.h"
#include "hostctl/command.h"
#include "hostctl/runtime.h"

int command_fail(const struct command *command, const struct err *err)
{
    fprintf(stderr, "hostctl %s: %s\n", command->name, err->text);
    return EXIT_STOPPER;
}

int command_usage(const struct command *command, const struct err *err)
{
    fprintf(stderr, "hostctl %s: %s\nusage: hostctl %s %s\n", command->name, err->text, command->name,
            command->synopsis);
    return EXIT_USAGE;
}

static void help(FILE *to)
{
    fprintf(to, "usage: hostctl COMMAND [ARGUMENT...]\n\n"
                "Runs a command in a bottle: a sealed namespace whose only way out is Stopper.\n\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n\"hostctl COMMAND --help\" says more about one; the rest is in hostctl(1) and "
                "stopper-manifest(5).\n");
}

static void command_help(const struct command *command, FILE *to)
{
    fprintf(to, "usage: hostctl %s %s\n\n%s.\n", command->name, command->synopsis, command->summary);
    if (command->options != NULL && command->options[0].name != NULL) {
        fprintf(to, "\n");
        options_help(command->options, to);
    }
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) {
            command_help(command, stdout);
            return EXIT_OK;
        }
    return command->run(command, argc, argv);
}

/* A runtime's own process: its words and status are its own. */
static int (*find_helper(const char *name))(int argc, char **argv)
{
    for (const struct runtime *const *runtime = runtimes; *runtime != NULL; runtime++)
        if ((*runtime)->helper_verb != NULL && strcmp((*runtime)->helper_verb, name) == 0)
            return (*runtime)->helper;
    return NULL;
}

static int choose(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find_command(strcmp(name, "--version") == 0 ? "version" : name);

    if (is_help(name) || strcmp(name, "help") == 0) {
        command = argc > 2 ? find_command(argv[2]) : NULL;
        if (command == NULL)
            help(stdout);
        else
            command_help(command, stdout);
        return EXIT_OK;
    }
    if (command != NULL)
        return run(command, argc - 1, argv + 1);
    int (*helper)(int, char **) = find_helper(name);
    if (helper != NULL)
        return helper(argc - 1, argv + 1);
    if (argc > 1)
        fprintf(stderr, "hostctl: unknown command \"%s\"\n\n", name);
    help(stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    /* A descriptor that is missing here would become some file of ours, with the command's output in it. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        errno = 0;
        if (dup2(fd, fd) < 0 && errno == EBADF)
            return EXIT_STOPPER;
    }
    secret_json(); /* before the library is used at all */
    if (!secret_hide_stack()) {
        fprintf(stderr, "hostctl: its stack cannot be left out of core dumps\n");
        return EXIT_STOPPER;
    }
    int status = choose(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "hostctl: stdout: %s\n", strerror(errno));
        return status == EXIT_OK ? EXIT_STOPPER : status;
    }
    return status;
}

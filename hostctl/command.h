/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command: hostctl's commands. A new one is a file cmd_NAME.c with one struct, and a line in commands.c.
 */
#ifndef HOSTCTL_COMMAND_H
#define HOSTCTL_COMMAND_H

#include <stddef.h>

#include "core/err.h"
#include "hostctl/options.h"

/* Exit statuses of our own; a command in a bottle passes its own through. */
enum {
    EXIT_OK = 0,
    EXIT_USAGE = 2,    /* wrong words or a wrong manifest; nothing was started or changed */
    EXIT_STOPPER = 125 /* Stopper itself failed */
};

#define RUNTIMES "netns|podman|docker|apple" /* what --runtime takes */

struct command {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;  /* one line for --help */
    const struct option *options;
    /* What the names are, for completion: a word a place, the last with "..." for all further ones; alternatives between "|";
     * '?' behind a word: not there when --file is given. In capitals: a kind of complete.c; else a choice. NULL: none. */
    const char *operands;
    /* Does it. Says what is wrong on stderr. Returns the exit status. */
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command cmd_up, cmd_down, cmd_ps, cmd_exec, cmd_shell, cmd_attach, cmd_forward, cmd_logs,
    cmd_apply, cmd_status, cmd_doctor, cmd_gc, cmd_ca, cmd_init, cmd_validate, cmd_explain, cmd_completions,
    cmd_version, cmd_pending, cmd_approve, cmd_deny, cmd_reopen, cmd_watch;

/* All of them, in the order of --help; ended by NULL. */
extern const struct command *const commands[];

/* "hostctl NAME: TEXT" on stderr. Return the status to end with: EXIT_STOPPER, and EXIT_USAGE with the
 * synopsis. */
int command_fail(const struct command *command, const struct err *err);
int command_usage(const struct command *command, const struct err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* entry: see entry.h. Nothing of the user's environment enters but TERM: it may hold secrets. */
#include "hostctl/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/signals.h"
#include "hostctl/terminal.h"

#define AGENT_ID 1000 /* uid and gid where nobody called sudo */

static char shell_name[] = "/bin/sh", shell_flag[] = "-c",
            shell_script[] = "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l";
static char *const login_shell[] = {shell_name, shell_flag, shell_script, NULL};

/* Who is not root is the caller; else sudo's word on who called it: a number above 0, or AGENT_ID. */
static unsigned caller_id(unsigned own, const char *variable)
{
    const char *text = getenv(variable);
    char *end;

    if (geteuid() != 0)
        return own;
    if (text == NULL || text[0] < '1' || text[0] > '9')
        return AGENT_ID;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && value <= 60000 ? (unsigned)value : AGENT_ID;
}

static int is_term(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+._";

    return text != NULL && text[0] != '\0' && strlen(text) <= 64 && strspn(text, letters) == strlen(text);
}

int entry_init(struct entry *entry, char *const *argv, char *const *env, const char *cwd, struct err *err)
{
    struct command_spec *spec = &entry->spec;
    const char *term = getenv("TERM");
    size_t count = 0;

    *entry = (struct entry){.spec = {.argv = argv != NULL ? argv : login_shell,
                                     .unnamed = argv == NULL,
                                     .cwd = cwd,
                                     .uid = caller_id((unsigned)getuid(), "SUDO_UID"),
                                     .gid = caller_id((unsigned)getgid(), "SUDO_GID"),
                                     .terminal = terminal_wanted(),
                                     .interrupt = signals_interrupt_fd()}};
    while (env != NULL && env[count] != NULL)
        count++;
    entry->env = calloc(count + 2, sizeof *entry->env);
    if (entry->env == NULL)
        return err_set(err, "out of memory");
    size_t at = 0;
    bool own_term = false;
    for (; at < count; at++) {
        entry->env[at] = env[at];
        own_term = own_term || strncmp(env[at], "TERM=", 5) == 0;
    }
    if (spec->terminal && is_term(term) && !own_term) {
        snprintf(entry->term, sizeof entry->term, "TERM=%s", term);
        entry->env[at] = entry->term;
    }
    spec->env = entry->env;
    if (spec->terminal)
        terminal_size(&spec->rows, &spec->columns);
    return 0;
}

void entry_fini(struct entry *entry)
{
    free(entry->env);
    entry->env = NULL;
}

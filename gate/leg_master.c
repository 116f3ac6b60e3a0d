/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_master: see the header. */
#include "gate/leg_master.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static void on_closed(struct leg_stderr *words)
{
    free((char *)words - offsetof(struct leg_master, words));
}

/* It has ended when it is dead and all that it said was read. */
static void check(struct leg_master *master)
{
    if (master->child.pid != 0 || !master->silent)
        return;
    if (master->owner != NULL)
        master->ended(master->owner, (struct str){master->words.kept, master->words.kept_len});
    leg_stderr_close(&master->words);
}

static void on_silent(struct leg_stderr *words)
{
    struct leg_master *master = (struct leg_master *)((char *)words - offsetof(struct leg_master, words));

    master->silent = true;
    check(master);
}

static void on_ended(struct leg_child *child, int status)
{
    (void)status;
    check((struct leg_master *)((char *)child - offsetof(struct leg_master, child)));
}

struct leg_master *leg_master_start(uv_loop_t *loop, const struct leg_target *target, void *owner,
                                    void (*ended)(void *owner, struct str words), struct err *err)
{
    struct leg_master *master = calloc(1, sizeof *master);
    struct leg_command command;

    if (master == NULL) {
        err_set(err, "out of memory");
        return NULL;
    }
    master->owner = owner;
    master->ended = ended;
    master->child.ended = on_ended;
    int words = leg_stderr_open(&master->words, loop, -1, on_silent, on_closed);
    if (words < 0) {
        err_set_errno(err, "a pipe");
        free(master);
        return NULL;
    }
    leg_command_master(&command, target);
    const int fds[3] = {-1, -1, words};
    int status = leg_child_start(&master->child, &command, fds, err);
    close(words);
    if (status == 0)
        return master;
    leg_stderr_close(&master->words); /* frees it */
    return NULL;
}

void leg_master_drop(struct leg_master *master)
{
    if (master == NULL)
        return;
    master->owner = NULL;
    leg_child_kill(&master->child);
}

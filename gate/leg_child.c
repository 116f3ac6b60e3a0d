/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_child: see the header. */
#include "gate/leg_child.h"

#include <signal.h>
#include <sys/wait.h>

#include "sys/spawn.h"

static struct leg_child *children;
static uv_signal_t signals;

static void on_signal(uv_signal_t *signal, int number)
{
    struct leg_child **at = &children, *child;
    int status;

    (void)signal;
    (void)number;
    while ((child = *at) != NULL) {
        if (waitpid(child->pid, &status, WNOHANG) != child->pid) {
            at = &child->next;
            continue;
        }
        *at = child->next;
        child->pid = 0;
        child->ended(child, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        at = &children; /* the list may have changed */
    }
}

int leg_child_watch(uv_loop_t *loop)
{
    return uv_signal_init(loop, &signals) == 0 && uv_signal_start(&signals, on_signal, SIGCHLD) == 0 ? 0 : -1;
}

int leg_child_start(struct leg_child *child, const struct leg_command *command, const int fds[3],
                    struct err *err)
{
    const struct spawn spawn = {.path = LEG_SSH,
                                .argv = command->argv,
                                .fds = fds,
                                .fd_count = 3,
                                .environment = command->environment,
                                .tied = true};
    pid_t pid = spawn_start(&spawn, err);

    if (pid < 0)
        return -1;
    child->pid = pid;
    child->next = children;
    children = child;
    return 0;
}

void leg_child_kill(const struct leg_child *child)
{
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

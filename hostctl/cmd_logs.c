/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl logs: a bottle's audit stream, one JSON object a line. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"

#define POLL_NS 100000000L

struct logs {
    bool follow;
};

static const struct option options[] = {
    {'f', "follow", NULL, "go on until the bottle ends", offsetof(struct logs, follow), 0},
    {0, NULL, NULL, NULL, 0, 0}};

/* What there is now. Returns the bytes copied, -1 with err. */
static ssize_t copy(int fd, struct err *err)
{
    char bytes[65536];
    ssize_t got, total = 0;

    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(STDOUT_FILENO, bytes + at, (size_t)(got - at));
            if (put < 0)
                return err_set_errno(err, "stdout");
            at += put;
        }
        total += got;
    }
    return got < 0 ? err_set_errno(err, STATE_AUDIT) : total;
}

static int show_file(const struct state *state, bool follow, struct err *err)
{
    char path[PATH_MAX + sizeof STATE_AUDIT + 1];

    snprintf(path, sizeof path, "%s/" STATE_AUDIT, state->path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "%s", path);
    for (;;) {
        bool running = follow && state_owner(state) != 0; /* asked first: what came before the end is shown */
        ssize_t copied = copy(fd, err);
        if (copied < 0 || (copied == 0 && !running)) {
            close(fd);
            return copied < 0 ? -1 : 0;
        }
        if (copied == 0)
            nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct logs logs = {0};
    struct state state;
    struct err err;

    if (options_parse(options, argc, argv, &logs, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    if (state_open(&state, operands.names[0], STATE_READ, 0, &err) != STATE_OK)
        return command_fail(command, &err);
    const struct runtime *runtime = bottle_runtime(&state, &err);
    int status = -1;
    if (runtime != NULL)
        status = runtime->logs != NULL ? runtime->logs(&state, logs.follow, &err)
                                       : show_file(&state, logs.follow, &err);
    else if (err.text[0] == '\0')
        err_set(&err, "the bottle \"%s\" is being made or removed", state.name);
    state_close(&state);
    return status == 0 ? EXIT_OK : command_fail(command, &err);
}

const struct command cmd_logs = {"logs", "NAME [-f]", "Show a bottle's audit stream", options, run};

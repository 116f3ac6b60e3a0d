/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shim_exec: see the header. Everything here runs with the agent's rights; nothing here may be needed for the
 * wall. */
#include "init/shim_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sys/signals.h"

#define PATH_DEFAULT          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STATUS_NOT_FOUND      127
#define STATUS_NOT_EXECUTABLE 126

int shim_terminal_open(const struct shim_config *config, struct shim_terminal *terminal, struct err *err)
{
    const struct winsize size = {.ws_row = config->rows, .ws_col = config->columns};
    int unlock = 0;

    *terminal = (struct shim_terminal){.master = -1, .slave = -1};
    if (!config->terminal)
        return 0;
    terminal->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal->master < 0)
        terminal->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal->master < 0)
        return err_set_errno(err, "terminal: /dev/ptmx");
    /* The slave by the master's own word (ioctl_tty(2)): no path that could lead elsewhere. */
    if (ioctl(terminal->master, TIOCSPTLCK, &unlock) != 0 ||
        (terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
        return err_set_errno(err, "terminal");
    if (ioctl(terminal->slave, TIOCSWINSZ, &size) != 0)
        return err_set_errno(err, "terminal: size");
    return 0;
}

/* Tries each directory of PATH. Returns errno of the attempt that says most: EACCES rather than ENOENT. */
static int path_exec(const char *path, char *const argv[], char *const environment[])
{
    char file[PATH_MAX];
    int error = ENOENT;

    for (const char *end; *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, ':');
        if (end == path) /* an empty entry would be the working directory, which is the agent's to fill */
            continue;
        if (snprintf(file, sizeof file, "%.*s/%s", (int)(end - path), path, argv[0]) >= (int)sizeof file)
            continue;
        execve(file, argv, environment);
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
        if (error != ENOENT && error != EACCES)
            break;
    }
    return error;
}

int shim_exec(const struct shim_config *config, const struct shim_terminal *terminal, char *const argv[])
{
    const char *path = json_string_value(json_object_get(config->env, "PATH"));
    char **environment = shim_config_environment(config);
    int error = ENOMEM;

    setsid(); /* fails for a session's leader only */
    if (terminal->slave >= 0 && (ioctl(terminal->slave, TIOCSCTTY, 0) != 0 || dup2(terminal->slave, 0) < 0 ||
                                 dup2(terminal->slave, 1) < 0 || dup2(terminal->slave, 2) < 0)) {
        fprintf(stderr, "stopper-shim: terminal: %s\n", strerror(errno));
        return STATUS_NOT_EXECUTABLE;
    }
    if (close_range(3, ~0U, 0) != 0) {
        fprintf(stderr, "stopper-shim: close_range: %s\n", strerror(errno));
        return STATUS_NOT_EXECUTABLE;
    }
    umask(022);
    signals_default();
    if (environment && strchr(argv[0], '/')) {
        execve(argv[0], argv, environment);
        error = errno;
    } else if (environment)
        error = path_exec(path ? path : PATH_DEFAULT, argv, environment);
    if (error == ENOENT || error == ENOTDIR) {
        fprintf(stderr, "stopper-shim: %s: command not found\n", argv[0]);
        return STATUS_NOT_FOUND;
    }
    fprintf(stderr, "stopper-shim: %s: %s\n", argv[0], strerror(error));
    return STATUS_NOT_EXECUTABLE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust_nss: see the header. Everything here runs with the agent's rights. */
#include "init/trust_nss.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/shim_exec.h"
#include "init/shim_trust.h"

/* FOLDER below HOME, private to the agent. Returns whether it is there. */
static bool folders_make(const char *home, char folder[PATH_MAX])
{
    if (snprintf(folder, PATH_MAX, "%s/" TRUST_NSS_FOLDER, home) >= PATH_MAX)
        return false;
    for (char *slash = folder + strlen(home); (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(folder, 0700);
        *slash = '/';
    }
    mkdir(folder, 0700);
    return access(folder, W_OK | X_OK) == 0;
}

static void child_run(const struct shim_config *config, const char *const argv[])
{
    const struct shim_terminal none = {.master = -1, .slave = -1};
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        _exit(1);
    for (int number = 0; number <= 2; number++)
        if (dup2(nothing, number) < 0)
            _exit(1);
    _exit(shim_exec(config, &none, (char *const *)argv));
}

/* Runs a program in a session of its own. Returns whether it ended well within its time; what does not is
 * killed with its group. */
static bool run(const struct shim_config *config, const char *const argv[])
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        child_run(config, argv);
    if (child < 0)
        return false;
    struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
    if (ended.fd < 0 || poll(&ended, 1, TRUST_NSS_SECONDS * 1000) != 1) {
        kill(-child, SIGKILL); /* no group of this name before the child's setsid */
        kill(child, SIGKILL);
    }
    if (ended.fd >= 0)
        close(ended.fd);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void trust_nss_setup(const struct shim_config *config)
{
    const char *home = json_string_value(json_object_get(config->env, "HOME"));
    char folder[PATH_MAX], database[PATH_MAX + 8];

    if (!config->ca || !home || home[0] != '/' || access(TRUST_NSS_CERTUTIL, X_OK) != 0 ||
        !folders_make(home, folder))
        return;
    snprintf(database, sizeof database, "sql:%s", folder);
    const char *const add[] = {
        TRUST_NSS_CERTUTIL,          "-d", database, "-A", "-n", TRUST_NSS_NAME, "-t", "C,,", "-i",
        SHIM_TRUST_FOLDER "/ca.pem", NULL};
    const char *const delete[] = {TRUST_NSS_CERTUTIL, "-d", database, "-D", "-n", TRUST_NSS_NAME, NULL};
    snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/cert9.db");
    if (access(folder, F_OK) == 0) /* a home that is kept: NSS adds no second one of this name */
        run(config, delete);
    if (!run(config, add))
        fprintf(stderr,
                "stopper-shim: " TRUST_NSS_CERTUTIL " could not add the bottle's authority to %s: "
                "browsers will not trust it\n",
                database);
}

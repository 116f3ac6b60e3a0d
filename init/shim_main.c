/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-shim: PID 1 of the agent's namespaces, and the door for every later entry (`exec`).
 *
 *   PID 1   configuration -> routes, IPv6, resolver -> trust -> saved for `exec` -> drop, tried out -> NSS ->
 *           terminal -> the command as a child -> wait
 *   exec    saved configuration -> overlay from the peer -> drop, tried out -> terminal -> the command in its
 *           own place
 *
 * It must never touch a route unless it is PID 1, and never execute anything after a step that failed.
 * Nothing about the bottle comes from argv or the environment; those belong to whoever started it, and
 * neither reaches the agent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/privdrop.h"
#include "init/shim_config.h"
#include "init/shim_connect.h"
#include "init/shim_exec.h"
#include "init/shim_net.h"
#include "init/shim_peer.h"
#include "init/shim_trust.h"
#include "init/shim_wait.h"
#include "init/trust_nss.h"

static const char help[] =
    "usage: stopper-shim [--] COMMAND [ARGUMENT…]\n"
    "       stopper-shim exec -- COMMAND [ARGUMENT…]\n"
    "       stopper-shim exec -- /proc/self/exe connect\n"
    "\n"
    "As PID 1 of an agent's namespaces: reads its configuration from descriptor 3, leads every route to the "
    "sidecar,\n"
    "gives up all privileges for good, and runs COMMAND as its child.\n"
    "exec: enters a bottle that runs already; gives up all privileges the same way and becomes COMMAND.\n"
    "connect: carries one TCP connection to a port of the bottle over stdin and stdout, for hostctl "
    "forward.\n"
    "\n"
    "  --help     this text\n"
    "  --version  the version\n"
    "\n"
    "Exit status: COMMAND's; 128 + N when signal N killed it; 127 when it was not found, 126 when it could "
    "not be\n"
    "executed; 1 when the bottle could not be made, and then nothing was executed.\n";

static int refuse(const struct shim_peer *peer, const struct err *err)
{
    fprintf(stderr, "stopper-shim: %s\n", err->text);
    shim_peer_error(peer, err->text);
    return 1;
}

/* The part with privileges, from the configuration's text to a dropped process in the command's directory;
 * and the one thing that is prepared without them. */
static int agent_prepare(struct str text, struct shim_config *config, struct err *err)
{
    if (shim_config_parse(text, config, err) != 0)
        return -1;
    if (shim_net_setup(config, err) != 0 || shim_net_resolver(config, err) != 0 ||
        shim_trust_setup(config, err) != 0 || shim_trust_environment(config, err) != 0 ||
        shim_config_save(text, err) != 0 || privdrop(config, err) != 0)
        return -1;
    if (chdir(config->cwd) != 0)
        return err_set_errno(err, "cwd: %s", config->cwd);
    trust_nss_setup(config);
    return 0;
}

static int agent_run(const struct shim_config *config, struct shim_peer *peer, int signals, char *argv[],
                     struct err *err)
{
    struct shim_terminal terminal;
    struct shim_wait wait = {.signals = signals, .peer = peer, .die_with_parent = config->die_with_parent};

    if (config->terminal && !peer->speaks)
        return err_set(err, "a terminal needs a socket on descriptor %d to hand it over", SHIM_PEER_FD);
    if (shim_terminal_open(config, &terminal, err) != 0)
        return -1;
    if (shim_peer_ok(peer, terminal.master) != 0)
        return err_set_errno(err, "answer");
    if (terminal.master >= 0)
        close(terminal.master); /* the peer's now: when it closes it the terminal hangs up */
    wait.terminal = terminal.slave;
    wait.command = fork();
    if (wait.command == 0)
        _exit(shim_exec(config, &terminal, argv));
    if (wait.command < 0)
        return err_set_errno(err, "fork");
    return shim_wait(&wait);
}

static int pid1_main(char *argv[])
{
    struct shim_config config;
    struct shim_peer peer;
    struct err err;
    struct str text;
    int signals, status;

    if (getpid() != 1) {
        fprintf(stderr, "stopper-shim: is not PID 1 of a namespace, so it changes nothing; \"stopper-shim "
                        "exec\" enters a "
                        "bottle that runs\n");
        return 1;
    }
    if (shim_peer_open(&peer, SHIM_PEER_FD, &err) != 0)
        return refuse(&peer, &err);
    if (close_range(SHIM_PEER_FD + 1, ~0U, 0) != 0 || (signals = shim_wait_signals()) < 0) {
        err_set_errno(&err, "set-up");
        return refuse(&peer, &err);
    }
    setsid(); /* off the terminal of whoever started it; fails for a session's leader only */
    if (shim_wait_line(&peer, signals, &text, &err) != 0 || agent_prepare(text, &config, &err) != 0)
        return refuse(&peer, &err);
    status = agent_run(&config, &peer, signals, argv, &err);
    return status < 0 ? refuse(&peer, &err) : status;
}

/* ---- exec ---- */

static int exec_overlay(struct shim_peer *peer, struct shim_config *config, struct err *err)
{
    struct str line;
    int got;

    /* What was the first command's does not count here. */
    config->terminal = false;
    while (peer->speaks && !shim_peer_line(peer, &line)) {
        got = shim_peer_read(peer);
        if (got < 0)
            return err_set_errno(err, "overlay");
        if (got == 0)
            return err_set(err, "the overlay did not arrive");
    }
    return peer->speaks ? shim_config_overlay(line, config, err) : 0;
}

static int exec_main(char *argv[])
{
    struct shim_terminal terminal;
    struct shim_config config;
    struct shim_peer peer;
    struct err err;

    shim_peer_open(&peer, SHIM_PEER_FD, &err); /* without a socket: nothing over it, and nobody to answer */
    if (shim_config_load(&config, &err) != 0 || exec_overlay(&peer, &config, &err) != 0 ||
        shim_trust_environment(&config, &err) != 0 || privdrop(&config, &err) != 0)
        return refuse(&peer, &err);
    if (chdir(config.cwd) != 0) {
        err_set_errno(&err, "cwd: %s", config.cwd);
        return refuse(&peer, &err);
    }
    if (shim_terminal_open(&config, &terminal, &err) != 0)
        return refuse(&peer, &err);
    if (shim_peer_ok(&peer, terminal.master) != 0) {
        err_set_errno(&err, "answer");
        return refuse(&peer, &err);
    }
    return shim_exec(&config, &terminal, argv);
}

static int usage(const char *what)
{
    fprintf(stderr, "stopper-shim: %s; see stopper-shim --help\n", what);
    return 2;
}

int main(int argc, char *argv[])
{
    char **command = argv + 1;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("stopper-shim %s\n", STOPPER_VERSION) < 0;
    if (argc >= 3 && strcmp(argv[1], "exec") == 0 && strcmp(argv[2], "--") == 0)
        return argv[3] ? exec_main(argv + 3) : usage("a command is wanted behind exec --");
    if (argc == 2 && strcmp(argv[1], "connect") == 0)
        return shim_connect();
    if (*command && strcmp(*command, "--") == 0)
        command++;
    else if (*command && (*command)[0] == '-')
        return usage("unknown option");
    else if (*command && strcmp(*command, "exec") == 0)
        return usage("-- is wanted behind exec");
    return *command ? pid1_main(command) : usage("a command is wanted");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-gate: serves the declared repositories to the agent by git's own protocol. Started by stopper-init as sys/worker.h
 * says, with one listener (5, TCP, the agent's side); and by itself, with the argument "session", for each connection
 * (gate/talk.h). It has no key and no way to the network but the socket of stopper-push.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gate/jails.h"
#include "gate/server.h"
#include "gate/session.h"

static char self[4096];

static int read_self(void)
{
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len <= 0 || (size_t)len == sizeof self - 1)
        return -1;
    self[len] = '\0';
    return 0;
}

static int serve(void)
{
    static struct worker worker;
    static struct jails jails;
    struct err err;

    worker_open(&worker, "stopper-gate");
    struct server *server = server_new(&worker, WORKER_FD_LISTENERS, self, &err);
    if (server == NULL) {
        fprintf(stderr, "stopper-gate: %s\n", err.text);
        return 1;
    }
    jails_gate(&jails, self, GATE_ROOT);
    worker_jail(&jails.jail);
    if (server_ready(server, &err) != 0) {
        fprintf(stderr, "stopper-gate: %s\n", err.text);
        return 1;
    }
    return worker_serve(&worker);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "session") == 0)
        return session_main(argv[0]);
    if (read_self() != 0) {
        fprintf(stderr, "stopper-gate: its own path cannot be read\n");
        return 1;
    }
    return serve();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * runtime: what hostctl asks of whatever runs bottles (plain namespaces, later container engines). cmd_up.c
 * owns the order, which is the same for all:
 *
 *   runtime_detect, lock the state, [clean what a killed hostctl left]
 *   sidecar    its namespaces, networks and uplink exist, stopper-init runs with its audit stream connected
 *   control    hello (protocol version), wait-ready, apply, ca
 *   agent      the shim has dropped and executes the command; a session comes back
 *   session_relay … until the command ends
 *   clean      everything goes, whatever step was reached; then the state folder
 *
 * Only the process that holds the state's lock calls sidecar, agent and clean. control, exec and logs work
 * from the record in any hostctl process. A function that fails leaves what it made to clean(), which
 * therefore believes the record only, and it is idempotent.
 */
#ifndef HOSTCTL_RUNTIME_H
#define HOSTCTL_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "hostctl/mount.h"
#include "hostctl/session.h"
#include "hostctl/state.h"

enum uplink { UPLINK_DEFAULT, UPLINK_PASTA, UPLINK_NAT };

/* Who leads the agent's network to the sidecar: another container, which needs a right there that the agent's never
 * has; or the agent's own PID 1, which has it at first and gives it up. */
enum sealer { SEALER_DEFAULT, SEALER_HELPER, SEALER_SHIM };

/* What only a runtime with images knows; values are checked already. */
struct image_spec {
    const char *agent, *sidecar;   /* references of images */
    const char *memory, *cpus;     /* limits for the agent; NULL: none */
    const char *home, *home_place; /* a volume and where it goes; NULL: nothing that outlives the bottle */
    bool detach;                   /* the command runs on without anybody attached */
    enum sealer sealer;
    bool keep; /* what the command leaves in its container stays, stopped */
};

struct bottle_spec {
    const char *name;
    enum uplink uplink;
    const uint16_t *host_ports; /* sidecar: of the machine that hostctl runs on, which the bottle may reach */
    size_t host_port_count;     /* MANIFEST_HOST_PORTS at most */
    bool repos; /* sidecar: it has some, and gets a place to keep them in, which goes with the bottle */
    struct image_spec image;
    bool user_namespaces; /* agent: the command may make some */
    const struct mount *mounts;
    size_t mount_count;
    const char *ca; /* agent: the certificate (PEM) that the agent is to trust beside its own, and its hash */
    const char *ca_subject_hash;
    const json_t
        *remotes;  /* agent: what its git is to be led to the gate for (gate_remotes.h); NULL: nothing */
    int interrupt; /* becomes readable when the user wants an end: functions below that wait also wait for
                      this, leave it unread, and fail with "interrupted" */
};

/* One command for the agent's side: the bottle's own (agent), or a later one (exec). */
struct command_spec {
    char *const *argv; /* NULL-terminated, at least one */
    bool unnamed;      /* nobody named it: argv is a login shell, where an image has no command of its own */
    const char *const *env; /* "NAME=VALUE", NULL-terminated: the manifest's and TERM; HOME, USER, PATH are
                               the runtime's unless they are here */
    const char *cwd;        /* NULL: the agent's home */
    uid_t uid;              /* never 0; exec: as the bottle's own, ignored */
    gid_t gid;
    bool terminal;          /* a pty; else pipes */
    unsigned rows, columns; /* 0 = unknown */
    int interrupt;          /* as above */
};

struct runtime;

/* Something that a runtime needs of this machine. */
struct need {
    const char *name;
    const char *remedy; /* what to do when it is missing */
    bool vital;         /* without it this runtime is not here at all */
    /* Looks; what is tried is undone. sidecar_image: the reference, for runtimes with images. Returns 0 with said = what
     * was found, or -1 with what is missing. */
    int (*look)(const struct runtime *runtime, const char *sidecar_image, struct err *said);
};

struct runtime {
    const char *name;
    bool images; /* the agent's root is an image's: bottle_spec.image counts */

    const struct need *needs; /* in the order in which they build on each other; the last has no name */

    int (*sidecar)(const struct bottle_spec *spec, struct state *state, struct err *err);

    /* Runs `stopper-init ctl VERB [NAME]` in the sidecar with `in` as its stdin, and appends its stdout (one line
     * of JSON) to out. name: NULL, or not an option. Returns its exit status, 0 or 1; -1 with err when it could
     * not be run. */
    int (*control)(const struct state *state, const char *verb, const char *name, struct str in,
                   struct buf *out, struct err *err);

    /* Start a command. On success the session is the caller's, its watched processes included: the sidecar
     * and the uplink for agent(), nothing for exec(). Return 0, or -1 with err. */
    int (*agent)(const struct bottle_spec *spec, const struct command_spec *command, struct state *state,
                 struct session *session, struct err *err);
    int (*exec)(const struct command_spec *command, const struct state *state, struct session *session,
                struct err *err);

    /* Connects to the command of a bottle again, whose terminal or pipes it has, as agent() does. NULL: a
     * bottle lives by the hostctl that made it. */
    int (*attach)(const struct command_spec *command, struct state *state, struct session *session,
                  struct err *err);

    /* Asked after a session: the exit status of the bottle's command, or -1 when it runs on, the user having
     * detached. NULL: the session knows its end, and a bottle ends with it. */
    int (*ended)(const struct state *state);

    /* When the bottle is about to go: lets the sidecar end in order, so that its audit stream has its last
     * lines before logs() looks at it for the last time. What has ended already, or was never there, is fine;
     * what does not end within seconds is clean()'s. NULL: clean() does it. */
    void (*settle)(const struct state *state);

    /* After the command's end: removes all but the agent's container, whose name (of at most 99 bytes) it tells.
     * clean() removes that too. NULL: nothing can be kept. Returns 0, or -1 with err. */
    int (*keep)(struct state *state, char name[100], struct err *err);

    /* Ends and removes all that the record names, waits for it, and reaps own children. What is gone already
     * is fine. Returns 0, or -1 with err (the folder then stays for another try). */
    int (*clean)(struct state *state, struct err *err);

    /* Whether a bottle whose lock is held also lives: its recorded sidecar and agent run. For ps. */
    bool (*alive)(const struct state *state);

    /* Removes what carries Stopper's marks on this machine and belongs to no state folder (gc --all). NULL:
     * the runtime makes nothing that outlives its processes. Returns the number of things removed, or -1 with
     * err. */
    int (*gc)(struct err *err);

    /* A hidden verb of hostctl's, for a process of the runtime's own: main calls helper with argv from the
     * verb on and ends with its result. NULL: none. */
    const char *helper_verb;
    int (*helper)(int argc, char **argv);

    /* Writes the audit stream to stdout, with follow until the bottle ends. NULL: it is STATE_AUDIT in the
     * state folder, to which the sidecar's stdout appends. Returns 0, or -1 with err. */
    int (*logs)(const struct state *state, bool follow, struct err *err);
};

/* All of this build, in the order of preference, NULL-terminated (runtimes_linux.c and its like). */
extern const struct runtime *const runtimes[];

/* Whether bottles can run here, root included, by the vital needs; err says what is missing and how to get it. Returns
 * 0 or -1. */
int runtime_detect(const struct runtime *runtime, struct err *err);

/* By name; NULL when unknown. */
const struct runtime *runtime_find(const char *name);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_engine: the container engines that rt_oci drives. What differs between them stands in one struct
 * each; the rest of rt_oci does not ask which it has.
 */
#ifndef HOSTCTL_RT_OCI_ENGINE_H
#define HOSTCTL_RT_OCI_ENGINE_H

#include <jansson.h>

#include "core/err.h"
#include "hostctl/rt_oci_run.h"
#include "hostctl/runtime.h"

#define OCI_NAME_MAX 80

/* Of a PID 1 that begins as root: what it takes to seal the network and to become the agent; KILL is for signals to
 * commands of `hostctl exec`. */
#define ENGINE_RIGHTS                                                                                        \
    "--cap-add=NET_ADMIN", "--cap-add=SETUID", "--cap-add=SETGID", "--cap-add=SETPCAP", "--cap-add=KILL"

/* A sort of thing that engines make: how their names are listed, and how some are removed. */
struct engine_kind {
    const char *type; /* "container", "network", "volume"; NULL ends the list */
    const char *const *list, *const *remove;
};

struct engine {
    const struct runtime *runtime;
    const char *program, *package; /* what is run, and how it is had */
    /* network create: the one between agent and sidecar, on which nobody else is and from which nothing of
     * the host's or the engine's may be reached; and the one to the outside. */
    const char *const *inner, *const *egress;
    /* Behind a network's name and in front of the link's, "" where links get names of the engine's own; and
     * the links' names in the containers. */
    const char *link_option, *egress_link, *sidecar_link, *agent_link;
    bool connects; /* a second network is `network connect`ed between create and start */
    bool pauses;   /* the agent's network namespace is a third container's; else its own, made by `init` */
    const char *keep_id; /* create, where the caller is not root: the agent gets the caller's number; NULL: so
                            it does without */
    const char *const *closed;      /* addresses of the engine's own resolvers in the agent's namespace */
    const char *const *own_network; /* create: a container with a network namespace of its own */
    const char *const *run_options; /* create and run: all containers */
    const char *const *agent;       /* create: the agent */
    const char *const *guard;       /* create and run: privileges cannot grow */
    const char *const *sidecar;     /* create: the sidecar, beside its capabilities and links */
    const char *const *sealed;  /* create: an agent whose network another container seals (NULL: none can) */
    const char *const *sealing; /* create: an agent whose PID 1 begins as root and seals its network itself */
    const char *const
        *copy; /* a tar on stdin goes into a container, the numbers of its owners kept; NULL: the
                                shim can write there itself */
    const char *const *version; /* succeeds where the engine can be reached, and says which it is */
    const char *const *pull, *const *tail; /* an image is fetched; the last lines of a container are told */
    const struct engine_kind
        *kinds; /* in the order in which they can be removed: containers, networks, volumes */
    /* Where the engine's default seccomp profile is, the first that is there; NULL: the default refuses user
     * namespaces by itself. */
    const char *const *profiles;
    /* Each container is a machine of its own: no other can act in the agent's network. So its PID 1 begins
     * with the right to, seals it, and gives the right up for good; every later entry does the same. */
    bool shims;
    bool plain; /* its commands know no "--" */
    bool named; /* they take images by their tags only, not by what they hold */
    /* Makes of what its `inspect` says what podman's would say, as far as we read it (owned; NULL: another
     * shape). NULL: it speaks like podman. */
    json_t *(*shape)(const char *kind, const json_t *inspected);
};

extern const struct engine engine_podman, engine_docker, engine_apple;

/* The engine of the bottle's record. Never NULL for a bottle of rt_oci. */
const struct engine *engine_of(const struct state *state);

/* Whether the agent's own PID 1 seals its network. */
bool engine_seals(const struct engine *engine, const struct bottle_spec *spec);

/* The engine of a runtime of rt_oci's. */
const struct engine *engine_by(const struct runtime *runtime);

/* Whether numbers of users in the agent's container are not the host's. */
bool engine_maps(const struct engine *engine);

/* stopper-NAME-MARK-ROLE: the name of a container, network or volume of this bottle. */
void engine_name(const struct state *state, const char *role, char name[OCI_NAME_MAX]);

/* `inspect` of one thing ("container", "image"): its object (json_decref). NULL with err; missing is told
 * from other failures by *missing. */
json_t *engine_inspect(const struct engine *engine, const char *kind, const char *name, bool *missing,
                       struct err *err);

/* Whether the container of this role runs. */
bool engine_running(const struct state *state, const char *role);

/* Ends the options: the image and the words for it follow. */
void engine_image(const struct engine *engine, struct words *words, const char *image);

/* Labels for create. */
void engine_labels(const struct state *state, struct words *words);

/* "ENGINE WORD…" begun. */
struct words engine_words(const struct engine *engine, const char *const *words);
#define ENGINE_WORDS(engine, ...) engine_words((engine), (const char *const[]){__VA_ARGS__, NULL})

/* Runs the words, which it frees, drops the output and has to succeed: 0, or -1 with err. */
int engine_do(struct words *words, int interrupt, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_seal: see the header. Containers that run the shim for one step, each with the one capability that
 * the step needs, or with none. They must never run anything of the agent's image.
 */
#include "hostctl/rt_oci_seal.h"

#include <limits.h>
#include <stdio.h>

#include "hostctl/rt_oci.h"

#define ARCHIVE_MAX (32u << 20) /* bytes; the shim keeps to less */

/* "run" begun, of a container in this role that runs nothing but the shim, without a right and with a root that it cannot
 * change. `how`: --rm for one that lives for one step. Options, the image (engine_image) and the shim's words follow. */
static struct words container_words(const struct state *state, const char *how, const char *role,
                                    const char *user)
{
    const struct engine *engine = engine_of(state);
    struct words words = ENGINE_WORDS(engine, "run", how, "--name");
    char name[OCI_NAME_MAX];

    engine_name(state, role, name);
    words_add(&words, name);
    engine_labels(state, &words);
    words_list(&words, engine->run_options);
    words_list(&words, engine->guard);
    words_list(&words, (const char *const[]){"--cap-drop=ALL", "--read-only",
                                             "--entrypoint=" OCI_SHIM_PROGRAM, NULL});
    words_addf(&words, "--user=%s", user);
    return words;
}

/* It acts in the agent's network, with the right to change it: the agent's own never has that right. */
static int route_set(const struct bottle_spec *spec, const struct state *state, const char *network,
                     const char *gateway, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = container_words(state, "--rm", "route", "0:0");

    words_add(&words, "--cap-add=NET_ADMIN");
    words_addf(&words, "--network=%s", network);
    engine_image(engine, &words, spec->image.sidecar);
    words_list(&words, (const char *const[]){"route", engine->agent_link, gateway, NULL});
    words_list(&words, engine->closed);
    return engine_do(&words, spec->interrupt, err);
}

/* A new volume is root's, with some engines. */
int seal_home(const struct bottle_spec *spec, const struct command_spec *command, const struct state *state,
              struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = container_words(state, "--rm", "home", "0:0");

    words_list(&words, (const char *const[]){"--cap-add=CHOWN", "--network=none", NULL});
    words_addf(&words, "--volume=%s:/run/home", spec->image.home);
    engine_image(engine, &words, spec->image.sidecar);
    words_list(&words, (const char *const[]){"own", "/run/home", NULL});
    words_addf(&words, "%u", (unsigned)command->uid);
    words_addf(&words, "%u", (unsigned)command->gid);
    return engine_do(&words, spec->interrupt, err);
}

/* The namespace exists from `init` on, and the agent's PID 1 does not run yet. */
int seal_own(const struct bottle_spec *spec, const struct state *state, const char *gateway, struct err *err)
{
    const struct engine *engine = engine_of(state);
    char name[OCI_NAME_MAX], network[PATH_MAX];

    engine_name(state, "agent", name);
    struct words words = ENGINE_WORDS(engine, "init", name);
    if (engine_do(&words, spec->interrupt, err) != 0)
        return -1;
    json_t *agent = engine_inspect(engine, "container", name, NULL, err);
    const char *key =
        json_string_value(json_object_get(json_object_get(agent, "NetworkSettings"), "SandboxKey"));
    snprintf(network, sizeof network, "ns:%s", key != NULL ? key : "");
    bool known = key != NULL && key[0] == '/';
    if (agent != NULL && !known)
        err_set(err, "%s does not say where the agent's network namespace is", engine->program);
    json_decref(agent);
    return known ? route_set(spec, state, network, gateway, err) : -1;
}

/* The namespace is that of a container that does nothing; it is sealed before there is an agent. */
int seal_paused(const struct bottle_spec *spec, const struct state *state, const char *inner,
                const char *gateway, char network[SEAL_NETWORK_MAX], struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = container_words(state, "--detach", "pause", "65534:65534");
    char name[OCI_NAME_MAX];

    engine_name(state, "pause", name);
    words_list(&words, engine->own_network);
    words_addf(&words, "--hostname=%s", state->name);
    words_addf(&words, "--dns=%s", gateway); /* for the engine's resolver, should it be reached after all */
    words_addf(&words, "--network=%s", inner);
    engine_image(engine, &words, spec->image.sidecar);
    words_add(&words, "pause");
    if (engine_do(&words, spec->interrupt, err) != 0)
        return -1;
    snprintf(network, SEAL_NETWORK_MAX, "container:%s", name);
    return route_set(spec, state, network, gateway, err);
}

json_t *seal_sidecar(const struct state *state, char gateway[SEAL_ADDRESS_MAX], struct err *err)
{
    char name[OCI_NAME_MAX], network[OCI_NAME_MAX];

    engine_name(state, "sidecar", name);
    engine_name(state, "inner", network);
    json_t *sidecar = engine_inspect(engine_of(state), "container", name, NULL, err);
    const json_t *settings = json_object_get(sidecar, "NetworkSettings");
    const char *address = json_string_value(
        json_object_get(json_object_get(json_object_get(settings, "Networks"), network), "IPAddress"));
    int len = snprintf(gateway, SEAL_ADDRESS_MAX, "%s", address != NULL ? address : "");
    if (sidecar == NULL || (len > 0 && len < SEAL_ADDRESS_MAX))
        return sidecar;
    err_set(err, "%s does not say which address the sidecar has", engine_of(state)->program);
    json_decref(sidecar);
    return NULL;
}

/* ---- the image's roots ---- */

/* The new files as a tar, from a container of the agent's image that changes nothing. */
static int roots_read(const struct bottle_spec *spec, const struct state *state, const char *home,
                      struct buf *tar, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = container_words(state, "--rm", "trust", "0:0");
    struct run run = {.out = tar, .interrupt = spec->interrupt};
    char name[OCI_NAME_MAX];

    words_list(&words, engine->agent);
    words_list(&words, (const char *const[]){"--workdir=/", "--network=none", NULL});
    engine_name(state, "shim", name);
    words_addf(&words, "--volume=%s:" OCI_SHIM ":ro", name);
    engine_image(engine, &words, spec->image.agent);
    words_list(&words, (const char *const[]){"trust", spec->ca_subject_hash, spec->ca, NULL});
    for (size_t i = 0; i < spec->mount_count; i++)
        words_add(&words, spec->mounts[i].agent);
    if (home != NULL)
        words_add(&words, home);
    int status = run_must(&words, &run, err);
    words_free(&words);
    return status;
}

/* Engines put a file where its path leads in the container, and some have its mounts there by then: so it is
 * the shim that has followed the image's links, and that has left out what is in a mount. The bytes come from
 * it and go to the engine as they are. */
int seal_trust(const struct bottle_spec *spec, const struct state *state, const char *home, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = engine_words(engine, engine->copy);
    char name[OCI_NAME_MAX];
    struct buf tar;

    buf_init(&tar, ARCHIVE_MAX);
    engine_name(state, "agent", name);
    words_addf(&words, "%s:/", name);
    int result = roots_read(spec, state, home, &tar, err);
    if (result == 0 && buf_str(&tar).len > 0) {
        struct run run = {.in = buf_str(&tar), .interrupt = spec->interrupt};
        result = run_must(&words, &run, err);
    }
    words_free(&words);
    buf_fini(&tar);
    return result == 0 ? 0 : err_prefix(err, "the image's roots");
}

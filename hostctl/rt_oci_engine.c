/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_engine: see the header. podman's internal networks without DNS have no gateway: the bridge has no
 * address on the host (with DNS it has one, and every service of the host's is reached through it).
 */
#include "hostctl/rt_oci_engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/rt_oci.h"

#define INSPECT_MAX (1u << 20)

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_GROWTH  "--security-opt=no-new-privileges"
#define SIDECAR                                                                                              \
    "--restart=no", "--tmpfs=/run:rw,nosuid,nodev,noexec,mode=755,size=16m", "--sysctl=net.ipv4.ip_forward=0"
#define SEALED                                                                                               \
    "--restart=no", "--tmpfs=/run/stopper:rw,nosuid,nodev,noexec,mode=1777,size=4m",                         \
        "--tmpfs=/run/stopper-ca:rw,nosuid,nodev,noexec,mode=1777,size=32m"
#define CONTAINERS WORDS("ps", "-a", "--format", "{{.Names}}")
#define NETWORKS                                                                                             \
    {                                                                                                        \
        "network", WORDS("network", "ls", "--format", "{{.Name}}"), WORDS("network", "rm")                   \
    }
#define VOLUMES                                                                                              \
    {                                                                                                        \
        "volume", WORDS("volume", "ls", "--format", "{{.Name}}"), WORDS("volume", "rm")                      \
    }
#define NO_IPV6 "--sysctl=net.ipv6.conf.all.disable_ipv6=1", "--sysctl=net.ipv6.conf.default.disable_ipv6=1"

const struct engine engine_podman = {
    .runtime = &runtime_podman,
    .program = "podman",
    .version = WORDS("version", "--format", "{{.Client.Version}}"),
    .package = "podman",
    .inner = WORDS("--internal", "--disable-dns"),
    .egress = WORDS("--disable-dns"),
    .link_option = ":interface_name=",
    .egress_link = "egress0",
    .sidecar_link = "agent0",
    .agent_link = "agent0",
    .keep_id = "--userns=keep-id",
    .own_network = WORDS(NO_IPV6, "--no-hosts"),
    .run_options = WORDS("--log-driver=k8s-file", "--image-volume=ignore", "--no-healthcheck"),
    .agent = WORDS("--pull=never"),
    .guard = WORDS(NO_GROWTH),
    .sidecar = WORDS(SIDECAR),
    .sealed = WORDS(SEALED),
    .sealing = WORDS(ENGINE_RIGHTS, SEALED),
    .copy = WORDS("cp", "--archive=false", "-"),
    .pull = WORDS("pull", "--quiet", "--"),
    .tail = WORDS("logs", "--tail", "20"),
    .kinds = (const struct engine_kind[]){{"container", CONTAINERS, WORDS("rm", "-f", "-v", "-t", "0")},
                                          NETWORKS,
                                          VOLUMES,
                                          {NULL, NULL, NULL}},
    .profiles = WORDS("/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"),
};

/* docker's internal networks drop what is led to the sidecar where bridged frames pass through iptables, the
 * usual setting; so this is an ordinary one without masquerading, whose bridge has no address: there is no
 * gateway to reach, and the host's forwarding drops what comes from it. The engine's resolver sits in every
 * namespace of its networks, at 127.0.0.11, and may ask from the host's (CVE-2024-29018). */
const struct engine engine_docker = {
    .runtime = &runtime_docker,
    .program = "docker",
    .version = WORDS("version", "--format", "{{.Server.Version}}"),
    .package = "docker.io",
    .inner = WORDS("--opt=com.docker.network.bridge.enable_ip_masquerade=false",
                   "--opt=com.docker.network.bridge.inhibit_ipv4=true"),
    .link_option = "",
    .egress_link = "eth0",
    .sidecar_link = "eth1",
    .agent_link = "eth0",
    .connects = true,
    .pauses = true,
    .closed = WORDS("127.0.0.11"),
    .own_network = WORDS(NO_IPV6),
    .run_options = WORDS("--log-driver=json-file", "--no-healthcheck"),
    .agent = WORDS("--pull=never"),
    .guard = WORDS(NO_GROWTH),
    .sidecar = WORDS(SIDECAR),
    .sealed = WORDS(SEALED),
    .sealing = WORDS(ENGINE_RIGHTS, SEALED),
    .copy = WORDS("cp", "-"),
    .pull = WORDS("pull", "--quiet", "--"),
    .tail = WORDS("logs", "--tail", "20"),
    .kinds =
        (const struct engine_kind[]){
            {"container", CONTAINERS, WORDS("rm", "-f", "-v")}, NETWORKS, VOLUMES, {NULL, NULL, NULL}},
};

static const struct engine *const engines[] = {&engine_podman, &engine_docker, &engine_apple};

const struct engine *engine_of(const struct state *state)
{
    const char *name = state_get(state, "runtime");

    for (size_t i = 0; name != NULL && i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(engines[i]->runtime->name, name) == 0)
            return engines[i];
    return engines[0];
}

bool engine_seals(const struct engine *engine, const struct bottle_spec *spec)
{
    return engine->sealed == NULL || spec->image.sealer == SEALER_SHIM;
}

const struct engine *engine_by(const struct runtime *runtime)
{
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (engines[i]->runtime == runtime)
            return engines[i];
    return engines[0];
}

bool engine_maps(const struct engine *engine)
{
    return engine->keep_id != NULL && geteuid() != 0;
}

void engine_name(const struct state *state, const char *role, char name[OCI_NAME_MAX])
{
    const char *mark = state_get(state, "mark");

    snprintf(name, OCI_NAME_MAX, "stopper-%s-%s-%s", state->name, mark != NULL ? mark : "none", role);
}

struct words engine_words(const struct engine *engine, const char *const *list)
{
    struct words words = {NULL, 0, false};

    words_add(&words, engine->program);
    words_list(&words, list);
    return words;
}

void engine_image(const struct engine *engine, struct words *words, const char *image)
{
    if (!engine->plain)
        words_add(words, "--");
    words_add(words, image);
}

void engine_labels(const struct state *state, struct words *words)
{
    words_addf(words, "--label=stopper.bottle=%s", state->name);
    words_addf(words, "--label=stopper.state=%s", state->path);
}

int engine_do(struct words *words, int interrupt, struct err *err)
{
    struct run run = {.interrupt = interrupt};
    int result = run_must(words, &run, err);

    words_free(words);
    return result;
}

json_t *engine_inspect(const struct engine *engine, const char *kind, const char *name, bool *missing,
                       struct err *err)
{
    struct words words = {NULL, 0, false};
    struct buf out;

    if (engine->shape == NULL)
        words = ENGINE_WORDS(engine, "inspect", "--type", kind, "--", name);
    else if (strcmp(kind, "container") == 0)
        words = ENGINE_WORDS(engine, "inspect", name);
    else
        words = ENGINE_WORDS(engine, kind, "inspect", name);

    buf_init(&out, INSPECT_MAX);
    struct run run = {.out = &out, .interrupt = -1};
    int status = run_words(&words, &run, err);
    words_free(&words);
    struct str text = buf_str(&out);
    json_t *array = status == 0 ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
    json_t *object = engine->shape == NULL        ? json_incref(json_array_get(array, 0))
                     : json_array_size(array) > 0 ? engine->shape(kind, json_array_get(array, 0))
                                                  : NULL;
    if (missing != NULL) /* an empty list: container before 1.0 */
        *missing = status > 0 || (json_is_array(array) && json_array_size(array) == 0);
    json_decref(array);
    buf_fini(&out);
    if (object == NULL && status >= 0)
        err_set(err, "%s inspect %s: %s", engine->program, name,
                run.said[0] != '\0' ? run.said : "no answer that is understood");
    return object;
}

bool engine_running(const struct state *state, const char *role)
{
    char name[OCI_NAME_MAX];
    struct err ignored;

    engine_name(state, role, name);
    json_t *object = engine_inspect(engine_of(state), "container", name, NULL, &ignored);
    bool running = json_is_true(json_object_get(json_object_get(object, "State"), "Running"));
    json_decref(object);
    return running;
}

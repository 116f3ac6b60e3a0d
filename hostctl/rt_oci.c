/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci: see the header. A bottle is two networks, a volume or two and two or three containers, all with names that
 * hold the bottle's and a random mark, which is in the record before the first of them is made: clean() takes
 * what has such a name, and nothing else, whoever was killed when. Nothing here is ever found by an address
 * or an id that could be somebody else's by now.
 */
#include "hostctl/rt_oci.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cidr.h"
#include "hostctl/random.h"

#define LIST_MAX    (1u << 20)
#define ANSWER_MAX  (1u << 20)
#define TRIES       200 /* of STEP_MS and one exec: until the control socket is there */
#define STEP_MS     25
#define ENDED_TRIES 10
#define PREFIX      "stopper-"
#define LOGS_NS     200000000L

/* Of the one bottle that this process runs: the child that waits for the sidecar's end. */
static pid_t sidecar_watch = -1;

/* ---- the sidecar ---- */

static int mark_choose(struct state *state, struct err *err)
{
    char text[7];

    return random_hex(text, 3, err) == 0 ? state_set(state, "mark", text, err) : -1;
}

static int network_make(const struct state *state, const char *role, const char *const *options,
                        int interrupt, struct err *err)
{
    struct words words = ENGINE_WORDS(engine_of(state), "network", "create");
    char name[OCI_NAME_MAX];

    engine_name(state, role, name);
    words_list(&words, options);
    engine_labels(state, &words);
    words_add(&words, name);
    return engine_do(&words, interrupt, err);
}

static int volume_make(const struct state *state, const char *role, int interrupt, struct err *err)
{
    struct words words = ENGINE_WORDS(engine_of(state), "volume", "create");
    char name[OCI_NAME_MAX];

    engine_name(state, role, name);
    engine_labels(state, &words);
    words_add(&words, name);
    return engine_do(&words, interrupt, err);
}

static void network_option(const struct engine *engine, struct words *words, const char *network,
                           const char *link)
{
    words_addf(words, "--network=%s%s%s", network, engine->link_option, engine->link_option[0] ? link : "");
}

/* An engine without `wait` is told of the sidecar's end by whoever has started it. */
static int sidecar_start(const struct engine *engine, const char *name, int interrupt, struct err *err)
{
    static const int nowhere[3] = {-1, -1, -1};
    struct words words = ENGINE_WORDS(engine, "start");

    if (engine->shims)
        words_add(&words, "--attach");
    words_add(&words, name);
    if (!engine->shims)
        return engine_do(&words, interrupt, err);
    sidecar_watch = run_start(&words, nowhere, err);
    words_free(&words);
    return sidecar_watch < 0 ? -1 : 0;
}
/* The address from which this machine reaches others, or "none". Where an engine's networks are in a namespace of its user's,
 * their gateway is that namespace, and not the machine. Nothing is sent. */
static void own_address(char text[IP_TEXT])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    address.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, which is nowhere (RFC 5737) */
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        inet_ntop(AF_INET, &address.sin_addr, text, IP_TEXT) == NULL)
        snprintf(text, IP_TEXT, "none");
    if (fd >= 0)
        close(fd);
}

/* The shim's volume is empty when the sidecar is made, and so gets what its image has there. */
static int sidecar_create(const struct bottle_spec *spec, const struct state *state, struct err *err)
{
    static const char *const rights[] = {"--cap-drop=ALL",
                                         "--cap-add=NET_ADMIN",
                                         "--cap-add=SETUID",
                                         "--cap-add=SETGID",
                                         "--cap-add=SETPCAP",
                                         "--cap-add=SYS_CHROOT",
                                         "--cap-add=KILL",
                                         "--read-only",
                                         "--user=0:0",
                                         "--entrypoint=" OCI_INIT,
                                         NULL};
    const struct engine *engine = engine_of(state);
    struct words words = ENGINE_WORDS(engine, "create", "--name");
    char name[OCI_NAME_MAX], inner[OCI_NAME_MAX], egress[OCI_NAME_MAX], shim[OCI_NAME_MAX],
        store[OCI_NAME_MAX];

    engine_name(state, "sidecar", name);
    engine_name(state, "inner", inner);
    engine_name(state, "egress", egress);
    engine_name(state, "shim", shim);
    engine_name(state, "gate", store);
    words_add(&words, name);
    engine_labels(state, &words);
    words_list(&words, rights);
    words_list(&words, engine->guard);
    words_list(&words, engine->sidecar);
    words_list(&words, engine->run_options);
    words_list(&words, engine->own_network);
    if (!engine->shims)
        words_addf(&words, "--volume=%s:" OCI_SHIM ":ro", shim);
    if (spec->repos)
        words_addf(&words, "--volume=%s:" OCI_STORE, store);
    network_option(engine, &words, egress, engine->egress_link);
    if (!engine->connects)
        network_option(engine, &words, inner, engine->sidecar_link);
    engine_image(engine, &words, spec->image.sidecar);
    words_list(&words,
               (const char *const[]){"--egress", engine->egress_link, "--agent", engine->sidecar_link, NULL});
    if (engine_maps(engine)) {
        char host[IP_TEXT];
        own_address(host);
        words_addf(&words, "--host=%s", host);
    }
    if (engine_do(&words, spec->interrupt, err) != 0)
        return -1;
    if (engine->connects) {
        words = ENGINE_WORDS(engine, "network", "connect", inner, name);
        if (engine_do(&words, spec->interrupt, err) != 0)
            return -1;
    }
    return sidecar_start(engine, name, spec->interrupt, err);
}

/* Why it ended, in its own words: the last line that it wrote beside the audit stream. */
static int sidecar_ended(const struct state *state, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = engine_words(engine, engine->tail);
    struct run run = {.interrupt = -1};
    char name[OCI_NAME_MAX];
    struct err ignored;
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    if (engine->shims) /* its log is one for both streams */
        run.out = &out;
    engine_name(state, "sidecar", name);
    words_add(&words, name);
    if (run_words(&words, &run, &ignored) == 0 && engine->shims)
        run_last_words(buf_str(&out), run.said);
    words_free(&words);
    buf_fini(&out);
    return err_set(err, "the sidecar ended%s%s", run.said[0] != '\0' ? ": " : "", run.said);
}

int oci_control(const struct state *state, const char *verb, const char *name, struct str in, struct buf *out,
                struct err *err)
{
    struct words words = ENGINE_WORDS(engine_of(state), "exec", "-i");
    struct run run = {.in = in, .out = out, .interrupt = -1};
    char sidecar[OCI_NAME_MAX];

    engine_name(state, "sidecar", sidecar);
    words_list(&words, (const char *const[]){sidecar, OCI_INIT, "ctl", verb, name, NULL});
    int status = run_words(&words, &run, err);
    words_free(&words);
    if (status < 0 || (status <= 1 && buf_str(out).len > 0))
        return status;
    return err_set(err, "%s", run.said[0] != '\0' ? run.said : "no answer");
}

/* Whoever has started the sidecar comes back with it; before that it may not run yet. */
static bool watch_ended(void)
{
    siginfo_t ended = {.si_pid = 0};

    return waitid(P_PID, (id_t)sidecar_watch, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0;
}

static int sidecar_wait(const struct bottle_spec *spec, const struct state *state, struct err *err)
{
    for (int i = 0; i < TRIES; i++) {
        struct pollfd interrupt = {.fd = spec->interrupt, .events = POLLIN};
        struct buf out;
        buf_init(&out, ANSWER_MAX);
        int status = oci_control(state, "hello", NULL, str_of(NULL), &out, err);
        buf_fini(&out);
        if (status == 0)
            return 0;
        if (sidecar_watch > 0 ? watch_ended() : !engine_running(state, "sidecar"))
            return sidecar_ended(state, err);
        if (poll(&interrupt, 1, STEP_MS) > 0)
            return err_set(err, "interrupted");
    }
    return err_prefix(err, "the sidecar does not come up");
}

/* Everything that is run from here on belongs to this bottle. */
static void guard(const struct state *state)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/" STATE_GUARD, state->path) < sizeof path)
        run_guard(path);
}

/* Where a container is on two networks docker takes the default route of the one whose name sorts first:
 * "egress". */
int oci_sidecar(const struct bottle_spec *spec, struct state *state, struct err *err)
{
    const struct engine *engine = engine_of(state);

    if (spec->image.detach && engine->runtime->attach == NULL)
        return err_set(err, "--detach: %s cannot attach to a command that runs", engine->program);
    if (spec->user_namespaces && engine->profiles == NULL && !engine->shims)
        return err_set(err, "--allow-userns: %s refuses user namespaces itself", engine->program);
    if (spec->image.sealer == SEALER_HELPER && engine_seals(engine, spec))
        return err_set(err, "--route=helper: with %s no other container can act in the agent's network",
                       engine->program);
    if (spec->image.sealer == SEALER_SHIM && engine_maps(engine))
        return err_set(err,
                       "--route=shim: without root %s gives the agent's container no power over its network",
                       engine->program);
    guard(state);
    return mark_choose(state, err) != 0 ||
                   network_make(state, "inner", engine->inner, spec->interrupt, err) != 0 ||
                   network_make(state, "egress", engine->egress, spec->interrupt, err) != 0 ||
                   (!engine->shims && volume_make(state, "shim", spec->interrupt, err) != 0) ||
                   (spec->repos && volume_make(state, "gate", spec->interrupt, err) != 0) ||
                   sidecar_create(spec, state, err) != 0
               ? -1
               : sidecar_wait(spec, state, err);
}

int oci_watch(const struct state *state, struct session *session, struct err *err)
{
    static const int nowhere[3] = {-1, -1, -1};
    struct words words = ENGINE_WORDS(engine_of(state), "wait");
    char name[OCI_NAME_MAX];

    engine_name(state, "sidecar", name);
    words_add(&words, name);
    if (sidecar_watch < 0)
        sidecar_watch = run_start(&words, nowhere, err);
    words_free(&words);
    if (sidecar_watch < 0)
        return -1;
    session->watched[session->watched_count].pid = sidecar_watch;
    session->watched[session->watched_count++].what = "the sidecar";
    return 0;
}

/* ---- all that there is, by name ---- */

/* The names of a kind, a line each, in `out`. */
static int kind_list(const struct engine *engine, const struct engine_kind *kind, struct buf *out,
                     struct err *err)
{
    struct words words = engine_words(engine, kind->list);
    struct run run = {.out = out, .interrupt = -1};
    int status = run_must(&words, &run, err);

    words_free(&words);
    return status;
}

/* The next line that begins with the prefix, cut out of `rest`. */
static bool name_next(struct str *rest, const char *prefix, char name[OCI_NAME_MAX])
{
    size_t len = strlen(prefix);

    while (rest->len > 0) {
        const char *end = memchr(rest->ptr, '\n', rest->len);
        struct str line = {rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len};
        size_t used = end != NULL ? line.len + 1 : line.len;
        rest->ptr += used;
        rest->len -= used;
        if (line.len >= len && line.len < OCI_NAME_MAX && memcmp(line.ptr, prefix, len) == 0) {
            memcpy(name, line.ptr, line.len);
            name[line.len] = '\0';
            return true;
        }
    }
    return false;
}

/* Removes all of a kind whose names begin so. Returns how many, or -1 with err. */
static int kind_remove(const struct engine *engine, const struct engine_kind *kind, const char *prefix,
                       struct err *err)
{
    struct words words = engine_words(engine, kind->remove);
    struct buf out;
    char name[OCI_NAME_MAX];
    int count = 0;

    buf_init(&out, LIST_MAX);
    int status = kind_list(engine, kind, &out, err);
    for (struct str rest = buf_str(&out); status == 0 && name_next(&rest, prefix, name); count++)
        words_add(&words, name);
    buf_fini(&out);
    if (status == 0 && count > 0)
        return engine_do(&words, -1, err) == 0 ? count : -1;
    words_free(&words);
    return status == 0 ? 0 : -1;
}

static int remove_all(const struct engine *engine, const char *prefix, struct err *err)
{
    int removed = 0, result = 0;

    for (const struct engine_kind *kind = engine->kinds; kind->type != NULL; kind++) {
        int count = kind_remove(engine, kind, prefix, err);
        result = count < 0 ? -1 : result;
        removed += count > 0 ? count : 0;
    }
    return result == 0 ? removed : -1;
}

static void watch_end(void)
{
    if (sidecar_watch <= 0)
        return;
    kill(sidecar_watch, SIGKILL);
    while (waitpid(sidecar_watch, NULL, 0) < 0 && errno == EINTR)
        ;
    sidecar_watch = -1;
}

/* It takes three seconds at most to end its workers and to write its last line (init/supervise.c,
 * init/main.c). */
void oci_settle(const struct state *state)
{
    struct words words = ENGINE_WORDS(engine_of(state), "stop", "-t", "4");
    char name[OCI_NAME_MAX];
    struct err ignored;

    guard(state);
    engine_name(state, "sidecar", name);
    words_add(&words, name);
    if (state_get(state, "mark") == NULL)
        words_free(&words);
    else
        engine_do(&words, -1, &ignored);
}

/* By role: the agent's container keeps its volume, the shim's, and its network. */
int oci_keep(struct state *state, char name[100], struct err *err)
{
    static const char *const roles[] = {"sidecar", "route", "pause"};
    const struct engine *engine = engine_of(state);
    char thing[OCI_NAME_MAX];
    int result = 0;

    guard(state);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        engine_name(state, roles[i], thing);
        result = kind_remove(engine, &engine->kinds[0], thing, err) < 0 ? -1 : result;
    }
    engine_name(state, "egress", thing);
    result = kind_remove(engine, &engine->kinds[1], thing, err) < 0 ? -1 : result;
    engine_name(state, "gate", thing);
    result = kind_remove(engine, &engine->kinds[2], thing, err) < 0 ? -1 : result;
    watch_end();
    engine_name(state, "agent", thing);
    snprintf(name, 100, "%s", thing);
    return result;
}

int oci_clean(struct state *state, struct err *err)
{
    char prefix[OCI_NAME_MAX];
    int result = 0;

    guard(state);
    if (state_get(state, "mark") != NULL) {
        engine_name(state, "", prefix);
        result = remove_all(engine_of(state), prefix, err) < 0 ? -1 : 0;
    }
    watch_end();
    return result;
}

bool oci_alive(const struct state *state)
{
    return state_get(state, "mark") != NULL && engine_running(state, "sidecar") &&
           engine_running(state, "agent");
}

/* The client may be back a moment before the engine knows of the end. */
int oci_ended(const struct state *state)
{
    char name[OCI_NAME_MAX];
    struct err ignored;
    int status = -1;

    engine_name(state, "agent", name);
    for (int i = 0; i < ENDED_TRIES && status == -1; i++) {
        json_t *agent = engine_inspect(engine_of(state), "container", name, NULL, &ignored);
        const json_t *found = json_object_get(agent, "State");
        if (!json_is_true(json_object_get(found, "Running")))
            status = (int)json_integer_value(json_object_get(found, "ExitCode")) & 255;
        else
            nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
        json_decref(agent);
    }
    return status;
}

/* ---- things of nobody ---- */

/* The folder of the bottle that a thing belongs to; "" when its labels do not tell. */
static void owner_of(const struct engine *engine, const struct engine_kind *kind, const char *name,
                     char owner[PATH_MAX])
{
    struct err ignored;
    json_t *thing = engine_inspect(engine, kind->type, name, NULL, &ignored);
    const json_t *labels = json_object_get(json_object_get(thing, "Config"), "Labels");

    if (labels == NULL)
        labels = json_object_get(thing, "Labels");
    if (labels == NULL)
        labels = json_object_get(thing, "labels");
    const char *path = json_string_value(json_object_get(labels, "stopper.state"));
    snprintf(owner, PATH_MAX, "%s", path != NULL ? path : "");
    json_decref(thing);
}

/* Whether its state folder is there, this user's or another's: then it is for that folder's down or gc. */
static bool has_owner(const struct engine *engine, const struct engine_kind *kind, const char *name)
{
    char owner[PATH_MAX];

    owner_of(engine, kind, name, owner);
    return owner[0] == '\0' || access(owner, F_OK) == 0;
}

int oci_gc(const struct engine *engine, struct err *err)
{
    char name[OCI_NAME_MAX];
    int removed = 0;

    for (const struct engine_kind *kind = engine->kinds; kind->type != NULL; kind++) {
        struct buf out;
        buf_init(&out, LIST_MAX);
        int status = kind_list(engine, kind, &out, err);
        for (struct str rest = buf_str(&out); status == 0 && name_next(&rest, PREFIX, name);)
            if (!has_owner(engine, kind, name)) {
                int count = kind_remove(engine, kind, name, err);
                status = count < 0 ? -1 : 0;
                removed += count > 0 ? count : 0;
            }
        buf_fini(&out);
        if (status != 0)
            return -1;
    }
    return removed;
}

static int podman_gc(struct err *err)
{
    return runtime_detect(&runtime_podman, err) == 0 ? oci_gc(&engine_podman, err) : 0;
}

static int docker_gc(struct err *err)
{
    return runtime_detect(&runtime_docker, err) == 0 ? oci_gc(&engine_docker, err) : 0;
}

/* ---- the audit stream ---- */

int oci_logs(const struct state *state, bool follow, struct err *err)
{
    struct words words = ENGINE_WORDS(engine_of(state), "logs");
    const int fds[3] = {-1, STDOUT_FILENO, -1};
    char name[OCI_NAME_MAX];
    int status;

    engine_name(state, "sidecar", name);
    if (follow)
        words_add(&words, "--follow");
    words_add(&words, name);
    pid_t pid = run_start(&words, fds, err);
    words_free(&words);
    if (pid < 0)
        return -1;
    /* podman's follower may miss the end of a container that is removed at once. */
    bool gone = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (gone)
            kill(pid, SIGKILL);
        gone = access(state->path, F_OK) != 0; /* a round later: what came before the end is shown */
        nanosleep(&(struct timespec){.tv_nsec = LOGS_NS}, NULL);
    }
    return status == 0 || follow ? 0 : err_set(err, "the sidecar's log cannot be read");
}

const struct runtime runtime_podman = {.name = "podman",
                                       .needs = podman_needs,
                                       .gc = podman_gc,
                                       .attach = oci_attach,
                                       .ended = oci_ended,
                                       OCI_FUNCTIONS};
const struct runtime runtime_docker = {.name = "docker",
                                       .needs = docker_needs,
                                       .gc = docker_gc,
                                       .attach = oci_attach,
                                       .ended = oci_ended,
                                       OCI_FUNCTIONS};

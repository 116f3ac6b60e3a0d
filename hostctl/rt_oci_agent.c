/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_agent: the agent's container, from its image to a command that somebody is connected to. It is made
 * without a single capability and waits, with the shim as its PID 1, until its network is sealed by a second
 * container that lives for that one step, and until the shim has been told its configuration and has looked
 * at all of it. Nothing of the image may run before; and nothing may be told by argument or variable that
 * others should not read, since engines show both to whoever asks.
 */
#include "hostctl/rt_oci.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/secret.h"
#include "hostctl/random.h"
#include "hostctl/rt_apple.h"
#include "hostctl/rt_oci_image.h"
#include "hostctl/rt_oci_seal.h"
#include "hostctl/rt_oci_tell.h"
#include "hostctl/terminal.h"

#define ANSWER_MAX 4096
#define TRIES      200 /* of STEP_MS and one exec: until PID 1 is there */
#define STEP_MS    25

/* ---- files of the bottle that the container sees ---- */

static int file_write(const struct state *state, const char *name, const char *text, struct err *err)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/%s", state->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool written = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0 && close(fd) == 0 && written)
        return 0;
    return err_set_errno(err, "%s", path);
}

static int files_write(const struct state *state, const char *gateway, struct err *err)
{
    char text[256];

    snprintf(text, sizeof text, "nameserver %s\n", gateway);
    if (file_write(state, "resolv.conf", text, err) != 0)
        return -1;
    snprintf(text, sizeof text, "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t%s\n", state->name);
    return file_write(state, "hosts", text, err);
}

/* ---- what it is told ---- */

/* Whether the shim could be asked; then its answer is judged. */
static int answer_judge(struct str answer, struct err *err)
{
    json_t *object = json_loadb(answer.ptr, answer.len, JSON_REJECT_DUPLICATES, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));
    bool good = json_is_true(json_object_get(object, "ok"));

    if (!good)
        err_set(err, "the shim: %s", error != NULL ? error : "no answer that is understood");
    json_decref(object);
    return good ? 0 : -1;
}

/* Brings the line to PID 1, once it is there. `child`: whoever is attached; when that ends, so has PID 1. */
static int configure(const struct state *state, struct str line, pid_t child, int interrupt, struct err *err)
{
    char name[OCI_NAME_MAX];

    engine_name(state, "agent", name);
    for (int i = 0; i < TRIES; i++) {
        struct words words =
            ENGINE_WORDS(engine_of(state), "exec", "-i", name, OCI_SHIM_PROGRAM, "configure");
        struct pollfd wait = {.fd = interrupt, .events = POLLIN};
        siginfo_t ended = {.si_pid = 0};
        struct buf out;
        buf_init(&out, ANSWER_MAX);
        struct run run = {.in = line, .out = &out, .interrupt = interrupt};
        int status = run_words(&words, &run, err);
        bool answered = status >= 0 && buf_str(&out).len > 0;
        if (answered)
            status = answer_judge(buf_str(&out), err);
        words_free(&words);
        buf_fini(&out);
        if (answered || status < 0)
            return status;
        err_set(err, "the agent's PID 1 does not answer: %s", run.said);
        if (child > 0 &&
            (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0))
            return -1;
        if (poll(&wait, 1, STEP_MS) > 0)
            return err_set(err, "interrupted");
    }
    return -1;
}

/* ---- the container ---- */

static void mounts_add(const struct bottle_spec *spec, struct words *words)
{
    for (size_t i = 0; i < spec->mount_count; i++)
        words_addf(words, "--volume=%s:%s%s", spec->mounts[i].host, spec->mounts[i].agent,
                   spec->mounts[i].read_only ? ":ro" : "");
}

/* Engines take paths only: whoever could change one between the check and here is found out, and then the
 * container is not started. */
static int mounts_same(const struct bottle_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        struct stat checked, now;
        if (fstat(spec->mounts[i].fd, &checked) != 0 || lstat(spec->mounts[i].host, &now) != 0 ||
            checked.st_dev != now.st_dev || checked.st_ino != now.st_ino)
            return err_set(err, "--mount %s: it was replaced meanwhile", spec->mounts[i].host);
    }
    return 0;
}

static void command_add(const struct command_spec *command, const struct image *image, struct words *words)
{
    const json_t *own = command->unnamed ? image->command : NULL;
    bool has_own = json_array_size(image->entrypoint) + json_array_size(own) > 0;

    for (size_t i = 0; i < json_array_size(image->entrypoint); i++)
        words_add(words, json_string_value(json_array_get(image->entrypoint, i)));
    for (size_t i = 0; i < json_array_size(own); i++)
        words_add(words, json_string_value(json_array_get(own, i)));
    if (!command->unnamed || !has_own)
        words_list(words, (const char *const *)command->argv);
}

/* Where numbers are mapped, the caller's own is that of the agent: an image's user that is a number gets it,
 * else the same number as outside. */
static void mapping_add(const struct engine *engine, const struct image *image, struct words *words)
{
    static const char digits[] = "0123456789";
    size_t uid = strspn(image->user, digits);
    const char *group = image->user[uid] == ':' ? image->user + uid + 1 : "";
    size_t gid = strspn(group, digits);

    if (image_is_roots(image) || uid == 0 || (image->user[uid] != '\0' && image->user[uid] != ':'))
        words_add(words, engine->keep_id);
    else if (gid > 0 && group[gid] == '\0')
        words_addf(words, "%s:uid=%.*s,gid=%s", engine->keep_id, (int)uid, image->user, group);
    else
        words_addf(words, "%s:uid=%.*s", engine->keep_id, (int)uid, image->user);
}

static int user_add(const struct engine *engine, const struct bottle_spec *spec,
                    const struct command_spec *command, const struct image *image, struct words *words,
                    struct err *err)
{
    if (engine_maps(engine))
        mapping_add(engine, image, words);
    if (engine_seals(engine, spec)) /* and then the shim becomes that user */
        words_add(words, "--user=0:0");
    else if (!image_is_roots(image))
        words_addf(words, "--user=%s", image->user);
    else if (command->uid != 0)
        words_addf(words, "--user=%u:%u", (unsigned)command->uid, (unsigned)command->gid);
    else
        return err_set(err, "an agent that would be root");
    return 0;
}

/* An engine that cannot keep a limit may only warn of it. */
static int limits_kept(const struct bottle_spec *spec, const struct state *state, struct err *err)
{
    char name[OCI_NAME_MAX];

    if (spec->image.memory == NULL && spec->image.cpus == NULL)
        return 0;
    engine_name(state, "agent", name);
    json_t *agent = engine_inspect(engine_of(state), "container", name, NULL, err);
    const json_t *limits = json_object_get(agent, "HostConfig");
    bool memory = json_integer_value(json_object_get(limits, "Memory")) > 0;
    bool cpus = json_integer_value(json_object_get(limits, "NanoCpus")) > 0 ||
                json_integer_value(json_object_get(limits, "CpuQuota")) > 0;
    bool kept = (spec->image.memory == NULL || memory) && (spec->image.cpus == NULL || cpus);
    if (agent != NULL && !kept)
        err_set(err, "--memory, --cpus: %s cannot keep limits here", engine_of(state)->program);
    json_decref(agent);
    return kept ? 0 : -1;
}

/* A home for whom the image does not know; nothing of it outlives the bottle unless it is a volume. */
static void home_add(const struct engine *engine, const struct bottle_spec *spec, const struct image *image,
                     struct words *words)
{
    const char *home = tell_home(spec, image);

    if (spec->image.home != NULL)
        words_addf(words, "--volume=%s:%s", spec->image.home, home);
    else if (image_is_roots(image))
        words_add(words, engine->shims ? "--tmpfs=" TELL_HOME
                                       : "--tmpfs=" TELL_HOME ":rw,exec,nosuid,nodev,mode=0777");
}

static int profile_add(const struct bottle_spec *spec, const struct state *state, struct words *words,
                       struct err *err)
{
    char path[PATH_MAX + 32];

    if (spec->user_namespaces)
        return 0;
    snprintf(path, sizeof path, "%s/seccomp.json", state->path);
    int written = profile_write(engine_of(state), path, err);
    if (written > 0)
        words_addf(words, "--security-opt=seccomp=%s", path);
    return written < 0 ? -1 : 0;
}

/* The shim, and how names are resolved. */
static void places_add(const struct engine *engine, const struct bottle_spec *spec, const struct state *state,
                       const char *gateway, struct words *words)
{
    char name[OCI_NAME_MAX];

    if (engine->shims) {
        apple_places(state, gateway, words);
        return;
    }
    if (!engine->pauses || engine_seals(engine, spec)) {
        words_list(words, engine->own_network);
        words_addf(words, "--hostname=%s", state->name);
    }
    if (engine->pauses && engine_seals(engine, spec))
        words_addf(words, "--dns=%s", gateway); /* as in seal_paused */
    engine_name(state, "shim", name);
    words_addf(words, "--volume=%s:" OCI_SHIM ":ro", name);
    words_addf(words, "--volume=%s/resolv.conf:/etc/resolv.conf:ro", state->path);
    words_addf(words, "--volume=%s/hosts:/etc/hosts:ro", state->path);
}

static int agent_create(const struct bottle_spec *spec, const struct command_spec *command,
                        const struct image *image, const struct state *state, const char *network,
                        const char *gateway, struct err *err)
{
    static const char *const all[] = {"--cap-drop=ALL", "--interactive", "--entrypoint=" OCI_SHIM_PROGRAM,
                                      NULL};
    const struct engine *engine = engine_of(state);
    struct words words = ENGINE_WORDS(engine, "create", "--name");
    char name[OCI_NAME_MAX];

    engine_name(state, "agent", name);
    words_add(&words, name);
    engine_labels(state, &words);
    words_list(&words, all);
    words_list(&words, engine->guard);
    words_list(&words, engine_seals(engine, spec) ? engine->sealing : engine->sealed);
    words_list(&words, engine->run_options);
    words_list(&words, engine->agent);
    words_addf(&words, "--network=%s", network);
    places_add(engine, spec, state, gateway, &words);
    if (command->terminal)
        words_add(&words, "--tty");
    if (spec->image.memory != NULL)
        words_addf(&words, "--memory=%s", spec->image.memory);
    if (spec->image.cpus != NULL)
        words_addf(&words, "--cpus=%s", spec->image.cpus);
    home_add(engine, spec, image, &words);
    mounts_add(spec, &words);
    if (user_add(engine, spec, command, image, &words, err) != 0 ||
        profile_add(spec, state, &words, err) != 0) {
        words_free(&words);
        return -1;
    }
    engine_image(engine, &words, spec->image.agent);
    words_list(&words, (const char *const[]){"contained", "--", NULL});
    command_add(command, image, &words);
    if (engine_do(&words, spec->interrupt, err) != 0 || limits_kept(spec, state, err) != 0 ||
        (!engine_seals(engine, spec) && seal_trust(spec, state, tell_home(spec, image), err) != 0))
        return -1;
    return mounts_same(spec, err);
}

/* ---- sessions ---- */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A terminal between hostctl and the engine's program, which makes the one in the container follow it. */
static int terminal_make(const struct command_spec *command, struct session *session, char path[128],
                         struct err *err)
{
    session->pty = posix_openpt(O_RDWR | O_NOCTTY);
    const char *name = session->pty >= 0 && fcntl(session->pty, F_SETFD, FD_CLOEXEC) == 0 &&
                               grantpt(session->pty) == 0 && unlockpt(session->pty) == 0
                           ? ptsname(session->pty)
                           : NULL;
    if (name == NULL || snprintf(path, 128, "%s", name) >= 128)
        return err_set_errno(err, "terminal");
    if (command->rows > 0 && command->columns > 0)
        terminal_set_size(session->pty, command->rows, command->columns);
    return 0;
}

static int pipes_make(struct session *session, int fds[3], struct err *err)
{
    int ends[2], *const ours[] = {&session->in, &session->out, &session->err};

    for (int i = 0; i < 3; i++) {
        if (pipe(ends) != 0)
            return err_set_errno(err, "pipe");
        *ours[i] = ends[i == 0];
        fds[i] = ends[i != 0];
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}

/* Runs the words with a terminal or pipes as the session's child. Frees both. */
static int session_start(const struct command_spec *command, struct words *words, struct words *passer,
                         struct session *session, struct err *err)
{
    int fds[3] = {-1, -1, -1};
    char terminal[128];

    session_init(session);
    int result =
        command->terminal ? terminal_make(command, session, terminal, err) : pipes_make(session, fds, err);
    if (result == 0) {
        pid_t child = run_attended(words, passer, fds, command->terminal ? terminal : NULL, err);
        session->child = child > 0 ? child : 0;
        result = child > 0 ? 0 : -1;
    }
    for (int i = 0; i < 3; i++)
        shut(&fds[i]);
    words_free(words);
    words_free(passer);
    if (result != 0)
        session_close(session);
    return result;
}

static int connect_to(const struct command_spec *command, const struct state *state, const char *const *how,
                      struct session *session, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = engine_words(engine, how), passer = ENGINE_WORDS(engine, "kill", "--signal");
    char name[OCI_NAME_MAX];

    engine_name(state, "agent", name);
    words_add(&words, name);
    words_list(&passer, (const char *const[]){RUN_NUMBER, name, NULL});
    return session_start(command, &words, &passer, session, err);
}

/* Where the engine could not start the agent, its client has said why to whom it has attached. */
static void client_said(const struct session *session, struct err *err)
{
    int fd = session->pty >= 0 ? session->pty : session->err;
    char text[4096], line[RUN_SAID];

    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return;
    ssize_t len = read(fd, text, sizeof text);
    run_last_words((struct str){text, len > 0 ? (size_t)len : 0}, line);
    if (line[0] != '\0')
        err_set(err, "%s", line);
}

/* In two steps: the container with nobody's command running, then the command. */
static int agent_make(const struct bottle_spec *spec, const struct command_spec *command,
                      const struct image *image, const struct state *state, const char *gateway,
                      struct err *err)
{
    const struct engine *engine = engine_of(state);
    char network[OCI_NAME_MAX], option[SEAL_NETWORK_MAX];

    engine_name(state, "inner", network);
    if ((engine->shims ? apple_shim_fetch(spec, state, err) : files_write(state, gateway, err)) != 0)
        return -1;
    if (spec->image.home != NULL && image_is_roots(image) && !engine_maps(engine) &&
        seal_home(spec, command, state, err) != 0)
        return -1;
    bool seals = engine_seals(engine, spec);
    if (engine->pauses && !seals)
        return seal_paused(spec, state, network, gateway, option, err) != 0
                   ? -1
                   : agent_create(spec, command, image, state, option, gateway, err);
    snprintf(option, sizeof option, "%s%s%s", network, engine->link_option,
             engine->link_option[0] ? engine->agent_link : "");
    if (agent_create(spec, command, image, state, option, gateway, err) != 0)
        return -1;
    return seals ? 0 : seal_own(spec, state, gateway, err);
}

static int agent_run(const struct bottle_spec *spec, const struct command_spec *command,
                     const struct image *image, const struct state *state, const char *gateway,
                     struct session *session, struct err *err)
{
    const struct engine *engine = engine_of(state);
    char name[OCI_NAME_MAX];
    size_t len = 0;
    char *text = tell_first(engine, spec, command, image, gateway, &len);
    int result = text != NULL
                     ? 0
                     : err_set(err, "the command's environment or folder, or a mount's place, is not UTF-8");

    engine_name(state, "agent", name);
    if (result == 0 && spec->image.detach) {
        struct words words = ENGINE_WORDS(engine, "start", name);
        result = engine_do(&words, spec->interrupt, err);
    } else if (result == 0) { /* attached before it starts, so that nothing is lost */
        result = connect_to(command, state, (const char *const[]){"start", "--attach", "--interactive", NULL},
                            session, err);
    }
    if (result == 0)
        result = configure(state, (struct str){text, len}, session->child, spec->interrupt, err);
    if (text != NULL)
        secret_wipe(text, len); /* the values may be secrets */
    secret_json_free(text);
    if (result != 0) {
        client_said(session, err);
        session_close(session);
    }
    return result;
}

int oci_agent(const struct bottle_spec *spec, const struct command_spec *command, struct state *state,
              struct session *session, struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct bottle_spec own = *spec; /* images by what they hold: several containers are made of each */
    char gateway[SEAL_ADDRESS_MAX];
    struct image image = {.inspected = NULL};
    json_t *sidecar = NULL;

    session_init(session);
    int result = state_set(state, "terminal", command->terminal ? "yes" : "no", err);
    if (result == 0 && (sidecar = seal_sidecar(state, gateway, err)) == NULL)
        result = -1;
    if (result == 0)
        result = image_open(engine, spec->image.agent, spec->interrupt, &image, err);
    if (result == 0) {
        own.image.agent = image.id;
        own.image.sidecar = image_id(engine, json_object_get(sidecar, "Image"), spec->image.sidecar);
        result = own.image.sidecar != NULL
                     ? agent_make(&own, command, &image, state, gateway, err)
                     : err_set(err, "%s does not say which image the sidecar has", engine->program);
    }
    if (result == 0)
        result = agent_run(&own, command, &image, state, gateway, session, err);
    image_fini(&image);
    json_decref(sidecar);
    return result == 0 && !spec->image.detach ? oci_watch(state, session, err) : result;
}

int oci_attach(const struct command_spec *command, struct state *state, struct session *session,
               struct err *err)
{
    bool terminal =
        strcmp(state_get(state, "terminal") != NULL ? state_get(state, "terminal") : "", "yes") == 0;
    struct command_spec same = *command;

    session_init(session);
    if (terminal && !command->terminal)
        return err_set(err, "the command has a terminal: attach from one");
    same.terminal = terminal;
    if (connect_to(&same, state, (const char *const[]){"attach", "--sig-proxy=false", NULL}, session, err) !=
        0)
        return -1;
    if (oci_watch(state, session, err) == 0)
        return 0;
    session_close(session);
    return -1;
}

/* ---- later commands ---- */

int oci_exec(const struct command_spec *command, const struct state *state, struct session *session,
             struct err *err)
{
    const struct engine *engine = engine_of(state);
    struct words words = ENGINE_WORDS(engine, "exec", "--interactive"), passer = ENGINE_WORDS(engine, "exec");
    char agent[OCI_NAME_MAX], name[20], *over = tell_later(command);

    if (over == NULL || random_hex(name, 8, err) != 0) {
        if (over == NULL)
            err_set(err, "the command's folder is not UTF-8");
        free(over);
        words_free(&words);
        words_free(&passer);
        return -1;
    }
    engine_name(state, "agent", agent);
    if (command->terminal)
        words_add(&words, "--tty");
    words_list(&words, (const char *const[]){agent, OCI_SHIM_PROGRAM, "exec", "--over", over, "--as", name,
                                             "--", NULL});
    words_list(&words, (const char *const *)command->argv);
    words_list(&passer, (const char *const[]){agent, OCI_SHIM_PROGRAM, "signal", name, RUN_NUMBER, NULL});
    free(over);
    return session_start(command, &words, &passer, session, err);
}

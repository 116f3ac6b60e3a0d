/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_apple: see the header. What differs from other engines: every container is a virtual machine, so that
 * nothing but its own PID 1 can seal its network; only the first network of a container gives a route and a
 * resolver; there is no wait, no exit status afterwards and no second attach; and what `inspect` says has one
 * shape from 1.0 on and another before.
 */
#include "hostctl/rt_apple.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hostctl/rt_oci.h"
#include "hostctl/trial.h"

#define RELEASES    "https://github.com/apple/container/releases"
#define OLDEST      12 /* 0.12: the first that gives and takes capabilities */
#define VERSION_MAX 4096
#define SHIM_MAX    (32u << 20)

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- whether it is there ---- */

/* "container CLI version 1.0.0 (build: release, commit: …)" */
static bool is_older(struct str said)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)said.len, said.ptr);
    const char *at = strstr(text, "version ");
    if (at == NULL)
        return false; /* a build of somebody's own: it will say what it does not know */
    char *rest;
    unsigned long major = strtoul(at + sizeof "version " - 1, &rest, 10);
    return *rest == '.' && isdigit((unsigned char)rest[1]) && major == 0 &&
           strtoul(rest + 1, NULL, 10) < OLDEST;
}

static int look_program(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    struct words words = ENGINE_WORDS(&engine_apple, "--version");
    struct buf out;

    (void)runtime, (void)sidecar_image;
    buf_init(&out, VERSION_MAX);
    struct run run = {.out = &out, .interrupt = -1};
    int status = run_words(&words, &run, said);
    words_free(&words);
    if (status < 0 && errno == ENOENT)
        err_set(said, "container is not on PATH");
    else if (status >= 0 && is_older(buf_str(&out)))
        status =
            err_set(said, "container is older than 0.%d, the first that takes capabilities away", OLDEST);
    else if (status >= 0)
        err_set(said, "container is on PATH");
    buf_fini(&out);
    return status < 0 ? -1 : 0;
}

static int look_service(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    struct words words = ENGINE_WORDS(&engine_apple, "system", "status");
    struct run run = {.interrupt = -1};
    int status = run_words(&words, &run, said);

    (void)runtime, (void)sidecar_image;
    words_free(&words);
    if (status > 0)
        err_set(said, "container's service does not run");
    else if (status == 0)
        err_set(said, "it runs");
    return status == 0 ? 0 : -1;
}

static const struct need needs[] = {
    {"program", "its releases are at " RELEASES, true, look_program},
    {"service", "start it with \"container system start\"", true, look_service},
    {"image", "load it: container image load --input build/image/ARCH/stopper-sidecar.oci.tar", false,
     oci_look_image},
    {"wall", TRIAL_REMEDY "; of its virtual machines: container system kernel set --recommended", false,
     oci_look_wall},
    {NULL, NULL, false, NULL},
};

static int apple_gc(struct err *err)
{
    return runtime_detect(&runtime_apple, err) == 0 ? oci_gc(&engine_apple, err) : 0;
}

/* ---- what inspect says ---- */

/* "192.168.65.3/24" without its end. */
static json_t *address_of(const json_t *attachment)
{
    const char *text = json_string_value(json_object_get(attachment, "ipv4Address"));

    if (text == NULL) /* older ones */
        text = json_string_value(json_object_get(attachment, "address"));
    return text != NULL ? json_stringn(text, strcspn(text, "/")) : NULL;
}

/* From 1.0 on "status" is an object that holds the state and the networks. */
static json_t *container_shape(const json_t *said)
{
    const json_t *status = json_object_get(said, "status"),
                 *configuration = json_object_get(said, "configuration");
    const json_t *now = json_is_object(status) ? status : said;
    const char *state = json_string_value(json_is_object(status) ? json_object_get(status, "state") : status);
    json_t *networks = json_object(), *labels = json_object_get(configuration, "labels");
    size_t i;
    json_t *attachment;

    if (state == NULL || !json_is_object(configuration)) {
        json_decref(networks);
        return NULL;
    }
    json_array_foreach(json_object_get(now, "networks"), i, attachment) {
        const char *name = json_string_value(json_object_get(attachment, "network"));
        json_t *address = address_of(attachment);
        if (name != NULL && address != NULL)
            json_object_set_new(networks, name, json_pack("{s:o}", "IPAddress", address));
        else
            json_decref(address);
    }
    const json_t *resources = json_object_get(configuration, "resources");
    json_int_t memory = json_integer_value(json_object_get(resources, "memoryInBytes"));
    json_int_t cpus = json_integer_value(json_object_get(resources, "cpus"));
    return json_pack("{s:{s:b},s:{s:O?},s:{s:o},s:{s:I,s:I}}", "State", "Running",
                     strcmp(state, "running") == 0, "Config", "Labels", labels, "NetworkSettings", "Networks",
                     networks, "HostConfig", "Memory", memory, "NanoCpus", cpus * 1000000000);
}

/* Of an image for several machines, what is for this one; its virtual machines are of the same sort. */
static const json_t *variant_of(const json_t *said)
{
    struct utsname machine;
    size_t i;
    json_t *variant;

    if (uname(&machine) != 0)
        return NULL;
    const char *wanted = strcmp(machine.machine, "aarch64") == 0  ? "arm64"
                         : strcmp(machine.machine, "x86_64") == 0 ? "amd64"
                                                                  : machine.machine;
    json_array_foreach(json_object_get(said, "variants"), i, variant) {
        const json_t *platform = json_object_get(variant, "platform");
        const char *os = json_string_value(json_object_get(platform, "os"));
        const char *architecture = json_string_value(json_object_get(platform, "architecture"));
        if (os != NULL && architecture != NULL && strcmp(os, "linux") == 0 &&
            strcmp(architecture, wanted) == 0)
            return variant;
    }
    return NULL;
}

/* The OCI image's own words, which podman repeats. */
static json_t *image_shape(const json_t *said)
{
    const json_t *variant = variant_of(said);
    json_t *config = json_object_get(json_object_get(variant, "config"), "config");

    return variant != NULL ? json_pack("{s:O?}", "Config", config) : NULL;
}

static json_t *apple_shape(const char *kind, const json_t *said)
{
    if (strcmp(kind, "container") == 0)
        return container_shape(said);
    if (strcmp(kind, "image") == 0)
        return image_shape(said);
    const json_t *configuration = json_object_get(said, "configuration");
    if (configuration == NULL) /* networks before 1.0 */
        configuration = json_object_get(said, "config");
    if (configuration == NULL) /* volumes */
        configuration = said;
    return json_pack("{s:O?}", "Labels", json_object_get(configuration, "labels"));
}

/* ---- the shim ---- */

static int shim_write(const char *folder, struct str program, struct err *err)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/stopper-shim", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
    bool written = fd >= 0 && fchmod(fd, 0755) == 0;
    while (written && program.len > 0) {
        ssize_t put = write(fd, program.ptr, program.len);
        written = put > 0;
        program.ptr += written ? put : 0;
        program.len -= written ? (size_t)put : 0;
    }
    if (fd >= 0 && close(fd) == 0 && written)
        return 0;
    return err_set_errno(err, "%s", path);
}

int apple_shim_fetch(const struct bottle_spec *spec, const struct state *state, struct err *err)
{
    struct words words = ENGINE_WORDS(&engine_apple, "exec");
    char sidecar[OCI_NAME_MAX], folder[PATH_MAX + 32];
    struct buf out;

    buf_init(&out, SHIM_MAX);
    struct run run = {.out = &out, .interrupt = spec->interrupt};
    engine_name(state, "sidecar", sidecar);
    words_list(&words, WORDS(sidecar, OCI_SHIM_PROGRAM, "program"));
    snprintf(folder, sizeof folder, "%s/" APPLE_SHIM, state->path);
    int result = run_must(&words, &run, err);
    words_free(&words);
    if (result == 0 && (mkdir(folder, 0755) != 0 || chmod(folder, 0755) != 0))
        result = err_set_errno(err, "%s", folder);
    if (result == 0)
        result = shim_write(folder, buf_str(&out), err);
    buf_fini(&out);
    return result;
}

/* ---- the agent ---- */

/* /etc is the image's own, and PID 1 may write there. */
void apple_places(const struct state *state, const char *gateway, struct words *words)
{
    words_addf(words, "--volume=%s/" APPLE_SHIM ":" OCI_SHIM ":ro", state->path);
    words_addf(words, "--dns=%s", gateway);
}

/* ---- the row ---- */

/* NAT first: only the first network gives a route. The policy names its resolvers, so that the sidecar needs
 * none of the engine's. */
const struct engine engine_apple = {
    .runtime = &runtime_apple,
    .program = "container",
    .package = "container",
    .inner = WORDS("--internal"),
    .link_option = "",
    .egress_link = "eth0",
    .sidecar_link = "eth1",
    .agent_link = "eth0",
    .sidecar = WORDS("--no-dns", "--tmpfs=/run"),
    .sealing = WORDS(ENGINE_RIGHTS, "--tmpfs=/run/stopper", "--tmpfs=/run/stopper-ca"),
    .pull = WORDS("image", "pull"),
    .tail = WORDS("logs", "-n", "20"),
    .kinds =
        (const struct engine_kind[]){
            {"container", WORDS("list", "--all", "--quiet"), WORDS("delete", "--force")},
            {"network", WORDS("network", "list", "--quiet"), WORDS("network", "delete")},
            {"volume", WORDS("volume", "list", "--quiet"), WORDS("volume", "delete")},
            {NULL, NULL, NULL}},
    .shims = true,
    .plain = true,
    .named = true,
    .shape = apple_shape,
};

const struct runtime runtime_apple = {.name = "apple", .needs = needs, .gc = apple_gc, OCI_FUNCTIONS};

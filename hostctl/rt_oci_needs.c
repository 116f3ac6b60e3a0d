/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_needs: what bottles in containers need of this machine: the engine's program, an engine behind it, the
 * sidecar's image, and a kernel, perhaps that of a virtual machine, that takes the sidecar's rule set. The last is tried
 * by a container that lives for that one step, without a network.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/places.h"
#include "hostctl/rt_oci.h"
#include "hostctl/state.h"
#include "hostctl/trial.h"

#define VERSION_MAX 4096

int oci_look_program(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    const struct engine *engine = engine_by(runtime);

    (void)sidecar_image;
    if (!places_program(engine->program))
        return err_set(said, "%s is not installed", engine->package);
    err_set(said, "%s is on PATH", engine->program);
    return 0;
}

int oci_look_engine(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    const struct engine *engine = engine_by(runtime);
    struct words words = engine_words(engine, engine->version);
    struct buf out;

    (void)sidecar_image;
    buf_init(&out, VERSION_MAX);
    struct run run = {.out = &out, .interrupt = -1};
    int status = run_words(&words, &run, said);
    struct str text = buf_str(&out);
    const char *end = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
    if (status == 0)
        err_set(said, "it answers; version %.*s", (int)(end != NULL ? end - text.ptr : 0), text.ptr);
    else if (status > 0)
        err_set(said, "%s", run.said[0] != '\0' ? run.said : "it does not answer, and does not say why");
    words_free(&words);
    buf_fini(&out);
    return status == 0 ? 0 : -1;
}

/* podman's older network backend cannot name links, and always has a resolver. */
static int look_backend(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    const struct engine *engine = engine_by(runtime);
    struct words words =
        ENGINE_WORDS(engine, "info", "--format",
                     "{{.Host.NetworkBackend}} {{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}");
    struct buf out;

    (void)sidecar_image;
    buf_init(&out, VERSION_MAX);
    struct run run = {.out = &out, .interrupt = -1};
    int status = run_must(&words, &run, said);
    struct str text = str_trim(buf_str(&out));
    const char *end = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
    int len = (int)(end != NULL ? (size_t)(end - text.ptr) : text.len);
    if (status == 0 && (len < 10 || memcmp(text.ptr, "netavark ", 9) != 0))
        status = err_set(said, "its networks are not netavark's: %.*s", len, len > 0 ? text.ptr : "");
    else if (status == 0)
        err_set(said, "%.*s", len, text.ptr);
    words_free(&words);
    buf_fini(&out);
    return status == 0 ? 0 : -1;
}

int oci_look_image(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    json_t *image = engine_inspect(engine_by(runtime), "image", sidecar_image, NULL, said);

    if (image == NULL)
        return err_set(said, "the sidecar's image %s is not there", sidecar_image);
    json_decref(image);
    err_set(said, "%s is there", sidecar_image);
    return 0;
}

int oci_look_wall(const struct runtime *runtime, const char *sidecar_image, struct err *said)
{
    const struct engine *engine = engine_by(runtime);
    struct words words = ENGINE_WORDS(engine, "run", "--rm", "--label=stopper.bottle=doctor");
    char root[PATH_MAX];
    struct buf out;

    if (state_root(root, said) != 0)
        return -1;
    buf_init(&out, TRIAL_MAX);
    struct run run = {.out = &out, .interrupt = -1};
    words_addf(&words, "--label=stopper.state=%s/doctor/gone", root); /* of nobody, for gc --all */
    words_addf(&words, "--name=stopper-doctor-%ld-try", (long)getpid());
    if (!engine->shims) /* a machine of its own comes with a network, or does not come at all */
        words_add(&words, "--network=none");
    words_list(&words, (const char *const[]){"--cap-drop=ALL", "--cap-add=NET_ADMIN", "--read-only",
                                             "--user=0:0", "--entrypoint=" OCI_INIT, NULL});
    words_list(&words, engine->guard);
    words_list(&words, engine->run_options);
    words_list(&words, engine->agent);
    engine_image(engine, &words, sidecar_image);
    words_add(&words, "try");
    int status = run_words(&words, &run, said);
    if (status >= 0 && buf_str(&out).len == 0)
        status = err_set(said, "%s", run.said[0] != '\0' ? run.said : "the container said nothing");
    else if (status >= 0)
        status = trial_judge(buf_str(&out), said);
    words_free(&words);
    buf_fini(&out);
    return status;
}

#define IMAGE_REMEDY                                                                                         \
    "load it (make image writes archives for it to build/image), or name another one by --sidecar-image"

const struct need podman_needs[] = {
    {"program", "apt install podman", true, oci_look_program},
    {"engine", "\"podman info\" says more", true, oci_look_engine},
    {"backend",
     "apt install netavark, runc, and without root uidmap and slirp4netns; network_backend=\"netavark\" in "
     "containers.conf",
     false, look_backend},
    {"image", IMAGE_REMEDY, false, oci_look_image},
    {"wall", TRIAL_REMEDY, false, oci_look_wall},
    {NULL, NULL, false, NULL},
};

const struct need docker_needs[] = {
    {"program", "apt install docker.io", true, oci_look_program},
    {"engine", "start its service, and let this user use it (the group docker, or sudo)", true,
     oci_look_engine},
    {"image", IMAGE_REMEDY, false, oci_look_image},
    {"wall", TRIAL_REMEDY, false, oci_look_wall},
    {NULL, NULL, false, NULL},
};

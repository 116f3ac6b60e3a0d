/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostctl up: runs one command in a bottle of its own, from the manifest to the last clean-up. The order of
 * the steps is here and only here; how a step is done is the runtime's. It must start nothing before
 * manifest, options and resolvers have been checked, and the command not before the sidecar has the policy in
 * force.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "hostctl/agent.h"
#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/deploy_key.h"
#include "hostctl/entry.h"
#include "hostctl/guard.h"
#include "hostctl/runtime.h"
#include "hostctl/sidecar.h"
#include "hostctl/signals.h"
#include "hostctl/up_load.h"

struct up {
    const char *file, *name, *uplink, *runtime, *workdir, *confirm;
    const char *image, *sidecar_image, *memory, *cpus, *home, *route;
    struct option_list mounts, variables;
    bool allow_userns, detach, keep;
};

static const struct option options[] = {
    {'f', "file", "FILE", "the bottle's manifest (.yaml, .yml, or .md with front matter)",
     offsetof(struct up, file), 0},
    {'n', "name", "NAME", "the bottle's name (default: the manifest's, without its ending)",
     offsetof(struct up, name), 0},
    {'m', "mount", "HOST[:AGENT[:ro]]", "a folder or file of the host; AGENT defaults to /work/BASENAME",
     offsetof(struct up, mounts), 1},
    {'w', "workdir", "DIR", "folder in the bottle to run in (default: the first mounted one)",
     offsetof(struct up, workdir), 0},
    {'e', "env", "NAME[=VALUE]", "a variable for the command; without a value, hostctl's own",
     offsetof(struct up, variables), 1},
    {0, "allow-userns", NULL, "let the command make user namespaces, as sandboxes inside do",
     offsetof(struct up, allow_userns), 0},
    {0, "runtime", RUNTIMES, "what runs the bottle (default: by --image, and by what there is)",
     offsetof(struct up, runtime), 0},
    {0, "uplink", "pasta|nat", "netns: how the sidecar reaches the outside", offsetof(struct up, uplink), 0},
    {0, "image", "IMAGE", "run the command in this image, by a container engine", offsetof(struct up, image),
     0},
    {0, "sidecar-image", "IMAGE", "the sidecar's image (default: " SIDECAR_IMAGE ")",
     offsetof(struct up, sidecar_image), 0},
    {0, "memory", "SIZE", "limit for the agent: bytes, or with k, m or g", offsetof(struct up, memory), 0},
    {0, "cpus", "NUMBER", "limit for the agent", offsetof(struct up, cpus), 0},
    {0, "home", "VOLUME[:DIR]", "a volume of the engine's as the agent's home", offsetof(struct up, home), 0},
    {0, "route", "helper|shim",
     "who leads the agent's network to the sidecar (default: a container beside it)",
     offsetof(struct up, route), 0},
    {0, "keep", NULL, "leave the agent's container, stopped, when the command has ended",
     offsetof(struct up, keep), 0},
    {0, "confirm", "DIGEST", "the agent's file of this sha256 was read and may run",
     offsetof(struct up, confirm), 0},
    {'d', "detach", NULL, "start the command and leave it to attach", offsetof(struct up, detach), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static const struct {
    const char *name;
    enum uplink uplink;
} uplinks[] = {{"pasta", UPLINK_PASTA}, {"nat", UPLINK_NAT}};

/* All that is known before anything is started. */
struct plan {
    const struct command *command;
    struct up options;
    char **argv; /* NULL: a login shell */
    char name[BOTTLE_NAME_MAX + 1];
    struct up_load load;
    struct forge forge;
    struct mount *mounts; /* the user's, what guards them, the skills, the prompt */
    size_t mount_count;
    char **env; /* the manifest's, and the options'; the strings are theirs or in `made` */
    char **made;
    size_t made_count;
    char *home; /* VOLUME, cut off before DIR */
    struct bottle_spec spec;
};

/* --- checking: every error, then status 2
 * ---------------------------------------------------------------------------- */

/* "claude.dev.md" under any folder gives "claude.dev", which is then checked like a name that was typed. */
static int choose_name(struct plan *plan, struct err *err)
{
    const char *agent = plan->load.agent_name, *file = agent != NULL ? agent : plan->load.file;
    const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file;
    const char *dot = agent != NULL ? NULL : strrchr(base, '.');
    char name[BOTTLE_NAME_MAX + 2];
    bool typed = plan->options.name != NULL;
    int len = typed ? (int)strlen(plan->options.name) : dot != NULL ? (int)(dot - base) : (int)strlen(base);

    snprintf(name, sizeof name, "%.*s", len, typed ? plan->options.name : base);
    if (!state_name_valid(name))
        return err_set(err, "%s: a bottle's name is 1 to %d of a-z, 0-9 and -, not beginning with -%s",
                       typed ? "--name" : file, BOTTLE_NAME_MAX, typed ? "" : "; choose one with --name");
    memcpy(plan->name, name, sizeof plan->name);
    return 0;
}

static int choose_uplink(struct plan *plan, struct err *err)
{
    if (plan->options.uplink == NULL)
        return 0;
    for (size_t i = 0; i < sizeof uplinks / sizeof uplinks[0]; i++)
        if (strcmp(uplinks[i].name, plan->options.uplink) == 0) {
            plan->spec.uplink = uplinks[i].uplink;
            return 0;
        }
    return err_set(err, "--uplink must be pasta or nat");
}

/* Options that only mean something with an image, and the other way round. */
static int check_image(struct plan *plan, struct err *err)
{
    const struct up *up = &plan->options;
    const struct runtime *runtime = up->runtime != NULL ? runtime_find(up->runtime) : NULL;
    const struct {
        const char *name;
        bool given;
    } with_image[] = {{"sidecar-image", up->sidecar_image != NULL},
                      {"memory", up->memory != NULL},
                      {"cpus", up->cpus != NULL},
                      {"home", up->home != NULL},
                      {"route", up->route != NULL},
                      {"detach", up->detach},
                      {"keep", up->keep}};

    if (up->runtime != NULL && runtime == NULL)
        return err_set(err, "--runtime must be one of " RUNTIMES " (in the manifest: runtime)");
    if (runtime != NULL && runtime->images != (up->image != NULL))
        return err_set(err,
                       runtime->images ? "--runtime %s needs --image, or the manifest's image"
                                       : "--runtime %s knows no --image and no image of a manifest",
                       up->runtime);
    if (up->uplink != NULL && up->image != NULL)
        return err_set(err,
                       "--uplink is of the runtime netns; with --image the engine's networks lead outside");
    for (size_t i = 0; up->image == NULL && i < sizeof with_image / sizeof with_image[0]; i++)
        if (with_image[i].given)
            return err_set(err, "--%s needs --image", with_image[i].name);
    if (up->workdir != NULL && up->workdir[0] != '/')
        return err_set(err, "--workdir must be an absolute path in the bottle");
    return 0;
}

static bool is_reference(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/:@[]+";

    return text[0] != '\0' && text[0] != '-' && strspn(text, letters) == strlen(text);
}

/* Digits, then a fraction or one of the letters. */
static bool is_amount(const char *text, const char *letters)
{
    size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits;

    if (letters == NULL && rest[0] == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    else if (letters != NULL && rest[0] != '\0' && strchr(letters, rest[0]) != NULL)
        rest++;
    return digits > 0 && digits <= 18 && rest[0] == '\0';
}

static int check_home(struct plan *plan, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    const char *home = plan->options.home;

    plan->home = home != NULL ? malloc(strlen(home) + 1) : NULL;
    if (plan->home == NULL)
        return home == NULL ? 0 : err_set(err, "out of memory");
    char *colon = strchr(strcpy(plan->home, home), ':');
    if (colon != NULL)
        *colon = '\0';
    if (plan->home[0] == '\0' || strchr(".-_", plan->home[0]) != NULL ||
        strspn(plan->home, letters) != strlen(plan->home) || (colon != NULL && colon[1] != '/'))
        return err_set(err, "--home must be the name of a volume, or VOLUME:DIR with an absolute path");
    plan->spec.image.home = plan->home;
    plan->spec.image.home_place = colon != NULL ? colon + 1 : "/home/agent";
    return 0;
}

static int choose_image(struct plan *plan, struct err *err)
{
    const struct up *up = &plan->options;
    struct image_spec *image = &plan->spec.image;

    if (check_image(plan, err) != 0 || check_home(plan, err) != 0)
        return -1;
    image->agent = up->image;
    image->sidecar = up->sidecar_image != NULL ? up->sidecar_image : SIDECAR_IMAGE;
    image->memory = up->memory;
    image->cpus = up->cpus;
    image->detach = up->detach;
    image->keep = up->keep;
    plan->spec.user_namespaces = up->allow_userns;
    if ((image->agent != NULL && !is_reference(image->agent)) || !is_reference(image->sidecar))
        return err_set(err, "--image and --sidecar-image must be references of images");
    if (up->route != NULL && strcmp(up->route, "helper") != 0 && strcmp(up->route, "shim") != 0)
        return err_set(err, "--route must be helper or shim");
    if (up->route != NULL)
        image->sealer = strcmp(up->route, "shim") == 0 ? SEALER_SHIM : SEALER_HELPER;
    if (image->memory != NULL && !is_amount(image->memory, "bkmg"))
        return err_set(err, "--memory must be a number of bytes, or one with k, m or g behind it");
    if (image->cpus != NULL && !is_amount(image->cpus, NULL))
        return err_set(err, "--cpus must be a number such as 2 or 0.5");
    return 0;
}

/* NAME alone: the value is ours. A variable of ours that is not set is an error: the command would miss it.
 */
static char *variable(const char *option, struct err *err)
{
    const char *value = strchr(option, '=');
    size_t len = value != NULL ? (size_t)(value - option) : strlen(option);

    if (len == 0 || len > 200 || (option[0] >= '0' && option[0] <= '9') ||
        strspn(option, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") < len) {
        err_set(err, "--env %.*s: not the name of a variable", (int)len, option);
        return NULL;
    }
    value = value != NULL ? value + 1 : getenv(option);
    if (value == NULL) {
        err_set(err, "--env %s: there is no such variable", option);
        return NULL;
    }
    char *made = malloc(len + strlen(value) + 2);
    if (made == NULL)
        err_set(err, "out of memory");
    else
        sprintf(made, "%.*s=%s", (int)len, option, value);
    return made;
}

static int choose_env(struct plan *plan, struct err *err)
{
    const struct option_list *wanted = &plan->options.variables;
    char *const *manifest = plan->load.manifest != NULL ? plan->load.manifest->env : NULL;
    size_t count = 0;

    while (manifest != NULL && manifest[count] != NULL)
        count++;
    plan->env = calloc(count + wanted->count + 1, sizeof *plan->env);
    plan->made = calloc(wanted->count + 1, sizeof *plan->made);
    if (plan->env == NULL || plan->made == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < count; i++)
        plan->env[i] = manifest[i];
    for (size_t i = 0; i < wanted->count; i++) {
        plan->made[i] = plan->env[count + i] = variable(wanted->values[i], err);
        if (plan->made[i] == NULL)
            return -1;
        plan->made_count++;
    }
    return 0;
}

static void complain(const struct plan *plan, const struct err *err)
{
    fprintf(stderr, "hostctl %s: %s\n", plan->command->name, err->text);
}

static int check_mounts(struct plan *plan)
{
    const struct option_list *wanted = &plan->options.mounts;
    char root[PATH_MAX];
    struct err err;
    int status = 0;

    plan->mounts = calloc((GUARD_MORE + 1) * wanted->count + MANIFEST_SKILLS_ALL + 1, sizeof *plan->mounts);
    if (plan->mounts == NULL || state_root(root, &err) != 0) {
        if (plan->mounts == NULL)
            err_set(&err, "out of memory");
        complain(plan, &err);
        return -1;
    }
    *strrchr(root, '/') = '\0'; /* all of Stopper's state, not the bottles only */
    for (size_t i = 0; i < wanted->count; i++)
        if (mount_parse(wanted->values[i], root, &plan->mounts[plan->mount_count], &err) == 0) {
            plan->mount_count++;
        } else {
            complain(plan, &err);
            status = -1;
        }
    if (status == 0 && (mount_check(plan->mounts, plan->mount_count, &err) != 0 ||
                        guard_mounts(plan->mounts, &plan->mount_count, &err) != 0)) {
        complain(plan, &err);
        status = -1;
    }
    return status;
}

/* What the manifest says stands where no option says otherwise. */
static void take_defaults(struct plan *plan)
{
    const struct manifest *manifest = plan->load.manifest;

    if (manifest == NULL)
        return;
    if (plan->options.image == NULL)
        plan->options.image = manifest->image.text;
    if (plan->options.runtime == NULL)
        plan->options.runtime = manifest->runtime.text;
}

static int check(struct plan *plan)
{
    struct err err;
    int status = 0;

    if (choose_name(plan, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    if (choose_uplink(plan, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    if (up_load(&plan->load) != 0)
        status = -1;
    take_defaults(plan);
    if (choose_image(plan, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    if (choose_env(plan, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    if (check_mounts(plan) != 0 || up_load_skills(&plan->load, plan->mounts, &plan->mount_count) != 0)
        status = -1;
    return status;
}

/* --- starting
 * ----------------------------------------------------------------------------------------------------------
 */

/* The one that was asked for, else the first that can do it here. */
static const struct runtime *choose_runtime(const struct plan *plan, struct err *err)
{
    const char *wanted = plan->options.runtime;
    struct err why;
    char all[500] = "";

    for (const struct runtime *const *runtime = runtimes; *runtime != NULL; runtime++) {
        if ((*runtime)->images != (plan->options.image != NULL) ||
            (wanted != NULL && strcmp((*runtime)->name, wanted) != 0))
            continue;
        if (runtime_detect(*runtime, &why) == 0)
            return *runtime;
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s%.20s: %.200s", len > 0 ? "; " : "", (*runtime)->name,
                 why.text);
    }
    err_set(err, "%s", all[0] != '\0' ? all : "no runtime for this in this build");
    return NULL;
}

/* The bottle's state, locked and empty: what a killed hostctl left under this name is cleaned first. */
static int open_state(const struct plan *plan, struct state *state, struct err *err)
{
    for (int tries = 0; tries < 3; tries++) {
        switch (state_open(state, plan->name, STATE_MAKE, 0, err)) {
        case STATE_BUSY:
            return err_set(err, "a bottle \"%s\" runs already; choose another name with --name", plan->name);
        case STATE_OK:
            if (!state_recorded(state))
                return 0;
            if (bottle_kept(state)) {
                state_close(state);
                return err_set(err,
                               "of a bottle \"%s\" the container was kept: \"hostctl down %s\" removes it",
                               plan->name, plan->name);
            }
            if (bottle_detached(state)) {
                state_close(state);
                return err_set(err, "a bottle \"%s\" runs already; choose another name with --name",
                               plan->name);
            }
            if (bottle_remove(state, &plan->forge, err) != 0)
                return -1;
            break;
        default:
            return -1;
        }
    }
    return err_set(err, "the bottle \"%s\" is in other hands", plan->name);
}

static int record(const struct plan *plan, const struct runtime *runtime, struct state *state,
                  struct err *err)
{
    char created[32];
    time_t now = time(NULL);
    struct tm utc;

    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    int status = up_load_record(&plan->load, state, err);
    if (status == 0)
        status = state_set(state, "created", created, err);
    if (status == 0 && plan->spec.image.keep)
        status = state_set(state, "keep", "yes", err);
    if (status == 0 && plan->spec.user_namespaces)
        status = state_set(state, "user_namespaces", "yes", err);
    if (status == 0)
        status = guard_record(state, plan->mounts, plan->mount_count, err);
    return status != 0 ? -1 : state_set(state, "runtime", runtime->name, err);
}

/* From the sidecar to the command's end. */
static int live(const struct plan *plan, const struct runtime *runtime, struct state *state,
                const struct entry *entry, int *status, struct err *err)
{
    struct bottle_spec spec = plan->spec;
    struct session session;

    session_init(&session);
    int result = runtime->sidecar(&spec, state, err);
    if (result == 0)
        result = deploy_keys_register(plan->load.manifest, &plan->forge, runtime, state, spec.interrupt, err);
    if (result == 0)
        result =
            sidecar_apply(runtime, state, plan->load.policy, plan->load.secrets, plan->load.keys, err) < 0
                ? -1
                : 0;
    if (result == 0) {
        json_t *ca = sidecar_ca(runtime, state, err);
        spec.ca = json_string_value(json_object_get(ca, "pem"));
        spec.ca_subject_hash = json_string_value(json_object_get(ca, "subject_hash"));
        spec.remotes = plan->load.remotes;
        result = ca != NULL ? runtime->agent(&spec, &entry->spec, state, &session, err) : -1;
        json_decref(ca);
    }
    if (result == 0 && plan->spec.image.detach)
        *status = EXIT_OK;
    else if (result == 0)
        result = session_relay(&session, status, err);
    session_close(&session);
    return result;
}

/* The prompt becomes the last mount; none where there is no agent or no text. */
static int add_prompt(struct plan *plan, const struct state *state, struct err *err)
{
    struct str prompt = plan->load.agent.prompt;

    if (prompt.len > 0) {
        if (agent_prompt(state, prompt, &plan->mounts[plan->mount_count], err) != 0)
            return -1;
        plan->mount_count++;
    }
    plan->spec.mount_count = plan->mount_count;
    return 0;
}

static int start(struct plan *plan)
{
    const char *cwd = plan->options.workdir;
    const struct runtime *runtime = NULL;
    struct state state = {.lock = -1};
    struct entry entry = {.env = NULL};
    int status = EXIT_STOPPER;
    struct err err;

    if (cwd == NULL && plan->options.mounts.count > 0 && plan->mounts[0].folder)
        cwd = plan->mounts[0].agent;
    if ((runtime = choose_runtime(plan, &err)) == NULL || signals_open(&err) != 0 ||
        entry_init(&entry, plan->argv, plan->env, cwd, &err) != 0 || open_state(plan, &state, &err) != 0) {
        entry_fini(&entry);
        return command_fail(plan->command, &err);
    }
    plan->spec.name = plan->name;
    plan->spec.mounts = plan->mounts;
    uint16_t host_ports[MANIFEST_HOST_PORTS];
    plan->spec.host_ports = host_ports;
    plan->spec.host_port_count = fixed_host_ports(plan->load.manifest, host_ports);
    plan->spec.repos = plan->load.manifest->repo_count > 0;
    plan->spec.interrupt = signals_interrupt_fd();
    bool lived = record(plan, runtime, &state, &err) == 0 && add_prompt(plan, &state, &err) == 0 &&
                 live(plan, runtime, &state, &entry, &status, &err) == 0;
    if (!lived)
        status = command_fail(plan->command, &err);
    status = bottle_leave(&state, lived, status, plan->command, &plan->forge);
    entry_fini(&entry);
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct plan plan = {.command = command};
    struct operands operands;
    struct err err;
    int status = EXIT_USAGE;

    bool parsed = options_parse(options, argc, argv, &plan.options, &operands, &err) == 0;
    plan.load.command = command->name;
    plan.load.file = plan.options.file;
    plan.load.confirm = plan.options.confirm;
    plan.load.forge = &plan.forge;
    forge_init(&plan.forge, command->name);
    if (!parsed || up_load_choose(&plan.load, &operands, &err) != 0) {
        status = command_usage(command, &err);
    } else {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* secrets pass through here */
        plan.argv = operands.command;
        forge_take_recorded(&plan.forge); /* a killed hostctl may have left keys under this name */
        bool checked = check(&plan) == 0;
        forge_wipe(&plan.forge);
        if (checked)
            status = start(&plan);
    }
    for (size_t i = 0; i < plan.mount_count; i++)
        mount_close(&plan.mounts[i]);
    free(plan.mounts);
    for (size_t i = 0; i < plan.made_count; i++)
        free(plan.made[i]);
    free(plan.made);
    free(plan.env);
    free(plan.home);
    up_load_fini(&plan.load);
    forge_fini(&plan.forge);
    options_free(options, &plan.options);
    return status;
}

const struct command cmd_up = {
    "up",
    "-f FILE|AGENT [-n NAME] [-m HOST[:AGENT[:ro]]]... [-e NAME[=VALUE]]... [-w DIR] [--image IMAGE]\n"
    "                  [--runtime " RUNTIMES "] [OPTION...] [-- COMMAND [ARGUMENT...]]",
    "Run a command in a new bottle (default: a login shell)",
    options,
    "AGENT?",
    run};

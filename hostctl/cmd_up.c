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

#include "core/policy.h"
#include "core/secret.h"
#include "hostctl/agent.h"
#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/compile.h"
#include "hostctl/entry.h"
#include "hostctl/layers.h"
#include "hostctl/manifest.h"
#include "hostctl/places.h"
#include "hostctl/resolvconf.h"
#include "hostctl/runtime.h"
#include "hostctl/secrets.h"
#include "hostctl/sidecar.h"
#include "hostctl/signals.h"

struct up {
    const char *file, *name, *uplink, *confirm;
    struct option_list mounts;
};

static const struct option options[] = {
    {'f', "file", "FILE", "the bottle's manifest (.yaml, .yml, or .md with front matter)",
     offsetof(struct up, file), 0},
    {'n', "name", "NAME", "the bottle's name (default: the manifest's, without its ending)",
     offsetof(struct up, name), 0},
    {'m', "mount", "HOST[:AGENT[:ro]]", "a folder or file of the host; AGENT defaults to /work/BASENAME",
     offsetof(struct up, mounts), 1},
    {0, "uplink", "pasta|nat", "how the sidecar reaches the outside", offsetof(struct up, uplink), 0},
    {0, "confirm", "DIGEST", "the agent's file of this sha256 was read and may run",
     offsetof(struct up, confirm), 0},
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
    const char *agent_name;    /* NULL: a bottle's file */
    struct layers_agent agent; /* owns the manifest */
    struct manifest *manifest; /* borrowed from it, or own */
    struct mount *mounts;      /* the user's, then the skills, then the prompt */
    size_t mount_count;
    char *policy;
    struct secrets *secrets;
    struct bottle_spec spec;
};

/* --- checking: every error, then status 2
 * ---------------------------------------------------------------------------- */

/* "claude.dev.md" under any folder gives "claude.dev", which is then checked like a name that was typed. */
static int choose_name(struct plan *plan, struct err *err)
{
    const char *file = plan->options.file, *slash = strrchr(file, '/');
    const char *base = slash != NULL ? slash + 1 : file, *dot = strrchr(base, '.');
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

    plan->mounts = calloc(wanted->count + MANIFEST_SKILLS_ALL + 1, sizeof *plan->mounts);
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
    if (status == 0 && mount_check(plan->mounts, plan->mount_count, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    return status;
}

/* Reads the manifest and all that makes it, in words that say everything that is wrong. */
static int load_manifest(struct plan *plan, struct report *report)
{
    struct err err;

    if (places_exists(PLACES_REPOSITORY "/bottles"))
        fprintf(stderr,
                "hostctl %s: warning: " PLACES_REPOSITORY
                "/bottles is ignored: a repository may ship agents, never bottles\n",
                plan->command->name);
    if (plan->agent_name == NULL) {
        plan->manifest = layers_bottle(report);
    } else if (layers_agent(&plan->agent, report) == 0) {
        plan->manifest = plan->agent.manifest;
        if (agent_confirm(&plan->agent, plan->options.confirm, &err) != 0) {
            complain(plan, &err);
            return -1;
        }
    }
    if (plan->manifest != NULL)
        manifest_unenforced(plan->manifest, report);
    return report->count == 0 ? 0 : -1;
}

static int check_manifest(struct plan *plan)
{
    struct ip upstreams[POLICY_MAX_UPSTREAMS];
    struct report report;
    struct err err;
    char *extra_ca = NULL;
    int count = 0;

    report_init(&report, plan->options.file);
    bool bad = load_manifest(plan, &report) != 0;
    if (plan->manifest != NULL) {
        plan->secrets = secrets_take(plan->manifest, &report);
        extra_ca_read(plan->manifest, &report, &extra_ca);
    }
    report_print(&report, stderr);
    bad = bad || report.count > 0;
    report_fini(&report);
    if (bad) {
        free(extra_ca);
        return -1;
    }
    if (plan->manifest->dns_count == 0 && plan->manifest->route_count > 0)
        count = resolvconf_read(upstreams, &err);
    if (count >= 0)
        plan->policy = compile_policy(plan->manifest, upstreams, (size_t)count, extra_ca, &err);
    free(extra_ca);
    if (plan->policy != NULL && agent_env(plan->manifest, plan->agent.prompt.len > 0, &err) == 0)
        return 0;
    complain(plan, &err);
    return -1;
}

/* The skills, which are mounts; behind the user's own. */
static int check_skills(struct plan *plan)
{
    char root[PATH_MAX];
    struct report report;
    struct err err;

    if (state_root(root, &err) != 0)
        return -1; /* check_mounts has said it */
    *strrchr(root, '/') = '\0';
    report_init(&report, plan->options.file);
    int status = agent_skills(plan->manifest, root, plan->mounts, &plan->mount_count, &report);
    report_print(&report, stderr);
    report_fini(&report);
    if (status == 0 && mount_check(plan->mounts, plan->mount_count, &err) != 0) {
        complain(plan, &err);
        status = -1;
    }
    return status;
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
    if (check_manifest(plan) != 0)
        status = -1;
    if (check_mounts(plan) != 0 || (plan->manifest != NULL && check_skills(plan) != 0))
        status = -1;
    return status;
}

/* --- starting
 * ----------------------------------------------------------------------------------------------------------
 */

static int give_policy(const struct runtime *runtime, const struct state *state, const struct plan *plan,
                       struct err *err)
{
    json_t *hello = sidecar_ask(runtime, state, "hello", str_of(NULL), err);
    json_int_t protocol = json_integer_value(json_object_get(hello, "protocol"));

    if (hello == NULL)
        return -1;
    json_decref(hello);
    if (protocol != POLICY_PROTOCOL)
        return err_set(err,
                       "the sidecar speaks protocol %lld, this hostctl %d: they are of different releases",
                       (long long)protocol, POLICY_PROTOCOL);
    json_t *answer = sidecar_ask(runtime, state, "wait-ready", str_of(NULL), err);
    if (answer == NULL)
        return -1;
    json_decref(answer);
    char *text = secrets_apply_text(plan->policy, plan->secrets);
    if (text == NULL)
        return err_set(err, "out of memory");
    answer = sidecar_ask(runtime, state, "apply", str_of(text), err);
    secrets_text_free(text);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}

static const struct runtime *choose_runtime(struct err *err)
{
    struct err why;

    err_set(err, "no runtime for bottles in this build");
    for (const struct runtime *const *runtime = runtimes; *runtime != NULL; runtime++) {
        if ((*runtime)->detect(&why) == 0)
            return *runtime;
        err_set(err, "%s: %s", (*runtime)->name, why.text);
    }
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
            if (bottle_remove(state, err) != 0)
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
    char created[32], *manifest = realpath(plan->options.file, NULL);
    time_t now = time(NULL);
    struct tm utc;

    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    int status = state_set(state, "manifest", manifest != NULL ? manifest : plan->options.file, err);
    free(manifest);
    if (status == 0)
        status = state_set(state, "created", created, err);
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
        result = give_policy(runtime, state, plan, err);
    if (result == 0) {
        json_t *ca = sidecar_ca(runtime, state, err);
        spec.ca = json_string_value(json_object_get(ca, "pem"));
        spec.ca_subject_hash = json_string_value(json_object_get(ca, "subject_hash"));
        result = ca != NULL ? runtime->agent(&spec, &entry->spec, state, &session, err) : -1;
        json_decref(ca);
    }
    if (result == 0)
        result = session_relay(&session, status, err);
    session_close(&session);
    return result;
}

/* The prompt becomes the last mount; none where there is no agent or no text. */
static int add_prompt(struct plan *plan, const struct state *state, struct err *err)
{
    if (plan->agent.prompt.len > 0) {
        if (agent_prompt(state, plan->agent.prompt, &plan->mounts[plan->mount_count], err) != 0)
            return -1;
        plan->mount_count++;
    }
    plan->spec.mount_count = plan->mount_count;
    return 0;
}

static int start(struct plan *plan)
{
    bool work = plan->options.mounts.count > 0 && plan->mounts[0].folder;
    const char *cwd = work ? plan->mounts[0].agent : NULL;
    const struct runtime *runtime = NULL;
    struct state state = {.lock = -1};
    struct entry entry = {.env = NULL};
    int status = EXIT_STOPPER;
    struct err err;

    if (command_need_root(&err) != 0 || (runtime = choose_runtime(&err)) == NULL || signals_open(&err) != 0 ||
        entry_init(&entry, plan->argv, plan->manifest->env, cwd, &err) != 0 ||
        open_state(plan, &state, &err) != 0) {
        entry_fini(&entry);
        return command_fail(plan->command, &err);
    }
    plan->spec.name = plan->name;
    plan->spec.mounts = plan->mounts;
    plan->spec.interrupt = signals_interrupt_fd();
    if (record(plan, runtime, &state, &err) != 0 || add_prompt(plan, &state, &err) != 0 ||
        live(plan, runtime, &state, &entry, &status, &err) != 0)
        status = command_fail(plan->command, &err);
    if (bottle_remove(&state, &err) != 0)
        status = command_fail(plan->command, &err);
    entry_fini(&entry);
    return status;
}

/* What is to run: a file, or an agent by its name. */
static int choose_file(struct plan *plan, const struct operands *operands, struct err *err)
{
    const char *file = plan->options.file;

    if (file == NULL && operands->count == 0)
        return err_set(err, "-f FILE is missing, or the name of an AGENT");
    if (operands->count > (file == NULL) || (operands->command != NULL && operands->command[0] == NULL))
        return err_set(err, "the command stands behind \"--\"");
    plan->agent_name = file == NULL ? operands->names[0] : NULL;
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct plan plan = {.command = command};
    struct operands operands;
    struct err err;
    int status = EXIT_USAGE;

    if (options_parse(options, argc, argv, &plan.options, &operands, &err) != 0 ||
        choose_file(&plan, &operands, &err) != 0) {
        status = command_usage(command, &err);
    } else if (plan.agent_name != NULL && layers_find_agent(plan.agent_name, &plan.agent, &err) != 0) {
        complain(&plan, &err);
    } else {
        if (plan.agent_name != NULL)
            plan.options.file = plan.agent.path;
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* secrets pass through here */
        plan.argv = operands.command;
        if (check(&plan) == 0)
            status = start(&plan);
    }
    for (size_t i = 0; i < plan.mount_count; i++)
        mount_close(&plan.mounts[i]);
    free(plan.mounts);
    secret_json_free(plan.policy);
    secrets_free(plan.secrets);
    if (plan.manifest != plan.agent.manifest)
        manifest_free(plan.manifest);
    layers_agent_fini(&plan.agent);
    options_free(options, &plan.options);
    return status;
}

const struct command cmd_up = {"up",
                               "-f FILE|AGENT [-n NAME] [-m HOST[:AGENT[:ro]]]... [--uplink pasta|nat] "
                               "[--confirm DIGEST] [-- COMMAND [ARGUMENT...]]",
                               "Run a command in a new bottle (default: a login shell)", options, run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* up_load: see up_load.h. */
#include "hostctl/up_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/agent.h"
#include "hostctl/compile.h"
#include "hostctl/deploy_key.h"
#include "hostctl/gate_remotes.h"
#include "hostctl/host_keys.h"
#include "hostctl/key_files.h"
#include "hostctl/places.h"
#include "hostctl/resolvconf.h"
#include "hostctl/secrets.h"

#define RECORD_AGENT "agent" /* whose the agent's file is; absent: the manifest is a bottle's */
#define AGENT_USERS  "user"
#define RECORD_SEED  "placeholders"

static int complain(const struct up_load *load, const struct err *err)
{
    fprintf(stderr, "hostctl %s: %s\n", load->command, err->text);
    return -1;
}

int up_load_choose(struct up_load *load, const struct operands *operands, struct err *err)
{
    if (load->file == NULL && operands->count == 0)
        return err_set(err, "-f FILE is missing, or the name of an AGENT");
    if (operands->count > (load->file == NULL) || (operands->command != NULL && operands->command[0] == NULL))
        return err_set(err, "the command stands behind \"--\"");
    load->agent_name = load->file == NULL ? operands->names[0] : NULL;
    return 0;
}

int up_load_recorded(struct up_load *load, const struct state *state, struct err *err)
{
    const char *agent = state_get(state, RECORD_AGENT);

    load->file = state_get(state, "manifest");
    if (load->file == NULL || strlen(load->file) >= sizeof load->agent.path)
        return err_set(err, "the record of the bottle \"%s\" names no manifest", state->name);
    if (agent == NULL)
        return 0;
    load->is_agent = true;
    load->agent.repository = strcmp(agent, AGENT_USERS) != 0;
    strcpy(load->agent.path, load->file);
    return 0;
}

void up_load_same(struct up_load *load, const struct state *state)
{
    const char *seed = state_get(state, RECORD_SEED);

    if (seed != NULL && strlen(seed) == sizeof load->seed - 1)
        memcpy(load->seed, seed, sizeof load->seed);
}

int up_load_record(const struct up_load *load, struct state *state, struct err *err)
{
    char *manifest = realpath(load->file, NULL);
    int status = state_set(state, "manifest", manifest != NULL ? manifest : load->file, err);

    free(manifest);
    if (status == 0 && load->is_agent)
        status = state_set(state, RECORD_AGENT, load->agent.repository ? "repository" : AGENT_USERS, err);
    if (status == 0)
        status = state_set(state, RECORD_SEED, load->seed, err);
    return status != 0 ? -1 : fixed_record(&load->fixed, state, err);
}

/* The manifest and its layers; a repository's agent is confirmed. */
static int load_layers(struct up_load *load, struct report *report)
{
    struct err err;

    if (places_exists(PLACES_REPOSITORY "/bottles"))
        fprintf(stderr,
                "hostctl %s: warning: " PLACES_REPOSITORY
                "/bottles is ignored: a repository may ship agents, never bottles\n",
                load->command);
    if (!load->is_agent) {
        load->manifest = layers_bottle(report);
    } else if (layers_agent(&load->agent, report) == 0) {
        load->manifest = load->agent.manifest;
        if (agent_confirm(&load->agent, load->confirm, &err) != 0)
            return complain(load, &err);
    }
    if (load->manifest != NULL)
        manifest_unenforced(load->manifest, report);
    return report->count == 0 ? 0 : -1;
}

/* Keys of repositories, and of the hosts where they are. Nobody is asked anything while there are errors. */
static int take_gate(struct up_load *load, struct report *report)
{
    struct keys *keys = load->manifest->repo_count > 0 ? key_files_read(load->manifest, report) : NULL;

    if (load->manifest->repo_count == 0)
        return 0;
    if (report->count == 0 && host_keys_take(load->manifest, load->command, report) == 0 &&
        ((load->keys = key_files_text(load->manifest, keys)) == NULL ||
         (load->remotes = gate_remotes(load->manifest)) == NULL))
        report_add(report, 0, "", "out of memory");
    keys_free(keys);
    return report->count == 0 ? 0 : -1;
}

int up_load(struct up_load *load)
{
    struct ip upstreams[POLICY_MAX_UPSTREAMS];
    struct report report;
    struct err err;
    char *extra_ca = NULL;
    int count = 0;

    if (load->agent_name != NULL) {
        if (layers_find_agent(load->agent_name, &load->agent, &err) != 0)
            return complain(load, &err);
        load->is_agent = true;
    }
    if (load->is_agent)
        load->file = load->agent.path;
    report_init(&report, load->file);
    bool bad = load_layers(load, &report) != 0;
    if (load->manifest != NULL) {
        if (load->forge != NULL) /* before the variables go */
            deploy_keys_ready(load->manifest, load->forge, &report);
        load->secrets = secrets_take(load->manifest, &report);
        if (load->forge != NULL)
            forge_wipe(load->forge); /* before a program is started */
        extra_ca_read(load->manifest, &report, &extra_ca);
        bad = take_gate(load, &report) != 0 || bad;
    }
    report_print(&report, stderr);
    bad = bad || report.count > 0;
    report_fini(&report);
    if (bad) {
        free(extra_ca);
        return -1;
    }
    if ((load->seed[0] == '\0' && placeholder_seed(load->seed, &err) != 0) ||
        (placeholder_fill(load->manifest, load->seed) != 0 && err_set(&err, "out of memory") != 0)) {
        free(extra_ca);
        return complain(load, &err);
    }
    if (load->manifest->dns_count == 0 &&
        (load->manifest->route_count > 0 || load->manifest->repo_count > 0 || manifest_holds(load->manifest)))
        count = resolvconf_read(upstreams, &err);
    if (count >= 0)
        load->policy = compile_policy(load->manifest, upstreams, (size_t)count, extra_ca, true, &err);
    free(extra_ca);
    if (load->policy != NULL && fixed_take(load->manifest, load->agent.prompt, &load->fixed) != 0) {
        err_set(&err, "out of memory");
        return complain(load, &err);
    }
    if (load->policy == NULL || placeholder_env(load->manifest, load->secrets, &err) != 0 ||
        placeholder_canary(load->manifest, load->seed, load->secrets, &err) != 0 ||
        agent_env(load->manifest, load->agent.prompt.len > 0, &err) != 0)
        return complain(load, &err);
    return 0;
}

int up_load_skills(const struct up_load *load, struct mount *mounts, size_t *count)
{
    char root[PATH_MAX];
    struct report report;
    struct err err;

    if (load->manifest == NULL || load->manifest->skill_count == 0)
        return 0;
    if (state_root(root, &err) != 0)
        return complain(load, &err);
    *strrchr(root, '/') = '\0'; /* all of Stopper's state, not the bottles only */
    report_init(&report, load->file);
    int status = agent_skills(load->manifest, root, mounts, count, &report);
    report_print(&report, stderr);
    report_fini(&report);
    if (status == 0 && mount_check(mounts, *count, &err) != 0)
        return complain(load, &err);
    return status;
}

void up_load_fini(struct up_load *load)
{
    secret_json_free(load->policy);
    secrets_text_free(load->keys);
    json_decref(load->remotes);
    secrets_free(load->secrets);
    if (load->manifest != load->agent.manifest)
        manifest_free(load->manifest);
    layers_agent_fini(&load->agent);
}

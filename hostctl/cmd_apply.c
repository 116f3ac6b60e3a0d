/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl apply: gives a bottle that runs the policy of its manifest, read again, or of another one. It must send
 * nothing before all of the manifest has been checked. What cannot change in a bottle that runs is said. */
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/deploy_key.h"
#include "hostctl/sidecar.h"
#include "hostctl/up_load.h"

struct apply {
    const char *file, *confirm;
};

static const struct option options[] = {
    {'f', "file", "FILE", "another bottle's manifest (default: what the bottle was started from)",
     offsetof(struct apply, file), 0},
    {0, "confirm", "DIGEST", "the agent's file of this sha256 was read and may be used",
     offsetof(struct apply, confirm), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static void tell_fixed(const struct command *command, const struct up_load *load, const struct state *state,
                       bool host)
{
    const char *names[FIXED_PARTS];
    int count = fixed_changed(&load->fixed, state, host, names);

    if (count < 0)
        fprintf(stderr,
                "hostctl %s: %s: whether the agent's side is as it was started is not known: only the "
                "policy was changed\n",
                command->name, load->file);
    for (int i = 0; i < count; i++)
        fprintf(stderr,
                "hostctl %s: %s: %s is not as it was when the bottle was started, and cannot change while "
                "it runs: it stays\n",
                command->name, load->file, names[i]);
}

static int apply(const struct command *command, const struct runtime *runtime, const struct state *state,
                 struct up_load *load)
{
    struct err err;

    if (load->file == NULL && up_load_recorded(load, state, &err) != 0)
        return command_fail(command, &err);
    up_load_same(load, state);
    if (up_load(load) != 0)
        return EXIT_USAGE;
    struct report report;
    report_init(&report, load->file);
    deploy_keys_kept(load->manifest, state, &report);
    report_print(&report, stderr);
    bool kept = report.count == 0;
    report_fini(&report);
    if (!kept)
        return EXIT_USAGE;
    json_int_t generation = sidecar_apply(runtime, state, load->policy, load->secrets, load->keys, &err);
    if (generation < 0)
        return command_fail(command, &err);
    tell_fixed(command, load, state, !runtime->images);
    printf("generation %lld\n", (long long)generation);
    return EXIT_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct apply given = {.file = NULL};
    struct operands operands;
    struct state state;
    struct err err;

    if (options_parse(options, argc, argv, &given, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* secrets pass through here */
    const struct runtime *runtime = bottle_open_running(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    struct up_load load = {.command = command->name, .file = given.file, .confirm = given.confirm};
    int status = apply(command, runtime, &state, &load);
    up_load_fini(&load);
    state_close(&state);
    return status;
}

const struct command cmd_apply = {"apply",
                                  "NAME [-f FILE] [--confirm DIGEST]",
                                  "Put a bottle's manifest, read again, in force while it runs",
                                  options,
                                  "BOTTLE",
                                  run};

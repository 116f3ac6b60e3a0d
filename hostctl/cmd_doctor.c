/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl doctor: whether this machine can run bottles, and whether the walls of one that runs stand. */
#include <stdbool.h>
#include <stddef.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/doctor.h"
#include "hostctl/signals.h"

#define EXIT_UNWELL 1

struct given {
    bool json;
    const char *runtime, *sidecar_image;
};

static const struct option options[] = {
    {0, "json", NULL, "print a JSON object", offsetof(struct given, json), 0},
    {0, "runtime", RUNTIMES, "look at this one only, which then has to be usable",
     offsetof(struct given, runtime), 0},
    {0, "sidecar-image", "IMAGE", "the image to try, as of up", offsetof(struct given, sidecar_image), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static int check(const struct given *given, const struct operands *operands, const struct runtime **runtime,
                 struct err *err)
{
    if (operands->count > 1 || operands->command != NULL)
        return err_set(err, "name one bottle, or none");
    if (operands->count == 1 && (given->runtime != NULL || given->sidecar_image != NULL))
        return err_set(err,
                       "a bottle has its runtime and its image: no option goes with its name but --json");
    *runtime = given->runtime != NULL ? runtime_find(given->runtime) : NULL;
    return given->runtime != NULL && *runtime == NULL ? err_set(err, "unknown runtime \"%s\"", given->runtime)
                                                      : 0;
}

static int examine_bottle(struct doctor *doctor, const char *name, struct err *err)
{
    struct state state;

    if (signals_open(err) != 0)
        return -1;
    const struct runtime *runtime = bottle_open_running(&state, name, err);
    if (runtime == NULL)
        return -1;
    int result = doctor_bottle(doctor, runtime, &state, err);
    state_close(&state);
    return result;
}

static int run(const struct command *command, int argc, char **argv)
{
    const struct runtime *runtime = NULL;
    struct given given = {.json = false};
    struct operands operands;
    struct doctor doctor;
    struct err err;
    int result = 0;

    if (options_parse(options, argc, argv, &given, &operands, &err) != 0 ||
        check(&given, &operands, &runtime, &err) != 0)
        return command_usage(command, &err);
    const char *bottle = operands.count == 1 ? operands.names[0] : NULL;
    doctor_init(&doctor);
    if (bottle != NULL)
        result = examine_bottle(&doctor, bottle, &err);
    else
        doctor_host(&doctor, runtime, given.sidecar_image != NULL ? given.sidecar_image : SIDECAR_IMAGE);
    if (result == 0)
        doctor_print(&doctor, bottle, given.json, stdout);
    int status = result != 0 ? command_fail(command, &err) : doctor.failed > 0 ? EXIT_UNWELL : EXIT_OK;
    doctor_fini(&doctor);
    return status;
}

const struct command cmd_doctor = {"doctor",
                                   "[NAME | --runtime RUNTIME] [--sidecar-image IMAGE] [--json]",
                                   "Check what bottles need of this machine, or every wall of a bottle",
                                   options,
                                   "BOTTLE",
                                   run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl logs: a bottle's audit stream for a person, as JSON, or only whether it is whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/audit_kept.h"
#include "hostctl/audit_lines.h"
#include "hostctl/audit_show.h"
#include "hostctl/audit_verify.h"
#include "hostctl/bottle.h"
#include "hostctl/command.h"

#define EXIT_UNFIT 1 /* --verify: the stream is not whole */

struct logs {
    bool follow, json, verify;
    struct audit_filter filter;
};

static const struct option options[] = {
    {'f', "follow", NULL, "go on until the bottle ends", offsetof(struct logs, follow), 0},
    {0, "deny", NULL, "only what was refused, and alarms", offsetof(struct logs, filter.deny), 0},
    {0, "host", "HOST", "only this host; *.HOST: all below it", offsetof(struct logs, filter.hosts), 1},
    {0, "kind", "KIND", "only this kind", offsetof(struct logs, filter.kinds), 1},
    {0, "json", NULL, "the lines as they are: JSON objects", offsetof(struct logs, json), 0},
    {0, "verify", NULL, "only say whether lines were removed, changed or moved",
     offsetof(struct logs, verify), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static int show(const struct logs *logs, struct audit_lines *lines, struct err *err)
{
    struct str line;
    int more;

    while ((more = audit_lines_next(lines, &line, err)) > 0) {
        audit_show(&logs->filter, logs->json, line, stdout);
        if (!audit_lines_ready(lines) && fflush(stdout) != 0)
            return err_set_errno(err, "stdout");
    }
    return more < 0 ? command_fail(&cmd_logs, err) : EXIT_OK;
}

static int verify(struct audit_lines *lines, const char *name, bool running, struct err *err)
{
    struct audit_verify state = {.lines = 0};
    struct str line;
    int more;

    while ((more = audit_lines_next(lines, &line, err)) > 0) {
        if (running && line.ptr[line.len - 1] != '\n')
            break; /* it is just being written */
        if (audit_verify_line(&state, line, err) != 0)
            return printf("%s: %s\n", name, err->text), EXIT_UNFIT;
    }
    if (more < 0)
        return command_fail(&cmd_logs, err);
    if (audit_verify_end(&state, running, err) != 0)
        printf("%s: %s\n", name, err->text);
    else
        printf("%s: %" PRIu64 " lines, whole from the beginning to %s\n", name, state.lines,
               state.ended ? "the end" : "now");
    if (state.lines > 0)
        printf("%s: number %" PRIu64 ", digest %s%s%s\n", name, state.last, state.digest,
               state.boot[0] != '\0' ? ", boot " : "", state.boot);
    return audit_verify_end(&state, running, err) == 0 ? EXIT_OK : EXIT_UNFIT;
}

static int use(const struct logs *logs, struct audit_lines *lines, const char *name, bool running)
{
    struct err err;
    int status = logs->verify ? verify(lines, name, running, &err) : show(logs, lines, &err);

    audit_lines_close(lines);
    return status;
}

static int use_file(const struct logs *logs, const char *path)
{
    struct audit_lines lines;
    struct err err;

    return audit_lines_file(&lines, path, &err) == 0 ? use(logs, &lines, path, false)
                                                     : command_fail(&cmd_logs, &err);
}

static int use_bottle(const struct logs *logs, const char *name)
{
    struct audit_lines lines;
    struct state state;
    char kept[PATH_MAX];
    struct err err;
    enum state_result result = state_open(&state, name, STATE_READ, 0, &err);

    if (result == STATE_MISSING && audit_kept_find(name, kept) == 0)
        return use_file(logs, kept);
    if (result != STATE_OK)
        return command_fail(&cmd_logs, &err);
    if (bottle_kept(&state) && audit_kept_find(name, kept) == 0) {
        state_close(&state);
        return use_file(logs, kept);
    }
    const struct runtime *runtime = bottle_runtime(&state, &err);
    if (runtime == NULL && err.text[0] == '\0')
        err_set(&err, "the bottle \"%s\" is being made or removed", state.name);
    int status = runtime != NULL && audit_lines_bottle(&lines, &state, runtime, logs->follow, &err) == 0
                     ? use(logs, &lines, name, state_owner(&state) != 0 || bottle_detached(&state))
                     : command_fail(&cmd_logs, &err);
    state_close(&state);
    return status;
}

static int check(const struct logs *logs, const struct operands *operands, struct err *err)
{
    if (operands->count != 1 || operands->command != NULL)
        return err_set(err, "name one bottle or file");
    if (logs->verify && (logs->follow || logs->json || logs->filter.deny || logs->filter.hosts.count > 0 ||
                         logs->filter.kinds.count > 0))
        return err_set(err, "--verify looks at all lines and shows none: no other option goes with it");
    return audit_filter_check(&logs->filter, err);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct logs logs = {.follow = false};
    struct err err;
    int status;

    if (options_parse(options, argc, argv, &logs, &operands, &err) != 0 || check(&logs, &operands, &err) != 0)
        status = command_usage(command, &err);
    else if (strpbrk(operands.names[0], "/.") != NULL) /* no bottle's name has these */
        status = use_file(&logs, operands.names[0]);
    else
        status = use_bottle(&logs, operands.names[0]);
    options_free(options, &logs);
    return status;
}

const struct command cmd_logs = {
    "logs",
    "NAME|FILE [-f] [--deny] [--host HOST]... [--kind KIND]... [--json] | --verify",
    "Show a bottle's audit stream, or verify it",
    options,
    "BOTTLE|KEPT|FILE",
    run};

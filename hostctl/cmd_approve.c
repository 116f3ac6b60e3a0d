/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl approve and deny: the verdict on one held request. There is no way to decide many at once. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/command.h"
#include "hostctl/held.h"

#define TTL_MAX_S 604800UL

struct approve {
    bool once, for_bottle;
    const char *ttl, *reason;
};

static const struct option approve_options[] = {
    {0, "once", NULL, "only this request (the default)", offsetof(struct approve, once), 0},
    {0, "ttl", "TIME", "its like too, for so long: 90s, 15m, 1h, 2d", offsetof(struct approve, ttl), 0},
    {0, "for-bottle", NULL, "its like too, until the bottle ends", offsetof(struct approve, for_bottle), 0},
    {0, "reason", "TEXT", "why, for the audit", offsetof(struct approve, reason), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static const struct option deny_options[] = {
    {0, "reason", "TEXT", "why, for the audit", offsetof(struct approve, reason), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static int read_ttl(const char *text, unsigned long *seconds, struct err *err)
{
    static const struct {
        char unit;
        unsigned long seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    unsigned long number = text[0] >= '0' && text[0] <= '9' && strlen(text) < 9 ? strtoul(text, &end, 10) : 0;

    for (size_t i = 0; number > 0 && i < sizeof units / sizeof units[0]; i++)
        if (*end == units[i].unit && end[1] == '\0' && number <= TTL_MAX_S / units[i].seconds) {
            *seconds = number * units[i].seconds;
            return 0;
        }
    return err_set(err, "--ttl \"%.32s\": must be a number with s, m, h or d, at most 7d", text);
}

static int decide(const struct command *command, const struct operands *operands, const struct held_how *how,
                  const char *reason)
{
    struct err err;

    if (held_decide(operands->names[0], how, reason, &err) != 0)
        return command_fail(command, &err);
    printf("%s %s\n", operands->names[0], how != NULL ? "approved" : "denied");
    return EXIT_OK;
}

static int check(const struct operands *operands, struct err *err)
{
    return operands->count == 1 && operands->command == NULL ? 0 : err_set(err, "name one request");
}

static int run_approve(const struct command *command, int argc, char **argv)
{
    struct approve given = {0};
    struct operands operands;
    struct held_how how = {0};
    struct err err;

    if (options_parse(approve_options, argc, argv, &given, &operands, &err) != 0 ||
        check(&operands, &err) != 0)
        return command_usage(command, &err);
    if (given.once + given.for_bottle + (given.ttl != NULL) > 1) {
        err_set(&err, "--once, --ttl and --for-bottle exclude each other");
        return command_usage(command, &err);
    }
    if (given.reason == NULL) {
        err_set(&err, "--reason TEXT is missing");
        return command_usage(command, &err);
    }
    how.for_bottle = given.for_bottle;
    if (given.ttl != NULL && read_ttl(given.ttl, &how.ttl_s, &err) != 0)
        return command_usage(command, &err);
    return decide(command, &operands, &how, given.reason);
}

static int run_deny(const struct command *command, int argc, char **argv)
{
    struct approve given = {0};
    struct operands operands;
    struct err err;

    if (options_parse(deny_options, argc, argv, &given, &operands, &err) != 0 || check(&operands, &err) != 0)
        return command_usage(command, &err);
    return decide(command, &operands, NULL, given.reason != NULL ? given.reason : "no reason given");
}

const struct command cmd_approve = {"approve",
                                    "ID [--once|--ttl TIME|--for-bottle] --reason TEXT",
                                    "Let a held request through",
                                    approve_options,
                                    NULL,
                                    run_approve};

const struct command cmd_deny = {"deny",  "ID [--reason TEXT]", "Refuse a held request", deny_options, NULL,
                                 run_deny};

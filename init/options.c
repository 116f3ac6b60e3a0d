/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: a table of name, argument and reader. What is not in it is an error. */
#include "init/options.h"

#include <stdlib.h>
#include <string.h>

static int read_name(const char *value, char into[IFNAMSIZ], struct err *err)
{
    size_t len = strlen(value);
    if (len == 0 || len >= IFNAMSIZ || strpbrk(value, "/ \t\n") != NULL)
        return err_set(err, "\"%.64s\" is no name of an interface", value);
    memcpy(into, value, len + 1);
    return 0;
}

static int read_number(const char *value, unsigned least, unsigned most, unsigned *into, struct err *err)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || number < least || number > most)
        return err_set(err, "\"%.64s\" is not a number from %u to %u", value, least, most);
    *into = (unsigned)number;
    return 0;
}

static int read_path(const char *value, const char **into, struct err *err)
{
    if (value[0] != '/')
        return err_set(err, "\"%.64s\" is no absolute path", value);
    *into = value;
    return 0;
}

static int set_egress(struct options *options, const char *value, struct err *err)
{
    return read_name(value, options->egress, err);
}

static int set_agent(struct options *options, const char *value, struct err *err)
{
    return read_name(value, options->agent, err);
}

static int set_proxies(struct options *options, const char *value, struct err *err)
{
    return read_number(value, 1, OPTIONS_PROXIES_MAX, &options->proxies, err);
}

static int set_wait(struct options *options, const char *value, struct err *err)
{
    return read_number(value, 0, OPTIONS_WAIT_MAX, &options->wait_s, err);
}

static int set_host(struct options *options, const char *value, struct err *err)
{
    options->no_host = strcmp(value, "none") == 0;
    if (options->no_host || (ip_parse(str_of(value), &options->host) == 0 && options->host.family == 4))
        return 0;
    return err_set(err, "\"%.64s\" is no IPv4 address, and not \"none\"", value);
}

static int set_policy(struct options *options, const char *value, struct err *err)
{
    return read_path(value, &options->policy, err);
}

static int set_secrets(struct options *options, const char *value, struct err *err)
{
    return read_path(value, &options->secrets, err);
}

static int set_keys(struct options *options, const char *value, struct err *err)
{
    return read_path(value, &options->keys, err);
}

static int set_die_with_parent(struct options *options, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    options->die_with_parent = true;
    return 0;
}

static int set_help(struct options *options, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    options->help = true;
    return 0;
}

static int set_version(struct options *options, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    options->version = true;
    return 0;
}

static const struct option_row {
    const char *name, *argument;
    int (*set)(struct options *options, const char *value, struct err *err);
    const char *help;
} rows[] = {
    {"--egress", "IF", set_egress,
     "the interface towards the internet (default: the one with the default route)"},
    {"--agent", "IF", set_agent,
     "the interface towards the agent (default: the only other one with an address)"},
    {"--proxies", "N", set_proxies, "worker processes of the proxy (default 1)"},
    {"--wait", "S", set_wait, "seconds to wait for the interfaces and their addresses (default 10)"},
    {"--host", "ADDRESS", set_host,
     "where host.stopper.internal is (default: the egress side's gateway; or none)"},
    {"--policy", "FILE", set_policy, "the policy to start with, as JSON"},
    {"--secrets", "FILE", set_secrets, "its secrets, {\"NAME\": \"VALUE\"}; root's, mode 0400 or 0600"},
    {"--keys", "FILE", set_keys, "the keys of its repositories, {\"NAME\": \"PEM\"}; likewise"},
    {"--die-with-parent", NULL, set_die_with_parent, "end when the process that started this one ends"},
    {"--version", NULL, set_version, "print the version"},
    {"--help", NULL, set_help, "print this"},
};

#define ROWS (sizeof rows / sizeof rows[0])

int options_parse(int argc, char *const *argv, struct options *options, struct err *err)
{
    *options = (struct options){.proxies = 1, .wait_s = 10, .policy = "", .secrets = "", .keys = ""};
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = rows;
        const char *equals = strchr(argv[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        while (row < rows + ROWS && (strlen(row->name) != len || strncmp(row->name, argv[i], len) != 0))
            row++;
        if (row == rows + ROWS)
            return err_set(err, "unknown argument \"%.64s\" (see --help)", argv[i]);
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (row->argument == NULL && value != NULL)
            return err_set(err, "%s takes no value", row->name);
        if (row->argument != NULL && value == NULL && ++i < argc)
            value = argv[i];
        if (row->argument != NULL && value == NULL)
            return err_set(err, "%s needs a value (%s)", row->name, row->argument);
        if (row->set(options, value, err) < 0)
            return err_prefix(err, "%s", row->name);
    }
    if (options->egress[0] != '\0' && strcmp(options->egress, options->agent) == 0)
        return err_set(err, "--egress and --agent name the same interface");
    if (options->secrets[0] != '\0' && options->policy[0] == '\0')
        return err_set(err, "--secrets without --policy: nothing would use them");
    if (options->keys[0] != '\0' && options->policy[0] == '\0')
        return err_set(err, "--keys without --policy: nothing would use them");
    return 0;
}

void options_help(FILE *out)
{
    fputs("usage: stopper-init [OPTIONS]           PID 1 of a sidecar\n"
          "       stopper-init ctl VERB [OPTIONS]  speaks to it (ctl --help)\n\n",
          out);
    for (const struct option_row *row = rows; row < rows + ROWS; row++) {
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", row->name, row->argument != NULL ? " " : "",
                 row->argument != NULL ? row->argument : "");
        fprintf(out, "  %-18s %s\n", left, row->help);
    }
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter_write: a starter as a file. What it writes between single quotes is printable ASCII with the quotes doubled; what it
 * writes into comments is printable ASCII. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/starter.h"

/* A text in single quotes, YAML's plainest form. */
static void quoted(FILE *out, const char *text, const char *behind)
{
    fputc('\'', out);
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, out);
    fprintf(out, "%s'", behind);
}

/* A name as it is, where no reader of YAML could take it for a number, a truth value or nothing; else in quotes. */
static void word(FILE *out, const char *text)
{
    if (strchr(text, '.') != NULL && isalpha((unsigned char)text[0]))
        fputs(text, out);
    else
        quoted(out, text, "");
}

/* The paths of a repository with and without ".git", each with this behind it. */
static void paths(FILE *out, const struct words *repos, const char *type, const char *const *behind)
{
    static const char *const forms[] = {"", ".git"};
    const char *before = "";

    for (size_t i = 0; i < repos->count; i++)
        for (const char *const *tail = behind; *tail != NULL; tail++)
            for (size_t form = 0; form < 2; form++) {
                char end[64];
                snprintf(end, sizeof end, "%s%s", forms[form], *tail);
                fprintf(out, "%s\n            - {%svalue: ", before, type);
                quoted(out, repos->list[i], end);
                fputc('}', out);
            }
    fputc('\n', out);
}

static void matches(FILE *out, const struct starter_route *route)
{
    static const char *const whole[] = {"", NULL}, *const posts[] = {"/git-upload-pack",
                                                                     "/info/lfs/objects/batch", NULL};

    if (route->repos.count == 0) {
        fprintf(out, "      matches: [{methods: [GET, HEAD]}]\n");
        return;
    }
    fprintf(out, "      git: {fetch: true}\n      matches:\n");
    if (route->registry) {
        fprintf(out, "        - methods: [GET, HEAD]\n");
    } else {
        fprintf(out, "        - methods: [GET, HEAD]\n          paths:");
        paths(out, &route->repos, "", whole);
    }
    fprintf(out, "        # how git asks for objects, and Git LFS for files\n"
                 "        - methods: [POST]\n          paths:");
    paths(out, &route->repos, "type: exact, ", posts);
}

static void write_route(FILE *out, const struct starter_route *route)
{
    char text[IP_TEXT], variable[64];

    for (size_t i = 0; i < route->reasons.count; i++)
        fprintf(out, "    # %s\n", route->reasons.list[i]);
    fprintf(out, "    - host: ");
    word(out, route->host);
    fprintf(out, "\n      ports: [");
    for (size_t i = 0; i < route->port_count; i++)
        fprintf(out, "%s%u", i > 0 ? ", " : "", route->ports[i]);
    fprintf(out, "]\n");
    if (route->unresolved)
        fprintf(out, "      # its name led nowhere when this was written: a private address would need "
                     "allow_private\n");
    if (route->address_count > 0)
        fprintf(out, "      # in a private network, where it has this address now\n      allow_private: [");
    for (size_t i = 0; i < route->address_count; i++) {
        ip_format(&route->addresses[i], text);
        fprintf(out, "%s%s/32", i > 0 ? ", " : "", text);
    }
    if (route->address_count > 0)
        fprintf(out, "]\n");
    if (route->credentials) {
        snprintf(variable, sizeof variable, "%s_CREDENTIAL", route->tool);
        for (char *at = variable; *at != '\0'; at++)
            *at = (char)toupper((unsigned char)*at);
        fprintf(
            out,
            "      # The URL had a user or a password in it, which is not written here. Put USER:PASSWORD, "
            "or the token\n"
            "      # alone, into a variable of the host's, let auth.token_ref name it, and take the # away:\n"
            "      # auth: {scheme: basic, token_ref: %s}\n",
            variable);
    }
    matches(out, route);
}

static void write_gates(FILE *out, const struct starter *starter, bool open)
{
    const char *mark = open || starter->key != NULL ? "" : "# ";

    if (starter->gate_count == 0)
        return;
    fprintf(
        out,
        "# Repositories that are reached by ssh: the agent clones, fetches and pushes through the gate, and "
        "never sees the key.\n");
    if (mark[0] != '\0')
        fprintf(
            out,
            "# There was no key in ~/.ssh: let key name one that has no passphrase, and take the # away.\n");
    fprintf(out, "%sgit-gate:\n%s  repos:\n", mark, mark);
    for (size_t i = 0; i < starter->gate_count; i++) {
        fprintf(out, "%s    ", mark);
        word(out, starter->gates[i].name);
        fprintf(out, ":\n%s      url: ", mark);
        quoted(out, starter->gates[i].url, "");
        fprintf(
            out,
            "\n%s      key: {provider: static, path: %s}\n"
            "%s      push: {allow: [refs/heads/agent/*]}  # branches of the agent's own; without it, all\n",
            mark, starter->key != NULL ? starter->key : "~/.ssh/id_ed25519", mark);
    }
}

static void write_text(FILE *out, const struct starter *starter, const char *name)
{
    fprintf(out,
            "# A starter bottle\n\n"
            "It says what tools of this machine said of themselves: the hosts that they read from. Only "
            "reading is allowed: GET and\n"
            "HEAD, and `git fetch` from the repositories that are named. Read it, change it, and let bottles "
            "of yours begin with\n"
            "`extends: %s`, or try it:\n\n    hostctl up -f FILE --mount . -- bash\n\n"
            "- A tool may be led on to further hosts, for files or for modules. What was refused is in "
            "`hostctl logs NAME --deny`: add\n"
            "  a route for what you want.\n"
            "- Whoever may write to one of these hosts can put data there, and the agent can say something "
            "to a host by what it asks\n"
            "  for. Name no more of them than the work needs.\n"
            "- A server whose certificate is of your own authority needs `egress.extra_ca`.\n"
            "- The agent can read the variables in `env`. Look whether a path in them holds a token.\n",
            name);
    if (starter->gate_count > 0)
        fprintf(out, "- What git reaches by ssh goes through the gate: it may be fetched, and branches "
                     "`agent/...` of it may be\n  pushed, when nothing secret is in them.\n");
    for (size_t i = 0; i < starter->notes.count; i++)
        fprintf(out, "%s    # %s\n", i == 0 ? "\nWhat became no route:\n\n" : "", starter->notes.list[i]);
}

int starter_write(const struct starter *starter, const char *name, bool gate_open, FILE *out)
{
    fprintf(out, "---\n# Made by: hostctl init");
    for (size_t i = 0; i < starter->tools.count; i++)
        fprintf(out, " %s", starter->tools.list[i]);
    fprintf(out, "\negress:\n  routes:%s\n", starter->route_count == 0 ? " []" : "");
    for (size_t i = 0; i < starter->route_count; i++)
        write_route(out, &starter->routes[i]);
    if (starter->env.count > 0)
        fprintf(out, "# the same for the tools in the bottle\nenv:\n");
    for (size_t i = 0; i + 1 < starter->env.count; i += 2) {
        fprintf(out, "  %s: ", starter->env.list[i]);
        quoted(out, starter->env.list[i + 1], "");
        fputc('\n', out);
    }
    write_gates(out, starter, gate_open);
    fprintf(out, "---\n");
    write_text(out, starter, name);
    return ferror(out) ? -1 : 0;
}

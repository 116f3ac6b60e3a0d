/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter: see starter.h. All text of tools' in it is checked here before it is kept: printable ASCII and bounded, so that neither
 * a comment nor a quoted value can end where it should not. */
#include "hostctl/starter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/url.h"
#include "hostctl/gate_remotes.h"

void starter_init(struct starter *starter)
{
    memset(starter, 0, sizeof *starter);
}

void starter_fini(struct starter *starter)
{
    for (size_t i = 0; i < starter->route_count; i++) {
        words_free(&starter->routes[i].reasons);
        words_free(&starter->routes[i].repos);
    }
    for (size_t i = 0; i < starter->gate_count; i++)
        free(starter->gates[i].url);
    words_free(&starter->env);
    words_free(&starter->notes);
    words_free(&starter->tools);
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static bool has_word(const struct words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->list[i], word) == 0)
            return true;
    return false;
}

static int add_once(struct words *words, const char *word, struct err *err)
{
    if (!has_word(words, word))
        words_add(words, word);
    return words->failed ? err_set(err, "out of memory") : 0;
}

static struct starter_route *route_of(struct starter *starter, const char *tool, const char *host,
                                      struct err *err)
{
    for (size_t i = 0; i < starter->route_count; i++)
        if (strcmp(starter->routes[i].host, host) == 0)
            return &starter->routes[i];
    if (starter->route_count == STARTER_ROUTES_MAX) {
        err_set(err, "more than %d hosts", STARTER_ROUTES_MAX);
        return NULL;
    }
    struct starter_route *route = &starter->routes[starter->route_count++];
    route->tool = tool;
    snprintf(route->host, sizeof route->host, "%s", host);
    return route;
}

static int add_port(struct starter_route *route, uint16_t port, struct err *err)
{
    size_t at = 0;

    while (at < route->port_count && route->ports[at] < port)
        at++;
    if (at < route->port_count && route->ports[at] == port)
        return 0;
    if (route->port_count == POLICY_MAX_PORTS)
        return err_set(err, "more than %d ports of one host", POLICY_MAX_PORTS);
    memmove(route->ports + at + 1, route->ports + at, (route->port_count - at) * sizeof *route->ports);
    route->ports[at] = port;
    route->port_count++;
    return 0;
}

int starter_route(struct starter *starter, const char *tool, struct str setting,
                  const struct starter_url *url, const char *repo, struct err *err)
{
    char reason[STARTER_NAME_MAX + 32], decoded[STARTER_URL_MAX + 1];

    if (setting.len > STARTER_NAME_MAX || !is_printable(setting))
        return err_set(err, "a name of more than %d printable ASCII characters", STARTER_NAME_MAX);
    if (repo != NULL && url_path(str_of(repo), decoded) != URL_OK)
        return err_set(err, "a URL with a path that servers read in different ways");
    struct starter_route *route = route_of(starter, tool, url->host, err);
    if (route == NULL || add_port(route, url->port, err) != 0)
        return -1;
    snprintf(reason, sizeof reason, "%s: %.*s", tool, (int)setting.len, setting.ptr);
    if (url->here &&
        starter_note(starter, err, "%s: this machine, which a bottle calls %s", reason, url->host) != 0)
        return -1;
    route->credentials = route->credentials || url->credentials;
    route->registry = route->registry || repo == NULL;
    if (route->repos.count == STARTER_REPOS_MAX)
        return err_set(err, "more than %d repositories of one host", STARTER_REPOS_MAX);
    return repo != NULL && add_once(&route->repos, repo, err) != 0 ? -1
                                                                   : add_once(&route->reasons, reason, err);
}

/* A name for a repository: the last part of its path, as far as names go, and a number where it is taken. */
static void gate_name(const struct starter *starter, const char *url, char name[65])
{
    const char *last = strrchr(url, '/') + 1;
    size_t len = strcspn(last, "\n"), taken = 1;
    char base[48];

    if (len > 4 && strcmp(last + len - 4, ".git") == 0)
        len -= 4;
    snprintf(base, sizeof base, "%.*s", (int)len, last);
    for (char *at = base; *at != '\0'; at++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *at) == NULL)
            *at = '_';
    if (base[0] == '\0' || base[0] == '-' || base[0] == '.')
        snprintf(base, sizeof base, "repository");
    snprintf(name, 65, "%s", base);
    for (size_t i = 0; i < starter->gate_count; i++)
        if (strcmp(starter->gates[i].name, name) == 0) {
            snprintf(name, 65, "%s-%zu", base, ++taken);
            i = (size_t)-1; /* from the first again */
        }
}

static bool same_place(const struct gate_url *a, const struct gate_url *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port &&
           str_equal(gate_remote_path(a), gate_remote_path(b));
}

int starter_gate(struct starter *starter, const char *url, struct err *err)
{
    struct gate_url from;
    const char *problem = gate_url_take(str_of(url), &from);

    if (problem != NULL)
        return err_set(err, "a URL that %s", problem);
    for (size_t i = 0; i < starter->gate_count; i++)
        if (same_place(&starter->gates[i].from, &from))
            return 0;
    if (starter->gate_count == STARTER_REPOS_MAX)
        return err_set(err, "more than %d repositories", STARTER_REPOS_MAX);
    struct starter_gate *gate = &starter->gates[starter->gate_count];
    gate_name(starter, url, gate->name);
    gate->from = from;
    gate->url = strdup(url);
    if (gate->url == NULL)
        return err_set(err, "out of memory");
    starter->gate_count++;
    return 0;
}

int starter_env(struct starter *starter, const char *name, const char *value, struct err *err)
{
    if (!is_printable(str_of(value)))
        return err_set(err, "%s: what is not printable ASCII", name);
    for (size_t i = 0; i < starter->env.count; i += 2)
        if (strcmp(starter->env.list[i], name) == 0)
            return err_set(err, "%s: two values", name);
    words_add(&starter->env, name);
    words_add(&starter->env, value);
    return starter->env.failed ? err_set(err, "out of memory") : 0;
}

int starter_note(struct starter *starter, struct err *err, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    for (char *at = line; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return add_once(&starter->notes, line, err);
}

static int compare_addresses(const void *a, const void *b)
{
    const struct ip *one = a, *other = b;

    return memcmp(one->bytes, other->bytes, 4);
}

int starter_addresses(struct starter_route *route, const struct ip *addresses, size_t count, struct err *err)
{
    size_t good = 0;

    route->unresolved = count == 0;
    for (size_t i = 0; i < count; i++) {
        enum ip_class class = ip_classify(&addresses[i]);
        good += class != IP_FORBIDDEN;
        if (class != IP_PRIVATE)
            continue;
        if (route->address_count == STARTER_ADDRESSES_MAX)
            return err_set(err, "%s leads to more than %d private addresses", route->host,
                           STARTER_ADDRESSES_MAX);
        route->addresses[route->address_count++] = addresses[i];
    }
    qsort(route->addresses, route->address_count, sizeof *route->addresses, compare_addresses);
    if (count > 0 && good == 0) {
        char text[IP_TEXT];
        ip_format(&addresses[0], text);
        return err_set(err,
                       "%s leads to %s, and no bottle may go there: call it localhost, or let it be served "
                       "at an address of your network",
                       route->host, text);
    }
    return 0;
}

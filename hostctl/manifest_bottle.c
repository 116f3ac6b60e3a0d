/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_bottle: the values of the keys around the routes, and of those routes' keys whose enforcement comes
 * later; see manifest_keys.c, whose table calls these. A value that is wrong is an error now, so that a manifest
 * does not become one later. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/budget.h"
#include "core/policy_tcp.h"
#include "hostctl/manifest_reader.h"
#include "hostctl/templates.h"

#define NAME_MAX_BYTES 64

int manifest_word_add(struct manifest_reader *reader, struct manifest_word **words, size_t *count,
                      const char *text, unsigned line)
{
    struct manifest_word *more = realloc(*words, (*count + 1) * sizeof *more);

    if (more == NULL)
        return OUT_OF_MEMORY(reader);
    *words = more;
    more[*count] = (struct manifest_word){strdup(text), reader->manifest->files[0], line};
    return more[(*count)++].text != NULL ? 0 : OUT_OF_MEMORY(reader);
}

bool manifest_is_name(struct str name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    return name.len > 0 && name.len <= NAME_MAX_BYTES && strspn(name.ptr, letters) >= name.len &&
           name.ptr[0] != '.' && name.ptr[0] != '-';
}

bool manifest_is_variable(struct str name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return name.len > 0 && strspn(name.ptr, letters) == name.len && (name.ptr[0] < '0' || name.ptr[0] > '9');
}

int manifest_one_of(struct manifest_reader *reader, const struct node *node, const char *const words[])
{
    char quoted[REPORT_QUOTED], all[256] = "";

    for (int i = 0; words[i] != NULL; i++) {
        size_t len = strlen(all);
        if (str_equal(text_of(node), str_of(words[i])))
            return i;
        snprintf(all + len, sizeof all - len, "%s%s",
                 i == 0                 ? ""
                 : words[i + 1] != NULL ? ", "
                                        : " or ",
                 words[i]);
    }
    COMPLAIN(reader, node, "must be %s, is %s", all, report_quote(text_of(node), quoted));
    return -1;
}

static int take_name(struct manifest_reader *reader, const struct node *node, struct manifest_word **words,
                     size_t *count, const char *what)
{
    char quoted[REPORT_QUOTED];

    if (!manifest_is_name(text_of(node))) {
        COMPLAIN(
            reader, node,
            "%s is no name of a %s: letters, digits, \".\", \"_\" and \"-\", not beginning with \".\" or "
            "\"-\", at most %d",
            report_quote(text_of(node), quoted), what, NAME_MAX_BYTES);
        return 0;
    }
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*words)[i].text, node->text) == 0) {
            COMPLAIN(reader, node, "\"%s\" is there already", node->text);
            return 0;
        }
    return manifest_word_add(reader, words, count, node->text, node->line);
}

static int list_size(struct manifest_reader *reader, const struct node *node, size_t least, size_t most,
                     const char *what)
{
    if (node->count >= least && node->count <= most)
        return 0;
    COMPLAIN(reader, node, "%zu %s; %zu to %zu are allowed", node->count, what, least, most);
    return -1;
}

int manifest_take_extends(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;

    if (node->kind == NODE_LIST)
        return list_size(reader, node, 1, MANIFEST_EXTENDS_MAX, "bottles");
    return take_name(reader, node, &manifest->extends, &manifest->extends_count, "bottle");
}

int manifest_take_template(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"claude", "codex", "none", NULL};
    static const enum manifest_template templates[] = {TEMPLATE_CLAUDE, TEMPLATE_CODEX, TEMPLATE_NONE};
    int word = manifest_one_of(reader, node, words);

    if (word >= 0)
        reader->manifest->template = templates[word];
    return word < 0 ? -1 : 0;
}

static int keep_word(struct manifest_reader *reader, const struct node *node, struct manifest_word *word)
{
    *word = (struct manifest_word){strdup(node->text), reader->manifest->files[0], node->line};
    return word->text != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_runtime(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"netns", "docker", "podman", "apple", NULL};

    return manifest_one_of(reader, node, words) < 0 ? -1
                                                    : keep_word(reader, node, &reader->manifest->runtime);
}

int manifest_take_image(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    bool good = node->len > 0 && node->len <= 512 && node->text[0] != '-';

    for (size_t i = 0; i < node->len; i++)
        good = good && node->text[i] > ' ' && node->text[i] < 0x7f;
    if (!good)
        COMPLAIN(reader, node, "%s is no name of an image", report_quote(text_of(node), quoted));
    return good ? keep_word(reader, node, &reader->manifest->image) : -1;
}

int manifest_take_skill_list(struct manifest_reader *reader, const struct node *node)
{
    return list_size(reader, node, 0, MANIFEST_SKILLS_MAX, "skills");
}

int manifest_take_skill(struct manifest_reader *reader, const struct node *node)
{
    return take_name(reader, node, &reader->manifest->skills, &reader->manifest->skill_count, "skill");
}

int manifest_take_bottle(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_word *word = NULL;
    size_t count = 0;
    int status = take_name(reader, node, &word, &count, "bottle");

    if (count > 0)
        reader->manifest->bottle = word[0];
    free(word);
    return status;
}

int manifest_take_ignore_list(struct manifest_reader *reader, const struct node *node)
{
    return list_size(reader, node, 0, MANIFEST_IGNORE_MAX, "hosts");
}

int manifest_take_ignore(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;
    char name[HOST_MAX + 3];

    if (manifest_take_name(reader, node, name) != 0)
        return 0;
    for (size_t i = 0; i < manifest->ignore_count; i++)
        if (strcmp(manifest->ignore[i].text, name) == 0) {
            COMPLAIN(reader, node, "\"%s\" is there already", name);
            return 0;
        }
    return manifest_word_add(reader, &manifest->ignore, &manifest->ignore_count, name, node->line);
}

int manifest_take_denied(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"sinkhole", "refuse", NULL};

    reader->manifest->dns_refuse = manifest_one_of(reader, node, words) == 1;
    return 0;
}

int manifest_take_on_denied(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"block", "supervise", NULL};
    int word = manifest_one_of(reader, node, words);

    if (word >= 0)
        reader->manifest->on_denied = word == 0 ? DENIED_BLOCK : DENIED_SUPERVISE;
    return word < 0 ? -1 : 0;
}

int manifest_take_hold_seconds(struct manifest_reader *reader, const struct node *node)
{
    unsigned long seconds = strtoul(node->text, NULL, 10);

    if (seconds < 1 || seconds > HOLD_SECONDS_MAX)
        COMPLAIN(reader, node, "must be from 1 to %d, is %s", HOLD_SECONDS_MAX, node->text);
    else
        reader->manifest->hold_seconds = (unsigned)seconds;
    return 0;
}

int manifest_take_supervise(struct manifest_reader *reader, const struct node *node)
{
    reader->manifest->supervise = strcmp(node->text, "true") == 0;
    return 0;
}

int manifest_take_on_canary(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"alarm", "stop", NULL};

    int word = manifest_one_of(reader, node, words);

    if (word >= 0)
        reader->manifest->on_canary = word == 0 ? CANARY_ALARM : CANARY_STOP;
    return word < 0 ? -1 : 0;
}

/* A value of env that is a map: one of its keys, and one only. */
int manifest_take_env_form(struct manifest_reader *reader, const struct node *node)
{
    if (node->count != 1) {
        COMPLAIN(reader, node, "must have one of the keys from_env and placeholder_for, has %zu keys",
                 node->count);
        return -1;
    }
    return 0;
}

static int add_form(struct manifest_reader *reader, const struct node *node, bool placeholder,
                    const char *ref)
{
    struct manifest *manifest = reader->manifest;
    struct manifest_env *more = realloc(manifest->forms, (manifest->form_count + 1) * sizeof *more);

    if (more == NULL)
        return OUT_OF_MEMORY(reader);
    manifest->forms = more;
    struct manifest_env *form = &more[manifest->form_count++];
    *form = (struct manifest_env){.name = {strdup(reader->variable->key), manifest->files[0], node->line},
                                  .placeholder = placeholder,
                                  .ref = strdup(ref)};
    return form->name.text != NULL && form->ref != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_from_env(struct manifest_reader *reader, const struct node *node)
{
    if (secret_is_name(text_of(node)))
        return add_form(reader, node, false, node->text);
    COMPLAIN(reader, node, /* not quoted: it may be a token that was put here */
             "must be the name of an environment variable of the host that holds the value: letters, "
             "digits and _");
    return -1;
}

int manifest_take_placeholder_for(struct manifest_reader *reader, const struct node *node)
{
    char name[HOST_MAX + 3];

    return manifest_take_name(reader, node, name) != 0 ? -1 : add_form(reader, node, true, name);
}

/* Each role's host: the credential that it wires goes nowhere else. */
static const char *const role_names[] = {"claude_code_oauth", "anthropic_api_key", "codex_oauth",
                                         "openai_api_key", NULL};
static const char *const role_hosts[] = {"api.anthropic.com", "api.anthropic.com", "chatgpt.com",
                                         "api.openai.com"};

int manifest_take_role(struct manifest_reader *reader, const struct node *node)
{
    int role = manifest_one_of(reader, node, role_names);

    if (role < 0)
        return -1;
    reader->route->role = role_names[role];
    reader->route->role_line = node->line;
    if (role_text(role_names[role]) == NULL)
        return manifest_word_add(reader, &reader->route->later, &reader->route->later_count, reader->path,
                                 node->line);
    return 0;
}

/* A port is raw or opened, never both: what comes first would have to decide, and servers may speak first. */
static void check_tcp(struct manifest_reader *reader, const struct manifest_route *route, size_t index)
{
    static const uint16_t usual[] = {80, 443};
    bool host = strcmp(route->host, POLICY_HOST_SERVICE) == 0, said = route->port_count > 0 || host;
    const uint16_t *ports = said ? route->ports : usual;
    size_t count = said ? route->port_count : sizeof usual / sizeof usual[0];

    if (route->tcp_line > 0 && route->host[0] == '*') {
        snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].tcp", index);
        report_add(reader->report, route->tcp_line, reader->path, "raw TCP needs one host, not a wildcard");
    }
    if (route->tcp_line > 0 && route->dlp.budget > 0) {
        snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].tcp", index);
        report_add(reader->report, route->tcp_line, reader->path,
                   "what goes over raw TCP is not counted, so no dlp.budget may be beside it");
    }
    for (size_t i = 0; i < route->tcp_count; i++)
        for (size_t j = 0; j < count; j++) {
            if (route->tcp[i] != ports[j])
                continue;
            snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].tcp[%zu].port", index, i);
            report_add(
                reader->report, route->tcp_lines[i], reader->path,
                said ? "%u is in ports too, where HTTP and TLS are opened"
                     : "%u is one of the ports where HTTP and TLS are opened, unless ports names others",
                route->tcp[i]);
        }
}

void manifest_check_routes(struct manifest_reader *reader)
{
    for (size_t i = 0; i < reader->manifest->route_count; i++) {
        const struct manifest_route *route = &reader->manifest->routes[i];
        if (reader->route_hosts[i] == NULL)
            continue;
        for (size_t role = 0; role_names[role] != NULL; role++) {
            if (route->role != role_names[role] || strcmp(route->host, role_hosts[role]) == 0)
                continue;
            snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].role", i);
            report_add(reader->report, route->role_line, reader->path, "the role %s is of the host %s only",
                       route->role, role_hosts[role]);
        }
        bool host = strcmp(route->host, POLICY_HOST_SERVICE) == 0;
        if (host && route->port_count == 0 && route->tcp_line == 0) {
            snprintf(reader->path, sizeof reader->path, "egress.routes[%zu]", i);
            report_add(reader->report, route->line, reader->path,
                       "the key \"ports\" is missing: " POLICY_HOST_SERVICE
                       " is the host, of which only the ports "
                       "that are named are open");
        }
        if (host && route->allow_private_count > 0) {
            snprintf(reader->path, sizeof reader->path, "egress.routes[%zu].allow_private", i);
            report_add(reader->report, route->line, reader->path,
                       "has no meaning for " POLICY_HOST_SERVICE ", which leads to the host alone");
        }
        check_tcp(reader, route, i);
    }
}

int manifest_take_placeholder(struct manifest_reader *reader, const struct node *node)
{
    const char *problem = policy_placeholder_problem(text_of(node));

    if (problem != NULL) {
        COMPLAIN(reader, node, "%s", problem);
        return -1;
    }
    reader->route->auth.placeholder = strdup(node->text);
    return reader->route->auth.placeholder != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_in_list(struct manifest_reader *reader, const struct node *node)
{
    reader->route->auth.in_line = node->line;
    return list_size(reader, node, 1, MANIFEST_IN_MAX, "places");
}

/* "query:NAME" or "header:NAME". */
int manifest_take_in(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;
    char quoted[REPORT_QUOTED];
    struct str name;
    bool query;
    const char *problem = policy_place(text_of(node), &query, &name);

    if (problem != NULL) {
        COMPLAIN(reader, node, "%s %s", report_quote(name, quoted), problem);
        return 0;
    }
    route->auth.in[route->auth.in_count] = strdup(node->text);
    return route->auth.in[route->auth.in_count++] != NULL ? 0 : OUT_OF_MEMORY(reader);
}

/* false, or the list whose entries follow. */
int manifest_take_outbound_list(struct manifest_reader *reader, const struct node *node)
{
    reader->route->dlp_said.outbound = true;
    return node->kind == NODE_LIST ? list_size(reader, node, 1, 8, "detectors; false is none") : 0;
}

int manifest_take_inbound_list(struct manifest_reader *reader, const struct node *node)
{
    reader->route->dlp_said.inbound = true;
    return node->kind == NODE_LIST ? list_size(reader, node, 1, 8, "detectors; false is none") : 0;
}

int manifest_take_outbound(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"token_patterns", "known_secrets", "entropy", NULL};

    if (manifest_one_of(reader, node, words) >= 0)
        reader->route->dlp.outbound |= dlp_rules_detector(true, text_of(node));
    return 0;
}

int manifest_take_inbound(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"naive_injection_detection", NULL};

    if (manifest_one_of(reader, node, words) >= 0)
        reader->route->dlp.inbound |= dlp_rules_detector(false, text_of(node));
    return 0;
}

int manifest_take_outbound_on_match(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"supervise", "redact", "block", NULL};

    if (manifest_one_of(reader, node, words) < 0)
        return -1;
    reader->route->dlp.outbound_on_match = (enum dlp_rules_action)dlp_rules_action(true, text_of(node));
    reader->route->dlp_said.outbound_on_match = true;
    return 0;
}

int manifest_take_inbound_on_match(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"block", "annotate", "log", NULL};

    if (manifest_one_of(reader, node, words) < 0)
        return -1;
    reader->route->dlp.inbound_on_match = (enum dlp_rules_action)dlp_rules_action(false, text_of(node));
    reader->route->dlp_said.inbound_on_match = true;
    return 0;
}

int manifest_take_budget(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    const char *problem = budget_parse(text_of(node), &reader->route->dlp.budget);

    if (problem != NULL)
        COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), problem);
    return 0;
}

int manifest_take_tcp_list(struct manifest_reader *reader, const struct node *node)
{
    reader->route->tcp_line = node->line;
    return list_size(reader, node, 1, POLICY_MAX_PORTS, "ports");
}

int manifest_take_tcp_port(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;
    unsigned long port = strtoul(node->text, NULL, 10);
    const char *problem = policy_tcp_problem(port <= 65535 ? (unsigned)port : 0);

    for (size_t i = 0; i < route->tcp_count; i++)
        if (route->tcp[i] == port)
            problem = "is there already";
    if (problem != NULL) {
        COMPLAIN(reader, node, "%s %s", node->text, problem);
        return 0;
    }
    route->tcp_lines[route->tcp_count] = node->line;
    route->tcp[route->tcp_count++] = (uint16_t)port;
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl explain: what would become of one request, and which line of which file says so. It starts nothing, needs no
 * root and no variable of auth, asks no resolver, and says what it therefore did not judge. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/budget.h"
#include "core/forward.h"
#include "core/swap.h"
#include "hostctl/command.h"
#include "hostctl/compile.h"
#include "hostctl/explain.h"
#include "hostctl/explain_git.h"
#include "hostctl/layers.h"
#include "hostctl/placeholder.h"
#include "hostctl/places.h"

#define RULE_NONE "default" /* the audit's word for "no route" */

enum { EXIT_DENIED = 1 };

struct wanted {
    const char *file;
    struct option_list headers;
    bool json;
};

/* What the request is judged by. */
struct loaded {
    struct layers_agent agent;
    struct manifest *manifest; /* the agent's, or own */
    struct policy *policy;     /* its routes are the manifest's, in the same order */
};

static const struct option options[] = {
    {'f', "file", "FILE", "a bottle's file", offsetof(struct wanted, file), 0},
    {'H', "header", "'NAME: VALUE'", "a field of the request; may be repeated",
     offsetof(struct wanted, headers), 1},
    {0, "json", NULL, "print a JSON object", offsetof(struct wanted, json), 0},
    {0, NULL, NULL, NULL, 0, 0}};

/* The agent of this name, as `up` takes it, else the bottle. */
static int find_name(const char *name, struct loaded *loaded, char path[PATH_MAX], bool *agent,
                     struct err *err)
{
    char config[PATH_MAX];

    *agent = layers_find_agent(name, &loaded->agent, err) == 0;
    if (*agent) {
        memcpy(path, loaded->agent.path, PATH_MAX);
        return 0;
    }
    if (!manifest_is_name(str_of(name)))
        return err_set(err, "\"%.64s\" is no name of a bottle or an agent", name);
    if (places_config(config, err) != 0 || places_file(config, "bottles", name, path, err) != 0)
        return -1;
    return places_exists(path)
               ? 0
               : err_set(err, "there is no bottle and no agent \"%s\" in %s or " PLACES_REPOSITORY, name,
                         config);
}

/* Returns 0, or -1 with err; an empty one when the report has been printed. */
static int load(struct loaded *loaded, const char *path, bool agent, struct err *err)
{
    struct report report;

    err->text[0] = '\0';
    report_init(&report, path);
    if (!agent)
        loaded->manifest = layers_bottle(&report);
    else if (layers_agent(&loaded->agent, &report) == 0)
        loaded->manifest = loaded->agent.manifest;
    report_print(&report, stderr);
    bool good = report.count == 0 && loaded->manifest != NULL;
    report_fini(&report);
    if (good && placeholder_fill(loaded->manifest, placeholder_no_seed) != 0)
        good = err_set(err, "out of memory") == 0;
    char *text = good ? compile_policy(loaded->manifest, NULL, 0, NULL, false, err) : NULL;
    int status = text != NULL ? policy_parse(str_of(text), false, &loaded->policy, err) : -1;
    free(text);
    return status;
}

static void unload(struct loaded *loaded)
{
    policy_unref(loaded->policy);
    if (loaded->manifest != loaded->agent.manifest)
        manifest_free(loaded->manifest);
    layers_agent_fini(&loaded->agent);
}

static const struct manifest_route *route_of(const struct loaded *loaded, const struct explained *x)
{
    return x->judged.route != NULL ? &loaded->manifest->routes[x->judged.route - loaded->policy->routes]
                                   : NULL;
}

/* Where the entry that decided was written: in one of the manifest's files, or in a role. */
static json_t *place_of_entry(const struct loaded *loaded, const struct explained *x)
{
    const struct manifest_route *route = route_of(loaded, x);
    const struct match_entry *entry = x->judged.entry;

    if (entry == NULL)
        return json_null();
    const struct match_rules *rules = &x->judged.route->rules;
    bool deny = rules->deny.count > 0 && entry >= rules->deny.entries &&
                entry < rules->deny.entries + rules->deny.count;
    const struct match_list *judged = deny ? &rules->deny : &rules->matches;
    const struct match_list *written = deny ? &route->rules.deny : &route->rules.matches;
    const char *file = !deny && route->matches_file != NULL ? route->matches_file : route->file;
    return json_pack("{s:s,s:i}", "file", file, "line", (int)written->entries[entry - judged->entries].line);
}

/* Whether the value takes the placeholder's place in a field that was given. */
static bool is_swapped(const struct explained *x, const struct h1_field *field)
{
    return swap_field(x->judged.route, field) && !h1_head_lists(&x->head, "connection", field->name);
}

/* The parameters of the query of which this becomes, as "query:NAME". */
static void add_parameters(json_t *array, const struct explained *x, enum swap_parameter which)
{
    struct str pair, name;

    for (size_t at = 1; x->request.query.len > 0 && swap_next_pair(x->request.query, &at, &pair);)
        if (swap_parameter(x->judged.route, pair, &name) == which)
            json_array_append_new(array, json_sprintf("query:%.*s", (int)name.len, name.ptr));
}

/* Where in this request the value goes instead of into its own field. */
static json_t *swapped(const struct explained *x)
{
    json_t *array = json_array();

    for (size_t i = 0; i < x->head.field_count; i++)
        if (is_swapped(x, &x->head.fields[i]))
            json_array_append_new(array,
                                  json_stringn(x->head.fields[i].name.ptr, x->head.fields[i].name.len));
    add_parameters(array, x, SWAP_VALUE);
    return array;
}

/* Of the fields and parameters that were given, those that stay behind. */
static json_t *stripped(const struct explained *x)
{
    json_t *array = json_array();

    if (x->tunnel || x->raw || x->denial != DENIAL_NONE)
        return array;
    for (size_t i = 0; i < x->head.field_count; i++) {
        const struct h1_field *field = &x->head.fields[i];
        if (!str_equal_nocase(field->name, str_of("host")) &&
            !forward_field(&x->head, x->judged.route, field) && !is_swapped(x, field))
            json_array_append_new(array, json_stringn(field->name.ptr, field->name.len));
    }
    add_parameters(array, x, SWAP_OUT);
    return array;
}

/* Where the value goes instead, if the agent has put the placeholder there, and where it has. */
static json_t *placeholder(const struct loaded *loaded, const struct manifest_route *route,
                           const struct explained *x)
{
    const struct route *judged = x->judged.route;

    static const char authorization[] = "Authorization";
    json_t *in = json_pack("[s]", authorization), *env = json_array();

    if (!str_equal_nocase(str_of(judged->auth.header), str_of(authorization)))
        json_array_append_new(in, json_string(judged->auth.header));
    for (size_t i = 0; i < route->auth.in_count; i++)
        json_array_append_new(in, json_string(route->auth.in[i]));
    for (size_t i = 0; i < loaded->manifest->form_count; i++)
        if (loaded->manifest->forms[i].held == route->auth.placeholder)
            json_array_append_new(env, json_string(loaded->manifest->forms[i].name.text));
    return json_pack("{s:s?,s:o,s:o,s:o}", "value", route->auth.generated ? NULL : route->auth.placeholder,
                     "in", in, "env", env, "here", swapped(x));
}

static json_t *injected(const struct loaded *loaded, const struct explained *x)
{
    const struct manifest_route *route = route_of(loaded, x);

    if (route == NULL || route->auth.token_ref == NULL || x->denial != DENIAL_NONE || x->raw)
        return json_null();
    json_t *said = json_pack("{s:s,s:s,s:s}", "variable", route->auth.token_ref, "header",
                             x->judged.route->auth.header, "scheme", policy_scheme_name(route->auth.scheme));
    if (route->auth.placeholder != NULL)
        json_object_set_new(said, "placeholder", placeholder(loaded, route, x));
    return said;
}

/* Whether there is a value or a placeholder that must not be in the head of a request. */
static bool holds_secrets(const struct manifest *manifest)
{
    bool holds = manifest->form_count > 0;

    for (size_t i = 0; i < manifest->route_count; i++)
        holds = holds || manifest->routes[i].auth.token_ref != NULL;
    return holds;
}

static json_t *ports(const uint16_t *ports, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer(ports[i]));
    return array;
}

static const char *tls_of(const struct explained *x)
{
    return x->raw ? "raw" : !x->tls ? "none" : x->tunnel ? "passthrough" : "opened";
}

static json_t *detectors(unsigned set)
{
    json_t *array = json_array();

    for (unsigned one = 1; one <= set; one <<= 1)
        if (set & one)
            json_array_append_new(array, json_string(dlp_rules_detector_name(one)));
    return array;
}

/* What is looked for in what passes, and what becomes of it; null where nothing is opened or allowed. */
static json_t *looked_for(const struct explained *x)
{
    if (x->tunnel || x->raw || x->denial != DENIAL_NONE)
        return json_null();
    const struct dlp_rules *rules = &x->judged.route->dlp;
    return json_pack("{s:o,s:s,s:o,s:s,s:o}", "outbound", detectors(rules->outbound), "outbound_on_match",
                     dlp_rules_action_name(rules->outbound_on_match), "inbound", detectors(rules->inbound),
                     "inbound_on_match", dlp_rules_action_name(rules->inbound_on_match), "budget",
                     rules->budget > 0 ? json_integer((json_int_t)rules->budget) : json_null());
}

/* What this command cannot know. */
static json_t *unjudged(const struct loaded *loaded, const struct explained *x)
{
    json_t *array = json_array();
    const struct route *route = x->judged.route;
    const struct manifest *manifest = loaded->manifest;

    if (x->denial == DENIAL_HOST_NOT_ALLOWED && manifest->dns_refuse)
        json_array_append_new(
            array, json_string("DNS, which refuses this name before there is a request (dns-name)"));
    if (x->held)
        json_array_append_new(array,
                              json_string("the operator, for whom the request is held: it goes on when he "
                                          "approves it"));
    if (x->denial != DENIAL_NONE)
        return array;
    json_array_append_new(
        array, json_string(route->host_service
                               ? "the host: whether one of its services takes connections on this port "
                                 "from the bottle"
                           : route->allow_private_count > 0
                               ? "the address that the name resolves to: it must be public, or in "
                                 "allow_private (else address-refused)"
                               : "the address that the name resolves to: it must be public (else "
                                 "address-refused)"));
    if (x->tunnel)
        json_array_append_new(array,
                              json_string("method, path and fields: nobody sees them, TLS is not opened"));
    if (x->raw)
        json_array_append_new(
            array, json_string("what is said: raw TCP is carried as it is, and nobody looks at it"));
    if (x->tunnel && !route->tls_ech)
        json_array_append_new(
            array, json_string("Encrypted ClientHello: a client that uses it is refused (tls-ech)"));
    if (!x->tunnel && !x->raw && holds_secrets(manifest))
        json_array_append_new(
            array,
            json_string("secrets in the head: the value or the placeholder of another route, or a value "
                        "of from_env, is refused (secret-elsewhere)"));
    if (route->dlp.budget > 0)
        json_array_append_new(
            array, json_string("what other requests of the route sent in the last minute: what does not fit "
                               "into the budget is refused (dlp-budget)"));
    if (x->request.look)
        json_array_append_new(
            array, json_string("the body: a Git LFS batch that is not clearly a download is refused "
                               "(git-push)"));
    if (route_injects(route) && !x->raw)
        json_array_append_new(
            array, json_string("the answer: one that is compressed is refused (upstream-encoding)"));
    return array;
}

static json_t *keys_not_enforced(const struct manifest *manifest, const char *file)
{
    json_t *array = json_array();
    struct report later;

    report_init(&later, file);
    manifest_unenforced(manifest, &later);
    for (size_t i = 0; i < later.kept; i++)
        json_array_append_new(array, json_pack("{s:s,s:i,s:s}", "file", later.lines[i].file, "line",
                                               (int)later.lines[i].line, "message", later.lines[i].text));
    report_fini(&later);
    return array;
}

static json_t *describe(const struct loaded *loaded, const struct explained *x, const char *file)
{
    const struct manifest_route *route = route_of(loaded, x);
    const struct route *judged = x->judged.route;
    bool denied = x->denial != DENIAL_NONE;

    return json_pack(
        "{s:s,s:s?,s:i,s:s?,s:s?,s:s,s:o,s:o,s:s,s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "verdict",
        denied ? "block" : "allow", "reason", denied ? denial_name(x->denial) : NULL, "status",
        denial_status(x->denial), "sentence", denied ? denial_sentence(x->denial) : NULL, "hint",
        denied ? denial_hint(x->denial) : NULL, "rule",
        x->judged.rule[0] != '\0' ? x->judged.rule : RULE_NONE, "route",
        route != NULL ? json_pack("{s:s,s:i}", "file", route->file, "line", (int)route->line) : json_null(),
        "entry", place_of_entry(loaded, x), "host", x->host, "port", (int)x->port, "tls", tls_of(x), "ports",
        ports(judged ? judged->ports : NULL, judged ? judged->port_count : 0), "tcp",
        ports(judged ? judged->tcp : NULL, judged ? judged->tcp_count : 0), "injected", injected(loaded, x),
        "stripped", stripped(x), "dlp", looked_for(x), "unjudged", unjudged(loaded, x), "unenforced",
        keys_not_enforced(loaded->manifest, file));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* "FILE:LINE: " in front of a rule. */
static void print_place(const json_t *place)
{
    if (json_is_object(place))
        printf("%s:%d: ", text_of(place, "file"), (int)json_integer_value(json_object_get(place, "line")));
}

static void print_list(const char *name, const json_t *list, const char *before)
{
    size_t i;
    json_t *item;

    if (json_array_size(list) == 0)
        return;
    printf("%s", name);
    json_array_foreach(list, i, item) {
        if (json_is_integer(item))
            printf("%s%d", i > 0 ? before : "", (int)json_integer_value(item));
        else
            printf("%s%s", i > 0 ? before : "", json_string_value(item));
    }
    printf("\n");
}

static void print_looked_for(const json_t *dlp, const char *direction, const char *words)
{
    char key[32], before[64];
    const json_t *list = json_object_get(dlp, direction);

    snprintf(key, sizeof key, "%s_on_match", direction);
    snprintf(before, sizeof before, "  looked for in %s (%s): ", words, text_of(dlp, key));
    print_list(before, list, ", ");
}

static void print_budget(const json_t *dlp)
{
    char text[BUDGET_TEXT];
    json_int_t bytes = json_integer_value(json_object_get(dlp, "budget"));

    if (bytes == 0)
        return;
    budget_format((uint64_t)bytes, text);
    printf("  budget: %s, for all requests of the route together\n", text);
}

static void print_placeholder(const json_t *placeholder)
{
    const char *value = text_of(placeholder, "value");

    if (!json_is_object(placeholder))
        return;
    printf("  placeholder: %s%s%s; where it stands the value takes its place instead\n",
           value[0] != '\0' ? "\"" : "", value[0] != '\0' ? value : "one of the bottle's own",
           value[0] != '\0' ? "\"" : "");
    print_list("  placeholder in: ", json_object_get(placeholder, "in"), ", ");
    print_list("  placeholder for the agent in: ", json_object_get(placeholder, "env"), ", ");
}

static void print_text(const json_t *said, const char *file)
{
    const json_t *entry = json_object_get(said, "entry"), *auth = json_object_get(said, "injected"), *later;
    const char *tls = text_of(said, "tls");
    bool denied = strcmp(text_of(said, "verdict"), "block") == 0,
         route = json_is_object(json_object_get(said, "route"));
    size_t i;

    print_place(json_is_object(entry) ? entry : json_object_get(said, "route"));
    if (!denied)
        printf("allowed by %s\n", text_of(said, "rule"));
    else if (route)
        printf("denied by %s: %s\n", text_of(said, "rule"), text_of(said, "reason"));
    else
        printf("%s: denied, no route decided: %s\n", file, text_of(said, "reason"));
    if (denied)
        printf("  %s\n  %s\n", text_of(said, "sentence"), text_of(said, "hint"));
    printf("  tls: %s\n", strcmp(tls, "none") == 0          ? "none"
                          : strcmp(tls, "raw") == 0         ? "not looked for, this is raw TCP"
                          : strcmp(tls, "passthrough") == 0 ? "passed through, by the server name"
                                                            : "opened");
    print_list("  ports: ", json_object_get(said, "ports"), ", ");
    print_list("  tcp ports: ", json_object_get(said, "tcp"), ", ");
    const json_t *here = json_object_get(json_object_get(auth, "placeholder"), "here");
    if (json_array_size(here) > 0) {
        printf("  injected: the value of %s in the placeholder's place", text_of(auth, "variable"));
        print_list(" in ", here, ", ");
    } else if (json_is_object(auth)) {
        printf("  injected: the value of %s in %s, scheme %s\n", text_of(auth, "variable"),
               text_of(auth, "header"), text_of(auth, "scheme"));
    }
    print_placeholder(json_object_get(auth, "placeholder"));
    print_list("  stripped: ", json_object_get(said, "stripped"), ", ");
    print_looked_for(json_object_get(said, "dlp"), "outbound", "what is sent");
    print_looked_for(json_object_get(said, "dlp"), "inbound", "what comes back");
    print_budget(json_object_get(said, "dlp"));
    print_list("  not judged: ", json_object_get(said, "unjudged"), "\n  not judged: ");
    json_array_foreach(json_object_get(said, "unenforced"), i, later) {
        printf("  up refuses to start: ");
        print_place(later);
        printf("%s\n", text_of(later, "message"));
    }
}

static int judge_and_print(const struct command *command, const struct wanted *wanted,
                           const struct loaded *loaded, const char *file, char **words)
{
    static struct explained x; /* large */
    struct err err;

    if (explain(loaded->policy, words[0], words[1], wanted->headers.values, wanted->headers.count, &x,
                &err) != 0) {
        explain_fini(&x);
        return command_usage(command, &err);
    }
    json_t *said = describe(loaded, &x, file);
    int status = said == NULL ? EXIT_STOPPER : x.denial == DENIAL_NONE ? EXIT_OK : EXIT_DENIED;
    explain_fini(&x);
    if (said == NULL) {
        err_set(&err, "out of memory");
        return command_fail(command, &err);
    }
    if (wanted->json) {
        json_dumpf(said, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    } else {
        print_text(said, file);
    }
    json_decref(said);
    return status;
}

/* "fetch URL", or "push URL [REF]". */
static int explain_remote(const struct command *command, const struct wanted *wanted,
                          const struct loaded *loaded, const char *file, char **words, size_t count)
{
    struct err err;
    json_t *said = explain_git(loaded->manifest, words[0], words[1], count > 2 ? words[2] : NULL, &err);

    if (said == NULL)
        return command_usage(command, &err);
    int status = strcmp(text_of(said, "verdict"), "allow") == 0 ? EXIT_OK : EXIT_DENIED;
    if (wanted->json) {
        json_dumpf(said, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    } else {
        explain_git_print(said, file);
    }
    json_decref(said);
    return status;
}

static int explain_words(const struct command *command, const struct wanted *wanted,
                         const struct operands *operands)
{
    struct loaded loaded = {.manifest = NULL};
    char path[PATH_MAX];
    const char *file = wanted->file;
    bool agent = false;
    struct err err;
    size_t first = file != NULL ? 0 : 1, count = operands->count > first ? operands->count - first : 0;
    bool git = count > 0 && explain_git_is(operands->names[first]);

    if (operands->command != NULL || (count != 2 && !(git && count == 3))) {
        err_set(&err, "takes %s, a METHOD and a URL", file != NULL ? "-f FILE" : "-f FILE or a NAME");
        return command_usage(command, &err);
    }
    if (file == NULL) {
        if (find_name(operands->names[0], &loaded, path, &agent, &err) != 0)
            return command_usage(command, &err);
        file = path;
    }
    int status = EXIT_USAGE;
    if (load(&loaded, file, agent, &err) == 0)
        status = git ? explain_remote(command, wanted, &loaded, file, operands->names + first, count)
                     : judge_and_print(command, wanted, &loaded, file, operands->names + first);
    else if (err.text[0] != '\0')
        status = command_fail(command, &err);
    unload(&loaded);
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct wanted wanted = {0};
    struct operands operands;
    struct err err;

    int status = options_parse(options, argc, argv, &wanted, &operands, &err) != 0
                     ? command_usage(command, &err)
                     : explain_words(command, &wanted, &operands);
    options_free(options, &wanted);
    return status;
}

const struct command cmd_explain = {"explain",
                                    "[-f FILE | NAME] METHOD URL [-H 'NAME: VALUE'...] [--json]\n"
                                    "                  [-f FILE | NAME] fetch URL | push URL [REF]",
                                    "Say whether a request would be allowed, and by which line",
                                    options,
                                    "MANIFEST|AGENT? METHOD URL",
                                    run};

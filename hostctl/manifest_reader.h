/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_reader: what manifest.c (the walk) and manifest_keys.c (the language) share. Nobody else includes
 * it. */
#ifndef HOSTCTL_MANIFEST_READER_H
#define HOSTCTL_MANIFEST_READER_H

#include "hostctl/manifest.h"

#define PATH_SIZE 512

struct manifest_reader {
    struct report *report;
    struct manifest *manifest;
    const struct manifest_key *keys; /* the language: a bottle's or an agent's */
    struct manifest_route *route;    /* the one being read */
    const struct node **route_hosts; /* by route; NULL where the host is missing or bad */
    bool multi_tenant;               /* said of this route */
    const struct node *variable;     /* of env, with a map as its value */
    /* manifest_match.c's: the list, how many of its entries are begun, the last of them, the path or header */
    struct match_list *list;
    size_t filled;
    struct match_entry *entry;
    unsigned presets; /* a bit each: is there already */
    int match_type;   /* -1: not one */
    const struct node *header;
    char path[PATH_SIZE]; /* where we are: "egress.routes[2].host" */
};

#define COMPLAIN(reader, node, ...) report_add((reader)->report, (node)->line, (reader)->path, __VA_ARGS__)

#define OUT_OF_MEMORY(reader) (report_add((reader)->report, 0, "", "out of memory"), -1)

static inline struct str text_of(const struct node *node)
{
    return (struct str){node->text, node->len};
}

static inline struct str key_of(const struct node *node)
{
    return (struct str){node->key, node->key_len};
}

/* Appends to a list of words of a manifest. Return 0, or -1 when memory is out, which is complained of. */
int manifest_word_add(struct manifest_reader *reader, struct manifest_word **words, size_t *count,
                      const char *text, unsigned line);

/* A host's name or "*.name" of a route or of ignore. Returns 0 with the canonical form, or -1 after a complaint. */
int manifest_take_name(struct manifest_reader *reader, const struct node *node, char into[HOST_MAX + 3]);

/* Complains unless the node's text is one of the words (separated by ", "); returns its number, else -1. */
int manifest_one_of(struct manifest_reader *reader, const struct node *node, const char *const words[]);

/* Whether this is the name of an environment variable. */
bool manifest_is_variable(struct str name);

/* Takers of manifest_bottle.c. */
int manifest_take_extends(struct manifest_reader *reader, const struct node *node);
int manifest_take_template(struct manifest_reader *reader, const struct node *node);
int manifest_take_runtime(struct manifest_reader *reader, const struct node *node);
int manifest_take_image(struct manifest_reader *reader, const struct node *node);
int manifest_take_skill_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_skill(struct manifest_reader *reader, const struct node *node);
int manifest_take_bottle(struct manifest_reader *reader, const struct node *node);
int manifest_take_ignore_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_ignore(struct manifest_reader *reader, const struct node *node);
int manifest_take_denied(struct manifest_reader *reader, const struct node *node);
int manifest_take_on_denied(struct manifest_reader *reader, const struct node *node);
int manifest_take_hold_seconds(struct manifest_reader *reader, const struct node *node);
int manifest_take_supervise(struct manifest_reader *reader, const struct node *node);
int manifest_take_on_canary(struct manifest_reader *reader, const struct node *node);
int manifest_take_env_form(struct manifest_reader *reader, const struct node *node);
int manifest_take_from_env(struct manifest_reader *reader, const struct node *node);
int manifest_take_placeholder_for(struct manifest_reader *reader, const struct node *node);
int manifest_take_role(struct manifest_reader *reader, const struct node *node);
int manifest_take_placeholder(struct manifest_reader *reader, const struct node *node);
int manifest_take_in_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_in(struct manifest_reader *reader, const struct node *node);
int manifest_take_outbound_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_inbound_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_outbound(struct manifest_reader *reader, const struct node *node);
int manifest_take_inbound(struct manifest_reader *reader, const struct node *node);
int manifest_take_outbound_on_match(struct manifest_reader *reader, const struct node *node);
int manifest_take_inbound_on_match(struct manifest_reader *reader, const struct node *node);
int manifest_take_budget(struct manifest_reader *reader, const struct node *node);
int manifest_take_tcp_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_tcp_port(struct manifest_reader *reader, const struct node *node);

/* Takers of manifest_gate.c. */
int manifest_take_user_name(struct manifest_reader *reader, const struct node *node);
int manifest_take_user_email(struct manifest_reader *reader, const struct node *node);
int manifest_take_repo(struct manifest_reader *reader, const struct node *node);
int manifest_take_url(struct manifest_reader *reader, const struct node *node);
int manifest_take_key(struct manifest_reader *reader, const struct node *node);
int manifest_take_provider(struct manifest_reader *reader, const struct node *node);
int manifest_take_key_path(struct manifest_reader *reader, const struct node *node);
int manifest_take_forge_token(struct manifest_reader *reader, const struct node *node);
int manifest_take_api_url(struct manifest_reader *reader, const struct node *node);
int manifest_take_host_key(struct manifest_reader *reader, const struct node *node);
int manifest_take_refs(struct manifest_reader *reader, const struct node *node);
int manifest_take_allow(struct manifest_reader *reader, const struct node *node);
int manifest_take_deny_ref(struct manifest_reader *reader, const struct node *node);
int manifest_take_force(struct manifest_reader *reader, const struct node *node);
int manifest_take_delete(struct manifest_reader *reader, const struct node *node);
int manifest_take_protected_list(struct manifest_reader *reader, const struct node *node);
int manifest_take_protected(struct manifest_reader *reader, const struct node *node);
int manifest_take_max_pack(struct manifest_reader *reader, const struct node *node);
int manifest_take_on_finding(struct manifest_reader *reader, const struct node *node);
int manifest_take_scanner(struct manifest_reader *reader, const struct node *node);
int manifest_take_prefetch(struct manifest_reader *reader, const struct node *node);
int manifest_take_storage(struct manifest_reader *reader, const struct node *node);

/* What is told of a route's keys together: a role is its host's, raw TCP has one host. */
void manifest_check_routes(struct manifest_reader *reader);

/* What one route or repository owns. */
void manifest_route_free(struct manifest_route *route);
void manifest_repo_free(struct manifest_repo *repo);
void manifest_env_free(struct manifest_env *form);

/* Keys that validate and are not enforced by this version, with the value that asks for what it does anyway.
 * Ended by a NULL path. */
struct manifest_later_key {
    const char *path, *same; /* same: NULL: none */
};
extern const struct manifest_later_key manifest_later_keys[];

/* What older manifests wrote, and what it is now; under: the key that it stood under, NULL: any. Ended by a
 * NULL name. */
struct manifest_old_key {
    const char *name, *under, *now;
};
extern const struct manifest_old_key manifest_old_keys[];

/* The child of a map with this key, or NULL. */
const struct node *manifest_child(const struct node *map, const char *key);

/* Takers of manifest_match.c. */
int manifest_take_matches(struct manifest_reader *reader, const struct node *node);
int manifest_take_deny(struct manifest_reader *reader, const struct node *node);
int manifest_take_match(struct manifest_reader *reader, const struct node *node);
int manifest_take_paths(struct manifest_reader *reader, const struct node *node);
int manifest_take_path(struct manifest_reader *reader, const struct node *node);
int manifest_take_path_type(struct manifest_reader *reader, const struct node *node);
int manifest_take_path_value(struct manifest_reader *reader, const struct node *node);
int manifest_take_methods(struct manifest_reader *reader, const struct node *node);
int manifest_take_method(struct manifest_reader *reader, const struct node *node);
int manifest_take_headers(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_entry(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_name(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_type(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_value(struct manifest_reader *reader, const struct node *node);

/* Keys that other versions of Stopper have: a manifest that needs them must not run without them. Ended by
 * NULL. */
extern const char *const manifest_keys_elsewhere[];

#endif

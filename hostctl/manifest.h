/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest: a bottle's or an agent's file (stopper-manifest(5)), checked. The language is two tables, manifest_keys
 * and manifest_agent_keys: what is not in them is an error with its line. */
#ifndef HOSTCTL_MANIFEST_H
#define HOSTCTL_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cidr.h"
#include "core/dlp_rules.h"
#include "core/gate.h"
#include "core/host.h"
#include "core/match.h"
#include "core/policy.h"
#include "hostctl/node.h"
#include "hostctl/report.h"

#define MANIFEST_ROUTES_MAX   10000
#define MANIFEST_CIDRS_MAX    64 /* in one allow_private */
#define MANIFEST_EXTRA_CA_MAX 16 /* files */
#define MANIFEST_EXTENDS_MAX  16
#define MANIFEST_SKILLS_MAX   64  /* in one file */
#define MANIFEST_SKILLS_ALL   128 /* a bottle's, and its agent's */
#define MANIFEST_ENV_MAX      4096
#define MANIFEST_IGNORE_MAX   1000
#define MANIFEST_IN_MAX       POLICY_MAX_IN
#define MANIFEST_HOST_PORTS                                                                                  \
    (3 * POLICY_MAX_PORTS) /* of the host's services, those of raw TCP and the gate's among them */

/* A text of the manifest, and where it stands. Its file is one of the manifest's `files`. */
struct manifest_word {
    char *text;
    const char *file;
    unsigned line;
};

struct manifest_route {
    char host[HOST_MAX + 3]; /* canonical, with its "*." */
    const char *file;        /* one of the manifest's `files` */
    unsigned line;           /* of its host */
    size_t index;            /* in its own file */
    struct cidr *allow_private;
    size_t allow_private_count;
    bool tls_passthrough;
    bool tls_ech;
    uint16_t ports[POLICY_MAX_PORTS]; /* none: the default */
    size_t port_count;
    uint16_t tcp[POLICY_MAX_PORTS]; /* of raw TCP */
    unsigned tcp_lines[POLICY_MAX_PORTS];
    size_t tcp_count;
    unsigned tcp_line; /* 0: no tcp */
    struct {
        enum auth_scheme scheme;
        char *token_ref;           /* the host's variable; NULL without one */
        unsigned token_line;       /* where it is named */
        char *header;              /* NULL: the default */
        char *placeholder;         /* NULL: none, or one that is not made yet */
        bool generated;            /* it is made */
        char *in[MANIFEST_IN_MAX]; /* "query:NAME", "header:NAME" */
        size_t in_count;
        unsigned in_line;
    } auth;
    bool cookies, insecure, git_fetch;
    struct match_rules rules;
    struct dlp_rules dlp; /* what was said of it: manifest_dlp */
    struct {
        bool outbound, inbound, outbound_on_match, inbound_on_match;
    } dlp_said;               /* the budget's 0 says the same by itself */
    const char *matches_file; /* of rules.matches, when they are the role's; NULL: as `file` */
    const char *role;         /* NULL: none; static */
    unsigned role_line;
    struct manifest_word *later; /* paths of keys inside that this version does not enforce */
    size_t later_count;
};

enum manifest_provider { PROVIDER_UNSAID, PROVIDER_STATIC, PROVIDER_GITEA };

/* A repository of git-gate.repos. All its words are of one file, that of its name. */
struct manifest_repo {
    struct manifest_word name;
    char *url;
    unsigned url_line;
    struct gate_url from;          /* the url, taken apart; its host is what overlays go by */
    struct manifest_word host_key; /* text NULL: not pinned */
    struct {
        enum manifest_provider provider;
        struct manifest_word path;            /* static: of the private key, as it was written */
        struct manifest_word forge_token_env; /* gitea: the host's variable */
        char *api_url;                        /* gitea; NULL: not said */
        unsigned line, api_url_line;
    } key;
    struct gate_push push; /* max_pack_mb 0: not said */
    bool protect_said;
};

/* A variable whose value is not in the manifest. */
struct manifest_env {
    struct manifest_word name; /* line: of the reference */
    bool placeholder;          /* for a route; else a variable of hostctl's own */
    char *ref;                 /* the route's host, or the variable */
    const char *held;          /* the placeholder, once it is made: the route's */
};

/* What an overlay took away from a parent. */
struct manifest_dropped {
    struct manifest_word what; /* "the route for a.example" */
    const char *by_file;
    unsigned by_line;
};

enum manifest_template { TEMPLATE_UNSAID, TEMPLATE_NONE, TEMPLATE_CLAUDE, TEMPLATE_CODEX };

enum manifest_denied { DENIED_UNSAID, DENIED_BLOCK, DENIED_SUPERVISE };

enum manifest_canary { CANARY_UNSAID, CANARY_ALARM, CANARY_STOP };

enum manifest_finding { FINDING_UNSAID, FINDING_BLOCK, FINDING_SUPERVISE };

struct manifest {
    char **files; /* the layers' names; the last is the manifest's own */
    size_t file_count;
    char **said; /* paths of the keys that are there, lists and what is in them aside */
    size_t said_count;
    struct manifest_word *extends;
    size_t extends_count;
    struct ip dns[POLICY_MAX_UPSTREAMS]; /* none: the host's resolvers */
    size_t dns_count;
    bool dns_refuse;
    struct manifest_route *routes;
    size_t route_count;
    struct manifest_word extra_ca[MANIFEST_EXTRA_CA_MAX];
    size_t extra_ca_count;
    struct manifest_word *ignore; /* canonical names, which no route lets through */
    size_t ignore_count;
    enum manifest_denied on_denied;
    enum manifest_canary on_canary;
    unsigned hold_seconds; /* 0: not said */
    bool supervise;
    struct manifest_word *skills;
    size_t skill_count;
    char *user_name, *user_email; /* of git-gate.user; NULL: not said */
    struct manifest_repo *repos;
    size_t repo_count;
    enum manifest_finding on_finding;
    char *scanner;       /* NULL: none */
    bool no_prefetch;    /* git-gate.prefetch is false */
    unsigned storage_mb; /* git-gate.storage_mb; 0: not said */
    enum manifest_template template;
    struct manifest_word image, runtime; /* text NULL: not said */
    struct manifest_word bottle;         /* of an agent; text NULL in a bottle */
    char **env; /* "NAME=VALUE", env_count of them and NULL; NULL when there is no env */
    size_t env_count;
    struct manifest_env *forms; /* further variables, which are not in env yet */
    size_t form_count;
    struct manifest_word *later; /* paths of other keys that are there and not enforced by this version */
    size_t later_count;
    struct manifest_dropped *dropped;
    size_t dropped_count;
};

/* Reads and checks the file report->file, a bottle without its parents. Returns the manifest (manifest_free), or NULL with every error in
 * the report. */
struct manifest *manifest_load(struct report *report);

/* The same from a parsed document; of an agent's file with manifest_agent_keys. */
struct manifest *manifest_read(const struct node *root, struct report *report);
struct manifest *manifest_read_agent(const struct node *root, struct report *report);
void manifest_free(struct manifest *manifest);

/* Puts a child over its parent, which is freed: routes by host, repositories by their host, git-gate.user by field, env by name,
 * other keys as wholes. What the child took away is in its `dropped`. Returns 0, or -1 when memory is out. */
int manifest_overlay(struct manifest *child, struct manifest *parent);

/* What is looked for on a route: what it says, else the defaults of its role or of a route without one. */
struct dlp_rules manifest_dlp(const struct manifest *manifest, const struct manifest_route *route);

/* Whether some route has the operator asked about what was found. */
bool manifest_asks(const struct manifest *manifest);

/* Whether what is found in a push is put before the operator: git-gate.on_finding says so, or says nothing while somebody
 * supervises the bottle. */
bool manifest_gate_asks(const struct manifest *manifest);

/* The paths of a repository that pushes may not touch unasked: what it says, else in a supervised bottle those from
 * which a forge takes orders. Returns how many; the list is static or the manifest's. */
size_t manifest_protected(const struct manifest *manifest, const struct manifest_repo *repo,
                          const char *const **list);

/* The ports of repositories on the machine that runs the bottle (POLICY_HOST_SERVICE), each once. Returns how many there
 * are, of which no more than fit are told. */
size_t manifest_gate_host_ports(const struct manifest *manifest, uint16_t ports[POLICY_MAX_PORTS]);

/* The repository at this place, which is said with and without ".git" and "/" at the end; NULL: none. */
const struct manifest_repo *manifest_repo_at(const struct manifest *manifest, const struct gate_url *url);

/* Frees and forgets all routes. */
void manifest_drop_routes(struct manifest *manifest);

/* What can be told of the whole only, all layers in: complains of it. Returns 0 or -1. */
int manifest_check(const struct manifest *manifest, struct report *report);

/* Whether requests to hosts of no route wait for the operator: on_denied says so, or says nothing while somebody supervises
 * the bottle and DNS lets such requests come. */
bool manifest_holds(const struct manifest *manifest);

/* Complains of every key that validates and is not enforced by this version: a bottle must not start with it. */
void manifest_unenforced(const struct manifest *manifest, struct report *report);

/* Whether a name of a file in one of Stopper's own folders: letters, digits, ".", "_" and "-", not beginning
 * with "." or "-", at most 64. */
bool manifest_is_name(struct str name);

struct manifest_reader;

/* A choice is a string or a map: its taker says which words there are. */
enum manifest_type {
    MANIFEST_MAP,
    MANIFEST_LIST,
    MANIFEST_STRING,
    MANIFEST_BOOL,
    MANIFEST_NUMBER,
    MANIFEST_CHOICE,
    MANIFEST_STRING_OR_LIST,
    MANIFEST_FALSE_OR_LIST,
    MANIFEST_LIST_OR_MAP
};

struct manifest_key {
    const char *path; /* "[]" is any entry of a list, ".*" any name in a map that chooses its own names */
    enum manifest_type type;
    bool required;
    const char *is; /* what a value is, in words: "a list of IPv4 addresses" */
    /* Checks and keeps a value of the right type. -1: complained, and what is inside is not looked at. May be
     * NULL. */
    int (*take)(struct manifest_reader *reader, const struct node *node);
};

extern const struct manifest_key manifest_keys[];       /* of a bottle; ended by a NULL path */
extern const struct manifest_key manifest_agent_keys[]; /* of an agent; likewise */

#endif

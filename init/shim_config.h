/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_config: the one JSON object that tells the shim about its bottle (docs/ARCHITECTURE.md, "Boot of an
 * agent"). It comes from hostctl; a member that is unknown, of a wrong type or out of range is an error all
 * the same.
 */
#ifndef INIT_SHIM_CONFIG_H
#define INIT_SHIM_CONFIG_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/cidr.h"
#include "core/err.h"
#include "core/str.h"

#define SHIM_PROTOCOL   1
#define SHIM_CONFIG_MAX (1u << 20) /* bytes of a line */
#define SHIM_GROUPS_MAX 32
#define SHIM_CLOSED_MAX 8
#define SHIM_FOLDER     "/run/stopper" /* root's, 0700; sealed: everybody's, sticky, of this container alone */
#define SHIM_SAVED      SHIM_FOLDER "/agent.json" /* what PID 1 keeps for `exec`: its user's, 0600 */

struct shim_config {
    char interface[IFNAMSIZ];
    struct ip gateway, resolver; /* IPv4 */
    uid_t uid;                   /* never 0, nor are gid and groups; not of a sealed one */
    gid_t gid;
    gid_t groups[SHIM_GROUPS_MAX];
    size_t group_count;
    json_t *env;             /* owned: an object of strings */
    char *cwd;               /* owned: absolute */
    char *ca;                /* owned: one certificate, PEM; NULL = none */
    char ca_subject_hash[9]; /* of ca; "" = unknown */
    json_t
        *git; /* owned: of each repository of the gate's, by name, the beginnings of its URLs; NULL = none */
    char **mounts; /* owned, as are the strings: absolute paths of what is not the image's; NULL = none */
    size_t mount_count;
    struct ip closed[SHIM_CLOSED_MAX]; /* IPv4 addresses that are to lead nowhere */
    size_t closed_count;
    bool terminal;
    unsigned short rows, columns;
    bool die_with_parent;
    bool sealed;          /* a container without privileges: nothing to set or to give up, all to verify */
    bool user_namespaces; /* the command may make some: the filter leaves them alone */
};

/* Parses a whole configuration, which with "sealed" has no uid, gid and groups: the process's own stay.
 * Returns 0; the config is then given back with shim_config_fini. Or -1 with err naming the member. */
int shim_config_parse(struct str json, struct shim_config *config, struct err *err);

/* Parses an object that holds none but terminal, rows, columns, cwd and env, and puts it over the config; env
 * adds to the variables or replaces single ones. Returns 0, or -1 with err (the config may be changed in
 * part). */
int shim_config_overlay(struct str json, struct shim_config *config, struct err *err);

void shim_config_fini(struct shim_config *config);

/* Writes the text to SHIM_SAVED. Returns 0, or -1 with err. */
int shim_config_save(struct str json, struct err *err);

/* Reads SHIM_SAVED, which must be this user's alone. Returns 0 as shim_config_parse, or -1 with err. */
int shim_config_load(struct shim_config *config, struct err *err);

/* The agent's whole environment for execve: env, and TERM where there is a terminal. NULL when memory is out.
 */
char **shim_config_environment(const struct shim_config *config);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * secret: values that the agent must never see, and their names. A value lies in memory of its own that is
 * not swapped out, not in a core dump, and wiped when it goes. There is no way to print one: errors, logs and
 * status carry names.
 */
#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/str.h"

#define SECRET_MIN      8    /* bytes: what is shorter cannot be told from ordinary text when it is echoed */
#define SECRET_MAX      8192 /* bytes: no server takes a longer field */
#define SECRET_NAME_MAX 128  /* bytes of a name, a variable's: letters, digits and '_' */
#define SECRET_CANARY                                                                                        \
    "STOPPER_CANARY"          /* the name of the one that is nobody's: whoever sends it has searched for it */
#define SECRETS_MAX      1000 /* in one set */
#define SECRETS_MAX_JSON (1u << 20) /* bytes of the text below */

/* Zeroed memory for what is secret: locked, left out of core dumps, not there in forked children. NULL when
 * there is none (RLIMIT_MEMLOCK). Given back with the same size, and wiped. NULL is fine there. */
void *secret_alloc(size_t size);
void secret_release(void *memory, size_t size);

/* Overwrites; the compiler does not leave it out. */
void secret_wipe(void *memory, size_t size);

struct secret {
    /* private: secret_expose is the only way to the bytes, so that a search for it finds every use */
    size_t len;
    char bytes[];
};

/* A copy of the bytes (at most SECRET_MAX). NULL when memory is out. */
struct secret *secret_new(struct str value);
void secret_free(struct secret *secret);

/* The bytes, which live as long as the secret. */
struct str secret_expose(const struct secret *secret);

/* What is wrong with a value, in words that hold nothing of it; NULL when nothing is. A value goes into a
 * header field: visible ASCII only (RFC 9110 section 5.5), SECRET_MIN to SECRET_MAX bytes. */
const char *secret_problem(struct str value);

/* Whether a name can be a variable's. */
bool secret_is_name(struct str name);

/* A set of named values. */
struct secrets {
    size_t count;
    struct secret_entry {
        char name[SECRET_NAME_MAX + 1];
        struct secret *value;
        void *attached[2]; /* what a worker derives from the value, in two kinds; goes with it */
        void (*detach)(void *attached);
    } entries[];
};

/* Reads {"NAME": "value", …}. Errors name the secret, never the value. *secrets is to be freed. Returns 0 or
 * -1. */
int secrets_parse(struct str json, struct secrets **secrets, struct err *err);
int secrets_read(const json_t *object, struct secrets **secrets, struct err *err); /* the same */
void secrets_free(struct secrets *secrets);                                        /* NULL is fine */

/* The set as the text that secrets_parse reads, NUL-terminated, to be wiped and freed with secrets_text_free.
 * NULL when memory is out. */
char *secrets_text(const struct secrets *secrets);
void secrets_text_free(char *text);

/* The entry of this name, NULL when there is none. */
struct secret_entry *secrets_find(struct secrets *secrets, const char *name);

/* From here on everything that the JSON library gives back is wiped first. To be called before its first use,
 * by every process that reads secrets as JSON. */
void secret_json(void);

/* Leaves the stack of the process's first thread out of core dumps, as far as it will ever grow: what was copied last is
 * still in the registers when a signal comes, and the kernel writes them there. To be called at the start of every process
 * that handles secrets. Returns whether it is so; always true where the system has no such thing. */
bool secret_hide_stack(void);

/* Frees what the JSON library made (a text of json_dumps): free() would be wrong there. NULL is fine. */
void secret_json_free(void *made);

#endif

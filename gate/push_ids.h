/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_ids: a set of objects' ids, in the order in which they came. Which ids there are is the push's choice; where they lie in the
 * table is not. */
#ifndef GATE_PUSH_IDS_H
#define GATE_PUSH_IDS_H

#include <stddef.h>
#include <stdint.h>

#define PUSH_ID_BYTES 32
#define PUSH_NO_ID    UINT32_MAX

enum push_type { PUSH_COMMIT = 1, PUSH_TREE, PUSH_BLOB, PUSH_TAG };

struct push_id {
    uint8_t id[PUSH_ID_BYTES]; /* SHA-1's have zeros behind them */
    uint64_t size;             /* bytes, unpacked */
    uint32_t tree;             /* of a commit that was read: its tree's index; else PUSH_NO_ID */
    uint8_t type;              /* enum push_type */
    uint8_t reached;           /* a new commit, what one brings, or what a ref names */
};

/* All zero but `seed`, which push_ids_init makes, is an empty one. */
struct push_ids {
    struct push_id *all;
    size_t count, size;
    uint32_t *table; /* indices + 1 */
    size_t table_size;
    uint64_t seed;
};

void push_ids_init(struct push_ids *ids);
void push_ids_fini(struct push_ids *ids);

/* Its index; PUSH_NO_ID when it is not there. */
uint32_t push_ids_find(const struct push_ids *ids, const uint8_t id[PUSH_ID_BYTES]);

/* The same, and adds it when it is not there. PUSH_NO_ID: memory is out. */
uint32_t push_ids_add(struct push_ids *ids, const uint8_t id[PUSH_ID_BYTES]);

/* Reads 40 or 64 lower-case hexadecimal digits. Returns how many bytes that are, or 0. */
size_t push_id_read(const char *digits, size_t len, uint8_t id[PUSH_ID_BYTES]);

/* Writes the digits of so many bytes, and NUL. */
void push_id_write(const uint8_t *id, size_t bytes, char *out);

#endif

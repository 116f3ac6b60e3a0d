/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rig: an engine for tests, with the tables and a few known secrets, and a caller that keeps to scan.h's rules. */
#ifndef TESTS_DLP_RIG_H
#define TESTS_DLP_RIG_H

#include "dlp/scan.h"
#include "dlpc/compile.h"

/* Known secrets of every rig. */
#define RIG_TOKEN    "kx9_Qm4vTz81LsW0pRb7YcNd62Hj"
#define RIG_PHRASE   "Tr0ub4dor&3!horse-battery$staple"
#define RIG_CANARY   "canary-7f3a9c2e5b8d1460"
#define RIG_DATABASE "postgres://app:v9Kq2LmZ8xWc4Rt7@db.internal.example/prod"

/* A sealed database in a memfd, and an engine of it. Ends the program when they cannot be made. */
int rig_database(const struct dlp_known *known, size_t count, const struct dlp_prints *prints);
struct dlp_engine *rig_engine(void);
struct dlp_engine *rig_engine_with(const struct dlp_prints *prints); /* the same, and these keys */
struct dlp_engine *rig_engine_key(void); /* or this one, of the repository "rig" */

#define RIG_KEY_LEN 48
extern const uint8_t rig_key[RIG_KEY_LEN];                                         /* its private part */
#define RIG_KEY "0JVOMQ+j5jrXVd+9P+ab9tbWLfMHTqVU2iSOz5/NVjd6kYsgWZ7lHlh8YkZf8/AJ" /* that in base64 */

/* One body, fed in pieces of `step` bytes by a caller that lets go whatever may leave, at once. What left before the first
 * finding or violation was known is in `left` (bytes). Returns the last answer that was not DLP_PASS, or DLP_PASS. */
struct rig_result {
    enum dlp_answer answer;
    enum dlp_violation violation;
    uint64_t left;
    size_t held_max; /* the most that had to be kept */
    size_t count;
    struct dlp_finding findings[DLP_FINDINGS_MAX];
};
struct rig_result rig_body(struct dlp_engine *engine, const struct dlp_message *message, struct str body,
                           size_t step);

/* Whether there is a finding of this rule that covers the bytes start to end. */
bool rig_covers(struct dlp_engine *engine, const struct rig_result *result, const char *rule, uint64_t start,
                uint64_t end);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* message: one message that is scanned. Private to the layer; the parts of scan.h share it. */
#ifndef DLP_MESSAGE_H
#define DLP_MESSAGE_H

#include "dlp/engine.h"
#include "dlp/look.h"
#include "dlp/phrases.h"
#include "dlp/scan.h"
#include "dlp/unpack.h"

#define DLP_FIELDS_MAX 600 /* in one round: FIELDS_MAX of core/h1_head.h, twice, and the line before them */
#define DLP_ENDS_MAX                                                                                         \
    1024 /* bytes at the front of a message that are looked at with the end of the one before */

struct dlp_field {
    enum dlp_surface surface;
    struct str name, value;
};

/* What a compressed body has become, and which of its bytes that took. */
struct dlp_packed {
    struct dlp_unpack *unpack;
    char *text; /* DLP_HELD_MAX + DLP_UNPACK_STEP bytes: from offset `from` of the unpacked body on */
    size_t len;
    uint64_t from, scanned; /* of the unpacked body */
    uint64_t fed;           /* of the body as it came */
    size_t mark_count;
    struct dlp_mark {
        uint64_t raw, text; /* so much was made when so much had been taken */
    } marks[512];
};

/* How an answer is read (inbound.c). */
enum dlp_reading { DLP_READ_TEXT, DLP_READ_PAGE, DLP_READINGS };

struct dlp_scan {
    struct dlp_engine *engine;
    unsigned detectors;
    bool inbound, textual, html;
    struct dlp_carry *carry;
    enum dlp_violation violation;
    size_t finding_count;
    struct dlp_finding findings[DLP_FINDINGS_MAX];
    bool news; /* a finding was added, or has grown, since the call began */
    /* The head */
    struct dlp_field *fields; /* DLP_FIELDS_MAX of them, while there are some */
    size_t field_count;
    uint32_t field_base; /* the number of fields[0] among all */
    size_t field_bytes;
    /* The body */
    bool ended;
    uint64_t fed, scanned, leave; /* offsets */
    uint64_t open;                /* where begins what may go on behind what was scanned */
    struct dlp_packed *packed;    /* NULL: as it is */
    struct dlp_phrase_score score;
    uint64_t read[DLP_READINGS]; /* from where each reading of an answer has to go on */
    size_t kept_len;             /* the end of what was let go in a flush, up to `kept_to` */
    uint64_t kept_to;
    char kept[DLP_CARRY_TAIL];
};

/* Notes a finding, or that one has grown. */
void dlp_scan_note(struct dlp_scan *scan, const struct dlp_finding *finding);

/* Says that the message is refused. The first violation stays. */
void dlp_scan_refuse(struct dlp_scan *scan, enum dlp_violation violation);

/* The engine's hits, empty. After dlp_look: what went wrong with the search becomes a violation. */
struct dlp_hits *dlp_scan_hits(struct dlp_scan *scan);
void dlp_scan_judge(struct dlp_scan *scan, const struct dlp_hits *hits);

/* Phrases in a piece of the body, whose first byte has this offset. It begins DLP_HOLD bytes before the last one's end, or where bytes
 * were let go. */
void dlp_scan_phrases(struct dlp_scan *scan, struct str text, uint64_t offset);

/* The slot of a surface and name; NULL where there is no carry. dlp_carry_put appends to it. */
struct dlp_carry_slot *dlp_carry_get(struct dlp_carry *carry, enum dlp_surface surface, struct str name);
void dlp_carry_put(struct dlp_carry *carry, enum dlp_surface surface, struct str name, struct str bytes);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_locate: see push_locate.h. */
#include "gate/push_locate.h"

#include <stdio.h>
#include <string.h>

#include "gate/push_found.h"
#include "gate/push_walk.h"

struct locate {
    struct push_run *run;
    size_t left;
};

static bool is_sought(const struct push_finding *f)
{
    return f->object[0] != '\0' && f->commit[0] == '\0' && f->path[0] == '\0' &&
           (strcmp(f->surface, "blob") == 0 || strcmp(f->surface, "archive") == 0);
}

static int on_change(void *user, const struct push_change *change)
{
    struct locate *locate = user;
    struct push_check *check = locate->run->check;
    char digits[PUSH_ID];

    if (change->path.ptr == NULL || change->mode == 0)
        return 0;
    push_id_write(change->id, locate->run->id_bytes, digits);
    for (size_t i = 0; i < check->count; i++) {
        struct push_finding *f = &check->findings[i];
        if (!is_sought(f) || strcmp(f->object, digits) != 0)
            continue;
        snprintf(f->commit, sizeof f->commit, "%s", change->commit);
        push_show(locate->run, change->path, f->path, sizeof f->path);
        locate->left--;
    }
    return 0;
}

int push_locate(struct push_run *run)
{
    struct locate locate = {.run = run};
    struct push_walk walk;
    int more = 1;

    for (size_t i = 0; i < run->check->count; i++)
        locate.left += is_sought(&run->check->findings[i]);
    if (locate.left == 0 || !push_walk_has_tips(run))
        return 0;
    run->over = false; /* that there was enough is no reason not to say where */
    if (push_walk_begin(&walk, run, true, false) != 0)
        more = -1;
    while (more == 1 && locate.left > 0)
        more = push_walk_read(&walk, on_change, &locate);
    push_walk_end(&walk);
    return more < 0 ? -1 : 0;
}

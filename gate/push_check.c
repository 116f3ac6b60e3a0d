/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_check: see push_check.h. The order: what needs no object, what refs may do, what is in the objects, and where that is. */
#include "gate/push_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gate/push_found.h"
#include "gate/push_locate.h"
#include "gate/push_look.h"
#include "gate/push_objects.h"
#include "gate/push_refs.h"
#include "gate/push_run.h"

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int push_fail(struct push_run *run, const char *format, ...)
{
    va_list list;
    char text[512];

    run->over = true;
    bool first = !run->failed;
    run->failed = true;
    if (first && now_ms() >= run->deadline)
        return err_set(&run->check->error, "it took longer than it may");
    if (format == NULL || !first)
        return -1;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return err_set(&run->check->error, "%s", text);
}

int push_time(struct push_run *run)
{
    int64_t left = run->deadline - now_ms();

    if (left > 0)
        return left < INT32_MAX ? (int)left : INT32_MAX;
    push_fail(run, "%s", "its time is over");
    return 0;
}

static bool is_refused(const struct push_run *run)
{
    for (size_t i = 0; i < run->check->count; i++)
        if (run->check->findings[i].verdict == PUSH_TO_REFUSE)
            return true;
    return run->failed;
}

static int look(struct push_run *run)
{
    if (push_refs_judge(run) != 0 || is_refused(run)) /* no object needs to be looked at */
        return run->failed ? -1 : 0;
    if (push_refs_exist(run) != 0 || push_refs_follow(run) != 0 || is_refused(run))
        return run->failed ? -1 : 0;
    if (push_look(run) != 0)
        return -1;
    return push_objects_known(run) != 0 || push_locate(run) != 0 ? -1 : push_refs_of_findings(run);
}

struct push_check *push_check(const struct push_check_input *input)
{
    struct push_run run = {.in = input};
    struct push_check *check = calloc(1, sizeof *check);

    if (check == NULL)
        return NULL;
    run.check = check;
    run.deadline = now_ms() + (input->ms > 0 ? input->ms : PUSH_MS);
    push_ids_init(&run.ids);
    push_ids_init(&run.elsewhere);
    check->findings = calloc(PUSH_FOUND_MAX, sizeof *check->findings);
    check->refs = calloc(input->update_count + 1, sizeof *check->refs);
    if (check->findings == NULL || check->refs == NULL ||
        push_git_init(&run.git, input->git, input->git_dir, input->quarantine) != 0)
        push_fail(&run, "no memory");
    else if (look(&run) != 0)
        push_fail(&run, "it failed"); /* said already, by whoever knows why */
    push_git_fini(&run.git);
    push_ids_fini(&run.ids);
    push_ids_fini(&run.elsewhere);
    if (run.failed && check->error.text[0] == '\0')
        err_set(&check->error, "it failed");
    push_found_tell(&run);
    return check;
}

void push_check_free(struct push_check *check)
{
    if (check == NULL)
        return;
    free(check->findings);
    free(check->refs);
    free(check);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_objects: see push_objects.h. One child for all objects but the largest: git keeps the bases of deltas, and needs them in the
 * order of the pack. */
#include "gate/push_objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/push_found.h"
#include "gate/push_walk.h"

#define LINE_MAX 160
#define BYTES    (PUSH_WHOLE + (1u << 20))
#define NEAR     262144 /* bytes: what is worked on stays in the processor's memory */

static const char *const types[] = {
    [PUSH_COMMIT] = "commit", [PUSH_TREE] = "tree", [PUSH_BLOB] = "blob", [PUSH_TAG] = "tag"};

/* "ID TYPE SIZE". Returns 0, or -1: that it is not. */
static int take_line(const struct push_run *run, struct str line, struct push_id *id)
{
    size_t digits = 2 * run->id_bytes, at = digits + 1;

    if (line.len < digits + 3 || line.ptr[digits] != ' ' || push_id_read(line.ptr, digits, id->id) == 0)
        return -1;
    id->type = 0;
    for (uint8_t t = PUSH_COMMIT; t <= PUSH_TAG; t++) {
        size_t len = strlen(types[t]);
        if (line.len > at + len && memcmp(line.ptr + at, types[t], len) == 0 && line.ptr[at + len] == ' ') {
            id->type = t;
            at += len + 1;
            break;
        }
    }
    if (id->type == 0 || at == line.len || line.len - at > 18)
        return -1;
    for (id->size = 0; at < line.len; at++) {
        if (line.ptr[at] < '0' || line.ptr[at] > '9')
            return -1;
        id->size = id->size * 10 + (uint64_t)(line.ptr[at] - '0');
    }
    return 0;
}

int push_each_line(struct push_run *run, struct push_child *child, const char *what, push_on_line *on_line,
                   void *user)
{
    static char bytes[65536];
    size_t len = 0;
    ssize_t got = 1;

    while (got > 0 && !run->over) {
        int ms = push_time(run);
        got = ms > 0 ? push_child_read(child, bytes + len, sizeof bytes - len, ms) : -1;
        if (got < 0)
            return push_time(run) > 0 ? push_fail(run, "%s: it cannot be read", what) : -1;
        len += (size_t)got;
        size_t done = 0;
        for (const char *end; done < len && (end = memchr(bytes + done, '\n', len - done)) != NULL;
             done = (size_t)(end - bytes) + 1)
            if (on_line(run, (struct str){bytes + done, (size_t)(end - bytes) - done}, user) != 0)
                return -1;
        memmove(bytes, bytes + done, len - done);
        len -= done;
        if (len == sizeof bytes)
            break;
    }
    if (run->over)
        return 0;
    return len == 0 && push_child_end(child, push_time(run)) == 0 ? 0 : push_fail(run, "%s: it failed", what);
}

static void too_much(struct push_run *run, const char *what)
{
    struct push_place place = {.surface = "push", .update = -1};
    struct push_finding *found = push_found_add(run, PUSH_SIZE, "size", &place, 0);

    if (found != NULL)
        snprintf(found->text, sizeof found->text, "%s", what);
    run->over = true;
}

/* Counts an object's size in. */
static void count_size(struct push_run *run, uint64_t size)
{
    run->size += size;
    if (size > PUSH_OBJECT_BYTES)
        too_much(run, "an object unpacks to more than 1 GiB, which is more than is looked through");
    else if (run->size > PUSH_BYTES)
        too_much(run, "the objects unpack to more than 32 GiB, which is more than is looked through");
}

static int on_listed(struct push_run *run, struct str line, void *user)
{
    struct push_id id;

    if (take_line(run, line, &id) != 0)
        return push_fail(run, "git cat-file: a line that is no object");
    uint32_t index = push_ids_add(&run->ids, id.id);
    if (index == PUSH_NO_ID)
        return push_fail(run, "no memory for the list of objects");
    run->ids.all[index].type = id.type;
    run->ids.all[index].size = id.size;
    count_size(run, id.size);
    if (run->ids.count > PUSH_OBJECTS_MAX)
        too_much(run, "there are more than 2,000,000 objects, which is more than is looked through");
    return 0;
}

int push_objects_list(struct push_run *run)
{
    const char *list[] = {"cat-file",
                          "--batch-all-objects",
                          "--unordered",
                          "--buffer",
                          "--batch-check=%(objectname) %(objecttype) %(objectsize)",
                          NULL};
    struct push_child child;

    if (run->git.quarantine == NULL)
        return 0;
    if (push_git_start(&run->git, PUSH_IN_QUARANTINE, list, -1, -1, &child, &run->check->error) != 0)
        return push_fail(run, NULL);
    int status = push_each_line(run, &child, "the list of objects", on_listed, NULL);
    push_child_stop(&child);
    return status;
}

/* Of those that commits have and the quarantine has not. */

static int on_reached(struct push_run *run, struct str line, void *user)
{
    uint8_t id[PUSH_ID_BYTES];

    if (push_id_read(line.ptr, line.len, id) != run->id_bytes)
        return push_fail(run, "git rev-list: a line that is no object");
    if (push_ids_find(&run->ids, id) != PUSH_NO_ID)
        return 0;
    uint32_t index = push_ids_add(&run->elsewhere, id);
    if (index == PUSH_NO_ID)
        return push_fail(run, "no memory for the list of objects");
    if (run->elsewhere.count > PUSH_OBJECTS_MAX)
        too_much(run, "there are more than 2,000,000 objects, which is more than is looked through");
    run->elsewhere.all[index].reached = 1;
    return 0;
}

static int on_sized(struct push_run *run, struct str line, void *user)
{
    struct push_id id;
    uint32_t index = take_line(run, line, &id) == 0 ? push_ids_find(&run->elsewhere, id.id) : PUSH_NO_ID;

    if (index == PUSH_NO_ID)
        return push_fail(run, "git cat-file: a line that is no object");
    run->elsewhere.all[index].type = id.type;
    run->elsewhere.all[index].size = id.size;
    count_size(run, id.size);
    return 0;
}

/* The ids of a set that pass, one a line, as a child's input; -1: the run has failed. */
static int input_of(struct push_run *run, const struct push_ids *ids,
                    bool (*wanted)(void *user, uint32_t index), void *user)
{
    size_t line = 2 * run->id_bytes + 1, len = 0;
    char *text = malloc(ids->count * line + 1);

    if (text == NULL)
        return push_fail(run, "no memory for the list of objects");
    for (uint32_t i = 0; i < ids->count; i++) {
        if (!wanted(user, i))
            continue;
        push_id_write(ids->all[i].id, run->id_bytes, text + len);
        text[len + line - 1] = '\n';
        len += line;
    }
    int fd = push_input(text, len);
    free(text);
    return fd >= 0 ? fd : push_fail(run, "no memory for the list of objects");
}

static bool is_reached(void *user, uint32_t index)
{
    const struct push_run *run = user;

    return run->elsewhere.all[index].reached;
}

int push_objects_left(struct push_run *run)
{
    const char *list[] = {"rev-list", "--objects", "--no-object-names", "--stdin", "--not", "--all", NULL};
    const char *sizes[] = {"cat-file", "--buffer", "--batch-check=%(objectname) %(objecttype) %(objectsize)",
                           NULL};
    struct push_child child;
    int in = push_walk_tips(run, "");

    if (in < 0)
        return -1;
    for (size_t i = 0; i < run->elsewhere.count; i++)
        run->elsewhere.all[i].reached = 0;
    int status = push_git_start(&run->git, PUSH_IN_BOTH, list, in, -1, &child, &run->check->error) == 0
                     ? push_each_line(run, &child, "the walk of new objects", on_reached, NULL)
                     : push_fail(run, NULL);
    push_child_stop(&child);
    close(in);
    if (status != 0 || run->over || (in = input_of(run, &run->elsewhere, is_reached, run)) < 0)
        return status != 0 || run->over ? status : -1;
    status = push_git_start(&run->git, PUSH_IN_BOTH, sizes, in, -1, &child, &run->check->error) == 0
                 ? push_each_line(run, &child, "the sizes of new objects", on_sized, NULL)
                 : push_fail(run, NULL);
    push_child_stop(&child);
    close(in);
    return status;
}

/* Tips. */

struct tips {
    struct push_id *all;
    size_t count;
};

static int on_tip_line(struct push_run *run, struct str line, void *user)
{
    struct tips *tips = user;

    if (tips->count == run->in->update_count || take_line(run, line, &tips->all[tips->count]) != 0)
        return push_fail(run, "git cat-file: a ref's object is none");
    tips->count++;
    return 0;
}

/* Whether each one is a commit that came with the push; those are marked, as are tags. */
static bool are_commits(struct push_run *run)
{
    bool all = true;

    for (size_t i = 0; i < run->in->update_count; i++) {
        uint8_t id[PUSH_ID_BYTES];
        const char *digits = run->in->updates[i].new_id;
        if (digits[strspn(digits, "0")] == '\0' || push_id_read(digits, strlen(digits), id) == 0)
            continue;
        uint32_t index = push_ids_find(&run->ids, id);
        if (index != PUSH_NO_ID)
            run->ids.all[index].reached = 1;
        else if (push_ids_add(&run->elsewhere, id) == PUSH_NO_ID)
            return false;
        all = all && index != PUSH_NO_ID && run->ids.all[index].type == PUSH_COMMIT;
    }
    return all;
}

int push_objects_tips(struct push_run *run, push_on_tip *on_tip, void *user)
{
    const char *check[] = {"cat-file", "--buffer", "--batch-check=%(objectname) %(objecttype) %(objectsize)",
                           NULL};
    struct tips tips = {.all = NULL};
    struct push_child child;
    char digits[PUSH_ID];

    if (run->over || are_commits(run))
        return 0;
    int in = push_walk_tips(run, "^{}");
    if (in < 0)
        return -1;
    tips.all = calloc(run->in->update_count, sizeof *tips.all);
    int status = tips.all == NULL ? push_fail(run, "no memory")
                 : push_git_start(&run->git, PUSH_IN_BOTH, check, in, -1, &child, &run->check->error) != 0
                     ? push_fail(run, NULL)
                     : 0;
    if (status == 0) {
        status = push_each_line(run, &child, "what refs name", on_tip_line, &tips);
        push_child_stop(&child);
    }
    for (size_t i = 0; i < tips.count && status == 0 && !run->over; i++) {
        push_id_write(tips.all[i].id, run->id_bytes, digits);
        status = tips.all[i].type == PUSH_COMMIT ? 0 : on_tip(user, &tips.all[i], digits);
    }
    free(tips.all);
    close(in);
    return status;
}

/* Whether the mirror has it: 1, 0, or -1: the run has failed. */
static int mirror_has(struct push_run *run, const char *object)
{
    const char *test[] = {"cat-file", "-e", object, NULL};
    struct push_child child;

    if (push_git_start(&run->git, PUSH_IN_MIRROR, test, -1, -1, &child, &run->check->error) != 0)
        return push_fail(run, NULL);
    int status = push_child_end(&child, push_time(run));
    if (status < 0)
        return push_fail(run, "git cat-file -e did not end");
    return status == 0;
}

int push_objects_known(struct push_run *run)
{
    struct push_check *check = run->check;
    size_t kept = 0;

    for (size_t i = 0; i < check->count; i++) {
        struct push_finding *f = &check->findings[i];
        uint8_t id[PUSH_ID_BYTES];
        uint32_t index = f->object[0] != '\0' && push_id_read(f->object, strlen(f->object), id) != 0
                             ? push_ids_find(&run->ids, id)
                             : PUSH_NO_ID;
        int known = 0;
        if (index != PUSH_NO_ID && !run->ids.all[index].reached)
            known = mirror_has(run, f->object);
        if (known < 0)
            return -1;
        if (!known)
            check->findings[kept++] = *f;
    }
    check->count = kept;
    return 0;
}

/* Contents. */

static bool comes_along(void *user, uint32_t index)
{
    const struct push_reader *reader = user;

    return reader->ids->all[index].size <= PUSH_WHOLE && reader->wanted(reader->user, index);
}

int push_reader_begin(struct push_reader *reader)
{
    const char *batch[] = {"cat-file", "--batch", "--buffer", NULL};
    struct push_run *run = reader->run;
    int in, status;

    reader->child = PUSH_NO_CHILD;
    reader->next = 0;
    reader->head = reader->len = 0;
    reader->bytes = malloc(BYTES);
    if (reader->bytes == NULL)
        return push_fail(run, "no memory for objects");
    if ((in = input_of(run, reader->ids, comes_along, reader)) < 0)
        return -1;
    status = push_git_start(&run->git, PUSH_IN_BOTH, batch, in, -1, &reader->child, &run->check->error);
    close(in);
    return status == 0 ? 0 : push_fail(run, NULL);
}

static int told(struct push_reader *reader, uint32_t index, struct str bytes)
{
    reader->run->check->objects++;
    reader->run->check->bytes += bytes.len;
    return reader->on_object(reader->user, index, bytes);
}

/* One object from the front of what has come. Returns 1, 0: it is not all there, or -1: the run has failed. */
static int take_object(struct push_reader *reader)
{
    struct push_run *run = reader->run;
    const char *bytes = reader->bytes + reader->head;
    const char *end = memchr(bytes, '\n', reader->len < LINE_MAX ? reader->len : LINE_MAX);
    struct push_id id;

    if (end == NULL)
        return reader->len < LINE_MAX ? 0 : push_fail(run, "git cat-file: a line that does not end");
    size_t head = (size_t)(end - bytes) + 1;
    while (reader->next < reader->ids->count && !comes_along(reader, reader->next))
        reader->next++;
    if (reader->next == reader->ids->count || take_line(run, (struct str){bytes, head - 1}, &id) != 0 ||
        memcmp(id.id, reader->ids->all[reader->next].id, sizeof id.id) != 0 ||
        id.size != reader->ids->all[reader->next].size || id.type != reader->ids->all[reader->next].type)
        return push_fail(run, "git cat-file: another object than the next one");
    if (reader->len < head + id.size + 1)
        return 0;
    reader->head += head + (size_t)id.size + 1;
    reader->len -= head + (size_t)id.size + 1;
    return told(reader, reader->next++, (struct str){bytes + head, (size_t)id.size}) == 0 ? 1 : -1;
}

/* A large one, through a file that has no name: beside the quarantine's packs, where there is room for it. */
static int take_large(struct push_reader *reader, uint32_t index)
{
    struct push_run *run = reader->run;
    const struct push_id *object = &reader->ids->all[index];
    char id[PUSH_ID];
    const char *one[] = {"cat-file", types[object->type], id, NULL};
    struct push_child child = PUSH_NO_CHILD;
    const char *dir = run->git.quarantine != NULL ? run->git.quarantine : run->git.objects;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), status = -1;
    void *bytes = MAP_FAILED;
    struct stat stat;

    push_id_write(object->id, run->id_bytes, id);
    if (fd < 0)
        return push_fail(run, "a file for a large object: %s", strerror(errno));
    if (push_git_start(&run->git, PUSH_IN_BOTH, one, -1, fd, &child, &run->check->error) != 0)
        push_fail(run, NULL);
    else if (push_child_end(&child, push_time(run)) != 0 || fstat(fd, &stat) != 0 ||
             (uint64_t)stat.st_size != object->size)
        push_fail(run, "a large object cannot be read");
    else if ((bytes = mmap(NULL, (size_t)object->size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        push_fail(run, "no memory for a large object");
    else
        status = told(reader, index, (struct str){bytes, (size_t)object->size});
    push_child_stop(&child);
    if (bytes != MAP_FAILED)
        munmap(bytes, (size_t)object->size);
    close(fd);
    return status;
}

/* The end of the batch: what is larger. */
static int finish(struct push_reader *reader)
{
    struct push_run *run = reader->run;

    while (reader->next < reader->ids->count && !comes_along(reader, reader->next))
        reader->next++;
    if (reader->len > 0 || reader->next < reader->ids->count ||
        push_child_end(&reader->child, push_time(run)) != 0)
        return push_fail(run, "the new objects cannot be read");
    for (uint32_t i = 0; i < reader->ids->count && !run->over; i++)
        if (reader->ids->all[i].size > PUSH_WHOLE && reader->wanted(reader->user, i) &&
            (push_time(run) == 0 || take_large(reader, i) != 0))
            return -1;
    return 0;
}

int push_reader_read(struct push_reader *reader)
{
    struct push_run *run = reader->run;
    int ms = push_time(run), one = 1;

    if (ms == 0)
        return -1;
    if (reader->head > NEAR || (reader->head > 0 && reader->head + reader->len > BYTES - NEAR)) {
        memmove(reader->bytes, reader->bytes + reader->head, reader->len);
        reader->head = 0;
    }
    ssize_t got = push_child_read(&reader->child, reader->bytes + reader->head + reader->len,
                                  BYTES - reader->head - reader->len, ms);
    if (got < 0)
        return push_time(run) > 0 ? push_fail(run, "git cat-file cannot be read") : -1;
    if (got == 0)
        return finish(reader);
    reader->len += (size_t)got;
    while (one == 1 && reader->len > 0 && !run->over)
        one = take_object(reader);
    if (reader->len == 0)
        reader->head = 0;
    return one < 0 ? -1 : run->over ? 0 : 1;
}

void push_reader_end(struct push_reader *reader)
{
    push_child_stop(&reader->child);
    free(reader->bytes);
    reader->bytes = NULL;
}

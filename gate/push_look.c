/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_look: see push_look.h. Three programs of git's work at once: one tells what commits change, which names all paths (and with
 * them every entry of every new tree), one hands over the contents of all objects but trees; what only they tell together
 * comes behind them: trees that no commit leads to, and objects that are new to the upstream and not to the mirror.
 */
#include "gate/push_look.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/glob.h"
#include "gate/push_archive.h"
#include "gate/push_files.h"
#include "gate/push_found.h"
#include "gate/push_objects.h"
#include "gate/push_outside.h"
#include "gate/push_paths.h"
#include "gate/push_scan.h"
#include "gate/push_walk.h"

struct look {
    struct push_run *run;
    struct push_ids *ids; /* whose objects are read now */
    struct push_walk walk;
    struct push_paths paths;
};

/* What commits change. */

static int protect(struct push_run *run, const struct push_change *change)
{
    const struct gate_patterns *patterns = &run->in->repo->push.protect_paths;

    for (size_t i = 0; i < patterns->count; i++) {
        if (!glob_covers(str_of(patterns->list[i]), change->path, GLOB_PATH | GLOB_FOLD))
            continue;
        struct push_place place = {.surface = "path", .path = change->path, .update = -1};
        struct push_finding *found;
        /* Once for each content that it gets: the newest commit with it is named. */
        place.object = change->mode != 0 ? change->id : NULL;
        if ((found = push_found_add(run, PUSH_PROTECTED, "protect_paths", &place, 0)) == NULL)
            return 0;
        snprintf(found->commit, sizeof found->commit, "%s", change->commit);
        snprintf(found->text, sizeof found->text,
                 "a path that git-gate.repos.%s.push.protect_paths has (%s) is changed,", run->in->repo->name,
                 patterns->list[i]);
        push_found_ask(run, found, change->path, (struct str){(const char *)change->id, PUSH_ID_BYTES});
        return 0;
    }
    return 0;
}

static int note_object(struct push_run *run, const struct push_change *change)
{
    uint32_t index = push_ids_find(&run->ids, change->id);

    if (index != PUSH_NO_ID)
        run->ids.all[index].reached = 1;
    else if (push_ids_add(&run->elsewhere, change->id) == PUSH_NO_ID)
        return push_fail(run, "no memory for the list of objects");
    return 0;
}

static int on_change(void *user, const struct push_change *change)
{
    struct look *look = user;
    struct push_run *run = look->run;
    bool link = (change->mode & 0170000) == PUSH_MODE_COMMIT;
    char digits[PUSH_ID] = "";

    if (change->path.ptr == NULL) {
        run->check->commits++;
        return note_object(run, change);
    }
    if (change->mode != 0 && !link && note_object(run, change) != 0)
        return -1;
    if (link) /* of a submodule, which is any bytes that the push likes */
        push_id_write(change->id, run->id_bytes, digits);
    if ((change->added || link) &&
        push_paths_add(run, &look->paths, change->commit, change->path, str_of(digits)) != 0)
        return -1;
    if (change->folder)
        return 0;
    return protect(run, change) == 0 ? push_files_note(run, change) : -1;
}

/* Objects. */

static bool is_content(void *user, uint32_t index)
{
    const struct look *look = user;

    return look->ids->all[index].type != PUSH_TREE &&
           (look->ids == &look->run->ids || look->ids->all[index].reached);
}

static bool is_hidden_tree(void *user, uint32_t index)
{
    const struct push_id *id = &((const struct look *)user)->ids->all[index];

    return id->type == PUSH_TREE && !id->reached;
}

/* The id behind this word, which begins a line of the object; PUSH_NO_ID: none that came with the push. */
static uint32_t named(const struct look *look, struct str object, const char *word)
{
    size_t len = strlen(word), digits = 2 * look->run->id_bytes;
    uint8_t id[PUSH_ID_BYTES];

    if (object.len < len + digits || memcmp(object.ptr, word, len) != 0 ||
        push_id_read(object.ptr + len, digits, id) == 0)
        return PUSH_NO_ID;
    return push_ids_find(&look->run->ids, id);
}

/* The tag that a tag names, when only the mirror has it: no walk of commits comes by it. */
static int note_tag(struct look *look, struct str tag)
{
    static const char head[] = "object ", type[] = "\ntype tag\n";
    size_t digits = 2 * look->run->id_bytes;
    const char *id = tag.ptr + sizeof head - 1;
    struct push_change object = {.commit = ""};

    if (tag.len < sizeof head - 1 + digits + sizeof type - 1 || memcmp(tag.ptr, head, sizeof head - 1) != 0 ||
        memcmp(id + digits, type, sizeof type - 1) != 0 || push_id_read(id, digits, object.id) == 0)
        return 0;
    return note_object(look->run, &object);
}

static int look_at_words(struct look *look, uint32_t index, struct str object)
{
    struct push_id *id = &look->ids->all[index];
    const char *body = memmem(object.ptr, object.len, "\n\n", 2);
    char digits[PUSH_ID];
    bool commit = id->type == PUSH_COMMIT;
    struct push_place place = {.surface = commit ? "commit message" : "tag message",
                               .object = id->id,
                               .update = -1,
                               .head = body != NULL ? (size_t)(body - object.ptr) + 2 : object.len,
                               .head_surface = commit ? "commit header" : "tag header"};

    push_id_write(id->id, look->run->id_bytes, digits);
    if (commit) {
        place.commit = digits;
        id->tree = named(look, object, "tree ");
    } else {
        uint32_t target = named(look, object, "object ");
        if (target != PUSH_NO_ID && look->run->ids.all[target].type != PUSH_TREE)
            look->run->ids.all[target].reached = 1;
        if (look->ids == &look->run->ids && note_tag(look, object) != 0)
            return -1;
    }
    return push_scan_text(look->run, &place, object);
}

/* Names in a tree that no commit leads to. */
static int look_at_tree(struct look *look, uint32_t index, struct str object)
{
    struct push_run *run = look->run;
    struct push_place place = {.surface = "path", .object = look->ids->all[index].id, .update = -1};
    char *names = malloc(object.len + 1);
    size_t len = 0;

    if (names == NULL)
        return push_fail(run, "no memory");
    for (size_t at = 0; at < object.len;) {
        const char *name = memchr(object.ptr + at, ' ', object.len - at);
        const char *end = name != NULL ? memchr(name, '\0', object.len - (size_t)(name - object.ptr)) : NULL;
        if (end == NULL || object.len - (size_t)(end - object.ptr) < 1 + run->id_bytes) {
            free(names);
            return push_fail(run, "a tree that is none");
        }
        memcpy(names + len, name + 1, (size_t)(end - name - 1));
        len += (size_t)(end - name - 1);
        names[len++] = '\n';
        at = (size_t)(end - object.ptr) + 1 + run->id_bytes;
    }
    place.head = len; /* lines mean nothing here */
    place.head_surface = place.surface;
    int status = push_scan_text(run, &place, (struct str){names, len});
    free(names);
    return status;
}

static int look_at_blob(struct look *look, uint32_t index, struct str object)
{
    struct push_place place = {.surface = "blob", .object = look->ids->all[index].id, .update = -1};

    if (push_files_is_pointer(object)) {
        struct push_finding *found = push_found_add(look->run, PUSH_LFS, "lfs", &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text,
                     "a Git LFS pointer: no entry of git-gate.repos or egress.routes can let LFS content "
                     "through, so commit the file itself;");
    }
    return push_scan_text(look->run, &place, object) == 0 ? push_archive_look(look->run, &place, object) : -1;
}

static int on_object(void *user, uint32_t index, struct str object)
{
    struct look *look = user;
    unsigned type = look->ids->all[index].type;

    if (object.len == 0)
        return 0;
    if (type == PUSH_TREE)
        return look_at_tree(look, index, object);
    if (look->run->outside != NULL && push_outside_feed(look->run, object) != 0)
        return -1;
    return type == PUSH_BLOB ? look_at_blob(look, index, object) : look_at_words(look, index, object);
}

/* All of a set that is wanted, and nothing beside it. */
static int read_all(struct look *look, struct push_ids *ids, bool (*wanted)(void *user, uint32_t index))
{
    struct push_reader reader = {
        .run = look->run, .ids = ids, .wanted = wanted, .on_object = on_object, .user = look};
    size_t count = 0;
    int more = 1;

    look->ids = ids;
    for (uint32_t i = 0; i < ids->count; i++)
        count += wanted(look, i);
    if (count == 0)
        return 0;
    if (push_reader_begin(&reader) != 0)
        more = -1;
    while (more == 1)
        more = push_reader_read(&reader);
    push_reader_end(&reader);
    return more;
}

/* Objects and changes, whichever has something to tell. */
static int read_both(struct look *look)
{
    struct push_run *run = look->run;
    struct push_reader reader = {
        .run = run, .ids = &run->ids, .wanted = is_content, .on_object = on_object, .user = look};
    int changes = 1, objects = 1;

    look->ids = &run->ids;
    if (!push_walk_has_tips(run))
        return read_all(look, &run->ids, is_content);
    if (push_reader_begin(&reader) != 0)
        objects = -1;
    while ((changes == 1 || objects == 1) && changes >= 0 && objects >= 0 && !run->over) {
        struct pollfd fds[2] = {{.fd = changes == 1 ? look->walk.diff.out : -1, .events = POLLIN},
                                {.fd = objects == 1 ? reader.child.out : -1, .events = POLLIN}};
        int ms = push_time(run);
        if (ms == 0)
            changes = -1;
        else if (poll(fds, 2, ms) <= 0)
            continue;
        else if (fds[0].revents != 0)
            changes = push_walk_read(&look->walk, on_change, look);
        else
            objects = push_reader_read(&reader);
    }
    push_reader_end(&reader);
    return changes < 0 || objects < 0 ? -1 : 0;
}

/* What refs name that is no commit: a tag's tree has paths of its own. */
static int on_tip(void *user, const struct push_id *tip, const char *digits)
{
    struct look *look = user;
    struct push_change object = {.commit = ""};

    memcpy(object.id, tip->id, PUSH_ID_BYTES);
    if (note_object(look->run, &object) != 0)
        return -1;
    return tip->type == PUSH_TREE ? push_walk_tree(look->run, digits, on_change, look) : 0;
}

static void mark_trees(struct push_run *run)
{
    for (size_t i = 0; i < run->ids.count; i++)
        if (run->ids.all[i].reached && run->ids.all[i].tree != PUSH_NO_ID)
            run->ids.all[run->ids.all[i].tree].reached = 1;
}

/* The walk begins first: it runs as far as its pipe is long while the objects are listed. */
static int look_at_all(struct look *look)
{
    struct push_run *run = look->run;

    if (push_walk_has_tips(run) && push_walk_begin(&look->walk, run, false, true) != 0)
        return -1;
    if (push_objects_list(run) != 0 || run->over || push_outside_begin(run) != 0)
        return run->over ? 0 : -1;
    if (read_both(look) != 0 || push_objects_tips(run, on_tip, look) != 0 ||
        push_paths_end(run, &look->paths) != 0)
        return -1;
    if (!run->over && run->elsewhere.count > 0 && push_walk_has_tips(run) &&
        (push_objects_left(run) != 0 || read_all(look, &run->elsewhere, is_content) != 0))
        return -1;
    mark_trees(run);
    if (!run->over && read_all(look, &run->ids, is_hidden_tree) != 0)
        return -1;
    return push_files_judge(run) != 0 || (!run->over && push_outside_end(run) != 0) ? -1 : 0;
}

int push_look(struct push_run *run)
{
    struct look look = {.run = run, .ids = &run->ids};

    look.walk.list = look.walk.diff = PUSH_NO_CHILD;
    int status = look_at_all(&look);
    push_walk_end(&look.walk);
    push_paths_free(&look.paths);
    push_files_free(run);
    push_outside_free(run);
    return status;
}

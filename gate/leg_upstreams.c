/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_upstreams: which upstreams there are. A new policy is made ready before it is taken, so that one whose keys cannot be kept
 * is refused whole. */
#include <stdlib.h>
#include <string.h>

#include "gate/leg_command.h"
#include "gate/leg_upstream.h"

static void on_folder(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct leg_upstreams *all = event->data;

    (void)name;
    (void)events;
    (void)status;
    for (struct leg_upstream *each = all->list, *next; each != NULL; each = next) {
        next = each->next;
        leg_upstream_look(each);
    }
}

int leg_upstreams_init(struct leg_upstreams *all, uv_loop_t *loop,
                       void (*ended)(struct leg_upstream *upstream), struct err *err)
{
    *all = (struct leg_upstreams){.loop = loop, .ended = ended, .resolver = resolver_new(loop)};
    if (all->resolver == NULL || uv_fs_event_init(loop, &all->folder) != 0)
        return err_set(err, "out of memory or descriptors");
    all->folder.data = all;
    int status = uv_fs_event_start(&all->folder, on_folder, LEG_FOLDER, 0);
    return status == 0 ? 0 : err_set(err, "the folder for keys: %s", uv_strerror(status));
}

void leg_upstreams_begin(struct leg_upstreams *all)
{
    struct err err;

    all->swept = leg_files_sweep(&err) == 0; /* else the first policy that needs the folder says why not */
}

struct leg_upstream *leg_upstreams_find(struct leg_upstreams *all, const char *name)
{
    struct leg_upstream *upstream = all->list;

    while (upstream != NULL && strcmp(upstream->name, name) != 0)
        upstream = upstream->next;
    return upstream;
}

static bool is_same(const struct leg_upstream *upstream, const struct gate_repo *repo, const struct key *key)
{
    return strcmp(upstream->url_text, repo->url) == 0 && strcmp(upstream->host_key, repo->host_key) == 0 &&
           (key != NULL ? leg_files_same(&upstream->key, key->text) : upstream->key.mapped == NULL);
}

/* What ssh reads of it. */
static int files_write(struct leg_upstream *upstream, const struct key *key, struct err *err)
{
    unsigned number = ++upstream->all->number;
    char line[4096];
    size_t len = leg_command_known(&upstream->url, upstream->host_key, line, sizeof line);

    leg_files_path(number, "control", upstream->control);
    if (len == 0)
        return err_set(err, "its host key is too long");
    if (leg_files_plain(&upstream->hosts, number, "hosts", (struct str){line, len}, err) < 0)
        return -1;
    return key != NULL ? leg_files_key(&upstream->key, number, key->text, err) : 0;
}

static struct leg_upstream *upstream_new(struct leg_upstreams *all, const struct gate_repo *repo,
                                         const struct key *key, struct err *err)
{
    struct leg_upstream *upstream = calloc(1, sizeof *upstream);

    if (upstream == NULL) {
        err_set(err, "out of memory");
        return NULL;
    }
    upstream->all = all;
    upstream->url = repo->from;
    memcpy(upstream->name, repo->name, sizeof upstream->name);
    upstream->url_text = strdup(repo->url);
    upstream->host_key = strdup(repo->host_key);
    uv_timer_init(all->loop, &upstream->timer);
    upstream->timer.data = upstream;
    int status = upstream->url_text != NULL && upstream->host_key != NULL ? files_write(upstream, key, err)
                                                                          : err_set(err, "out of memory");
    if (status == 0)
        return upstream;
    err_prefix(err, "%s", repo->name);
    leg_upstream_end(upstream);
    return NULL;
}

static void list_end(struct leg_upstream **list)
{
    struct leg_upstream *upstream;

    while ((upstream = *list) != NULL) {
        *list = upstream->next;
        leg_upstream_end(upstream);
    }
}

static int stage_all(struct leg_upstreams *all, const struct gate *gate, const struct keys *keys,
                     struct err *err)
{
    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++) {
        const struct gate_repo *repo = &gate->repos[i];
        const struct key *key = keys_find(keys, repo->name);
        struct leg_upstream *old = leg_upstreams_find(all, repo->name), *made;

        if (old != NULL && is_same(old, repo, key)) {
            old->keep = true;
            continue;
        }
        made = upstream_new(all, repo, key, err);
        if (made == NULL)
            return -1;
        made->next = all->staged;
        all->staged = made;
    }
    return 0;
}

int leg_upstreams_stage(struct leg_upstreams *all, const struct policy *policy, const struct keys *keys,
                        struct err *err)
{
    list_end(&all->staged);
    for (struct leg_upstream *each = all->list; each != NULL; each = each->next)
        each->keep = false;
    if (policy->gate != NULL && !all->swept && leg_files_sweep(err) < 0)
        return -1;
    all->swept = all->swept || policy->gate != NULL;
    int status = stage_all(all, policy->gate, keys, err);
    if (status < 0)
        list_end(&all->staged);
    return status;
}

void leg_upstreams_commit(struct leg_upstreams *all, const struct policy *policy)
{
    struct leg_upstream *old = all->list, *next, **at = &all->list;

    all->policy = policy;
    all->list = NULL;
    for (; old != NULL; old = next) {
        next = old->next;
        if (!old->keep) {
            all->ended(old);
            leg_upstream_end(old);
            continue;
        }
        old->next = NULL;
        *at = old;
        at = &old->next;
    }
    *at = all->staged;
    all->staged = NULL;
}

void leg_upstreams_end(struct leg_upstreams *all)
{
    struct err err;

    uv_close((uv_handle_t *)&all->folder, NULL);
    list_end(&all->staged);
    list_end(&all->list);
    if (all->swept)
        leg_files_sweep(&err);
}

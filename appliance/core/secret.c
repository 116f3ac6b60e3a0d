/* SPDX-License-Identifier: GPL-3.0-or-later */
/* secret: see secret.h. Each allocation is whole pages of its own, because locking and dumping are decided by
 * page. It must never put a value, or a part of one, into an error. */
#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS, madvise: beyond POSIX, on Linux and macOS */
#include "core/secret.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __APPLE__
#include <malloc/malloc.h>
#define allocated malloc_size
#else
#include <malloc.h>
#define allocated malloc_usable_size
#endif

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

void secret_wipe(void *memory, size_t size)
{
    volatile unsigned char *at = memory;

    while (size-- > 0)
        *at++ = 0;
}

void *secret_alloc(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
#ifdef MADV_DONTDUMP
    bool hidden = madvise(memory, size, MADV_DONTDUMP) == 0 && madvise(memory, size, MADV_DONTFORK) == 0;
#else
    bool hidden = true; /* such systems are the host's only, where no value stays */
#endif
    if (hidden && mlock(memory, size) == 0)
        return memory;
    munmap(memory, size);
    return NULL;
}

void secret_release(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    secret_wipe(memory, size);
    munmap(memory, size);
}

#ifdef MADV_DONTDUMP
static bool is_mapped(char *page, size_t size)
{
    unsigned char resident;

    return mincore(page, size, &resident) == 0;
}
#endif

/* By asking page after page: /proc may not know a process that has entered another namespace. The kernel leaves a gap below
 * a stack, and nothing is mapped right above one. */
bool secret_hide_stack(void)
{
#ifdef MADV_DONTDUMP
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char here, *low = &here - (uintptr_t)&here % size, *high = low + size;

    while (is_mapped(low - size, size))
        low -= size;
    while (is_mapped(high, size))
        high += size;
    return madvise(low, (size_t)(high - low), MADV_DONTDUMP) == 0;
#else
    return true;
#endif
}

struct secret *secret_new(struct str value)
{
    struct secret *secret = value.len <= SECRET_MAX ? secret_alloc(sizeof *secret + value.len) : NULL;

    if (secret == NULL)
        return NULL;
    secret->len = value.len;
    memcpy(secret->bytes, value.ptr, value.len);
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret != NULL)
        secret_release(secret, sizeof *secret + secret->len);
}

struct str secret_expose(const struct secret *secret)
{
    return (struct str){secret->bytes, secret->len};
}

const char *secret_problem(struct str value)
{
    if (value.len == 0)
        return "is empty";
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '\r' || c == '\n')
            return "holds a line break";
        if (c == ' ' || c == '\t')
            return "holds a space";
        if (c < '!' || c > '~')
            return "holds a byte that is not visible ASCII";
    }
    if (value.len < SECRET_MIN)
        return "is shorter than 8 bytes";
    return value.len > SECRET_MAX ? "is longer than 8192 bytes" : NULL;
}

bool secret_is_name(struct str name)
{
    if (name.len == 0 || name.len > SECRET_NAME_MAX || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

static int take(struct secrets *secrets, const char *name, const json_t *value, struct err *err)
{
    struct secret_entry *entry = &secrets->entries[secrets->count];
    struct str bytes = {json_string_value(value), json_string_length(value)};

    if (!secret_is_name(str_of(name)))
        return err_set(err, "a name is not letters, digits and '_', or too long");
    if (!json_is_string(value))
        return err_set(err, "%s: expected a string", name);
    const char *problem = secret_problem(bytes);
    if (problem != NULL)
        return err_set(err, "%s: the value %s", name, problem);
    entry->value = secret_new(bytes);
    if (entry->value == NULL)
        return err_set(err, "%s: no locked memory is left (RLIMIT_MEMLOCK)", name);
    memcpy(entry->name, name, strlen(name) + 1);
    secrets->count++;
    return 0;
}

int secrets_read(const json_t *object, struct secrets **secrets, struct err *err)
{
    const char *name;
    json_t *value;
    int status = 0;

    if (!json_is_object(object) || json_object_size(object) > SECRETS_MAX)
        return err_set(err, "secrets: not an object of names and strings, with each name once, or too large");
    struct secrets *made = calloc(1, sizeof *made + json_object_size(object) * sizeof made->entries[0]);
    if (made == NULL)
        status = err_set(err, "out of memory");
    json_object_foreach((json_t *)object, name, value)
        if (status == 0)
            status = take(made, name, value, err);
    if (status == 0) {
        *secrets = made;
        return 0;
    }
    secrets_free(made);
    return err_prefix(err, "secrets");
}

int secrets_parse(struct str json, struct secrets **secrets, struct err *err)
{
    json_t *root =
        json.len <= SECRETS_MAX_JSON ? json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int status = secrets_read(root, secrets, err); /* the library's own words may quote the text */

    json_decref(root);
    return status;
}

void secrets_free(struct secrets *secrets)
{
    if (secrets == NULL)
        return;
    for (size_t i = 0; i < secrets->count; i++) {
        struct secret_entry *entry = &secrets->entries[i];
        for (size_t kind = 0; kind < 2; kind++)
            if (entry->attached[kind] != NULL)
                entry->detach(entry->attached[kind]);
        secret_free(entry->value);
    }
    free(secrets);
}

char *secrets_text(const struct secrets *secrets)
{
    json_t *object = json_object();

    for (size_t i = 0; i < secrets->count; i++) {
        struct str value = secret_expose(secrets->entries[i].value);
        json_object_set_new(object, secrets->entries[i].name, json_stringn(value.ptr, value.len));
    }
    char *text = json_object_size(object) == secrets->count ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

void secret_json_free(void *made)
{
    json_free_t give;

    json_get_alloc_funcs(NULL, &give);
    give(made);
}

void secrets_text_free(char *text)
{
    if (text != NULL)
        secret_wipe(text, strlen(text));
    secret_json_free(text);
}

struct secret_entry *secrets_find(struct secrets *secrets, const char *name)
{
    for (size_t i = 0; secrets != NULL && i < secrets->count; i++)
        if (strcmp(secrets->entries[i].name, name) == 0)
            return &secrets->entries[i];
    return NULL;
}

/* The JSON library frees without sizes; the allocator knows them. What the library gives to its callers may
 * still be given back with free. */
static void json_give(void *memory)
{
    if (memory == NULL)
        return;
    memset(memory, 0, allocated(memory));
    __asm__ volatile("" : : "r"(memory) : "memory"); /* the wipe happens, at memset's speed */
    free(memory);
}

void secret_json(void)
{
    json_set_alloc_funcs(malloc, json_give);
}

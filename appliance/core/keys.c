/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keys: see keys.h. What is looked at of a key is only what tells that ssh will take it without asking anybody; whether it
 * is a good one its own ssh knows. No key, or part of one, may get into an error. */
#include "core/keys.h"

#include <stdlib.h>
#include <string.h>

/* What the base64 of a key without a passphrase begins with: "openssh-key-v1", NUL, a length and "none", and the first
 * bits of the next length (PROTOCOL.key of OpenSSH). */
#define OPEN_KEY "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"

static const struct {
    const char *label;
    bool openssh;
} labels[] = {{"OPENSSH PRIVATE KEY", true},
              {"RSA PRIVATE KEY", false},
              {"EC PRIVATE KEY", false},
              {"PRIVATE KEY", false}};

/* Takes the next line off the text, without its end. */
static struct str line_take(struct str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    struct str line = {text->ptr, end != NULL ? (size_t)(end - text->ptr) : text->len};
    size_t taken = end != NULL ? line.len + 1 : line.len;

    *text = (struct str){text->ptr + taken, text->len - taken};
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Whether this is the line that begins or ends (`word`) a block of this label. */
static bool is_edge(struct str line, const char *word, const char *label)
{
    size_t word_len = strlen(word), label_len = strlen(label);

    return line.len == 5 + word_len + 1 + label_len + 5 && memcmp(line.ptr, "-----", 5) == 0 &&
           memcmp(line.ptr + 5, word, word_len) == 0 && line.ptr[5 + word_len] == ' ' &&
           memcmp(line.ptr + 6 + word_len, label, label_len) == 0 &&
           memcmp(line.ptr + line.len - 5, "-----", 5) == 0;
}

static const char *block_problem(struct str text, size_t label)
{
    struct str line = line_take(&text);
    bool first = true, ended = false;

    while (text.len > 0 && !ended) {
        line = line_take(&text);
        ended = is_edge(line, "END", labels[label].label);
        if (line.len >= 10 && memcmp(line.ptr, "Proc-Type:", 10) == 0)
            return "is protected by a passphrase"; /* RFC 1421's way, as OpenSSL's PEM has it */
        if (first && labels[label].openssh &&
            (line.len < sizeof OPEN_KEY - 1 || memcmp(line.ptr, OPEN_KEY, sizeof OPEN_KEY - 1) != 0))
            return "is protected by a passphrase, or no key of OpenSSH's";
        first = false;
    }
    if (!ended)
        return "has no line -----END …-----";
    while (text.len > 0)
        if (line_take(&text).len > 0)
            return "has something behind its end";
    return NULL;
}

const char *keys_problem(struct str text)
{
    struct str rest = text;

    if (text.len == 0)
        return "is empty";
    if (text.len >= KEY_MAX) /* a line's end may be added */
        return "is longer than 8191 bytes";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c < ' ' || c > '~') && c != '\n' && c != '\r')
            return "is not a text of ASCII";
    }
    struct str line = line_take(&rest);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (is_edge(line, "BEGIN", labels[i].label))
            return block_problem(text, i);
    if (is_edge(line, "BEGIN", "ENCRYPTED PRIVATE KEY"))
        return "is protected by a passphrase";
    return "does not begin as a private key does (-----BEGIN OPENSSH PRIVATE KEY-----)";
}

/* The text with LF alone behind every line, the last one too: ssh takes no other. */
static struct secret *normal(struct str text)
{
    char *copy = secret_alloc(KEY_MAX);
    size_t len = 0;

    if (copy == NULL)
        return NULL;
    while (text.len > 0) {
        struct str line = line_take(&text);
        memcpy(copy + len, line.ptr, line.len);
        len += line.len;
        copy[len++] = '\n';
    }
    struct secret *made = secret_new((struct str){copy, len});
    secret_release(copy, KEY_MAX);
    return made;
}

struct keys *keys_new(size_t room)
{
    struct keys *keys = calloc(1, sizeof *keys + room * sizeof keys->list[0]);

    if (keys != NULL)
        keys->room = room;
    return keys;
}

void keys_add(struct keys *keys, const char *name, struct secret *text)
{
    struct key *key = &keys->list[keys->count++];

    memcpy(key->name, name, strlen(name) + 1);
    key->text = text;
}

void keys_free(struct keys *keys)
{
    for (size_t i = 0; keys != NULL && i < keys->count; i++)
        secret_free(keys->list[i].text);
    free(keys);
}

const struct key *keys_find(const struct keys *keys, const char *name)
{
    for (size_t i = 0; keys != NULL && i < keys->count; i++)
        if (strcmp(keys->list[i].name, name) == 0)
            return &keys->list[i];
    return NULL;
}

struct keys *keys_copy(const struct keys *keys)
{
    struct keys *copy = keys_new(keys->count);

    for (size_t i = 0; copy != NULL && i < keys->count; i++) {
        struct secret *text = secret_new(secret_expose(keys->list[i].text));
        if (text == NULL) {
            keys_free(copy);
            return NULL;
        }
        keys_add(copy, keys->list[i].name, text);
    }
    return copy;
}

static int take(struct keys *keys, const char *name, const json_t *value, const struct keys *made,
                struct err *err)
{
    struct str text = {json_string_value(value), json_string_length(value)};
    const struct key *other = keys_find(made, name);
    const char *problem;

    if (!gate_is_name(str_of(name)))
        return err_set(err, "a name is not a repository's");
    if (json_is_null(value) && other == NULL)
        return err_set(err, "%s: no key was made with this name (deploy-key)", name);
    if (json_is_null(value))
        text = secret_expose(other->text);
    else if (!json_is_string(value))
        return err_set(err, "%s: expected a string%s", name, made != NULL ? " or null" : "");
    problem = keys_problem(text);
    if (problem != NULL)
        return err_set(err, "%s: the key %s", name, problem);
    struct secret *copy = normal(text);
    if (copy == NULL)
        return err_set(err, "%s: no locked memory is left (RLIMIT_MEMLOCK)", name);
    keys_add(keys, name, copy);
    return 0;
}

int keys_read(const json_t *object, const struct keys *made, struct keys **keys, struct err *err)
{
    const char *name;
    json_t *value;
    int status = 0;

    if (!json_is_object(object) || json_object_size(object) > KEYS_MAX)
        return err_set(err, "keys: not an object of names and keys, with each name once, or too large");
    *keys = keys_new(json_object_size(object));
    if (*keys == NULL)
        return err_set(err, "keys: out of memory");
    json_object_foreach((json_t *)object, name, value)
        if (status == 0)
            status = take(*keys, name, value, made, err);
    if (status == 0)
        return 0;
    keys_free(*keys);
    *keys = NULL;
    return err_prefix(err, "keys");
}

int keys_parse(struct str json, struct keys **keys, struct err *err)
{
    json_t *root =
        json.len <= KEYS_MAX_JSON ? json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int status = keys_read(root, NULL, keys, err); /* the library's own words may quote the text */

    json_decref(root);
    return status;
}

char *keys_text(const struct keys *keys)
{
    json_t *object = json_object();

    for (size_t i = 0; i < keys->count; i++) {
        struct str text = secret_expose(keys->list[i].text);
        json_object_set_new(object, keys->list[i].name, json_stringn(text.ptr, text.len));
    }
    char *text = json_object_size(object) == keys->count ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_gate: the values under git-gate; see manifest_keys.c, whose table calls these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gate.h"
#include "hostctl/host_key.h"
#include "hostctl/manifest_reader.h"

static int keep_text(struct manifest_reader *reader, const struct node *node, char **into)
{
    char quoted[REPORT_QUOTED];
    bool good = node->len > 0 && node->len <= 256;

    for (size_t i = 0; i < node->len; i++) /* git leaves these out or takes them for the ends of a name */
        good = good && (unsigned char)node->text[i] >= 0x20 && strchr("<>\x7f", node->text[i]) == NULL;
    if (!good) {
        COMPLAIN(reader, node,
                 "%s cannot stand in a commit: 1 to 256 bytes, no control characters, no \"<\" or \">\"",
                 report_quote(text_of(node), quoted));
        return 0;
    }
    *into = strdup(node->text);
    return *into != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_user_name(struct manifest_reader *reader, const struct node *node)
{
    return keep_text(reader, node, &reader->manifest->user_name);
}

int manifest_take_user_email(struct manifest_reader *reader, const struct node *node)
{
    return keep_text(reader, node, &reader->manifest->user_email);
}

int manifest_take_repo(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;
    struct str name = key_of(node);

    if (manifest->repo_count >= GATE_REPOS_MAX) {
        COMPLAIN(reader, node, "more than %d repositories", GATE_REPOS_MAX);
        return -1;
    }
    if (!gate_is_name(name))
        report_add(
            reader->report, node->key_line, reader->path,
            "the name of a repository is 1 to 64 letters, digits, \".\", \"_\" and \"-\", does not begin "
            "with \"-\" and is not \".\" or \"..\"");
    struct manifest_repo *repos = realloc(manifest->repos, (manifest->repo_count + 1) * sizeof *repos);
    if (repos == NULL)
        return OUT_OF_MEMORY(reader);
    manifest->repos = repos;
    repos[manifest->repo_count] =
        (struct manifest_repo){.name = {strdup(node->key), manifest->files[0], node->key_line}};
    return repos[manifest->repo_count++].name.text != NULL ? 0 : OUT_OF_MEMORY(reader);
}

static struct manifest_repo *last_repo(struct manifest_reader *reader)
{
    return &reader->manifest->repos[reader->manifest->repo_count - 1];
}

static int keep_word(struct manifest_reader *reader, const struct node *node, struct manifest_word *word)
{
    *word = (struct manifest_word){strdup(node->text), reader->manifest->files[0], node->line};
    return word->text != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_url(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_repo *repo = last_repo(reader);
    char quoted[REPORT_QUOTED];
    const char *problem = gate_url_take(text_of(node), &repo->from);

    if (problem != NULL) {
        COMPLAIN(reader, node, "%s %s; write " GATE_URL_FORM, report_quote(text_of(node), quoted), problem);
        return 0;
    }
    repo->url_line = node->line;
    repo->url = strdup(node->text);
    return repo->url != NULL ? 0 : OUT_OF_MEMORY(reader);
}

/* Each provider's keys: those that it needs, and those that are another's. */
int manifest_take_key(struct manifest_reader *reader, const struct node *node)
{
    static const struct {
        const char *key, *provider;
        bool required;
    } keys[] = {{"path", "static", true}, {"forge_token_env", "gitea", true}, {"api_url", "gitea", false}};
    const struct node *provider = manifest_child(node, "provider");
    last_repo(reader)->key.line = node->line;
    bool known = provider != NULL && provider->kind == NODE_SCALAR &&
                 (strcmp(provider->text, "static") == 0 || strcmp(provider->text, "gitea") == 0);

    for (size_t i = 0; known && i < sizeof keys / sizeof keys[0]; i++) {
        const struct node *child = manifest_child(node, keys[i].key);
        bool own = strcmp(keys[i].provider, provider->text) == 0;
        if (own && keys[i].required && child == NULL)
            COMPLAIN(reader, node, "the key \"%s\" is missing, which the provider %s needs", keys[i].key,
                     provider->text);
        if (!own && child != NULL)
            report_add(reader->report, child->key_line, reader->path,
                       "the key \"%s\" is not one of the provider %s; allowed: provider, %s", keys[i].key,
                       provider->text,
                       strcmp(provider->text, "static") == 0 ? "path" : "forge_token_env, api_url");
    }
    return 0;
}

int manifest_take_provider(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"static", "gitea", NULL};
    int word = manifest_one_of(reader, node, words);

    if (word >= 0)
        last_repo(reader)->key.provider = word == 0 ? PROVIDER_STATIC : PROVIDER_GITEA;
    return 0;
}

int manifest_take_key_path(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    bool home = node->len > 2 && memcmp(node->text, "~/", 2) == 0;

    if ((home || (node->len >= 2 && node->text[0] == '/')) && strlen(node->text) == node->len)
        return keep_word(reader, node, &last_repo(reader)->key.path);
    COMPLAIN(reader, node, "%s is neither an absolute path nor one that begins with ~/",
             report_quote(text_of(node), quoted));
    return 0;
}

int manifest_take_forge_token(struct manifest_reader *reader, const struct node *node)
{
    if (secret_is_name(text_of(node)))
        return keep_word(reader, node, &last_repo(reader)->key.forge_token_env);
    /* not quoted: it may be a token that was put here */
    COMPLAIN(reader, node,
             "must be the name of an environment variable of the host that holds the value: letters, "
             "digits and _");
    return 0;
}

int manifest_take_api_url(struct manifest_reader *reader, const struct node *node)
{
    const char *text = node->text;
    size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
    bool good = scheme > 0 && text[scheme] != '\0' && text[scheme] != '/' && strlen(text) == node->len;
    char quoted[REPORT_QUOTED];

    for (const char *c = text; good && *c != '\0'; c++)
        good = *c > ' ' && *c < 0x7f && strchr("\"\\@?#", *c) == NULL;
    if (!good) {
        COMPLAIN(reader, node, "%s is no http:// or https:// URL without user, query and fragment",
                 report_quote(text_of(node), quoted));
        return 0;
    }
    last_repo(reader)->key.api_url_line = node->line;
    last_repo(reader)->key.api_url = strdup(text);
    return last_repo(reader)->key.api_url != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_host_key(struct manifest_reader *reader, const struct node *node)
{
    if (host_key_is(text_of(node)))
        return keep_word(reader, node, &last_repo(reader)->host_key);
    COMPLAIN(reader, node,
             "must be TYPE BASE64, such as \"ssh-ed25519 AAAA...\"; types: " GATE_HOST_KEY_TYPES);
    return 0;
}

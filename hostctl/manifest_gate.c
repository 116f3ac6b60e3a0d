/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_gate: the values under git-gate; see manifest_keys.c, whose table calls these. A URL is taken apart here
 * and nowhere else; what two programs could read differently (no user, the scp form) is an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/manifest_reader.h"

#define URL_FORM "ssh://user@host[:port]/path"

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
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct manifest *manifest = reader->manifest;
    struct str name = key_of(node);

    if (manifest->repo_count >= MANIFEST_REPOS_MAX) {
        COMPLAIN(reader, node, "more than %d repositories", MANIFEST_REPOS_MAX);
        return -1;
    }
    if (name.len == 0 || name.len > 64 || strspn(name.ptr, letters) != name.len || name.ptr[0] == '-' ||
        str_equal(name, str_of(".")) || str_equal(name, str_of("..")))
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

/* The canonical form of a URL's host, also of an address. Returns 0 or -1. */
static int canon_host(struct str host, char out[HOST_MAX + 1])
{
    bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    struct str literal = brackets ? (struct str){host.ptr + 1, host.len - 2} : host;
    char text[IP_TEXT];
    struct ip ip;

    if (ip_parse(literal, &ip) == 0 && brackets == (ip.family == 6)) {
        ip_format(&ip, text);
        snprintf(out, HOST_MAX + 1, "%s%s%s", brackets ? "[" : "", text, brackets ? "]" : "");
        return 0;
    }
    return host_canon(host, out);
}

/* The number behind the colon, 22 without one; 0 when it is none. */
static unsigned long port_of(struct str text)
{
    char digits[6] = "";

    if (text.len == 0 || text.len > 5)
        return 0;
    memcpy(digits, text.ptr, text.len);
    if (strspn(digits, "0123456789") != text.len || digits[0] == '0')
        return 0;
    unsigned long port = strtoul(digits, NULL, 10);
    return port <= 65535 ? port : 0;
}

/* Takes the part behind "ssh://" apart. Returns NULL, or what is wrong. */
static const char *take_apart(const char *rest, char host[HOST_MAX + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *slash = strchr(rest, '/'), *at = strchr(rest, '@'), *colon;

    if (slash == NULL || slash[1] == '\0')
        return "has no path";
    if (at == NULL || at > slash || at == rest)
        return "has no user";
    if (strspn(rest, letters) != (size_t)(at - rest) || rest[0] == '-')
        return "has a user that is not letters, digits, \".\", \"_\" and \"-\"";
    struct str authority = {at + 1, (size_t)(slash - at - 1)};
    const char *bracket =
        authority.len > 0 && authority.ptr[0] == '[' ? memchr(authority.ptr, ']', authority.len) : NULL;
    const char *from = bracket != NULL ? bracket : authority.ptr;
    colon = memchr(from, ':', (size_t)(slash - from));
    struct str name = {authority.ptr, colon != NULL ? (size_t)(colon - authority.ptr) : authority.len};
    if (canon_host(name, host) != 0)
        return "has no host that is a name or an address";
    if (colon != NULL && port_of((struct str){colon + 1, (size_t)(slash - colon - 1)}) == 0)
        return "has a bad port: 1 to 65535";
    for (const char *c = slash; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\"'\\?#*[", *c) != NULL)
            return "has a character in its path that is not taken";
    return NULL;
}

int manifest_take_url(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_repo *repo = &reader->manifest->repos[reader->manifest->repo_count - 1];
    char host[HOST_MAX + 1], quoted[REPORT_QUOTED];
    const char *problem;

    if (strlen(node->text) != node->len)
        problem = "holds a NUL character";
    else if (strncmp(node->text, "ssh://", 6) == 0)
        problem = take_apart(node->text + 6, host);
    else if (strstr(node->text, "://") == NULL && strchr(node->text, ':') != NULL)
        problem = "is the scp form";
    else
        problem = "is no ssh:// URL";
    if (problem != NULL) {
        COMPLAIN(reader, node, "%s %s; write " URL_FORM, report_quote(text_of(node), quoted), problem);
        return 0;
    }
    repo->url = strdup(node->text);
    repo->host = strdup(host);
    return repo->url != NULL && repo->host != NULL ? 0 : OUT_OF_MEMORY(reader);
}

/* Each provider's keys: those that it needs, and those that are another's. */
int manifest_take_key(struct manifest_reader *reader, const struct node *node)
{
    static const struct {
        const char *key, *provider;
        bool required;
    } keys[] = {{"path", "static", true}, {"forge_token_env", "gitea", true}, {"api_url", "gitea", false}};
    const struct node *provider = manifest_child(node, "provider");
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

    manifest_one_of(reader, node, words);
    return 0;
}

int manifest_take_key_path(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    bool home = node->len > 2 && memcmp(node->text, "~/", 2) == 0;

    if ((!home && (node->len < 2 || node->text[0] != '/')) || strlen(node->text) != node->len)
        COMPLAIN(reader, node, "%s is neither an absolute path nor one that begins with ~/",
                 report_quote(text_of(node), quoted));
    return 0;
}

int manifest_take_forge_token(struct manifest_reader *reader, const struct node *node)
{
    if (!secret_is_name(text_of(node))) /* not quoted: it may be a token that was put here */
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
    if (!good)
        COMPLAIN(reader, node, "%s is no http:// or https:// URL without user, query and fragment",
                 report_quote(text_of(node), quoted));
    return 0;
}

/* "TYPE BASE64", as in known_hosts(5) without the host. */
int manifest_take_host_key(struct manifest_reader *reader, const struct node *node)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "ssh-rsa"};
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *space = strchr(node->text, ' ');
    bool good = false;

    for (size_t i = 0; space != NULL && i < sizeof types / sizeof types[0]; i++)
        good = good || (strlen(types[i]) == (size_t)(space - node->text) &&
                        memcmp(types[i], node->text, strlen(types[i])) == 0);
    if (good) {
        size_t len = strspn(space + 1, base64), padding = strspn(space + 1 + len, "=");
        good = len >= 40 && padding <= 2 && (len + padding) % 4 == 0 &&
               (size_t)(space + 1 - node->text) + len + padding == node->len;
    }
    if (!good)
        COMPLAIN(
            reader, node,
            "must be TYPE BASE64, such as \"ssh-ed25519 AAAA...\"; types: ssh-ed25519, ecdsa-sha2-nistp256, "
            "ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa");
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_push: what git-gate says of pushes: rules of refs and paths, and what becomes of a find; see manifest_keys.c,
 * whose table calls the takers. The patterns are the gate's (core/gate.h); here is said what none can match. */
#include <stdlib.h>
#include <string.h>

#include "hostctl/gate_remotes.h"
#include "hostctl/manifest_reader.h"

static struct gate_push *push_of(struct manifest_reader *reader)
{
    return &reader->manifest->repos[reader->manifest->repo_count - 1].push;
}

int manifest_take_refs(struct manifest_reader *reader, const struct node *node)
{
    if (node->count >= 1 && node->count <= GATE_PATTERNS_MAX)
        return 0;
    COMPLAIN(reader, node, "%zu refs; 1 to %d are allowed", node->count, GATE_PATTERNS_MAX);
    return -1;
}

/* No list is what nobody has said; an empty one takes the default away. */
int manifest_take_protected_list(struct manifest_reader *reader, const struct node *node)
{
    reader->manifest->repos[reader->manifest->repo_count - 1].protect_said = true;
    if (node->count <= GATE_PATTERNS_MAX)
        return 0;
    COMPLAIN(reader, node, "%zu paths; at most %d are allowed", node->count, GATE_PATTERNS_MAX);
    return -1;
}

static int keep_pattern(struct manifest_reader *reader, const struct node *node,
                        struct gate_patterns *patterns)
{
    char **list = realloc(patterns->list, (patterns->count + 1) * sizeof *list);

    if (list == NULL)
        return OUT_OF_MEMORY(reader);
    patterns->list = list;
    list[patterns->count] = strdup(node->text);
    return list[patterns->count] != NULL ? (patterns->count++, 0) : OUT_OF_MEMORY(reader);
}

/* Whether the pattern ends within one of its parts (core/glob.h). */
static bool is_open(const char *at)
{
    for (; *at != '\0'; at++) {
        if (*at == '\\' && *++at == '\0')
            return true;
        if (*at != '[')
            continue;
        at += 1 + (at[1] == '!' || at[1] == '^');
        if (*at == ']') /* the first stands for itself */
            at++;
        while (*at != '\0' && *at != ']') {
            const char *class = strncmp(at, "[:", 2) == 0 ? strstr(at + 2, ":]") : NULL;
            at = class != NULL ? class + 2 : at + 1;
        }
        if (*at == '\0')
            return true;
    }
    return false;
}

/* What no ref and no path of a pattern has; NULL when it is fine. */
static const char *word_problem(const struct node *node)
{
    if (node->len == 0 || node->len > GATE_PATTERN_MAX)
        return "has not 1 to 512 bytes";
    for (size_t i = 0; i < node->len; i++)
        if ((unsigned char)node->text[i] <= ' ' || node->text[i] == 0x7f)
            return "holds a space or a control character; \"*\" stands for these, too";
    if (strstr(node->text, "//") != NULL)
        return "holds an empty part";
    return is_open(node->text) ? "ends within a set [...], or with a \\, and so matches nothing" : NULL;
}

/* git-check-ref-format(1), without what stands for something else. */
static const char *ref_problem(const struct node *node)
{
    const char *problem = word_problem(node);

    if (problem != NULL)
        return problem;
    if (strncmp(node->text, "refs/", 5) != 0)
        return "does not begin with refs/: a branch is refs/heads/NAME, a tag refs/tags/NAME";
    if (strpbrk(node->text, "~:\\") != NULL || strstr(node->text, "..") != NULL ||
        strstr(node->text, "@{") != NULL || strstr(node->text, "/.") != NULL ||
        strchr("/.", node->text[node->len - 1]) != NULL)
        return "is the name of no ref: no ~ : \\ @{ .. and no part that begins with a dot";
    return NULL;
}

static const char *path_problem(const struct node *node)
{
    const char *problem = word_problem(node);

    if (problem != NULL)
        return problem;
    if (node->text[0] == '/' || node->text[node->len - 1] == '/')
        return "begins or ends with \"/\": paths begin at the repository's root, and DIR/** is all below DIR";
    for (const char *part = node->text; part != NULL; part = strchr(part, '/')) {
        part += part != node->text;
        size_t len = strcspn(part, "/");
        if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return "has a part \".\" or \"..\"";
    }
    return NULL;
}

static int take_pattern(struct manifest_reader *reader, const struct node *node, const char *problem,
                        struct gate_patterns *patterns)
{
    char quoted[REPORT_QUOTED];

    if (problem == NULL)
        return keep_pattern(reader, node, patterns);
    COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), problem);
    return 0;
}

int manifest_take_allow(struct manifest_reader *reader, const struct node *node)
{
    return take_pattern(reader, node, ref_problem(node), &push_of(reader)->allow);
}

int manifest_take_deny_ref(struct manifest_reader *reader, const struct node *node)
{
    return take_pattern(reader, node, ref_problem(node), &push_of(reader)->deny);
}

int manifest_take_protected(struct manifest_reader *reader, const struct node *node)
{
    return take_pattern(reader, node, path_problem(node), &push_of(reader)->protect_paths);
}

int manifest_take_force(struct manifest_reader *reader, const struct node *node)
{
    push_of(reader)->no_force = node->text[0] == 'f';
    return 0;
}

int manifest_take_delete(struct manifest_reader *reader, const struct node *node)
{
    push_of(reader)->no_delete = node->text[0] == 'f';
    return 0;
}

int manifest_take_max_pack(struct manifest_reader *reader, const struct node *node)
{
    unsigned long size = strtoul(node->text, NULL, 10);

    if (size < 1 || size > GATE_PACK_MB)
        COMPLAIN(reader, node, "%s is not from 1 to %d", node->text, GATE_PACK_MB);
    else
        push_of(reader)->max_pack_mb = (unsigned)size;
    return 0;
}

int manifest_take_on_finding(struct manifest_reader *reader, const struct node *node)
{
    static const char *const words[] = {"block", "supervise", NULL};
    int word = manifest_one_of(reader, node, words);

    if (word >= 0)
        reader->manifest->on_finding = word == 0 ? FINDING_BLOCK : FINDING_SUPERVISE;
    return 0;
}

int manifest_take_scanner(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];
    bool good = node->len >= 2 && node->len <= GATE_SCANNER_MAX && node->text[0] == '/' &&
                node->text[node->len - 1] != '/';

    for (size_t i = 0; i < node->len; i++)
        good = good && (unsigned char)node->text[i] > ' ' && node->text[i] != 0x7f;
    if (!good) {
        COMPLAIN(reader, node, "%s is no absolute path of a program in the sidecar, of at most %d bytes",
                 report_quote(text_of(node), quoted), GATE_SCANNER_MAX);
        return 0;
    }
    reader->manifest->scanner = strdup(node->text);
    return reader->manifest->scanner != NULL ? 0 : OUT_OF_MEMORY(reader);
}

int manifest_take_storage(struct manifest_reader *reader, const struct node *node)
{
    unsigned long size = strtoul(node->text, NULL, 10);

    if (size < 1 || size > GATE_STORAGE_MAX)
        COMPLAIN(reader, node, "%s is not from 1 to %d", node->text, GATE_STORAGE_MAX);
    else
        reader->manifest->storage_mb = (unsigned)size;
    return 0;
}

int manifest_take_prefetch(struct manifest_reader *reader, const struct node *node)
{
    reader->manifest->no_prefetch = node->text[0] == 'f';
    return 0;
}

bool manifest_gate_asks(const struct manifest *manifest)
{
    return manifest->on_finding == FINDING_SUPERVISE ||
           (manifest->on_finding == FINDING_UNSAID && manifest->supervise);
}

size_t manifest_protected(const struct manifest *manifest, const struct manifest_repo *repo,
                          const char *const **list)
{
    /* What a forge runs with rights of its own, and what leads a later checkout elsewhere. */
    static const char *const orders[] = {".github/workflows/**", ".gitea/workflows/**",
                                         ".forgejo/workflows/**", ".gitlab-ci.yml", ".gitmodules"};

    if (!repo->protect_said && manifest->supervise) {
        *list = orders;
        return sizeof orders / sizeof orders[0];
    }
    *list = (const char *const *)repo->push.protect_paths.list;
    return repo->push.protect_paths.count;
}

const struct manifest_repo *manifest_repo_at(const struct manifest *manifest, const struct gate_url *url)
{
    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct gate_url *own = &manifest->repos[i].from;
        if (strcmp(own->host, url->host) == 0 && own->port == url->port &&
            str_equal(gate_remote_path(own), gate_remote_path(url)))
            return &manifest->repos[i];
    }
    return NULL;
}

size_t manifest_gate_host_ports(const struct manifest *manifest, uint16_t ports[POLICY_MAX_PORTS])
{
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        const struct gate_url *url = &manifest->repos[i].from;
        bool known = strcmp(url->host, POLICY_HOST_SERVICE) != 0;
        for (size_t j = 0; j < kept && !known; j++)
            known = ports[j] == url->port;
        count += !known;
        if (!known && kept < POLICY_MAX_PORTS)
            ports[kept++] = url->port;
    }
    return count;
}

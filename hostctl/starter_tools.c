/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter_tools: see starter_tools.h. What a tool says is read line by line; what is not understood where a server is named is an
 * error, never skipped. Errors name the setting and quote no value: it may hold a credential. */
#include "hostctl/starter_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "core/buf.h"

#define HTTP  80
#define HTTPS 443

/* The next line, without its end. False: there is none. */
static bool next_line(struct str *rest, struct str *line)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

    if (rest->len == 0)
        return false;
    line->ptr = rest->ptr;
    line->len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    size_t whole = line->len + (end != NULL);
    rest->ptr += whole;
    rest->len -= whole;
    if (line->len > 0 && line->ptr[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* Whether it begins so; then it is taken off. */
static bool take_off(struct str *text, const char *head)
{
    size_t len = strlen(head);

    if (text->len < len || memcmp(text->ptr, head, len) != 0)
        return false;
    text->ptr += len;
    text->len -= len;
    return true;
}

static bool ends_in(struct str text, const char *tail)
{
    size_t len = strlen(tail);

    return text.len >= len && memcmp(text.ptr + text.len - len, tail, len) == 0;
}

/* The next word of a list between these letters. False: there is none. */
static bool next_word(struct str *rest, const char *between, struct str *word)
{
    while (rest->len > 0 && strchr(between, rest->ptr[0]) != NULL && rest->ptr[0] != '\0') {
        rest->ptr++;
        rest->len--;
    }
    word->ptr = rest->ptr;
    for (word->len = 0; word->len < rest->len &&
                        (rest->ptr[word->len] == '\0' || strchr(between, rest->ptr[word->len]) == NULL);)
        word->len++;
    rest->ptr += word->len;
    rest->len -= word->len;
    return word->len > 0;
}

static int out_of_memory(struct err *err)
{
    return err_set(err, "out of memory");
}

static int put(struct buf *buf, struct str text, struct err *err)
{
    return buf_append(buf, text.ptr, text.len) != 0 ? out_of_memory(err) : 0;
}

/* http or https: 1 with its port; 0: something else. */
static int web_port(struct str text, uint16_t *port)
{
    char scheme[32];

    starter_url_scheme(text, scheme);
    *port = strcmp(scheme, "https") == 0 ? HTTPS : HTTP;
    return *port == HTTPS || strcmp(scheme, "http") == 0;
}

/* A server of packages: its route, and its URL without credentials appended to `plain` (NULL: not wanted). `open` (or NULL) gets
 * "HOST:PORT" where that is plain HTTP. */
static int take_server_open(struct starter *starter, const char *tool, struct str setting, struct str text,
                            struct buf *plain, struct buf *open, struct err *err)
{
    struct starter_url url;
    uint16_t port;

    if (!web_port(text, &port))
        return err_set(err, "%.*s: no http:// or https:// URL", (int)setting.len, setting.ptr);
    if (starter_url(text, port, false, &url, err) != 0 ||
        starter_route(starter, tool, setting, &url, NULL, err) != 0)
        return err_prefix(err, "%.*s", (int)setting.len, setting.ptr);
    if (open != NULL && port == HTTP &&
        buf_printf(open, "%s%s:%u", open->len > 0 ? " " : "", url.host, url.port) != 0)
        return out_of_memory(err);
    if (plain == NULL)
        return 0;
    char named[8] = "";
    if (url.port_named)
        snprintf(named, sizeof named, ":%u", url.port);
    return buf_printf(plain, "%s://%s%s%s", port == HTTPS ? "https" : "http", url.host, named, url.path) != 0
               ? out_of_memory(err)
               : 0;
}

static int take_server(struct starter *starter, const char *tool, struct str setting, struct str text,
                       struct buf *plain, struct err *err)
{
    return take_server_open(starter, tool, setting, text, plain, NULL, err);
}

/* A variable with what was collected; none where that is nothing. The buf is emptied. */
static int give_env(struct starter *starter, const char *name, struct buf *value, struct err *err)
{
    int status = 0;

    if (value->len > 0)
        status = buf_append(value, "", 1) != 0 ? out_of_memory(err)
                                               : starter_env(starter, name, buf_str(value).ptr, err);
    buf_fini(value);
    return status;
}

/* ---- npm config ls -l: "KEY = JSON", settings that others override behind "; " ---- */

static int take_npm(struct starter *starter, struct str said, struct err *err)
{
    struct str line, setting;
    bool seen = false;

    while (next_line(&said, &line)) {
        const char *equals = line.len > 0 ? memchr(line.ptr, '=', line.len) : NULL;
        if (equals == NULL || equals - line.ptr < 2 || equals[-1] != ' ')
            continue;
        setting = (struct str){line.ptr, (size_t)(equals - line.ptr) - 1};
        bool main = str_equal(setting, str_of("registry"));
        if (!main && !(setting.ptr[0] == '@' && ends_in(setting, ":registry")))
            continue;
        struct str rest = {equals + 1, line.len - setting.len - 2};
        json_t *value = json_loadb(rest.ptr, rest.len, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
        struct buf plain;
        buf_init(&plain, STARTER_URL_MAX + 1);
        int status = json_is_string(value)
                         ? take_server(starter, "npm", setting, str_of(json_string_value(value)), &plain, err)
                         : err_set(err, "%.*s: no text", (int)setting.len, setting.ptr);
        json_decref(value);
        if (status == 0 && main)
            status = give_env(starter, "NPM_CONFIG_REGISTRY", &plain, err);
        buf_fini(&plain);
        if (status != 0)
            return -1;
        if (!main && starter_note(starter, err,
                                  "npm: %.*s has a route; say it in the bottle's .npmrc, for no variable can",
                                  (int)setting.len, setting.ptr) != 0)
            return -1;
        seen = seen || main;
    }
    return seen ? 0 : err_set(err, "it names no registry");
}

/* ---- pip config list: "SECTION.KEY='VALUE'", as Python writes a text; several URLs stand on lines of their own ---- */

/* The URLs of one value. */
static int take_indexes(struct starter *starter, struct str setting, struct str value, struct buf *plain,
                        struct buf *open, struct err *err)
{
    struct str word;

    if (value.len < 2 || (value.ptr[0] != '\'' && value.ptr[0] != '"') ||
        value.ptr[value.len - 1] != value.ptr[0])
        return err_set(err, "%.*s: no text in quotes", (int)setting.len, setting.ptr);
    value.ptr++;
    value.len -= 2;
    while (value.len > 0) {
        if (take_off(&value, "\\n") || take_off(&value, " "))
            continue;
        for (word = (struct str){value.ptr, 0};
             word.len < value.len && word.ptr[word.len] != '\\' && word.ptr[word.len] != ' ';)
            word.len++;
        if (word.len == 0)
            return err_set(err, "%.*s: a letter that no URL has", (int)setting.len, setting.ptr);
        if ((plain->len > 0 && put(plain, str_of(" "), err) != 0) ||
            take_server_open(starter, "pip", setting, word, plain, open, err) != 0)
            return -1;
        value.ptr += word.len;
        value.len -= word.len;
    }
    return 0;
}

/* All that the list says of one key. Variables (":env:") stand over files. */
static int take_pip_key(struct starter *starter, struct str said, const char *key, struct buf *plain,
                        struct buf *open, struct err *err)
{
    bool variable = false;

    for (int round = 0; round < 2 && !variable; round++) {
        struct str rest = said, line;
        while (next_line(&rest, &line)) {
            const char *equals = line.len > 0 ? memchr(line.ptr, '=', line.len) : NULL;
            struct str setting = {line.ptr, equals != NULL ? (size_t)(equals - line.ptr) : 0}, head = setting;
            bool env = take_off(&head, ":env:");
            if (setting.len == 0 || !ends_in(setting, key) || env != (round == 0))
                continue;
            variable = variable || env;
            if (take_indexes(starter, setting,
                             (struct str){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)}, plain,
                             open, err) != 0)
                return -1;
        }
    }
    return 0;
}

static int take_pip(struct starter *starter, struct str said, struct err *err)
{
    struct buf index, extra,
        open; /* open: pip refuses plain HTTP of hosts that no setting trusts, localhost aside */

    buf_init(&index, STARTER_ANSWER_MAX);
    buf_init(&extra, STARTER_ANSWER_MAX);
    buf_init(&open, STARTER_ANSWER_MAX);
    int status = take_pip_key(starter, said, ".index-url", &index, &open, err);
    if (status == 0)
        status = take_pip_key(starter, said, ".extra-index-url", &extra, &open, err);
    bool found = index.len > 0;
    const char *space = found ? memchr(buf_str(&index).ptr, ' ', index.len) : NULL;
    if (status == 0 && space != NULL) /* sections differ: the variable takes one */
        index.len = (size_t)(space - buf_str(&index).ptr);
    if (status == 0)
        status = give_env(starter, "PIP_INDEX_URL", &index, err);
    if (status == 0)
        status = give_env(starter, "PIP_EXTRA_INDEX_URL", &extra, err);
    if (status == 0)
        status = give_env(starter, "PIP_TRUSTED_HOST", &open, err);
    buf_fini(&open);
    buf_fini(&index);
    buf_fini(&extra);
    return status != 0 ? -1 : found ? 0 : 1;
}

/* pip install --help: "--index-url <url> ... (default URL)", in lines of some width. It is the index that pip takes where no
 * setting names one. */
static int take_pip_help(struct starter *starter, struct str said, struct err *err)
{
    static const char option[] = "--index-url <url>", mark[] = "(default", next[] = "\n  --";
    struct str word, rest = said;
    struct buf plain;

    while (rest.len > 0 && !take_off(&rest, option)) {
        rest.ptr++;
        rest.len--;
    }
    while (rest.len > 0 && !take_off(&rest, mark) && !take_off(&rest, next)) {
        rest.ptr++;
        rest.len--;
    }
    if (!next_word(&rest, " \n", &word) || !ends_in(word, ").") || word.len <= 2)
        return err_set(err, "it names no index");
    word.len -= 2;
    buf_init(&plain, STARTER_URL_MAX + 1);
    int status = take_server(starter, "pip", str_of("its default index"), word, &plain, err);
    if (status == 0)
        status = give_env(starter, "PIP_INDEX_URL", &plain, err);
    buf_fini(&plain);
    return status;
}

/* ---- apt-get indextargets --format $(SITE): a URI a line, one a target ---- */

static int take_apt(struct starter *starter, struct str said, struct err *err)
{
    struct str line;
    uint16_t port;
    bool seen = false;

    while (next_line(&said, &line)) {
        char scheme[32];
        struct starter_url url;
        starter_url_scheme(line, scheme);
        const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
        if (colon == NULL)
            return err_set(err, "a source that is no URI");
        seen = true;
        if (web_port(line, &port)) {
            if (starter_url(line, port, false, &url, err) != 0 ||
                starter_route(starter, "apt", str_of("its sources"), &url, NULL, err) != 0)
                return err_prefix(err, "sources");
        } else if (starter_note(starter, err, "apt: a source of the kind %.31s, which no route is for",
                                scheme[0] != '\0' ? scheme : "of a file or medium") != 0) {
            return -1;
        }
    }
    return seen ? 0 : err_set(err, "it knows no sources: has apt-get update been run?");
}

/* ---- go env GOPROXY GOSUMDB GONOSUMDB: a value a line ---- */

static int take_proxies(struct starter *starter, struct str list, struct err *err)
{
    struct buf plain;
    struct str word;
    int status = 0;

    buf_init(&plain, STARTER_ANSWER_MAX);
    while (status == 0 && next_word(&list, ",|", &word)) {
        bool direct = str_equal(word, str_of("direct"));
        if (direct)
            status = starter_note(
                starter, err,
                "go: direct: modules that no proxy has come from hosts of their own: name those, "
                "with git.fetch");
        if (status == 0 && (direct || str_equal(word, str_of("off"))))
            status = put(&plain, word, err);
        else if (status == 0)
            status = take_server(starter, "go", str_of("GOPROXY"), word, &plain, err);
        if (status == 0 && list.len > 0)
            status = put(&plain, (struct str){list.ptr, 1}, err);
    }
    if (status == 0)
        status = give_env(starter, "GOPROXY", &plain, err);
    buf_fini(&plain);
    return status;
}

/* "off", or "NAME[+KEY] [URL]": without a URL it is https and the name (go help environment). */
static int take_sumdb(struct starter *starter, struct str value, struct err *err)
{
    struct str whole = value, name, url;
    struct buf plain;
    int status = 0;

    if (!next_word(&value, " ", &name) || str_equal(name, str_of("off")))
        return 0;
    buf_init(&plain, 2 * STARTER_URL_MAX);
    if (next_word(&value, " ", &url)) {
        status = put(&plain, name, err) != 0 || put(&plain, str_of(" "), err) != 0
                     ? -1
                     : take_server(starter, "go", str_of("GOSUMDB"), url, &plain, err);
    } else {
        char text[STARTER_URL_MAX + 1];
        const char *plus = memchr(name.ptr, '+', name.len);
        int len = plus != NULL ? (int)(plus - name.ptr) : (int)name.len;
        if (snprintf(text, sizeof text, "https://%.*s", len, name.ptr) >= (int)sizeof text)
            status = err_set(err, "GOSUMDB: too long");
        if (status == 0)
            status = take_server(starter, "go", str_of("GOSUMDB"), str_of(text), NULL, err);
        if (status == 0)
            status = put(&plain, whole, err);
    }
    if (status == 0)
        status = give_env(starter, "GOSUMDB", &plain, err);
    buf_fini(&plain);
    return status;
}

static int take_go(struct starter *starter, struct str said, struct err *err)
{
    struct str values[3], more;
    struct buf none;

    for (size_t i = 0; i < 3; i++)
        if (!next_line(&said, &values[i]))
            return err_set(err, "it did not say three values");
    if (next_line(&said, &more))
        return err_set(err, "it said more than three values");
    if (values[0].len == 0)
        return err_set(err, "GOPROXY: empty");
    buf_init(&none, STARTER_ANSWER_MAX);
    int status = put(&none, values[2], err) != 0 || take_proxies(starter, values[0], err) != 0 ||
                         take_sumdb(starter, values[1], err) != 0
                     ? -1
                     : give_env(starter, "GONOSUMDB", &none, err);
    buf_fini(&none);
    return status;
}

/* ---- git remote -v: "NAME<TAB>URL (fetch|push)", and more in brackets behind it ---- */

static int take_web_remote(struct starter *starter, struct str name, struct str text, uint16_t port,
                           struct err *err)
{
    char setting[STARTER_NAME_MAX + 8];
    struct starter_url url;

    if (starter_url(text, port, false, &url, err) != 0)
        return -1;
    size_t len = strlen(url.path);
    while (len > 0 && url.path[len - 1] == '/')
        url.path[--len] = '\0';
    if (ends_in(str_of(url.path), ".git"))
        url.path[len -= 4] = '\0';
    if (len < 2 || url.path[len - 1] == '/')
        return err_set(err, "a URL without a repository");
    snprintf(setting, sizeof setting, "remote %.*s", (int)name.len, name.ptr);
    return starter_route(starter, "git", str_of(setting), &url, url.path, err);
}

/* "ssh://…", or "[user@]host:path", which is brought into that form. */
static int take_ssh_remote(struct starter *starter, struct str name, struct str text, struct err *err)
{
    char whole[STARTER_URL_MAX + 512], scheme[32],
        port[8] = ""; /* the second fill is as long as the first, nearly */
    struct starter_url url;
    struct gate_url from;
    struct err why;
    int len;

    starter_url_scheme(text, scheme);
    const char *colon = scheme[0] == '\0' ? memchr(text.ptr, ':', text.len) : NULL;
    if (colon != NULL) {
        const char *path = colon + 1;
        len = snprintf(whole, sizeof whole, "ssh://%.*s%s%.*s", (int)(colon - text.ptr), text.ptr,
                       path < text.ptr + text.len && *path == '/' ? "" : "/",
                       (int)(text.len - (size_t)(path - text.ptr)), path);
    } else {
        struct str rest = text;
        take_off(&rest, scheme);
        len = snprintf(whole, sizeof whole, "ssh%.*s", (int)rest.len, rest.ptr);
    }
    if (len < 0 || len >= (int)sizeof whole)
        return err_set(err, "a URL of more than %d bytes", STARTER_URL_MAX);
    if (starter_url(str_of(whole), 22, true, &url, &why) !=
        0) /* the gate may be able to, an address for one */
        return starter_note(starter, err, "git: remote %.*s: ssh that has to be written by hand: %s",
                            (int)name.len, name.ptr, why.text);
    if (url.here)
        return starter_note(starter, err, "git: remote %.*s: ssh to this machine itself", (int)name.len,
                            name.ptr);
    if (url.user[0] == '\0' || strlen(url.path) < 2)
        return starter_note(starter, err,
                            "git: remote %.*s: ssh without a user or a path, which the gate needs",
                            (int)name.len, name.ptr);
    if (url.port_named)
        snprintf(port, sizeof port, ":%u", url.port);
    snprintf(whole, sizeof whole, "ssh://%s@%s%s%s", url.user, url.host, port, url.path);
    if (gate_url_take(str_of(whole), &from) != NULL)
        return starter_note(starter, err, "git: remote %.*s: ssh with a URL that %s", (int)name.len, name.ptr,
                            gate_url_take(str_of(whole), &from));
    return starter_gate(starter, whole, err);
}

static int take_remote(struct starter *starter, struct str name, struct str text, bool push, struct err *err)
{
    char scheme[32];
    uint16_t port;

    starter_url_scheme(text, scheme);
    const char *colon = memchr(text.ptr, ':', text.len), *slash = memchr(text.ptr, '/', text.len);
    if (web_port(text, &port))
        return push ? 0 : take_web_remote(starter, name, text, port, err);
    if (strcmp(scheme, "ssh") == 0 || strcmp(scheme, "git+ssh") == 0 || strcmp(scheme, "ssh+git") == 0)
        return take_ssh_remote(starter, name, text, err);
    if (scheme[0] == '\0' && colon != NULL && (slash == NULL || colon < slash) &&
        (colon + 1 == text.ptr + text.len || colon[1] != ':'))
        return take_ssh_remote(starter, name, text, err);
    if (scheme[0] == '\0' || strcmp(scheme, "file") == 0)
        return starter_note(starter, err,
                            "git: remote %.*s is a folder of this machine, or of a kind of its own",
                            (int)name.len, name.ptr);
    return starter_note(starter, err, "git: remote %.*s: %s is not let through", (int)name.len, name.ptr,
                        scheme);
}

static int take_git(struct starter *starter, struct str said, struct err *err)
{
    static const char *const kinds[] = {" (fetch)", " (push)"};
    struct str line;
    bool seen = false;

    while (next_line(&said, &line)) {
        const char *tab = line.len > 0 ? memchr(line.ptr, '\t', line.len) : NULL;
        if (tab == NULL || tab == line.ptr || tab - line.ptr > STARTER_NAME_MAX)
            return err_set(err, "a line that is no remote");
        struct str name = {line.ptr, (size_t)(tab - line.ptr)}, rest = {tab + 1, line.len - name.len - 1};
        if (rest.len > 0 && rest.ptr[rest.len - 1] == ']') /* " [FILTER]" */
            while (rest.len > 0 && rest.ptr[--rest.len] != '[')
                ;
        while (rest.len > 0 && rest.ptr[rest.len - 1] == ' ')
            rest.len--;
        seen = true;
        if (rest.len == 0) { /* it has a URL for pushes alone */
            if (starter_note(starter, err, "git: remote %.*s has no URL", (int)name.len, name.ptr) != 0)
                return -1;
            continue;
        }
        bool push = ends_in(rest, kinds[1]);
        if (!push && !ends_in(rest, kinds[0]))
            return err_set(err, "a line that is no remote");
        rest.len -= strlen(kinds[push]);
        if (rest.len == 0)
            return err_set(err, "a line that is no remote");
        if (take_remote(starter, name, rest, push, err) != 0)
            return err_prefix(err, "remote %.*s", (int)name.len, name.ptr);
    }
    return seen ? 0 : err_set(err, "this repository has no remotes");
}

/* ---- asking ---- */

static const char *const npm[] = {"npm", "config", "ls", "-l", "--no-json", "--no-color", NULL},
                         *const pip_list[] = {"python3",    "-m",     "pip",  "--disable-pip-version-check",
                                              "--no-color", "config", "list", NULL},
                         *const pip_help[] = {"env", "COLUMNS=200", "python3", "-m",
                                              "pip", "install",     "--help",  NULL},
                         *const apt[] = {"apt-get", "indextargets", "--format", "$(SITE)", NULL},
                         *const go[] = {"go", "env", "GOPROXY", "GOSUMDB", "GONOSUMDB", NULL},
                         *const git[] = {"git", "remote", "-v", NULL};

const struct starter_tool starter_tools[] = {
    {"npm", false, {{npm, take_npm}}}, {"pip", false, {{pip_list, take_pip}, {pip_help, take_pip_help}}},
    {"apt", false, {{apt, take_apt}}}, {"go", false, {{go, take_go}}},
    {"git", true, {{git, take_git}}},  {NULL, false, {{NULL, NULL}}}};

static int ask(struct starter *starter, const struct starter_question *question, struct err *err)
{
    struct words words = {NULL, 0, false};
    struct buf said;
    struct run run = {.out = &said, .interrupt = -1};

    buf_init(&said, STARTER_ANSWER_MAX);
    words_list(&words, question->argv);
    int status = run_must(&words, &run, err);
    if (status != 0)
        err_prefix(err, "it cannot be asked");
    else if (said.len > 0 && memchr(buf_str(&said).ptr, '\0', said.len) != NULL)
        status = err_set(err, "it said a NUL character");
    else
        status = question->take(starter, buf_str(&said), err);
    buf_fini(&said);
    words_free(&words);
    return status;
}

int starter_ask(struct starter *starter, const struct starter_tool *tool, struct err *err)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 1;

    if (here < 0 || (!tool->here && chdir("/") != 0)) {
        status = err_set_errno(err, "the current folder");
    } else {
        for (const struct starter_question *question = tool->questions; status == 1 && question->argv != NULL;
             question++)
            status = ask(starter, question, err);
        if (!tool->here && fchdir(here) != 0)
            status = err_set_errno(err, "the current folder");
    }
    if (here >= 0)
        close(here);
    words_add(&starter->tools, tool->name);
    if (status == 0)
        return starter->tools.failed ? out_of_memory(err) : 0;
    for (char *at = err->text; *at != '\0'; at++) /* some of it may be the tool's */
        if (*at < ' ' || *at > '~')
            *at = '?';
    return err_prefix(err, "%s", tool->name);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* request: see the header. What git-daemon would be lenient about is refused: a second reading has no use here. */
#include "gate/request.h"

#include <string.h>

static const struct {
    struct str command;
    enum request_service service;
} services[] = {
    {STR("git-upload-pack "), REQUEST_FETCH},
    {STR("git-receive-pack "), REQUEST_PUSH},
};

static bool begins(struct str s, struct str with)
{
    return s.len >= with.len && memcmp(s.ptr, with.ptr, with.len) == 0;
}

static void skip(struct str *s, size_t len)
{
    s->ptr += len;
    s->len -= len;
}

/* Takes what is before the next NUL, and the NUL. Returns false when there is none: the last piece ends with one too. */
static bool piece_take(struct str *rest, struct str *piece)
{
    const char *nul = memchr(rest->ptr, '\0', rest->len);

    if (nul == NULL)
        return false;
    *piece = (struct str){rest->ptr, (size_t)(nul - rest->ptr)};
    skip(rest, piece->len + 1);
    return true;
}

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
            return false;
    return true;
}

static bool is_exact(struct str rest)
{
    static const struct str same[] = {STR(""), STR("/"), STR(".git"), STR(".git/")};

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (str_equal(rest, same[i]))
            return true;
    return false;
}

static const char *read_path(struct str path, struct request *request)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return "the path does not begin with /";
    if (!printable(path))
        return "the path holds blanks or bytes that are not printable ASCII";
    skip(&path, 1);
    const char *colon = memchr(path.ptr, ':', path.len);
    struct str name = {path.ptr, colon != NULL ? (size_t)(colon - path.ptr) : path.len};
    if (!gate_is_name(name))
        return "the path does not begin with the name of a repository";
    memcpy(request->name, name.ptr, name.len);
    request->name[name.len] = '\0';
    skip(&path, colon != NULL ? name.len + 1 : name.len);
    request->rest = path;
    request->exact = is_exact(path);
    return NULL;
}

/* Behind the host an empty piece, then parameters. What is not a version is for somebody else (gitprotocol-pack(5)). */
static const char *read_parameters(struct str rest, struct request *request)
{
    struct str piece, before = STR("version=");

    if (rest.len == 0)
        return NULL;
    if (!piece_take(&rest, &piece) || piece.len != 0 || rest.len == 0)
        return "there is something behind the host that is no parameter";
    while (rest.len > 0) {
        if (!piece_take(&rest, &piece) || piece.len == 0 || !printable(piece))
            return "a parameter is not printable ASCII, ended by a NUL";
        if (!begins(piece, before))
            continue;
        skip(&piece, before.len);
        if (piece.len == 1 && piece.ptr[0] >= '0' && piece.ptr[0] <= '2' &&
            (unsigned)(piece.ptr[0] - '0') > request->protocol)
            request->protocol = (unsigned)(piece.ptr[0] - '0');
    }
    return NULL;
}

const char *request_parse(struct str line, struct request *request)
{
    struct str path, host, before = STR("host=");
    size_t i = 0;

    *request = (struct request){0};
    while (i < sizeof services / sizeof services[0] && !begins(line, services[i].command))
        i++;
    if (i == sizeof services / sizeof services[0])
        return "only git-upload-pack and git-receive-pack are served";
    request->service = services[i].service;
    skip(&line, services[i].command.len);
    if (!piece_take(&line, &path))
        return "the path does not end with a NUL";
    const char *wrong = read_path(path, request);
    if (wrong != NULL || line.len == 0)
        return wrong;
    if (!piece_take(&line, &host) || !begins(host, before) || !printable(host))
        return "what is behind the path is no host";
    return read_parameters(line, request);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate request: what real clients send is read, what could be read in two ways is not. */
#include <stdlib.h>
#include <string.h>

#include "gate/request.h"
#include "suite.h"

#define LINE(literal) ((struct str){literal, sizeof(literal) - 1})

/* In memory of exactly its size. */
static const char *parse(struct str line, struct request *request, char **held)
{
    char *bytes = malloc(line.len > 0 ? line.len : 1);

    memcpy(bytes, line.ptr, line.len);
    *held = bytes;
    return request_parse((struct str){bytes, line.len}, request);
}

START_TEST(what_clients_send_is_read)
{
    static const struct {
        struct str line;
        enum request_service service;
        unsigned protocol;
        const char *name, *rest;
        bool exact;
    } cases[] = {
        /* git 2.39, then older ones, JGit and libgit2 */
        {STR("git-upload-pack /app:\0host=10.7.7.1\0\0version=2\0"), REQUEST_FETCH, 2, "app", "", true},
        {STR("git-receive-pack /app:.git\0host=10.7.7.1:9418\0"), REQUEST_PUSH, 0, "app", ".git", true},
        {STR("git-upload-pack /app:/\0host=10.7.7.1\0\0version=1\0"), REQUEST_FETCH, 1, "app", "/", true},
        {STR("git-upload-pack /app:.git/\0"), REQUEST_FETCH, 0, "app", ".git/", true},
        {STR("git-upload-pack /app\0host=x\0"), REQUEST_FETCH, 0, "app", "", true},
        {STR("git-upload-pack /a.b_c-1:2.git\0host=x\0"), REQUEST_FETCH, 0, "a.b_c-1", "2.git", false},
        {STR("git-upload-pack /app:/../../etc\0host=x\0"), REQUEST_FETCH, 0, "app", "/../../etc", false},
        {STR("git-upload-pack /app:x:y\0host=x\0"), REQUEST_FETCH, 0, "app", "x:y", false},
        {STR("git-upload-pack /app:\0host=x\0\0object-format=sha256\0version=1\0version=2\0version=9\0"),
         REQUEST_FETCH, 2, "app", "", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request;
        char *held;
        const char *wrong = parse(cases[i].line, &request, &held);
        ck_assert_msg(wrong == NULL, "%zu: %s", i, wrong);
        ck_assert_int_eq(request.service, cases[i].service);
        ck_assert_uint_eq(request.protocol, cases[i].protocol);
        ck_assert_str_eq(request.name, cases[i].name);
        ck_assert_msg(str_equal(request.rest, str_of(cases[i].rest)), "%zu", i);
        ck_assert_int_eq(request.exact, cases[i].exact);
        free(held);
    }
}
END_TEST

START_TEST(what_is_not_such_a_line_is_refused)
{
    static const char command[] = "only git-upload-pack and git-receive-pack are served";
    static const char slash[] = "the path does not begin with /",
                      name[] = "the path does not begin with the name of a repository";
    static const char bytes[] = "the path holds blanks or bytes that are not printable ASCII",
                      nul[] = "the path does not end with a NUL";
    static const char host[] = "what is behind the path is no host";
    static const char behind[] = "there is something behind the host that is no parameter";
    static const char parameter[] = "a parameter is not printable ASCII, ended by a NUL";
    static const struct {
        struct str line;
        const char *wrong;
    } cases[] = {
        {STR(""), command},
        {STR("git-upload-pack"), command},
        {STR("git-upload-archive /app\0host=x\0"), command},
        {STR("Git-Upload-Pack /app\0host=x\0"), command},
        {STR(" git-upload-pack /app\0host=x\0"), command},
        {STR("git upload-pack /app\0host=x\0"), command},
        {STR("GET /app HTTP/1.1\r\nHost: x\r\n\r\n"), command},
        {STR("git-upload-pack app\0host=x\0"), slash},
        {STR("git-upload-pack  /app\0host=x\0"), slash},
        {STR("git-upload-pack \0host=x\0"), slash},
        {STR("git-upload-pack --upload-pack=/bin/sh /app\0host=x\0"), slash},
        {STR("git-upload-pack ext::sh\0host=x\0"), slash},
        {STR("git-upload-pack ~user/app\0host=x\0"), slash},
        {STR("git-upload-pack /\0host=x\0"), name},
        {STR("git-upload-pack /:\0host=x\0"), name},
        {STR("git-upload-pack //app:\0host=x\0"), name},
        {STR("git-upload-pack /../app:\0host=x\0"), name},
        {STR("git-upload-pack /..:\0host=x\0"), name},
        {STR("git-upload-pack /.:\0host=x\0"), name},
        {STR("git-upload-pack /app/../../etc:\0host=x\0"), name},
        {STR("git-upload-pack /--upload-pack=x:\0host=x\0"), name},
        {STR("git-upload-pack /-app:\0host=x\0"), name},
        {STR("git-upload-pack /~app:\0host=x\0"), name},
        {STR("git-upload-pack /a%70p:\0host=x\0"), name},
        {STR("git-upload-pack /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:\0host=x\0"),
         name},
        {STR("git-upload-pack /app\nx:\0host=x\0"), bytes},
        {STR("git-upload-pack /app:\x1b[31m\0host=x\0"), bytes},
        {STR("git-upload-pack /app:\x7f\0host=x\0"), bytes},
        {STR("git-upload-pack /app:\xc3\xa9\0host=x\0"), bytes},
        {STR("git-upload-pack /app: x\0host=x\0"), bytes},
        {STR("git-upload-pack /app"), nul},
        {STR("git-upload-pack /app\n"), nul},
        {STR("git-upload-pack /app\0host=x"), host},
        {STR("git-upload-pack /app\0"
             "evil=x\0"),
         host},
        {STR("git-upload-pack /app\0host=a b\0"), host},
        {STR("git-upload-pack /app\0host=x\0version=2\0"), behind},
        {STR("git-upload-pack /app\0host=x\0\0"), behind},
        {STR("git-upload-pack /app\0host=x\0\0\0"), parameter},
        {STR("git-upload-pack /app\0host=x\0\0version=2"), parameter},
        {STR("git-upload-pack /app\0host=x\0\0version=2\n\0"), parameter},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request;
        char *held;
        const char *wrong = parse(cases[i].line, &request, &held);
        ck_assert_msg(wrong != NULL && strcmp(wrong, cases[i].wrong) == 0, "%zu: %s", i,
                      wrong != NULL ? wrong : "taken");
        free(held);
    }
}
END_TEST

SUITE_MAIN("gate_request", what_clients_send_is_read, what_is_not_such_a_line_is_refused)

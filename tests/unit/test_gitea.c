/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/gitea: what curl is given and what the server is asked; and what is made of answers: those of the API, and
 * those that are none. The server is a child that plays a list of answers, one a connection. */
#include "hostctl/gitea.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"

#define TOKEN    "0123456789abcdef\"\\'x"
#define KEY      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define SEEN_MAX 8192
#define MUTE     "mute" /* an answer: none, for as long as the client waits */

static struct {
    char text[SEEN_MAX]; /* of all requests, one after the other */
} * seen;

static struct err err;
static struct secret *token;
static char url[64];
static pid_t server;
static struct gitea gitea;

static void read_request(int fd)
{
    size_t begin = strlen(seen->text), len = begin, body = 0;
    const char *blank = NULL, *length = NULL;

    while (blank == NULL || strlen(blank + 4) < body) {
        ssize_t got = read(fd, seen->text + len, SEEN_MAX - 1 - len);
        if (got <= 0)
            return;
        len += (size_t)got;
        seen->text[len] = '\0';
        blank = strstr(seen->text + begin, "\r\n\r\n");
        length = blank != NULL ? strstr(seen->text + begin, "Content-Length: ") : NULL;
        body = length != NULL && length < blank ? strtoul(length + 16, NULL, 10) : 0;
    }
}

static void play(int listener, const char *const *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = accept(listener, NULL, NULL);
        read_request(fd);
        if (strcmp(answers[i], MUTE) == 0) {
            char byte;
            while (read(fd, &byte, 1) > 0)
                ;
        }
        for (size_t at = 0, len = strlen(answers[i]); at < len && strcmp(answers[i], MUTE) != 0;) {
            ssize_t put = write(fd, answers[i] + at, len - at);
            if (put <= 0)
                break;
            at += (size_t)put;
        }
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

static void serve_all(const char *const *answers, size_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ftruncate(fileno(file), sizeof *seen), 0);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    ck_assert(seen != MAP_FAILED);
    fclose(file);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/forge", ntohs(at.sin_port));
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        play(listener, answers, count);
        _exit(0);
    }
    close(listener);
    token = secret_new(str_of(TOKEN));
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
        unsetenv(proxies[i]);
    gitea = (struct gitea){
        .url = url, .owner = "org", .repo = "app", .token = token, .seconds = 20, .interrupt = -1};
}

static void serve(const char *answer)
{
    serve_all(&answer, 1);
}

static void end(void)
{
    kill(server, SIGKILL);
    ck_assert_int_eq(waitpid(server, NULL, 0), server);
    secret_free(token);
    munmap(seen, sizeof *seen);
}

/* What was asked and the URL in front of the error's words. */
static void says(const char *method, const char *tail, const char *words)
{
    char wanted[sizeof err.text];

    snprintf(wanted, sizeof wanted, "%s %s/api/v1/repos/org/app/keys%s: %s", method, url, tail, words);
    ck_assert_str_eq(err.text, wanted);
}

static void add(enum gitea_result wanted)
{
    json_int_t id = 0;

    ck_assert_int_eq(gitea_add(&gitea, "a title", KEY, &id, &err), wanted);
    ck_assert_int_eq(id, wanted == GITEA_DONE ? 42 : 0);
}

#define ADDED                                                                                                \
    "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"                    \
    "{\"id\": 42, \"key_id\": 7, \"key\": \"" KEY "\", \"title\": \"a title\", \"read_only\": false}"

static const char *line_of(const char *name)
{
    static char line[512];
    const char *at = strstr(seen->text, name);

    ck_assert_msg(at != NULL, "no %s in %s", name, seen->text);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\r\n"), at);
    return line;
}

START_TEST(a_key_is_added_as_the_api_has_it)
{
    serve(ADDED);
    add(GITEA_DONE);
    ck_assert_str_eq(line_of("POST "), "POST /forge/api/v1/repos/org/app/keys HTTP/1.1");
    ck_assert_str_eq(line_of("Authorization: "), "Authorization: token " TOKEN);
    ck_assert_str_eq(line_of("Content-Type: "), "Content-Type: application/json");
    json_t *body = json_loads(strstr(seen->text, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
    json_t *wanted = json_pack("{s:s,s:s,s:b}", "title", "a title", "key", KEY, "read_only", 0);
    ck_assert(json_equal(body, wanted));
    json_decref(body);
    json_decref(wanted);
    end();
}
END_TEST

/* A curl in front of the real one writes down its words and its environment. */
START_TEST(the_token_is_in_no_argument_and_no_configuration_is_read)
{
    char folder[] = "/tmp/test_gitea.XXXXXX", file[64], path[4096], command[256], found[8192] = "";
    const char *old = getenv("PATH");

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/.curlrc", folder);
    FILE *out = fopen(file, "w");
    fputs("header = \"X-Of-The-User: yes\"\nproxy = \"http://127.0.0.1:1\"\n", out);
    ck_assert_int_eq(fclose(out), 0);
    snprintf(file, sizeof file, "%s/curl", folder);
    out = fopen(file, "w");
    fprintf(
        out,
        "#!/bin/sh\nPATH='%s'\n{ echo \"$@\"; env; cat /proc/self/environ; } >%s/seen\nexec curl \"$@\"\n",
        old, folder);
    ck_assert(fclose(out) == 0 && chmod(file, 0700) == 0);
    snprintf(path, sizeof path, "%s:%s", folder, old);
    setenv("PATH", path, 1);
    setenv("HOME", folder, 1);
    setenv("CURL_HOME", folder, 1);
    serve(ADDED);
    add(GITEA_DONE);
    ck_assert_ptr_null(strstr(seen->text, "X-Of-The-User"));
    snprintf(file, sizeof file, "%s/seen", folder);
    FILE *in = fopen(file, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_uint_gt(fread(found, 1, sizeof found - 1, in), 0);
    fclose(in);
    ck_assert_int_eq(strncmp(found, "--disable --config -\n", 21), 0);
    ck_assert_ptr_null(strstr(found, "0123456789abcdef"));
    snprintf(command, sizeof command, "rm -r %s", folder);
    setenv("PATH", old, 1);
    ck_assert_int_eq(system(command), 0);
    end();
}
END_TEST

START_TEST(a_key_is_deleted)
{
    serve("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(gitea_delete(&gitea, 42, &err), GITEA_DONE);
    ck_assert_str_eq(line_of("DELETE "), "DELETE /forge/api/v1/repos/org/app/keys/42 HTTP/1.1");
    ck_assert_str_eq(line_of("Authorization: "), "Authorization: token " TOKEN);
    end();
}
END_TEST

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

START_TEST(a_list_is_read_to_its_end)
{
    static const char *const answers[] = {
        OK "[{\"id\": 1, \"title\": \"a\"}, {\"id\": 2, \"title\": \"b\", \"x\": 0}]",
        OK "[{\"id\": 9, \"title\": \"c\"}]", OK "[]"};
    json_t *keys, *wanted = json_pack("[{s:i,s:s},{s:i,s:s},{s:i,s:s}]", "id", 1, "title", "a", "id", 2,
                                      "title", "b", "id", 9, "title", "c");

    serve_all(answers, 3);
    ck_assert_int_eq(gitea_list(&gitea, &keys, &err), GITEA_DONE);
    ck_assert(json_equal(keys, wanted));
    ck_assert_str_eq(line_of("GET "), "GET /forge/api/v1/repos/org/app/keys?page=1&limit=25 HTTP/1.1");
    line_of("GET /forge/api/v1/repos/org/app/keys?page=2&limit=25 ");
    line_of("GET /forge/api/v1/repos/org/app/keys?page=3&limit=25 ");
    json_decref(keys);
    json_decref(wanted);
    end();
}
END_TEST

START_TEST(a_list_that_is_none_or_has_no_end_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "[1]",
        "[{\"id\": 1}]",
        "[{\"id\": \"1\", \"title\": \"a\"}]",
        "[{\"id\": 0, \"title\": \"a\"}]",
        "[{\"id\": 1, \"title\": null}]",
    };
    const char *endless[40];
    json_t *keys;
    char answer[256];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(answer, sizeof answer, OK "%s", bad[i]);
        serve(answer);
        ck_assert_int_eq(gitea_list(&gitea, &keys, &err), GITEA_UNKNOWN);
        ck_assert_ptr_null(keys);
        says("GET", "?page=1&limit=25", "status 200, and what came with it is no list of keys");
        end();
    }
    for (size_t i = 0; i < 40; i++)
        endless[i] = OK "[{\"id\": 1, \"title\": \"a\"}]";
    serve_all(endless, 40);
    ck_assert_int_eq(gitea_list(&gitea, &keys, &err), GITEA_UNKNOWN);
    says("GET", "?page=40&limit=25", "the list of keys does not end");
    end();
}
END_TEST

#define ANSWER(status, message)                                                                              \
    "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n{\"message\": \"" message                               \
    "\", \"url\": \"https://x.example\"}"

START_TEST(refusals_are_told_with_status_message_and_advice)
{
    static const struct {
        const char *answer, *words;
        enum gitea_result result;
    } cases[] = {
        {ANSWER("401 Unauthorized", "token is required"),
         "status 401: token is required; the server does not take this token", GITEA_REFUSED},
        {ANSWER("403 Forbidden", "token does not have at least one of required scope(s): [write:repository]"),
         "status 403: token does not have at least one of required scope(s): [write:repository]; the token "
         "needs the "
         "scope Repository: Read and Write, and its user has to be an administrator of the repository",
         GITEA_REFUSED},
        {ANSWER("404 Not Found", "not found"),
         "status 404: not found; there is no such repository, or the token may not see it", GITEA_ABSENT},
        {"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n",
         "status 404; there is no such repository, or the token may not see it", GITEA_ABSENT},
        {ANSWER("409 Conflict", "conflict"), "status 409: conflict", GITEA_REFUSED},
        {ANSWER("422 Unprocessable Entity", "A key with the same name already exists"),
         "status 422: A key with the same name already exists", GITEA_REFUSED},
        {ANSWER("500 Internal Server Error", ""), "status 500", GITEA_UNKNOWN},
        {"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>", "status 502", GITEA_UNKNOWN},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"id\": 42, \"title\": \"a\"}",
         "status 200, which the API does not have there", GITEA_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        serve(cases[i].answer);
        add(cases[i].result);
        says("POST", "", cases[i].words);
        end();
    }
}
END_TEST

START_TEST(a_message_is_shown_harmless)
{
    char longer[1200], wanted[1200];

    serve(ANSWER("422 Unprocessable Entity", "\\u001b[2J a\\nb \\u00e4 0123456789abcdef\\\"\\\\'x!"));
    add(GITEA_REFUSED);
    says("POST", "", "status 422: ?[2J a?b ?? *!");
    end();
    memset(longer, 'm', sizeof longer);
    snprintf(wanted, sizeof wanted, "status 422: %.300s", longer);
    char answer[2048];
    snprintf(answer, sizeof answer, ANSWER("422 Unprocessable Entity", "%.1000s"), longer);
    serve(answer);
    add(GITEA_REFUSED);
    says("POST", "", wanted);
    end();
}
END_TEST

START_TEST(a_redirect_is_not_followed)
{
    static const char *const answers[] = {
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /forge/elsewhere\r\nConnection: close\r\n\r\n", ADDED};
    char words[256];

    serve_all(answers, 2);
    add(GITEA_REFUSED);
    snprintf(
        words, sizeof words,
        "status 307: a redirect to %s/elsewhere, which is not followed: say in the manifest where it leads",
        url);
    says("POST", "", words);
    ck_assert_ptr_null(strstr(seen->text, "elsewhere"));
    end();
}
END_TEST

START_TEST(what_is_no_answer_of_the_api_leaves_open_whether_it_was_done)
{
    static const struct {
        const char *answer, *words;
    } cases[] = {
        {"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n<html>",
         "status 201, and what came with it is not JSON: is that a Gitea's API?"},
        {"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n",
         "status 201, and what came with it is not JSON: is that a "
         "Gitea's API?"},
        {"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{\"id\": 1, \"id\": 2, \"title\": \"a title\"}",
         "status 201, and what came with it is not JSON: is that a Gitea's API?"},
        {"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n[]", "status 201 without the id of a key"},
        {"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{\"id\": -1, \"title\": \"a title\"}",
         "status 201 without the id of a key"},
        {"HTTP/1.1 201 Created\r\nContent-Length: 90\r\nConnection: close\r\n\r\n{",
         "curl: (18) transfer closed with 89 bytes remaining to read"},
        {"", "curl: (52) Empty reply from server"},
        {"hello\r\n", "curl: (1) Received HTTP/0.9 when not allowed"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        serve(cases[i].answer);
        add(GITEA_UNKNOWN);
        if (strncmp(cases[i].words, "curl: ", 6) != 0)
            says("POST", "", cases[i].words);
        else /* the rest are curl's own words, of whatever version */
            ck_assert_msg(strstr(err.text, "keys: curl: (") != NULL, "%s", err.text);
        end();
    }
}
END_TEST

START_TEST(a_huge_answer_is_bounded)
{
    size_t size = 3u << 20;
    char *answer = malloc(size + 1);
    static const char head[] = "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n";
    static const char announced[] =
        "HTTP/1.1 201 Created\r\nContent-Length: 3145728\r\nConnection: close\r\n\r\n";

    ck_assert_ptr_nonnull(answer);
    memset(answer, ' ', size);
    answer[size] = '\0';
    memcpy(answer, head, sizeof head - 1);
    serve(answer);
    add(GITEA_UNKNOWN);
    says("POST", "", "the answer is larger than 1048576 bytes");
    end();
    memcpy(answer, announced, sizeof announced - 1);
    serve(answer);
    add(GITEA_UNKNOWN);
    ck_assert_msg(strstr(err.text, "keys: curl: (63) ") != NULL, "%s", err.text);
    end();
    free(answer);
}
END_TEST

START_TEST(a_server_that_says_nothing_is_given_up)
{
    serve(MUTE);
    gitea.seconds = 1;
    add(GITEA_UNKNOWN);
    ck_assert_msg(strstr(err.text, "keys: curl: (28) ") != NULL, "%s", err.text);
    end();
}
END_TEST

START_TEST(an_interrupt_ends_the_wait)
{
    int ends[2];

    serve(MUTE);
    gitea.seconds = 1; /* curl's own end; what asks has gone by then, and may not wait for more */
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    gitea.interrupt = ends[0];
    add(GITEA_UNKNOWN);
    says("POST", "", "curl --disable: interrupted");
    close(ends[0]);
    close(ends[1]);
    end();
}
END_TEST

START_TEST(plain_http_is_only_where_it_is_said)
{
    serve(ADDED);
    memmove(url + 5, url + 4, strlen(url + 4) + 1);
    url[4] = 's'; /* "https://": the server, which speaks no TLS, sees no request */
    gitea.seconds = 1;
    add(GITEA_UNKNOWN);
    ck_assert_msg(strstr(err.text, "keys: curl: (") != NULL, "%s", err.text);
    ck_assert_ptr_null(strstr(seen->text, "Authorization"));
    end();
}
END_TEST

START_TEST(without_curl_its_package_is_named)
{
    static const char missing[] =
        "the program curl is missing, which speaks to the forge: install the package curl";
    const char *old = getenv("PATH");
    char path[4096];

    ck_assert_int_eq(gitea_ready(&err), 0);
    snprintf(path, sizeof path, "%s", old);
    serve(ADDED);
    setenv("PATH", "/nowhere:", 1);
    ck_assert_int_eq(gitea_ready(&err), -1);
    ck_assert_str_eq(err.text, missing);
    add(GITEA_REFUSED);
    ck_assert_str_eq(err.text, missing);
    setenv("PATH", path, 1);
    end();
}
END_TEST

SUITE_MAIN("gitea", a_key_is_added_as_the_api_has_it,
           the_token_is_in_no_argument_and_no_configuration_is_read, a_key_is_deleted,
           a_list_is_read_to_its_end, a_list_that_is_none_or_has_no_end_is_refused,
           refusals_are_told_with_status_message_and_advice, a_message_is_shown_harmless,
           a_redirect_is_not_followed, what_is_no_answer_of_the_api_leaves_open_whether_it_was_done,
           a_huge_answer_is_bounded, a_server_that_says_nothing_is_given_up, an_interrupt_ends_the_wait,
           plain_http_is_only_where_it_is_said, without_curl_its_package_is_named)

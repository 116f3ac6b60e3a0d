/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gitfetch: every spelling of a push is refused, fetches need their route, and everything else passes.
 */
#include "core/gitfetch.h"

#include <stdio.h>
#include <string.h>

#include "proxy/h1.h"
#include "tests/unit/suite.h"

static struct request asked;

static enum denial judge(bool git_fetch, const char *method, const char *target, const char *fields)
{
    const struct route route = {.host = "a.test", .git_fetch = git_fetch};
    static struct h1_head head;
    static char in[70000];
    struct h1 h1;
    size_t used;

    snprintf(in, sizeof in, "%s %s HTTP/1.1\r\nHost: a.test\r\n%s\r\n", method, target, fields);
    h1_init(&h1, true);
    ck_assert_msg(h1_next(&h1, in, strlen(in), &used, &head).type == H1_EVENT_HEAD, "%s", target);
    ck_assert_int_eq(request_read(&head, false, &asked), DENIAL_NONE);
    return gitfetch_judge(&route, &head, &asked);
}

#define PASS      DENIAL_NONE
#define FETCH     DENIAL_GIT_FETCH
#define PUSH      DENIAL_GIT_PUSH
#define AMBIGUOUS DENIAL_PATH_AMBIGUOUS
#define LFS       "Content-Type: application/vnd.git-lfs+json; charset=utf-8\r\nContent-Length: 2\r\n"

START_TEST(each_spelling_has_its_answer)
{
    static const struct {
        const char *method, *target, *fields;
        enum denial without, with; /* git.fetch */
    } table[] = {
        {"GET", "/", "", PASS, PASS},
        {"GET", "/a/info/references", "", PASS, PASS},
        {"GET", "/a//b/../c", "", PASS, AMBIGUOUS},
        {"GET", "/a;b", "", PASS, AMBIGUOUS},
        {"GET", "/a%2fb", "", PASS, AMBIGUOUS},
        {"GET", "/a%zz", "", PASS, AMBIGUOUS},
        {"OPTIONS", "*", "", PASS, PASS},
        {"GET", "/r.git/info/refs?service=git-upload-pack", "", FETCH, PASS},
        {"HEAD", "/r.git/info/refs?service=git-upload-pack", "", FETCH, PASS},
        {"GET", "/r.git/info/refs", "", FETCH, FETCH},
        {"GET", "/r.git/INFO/Refs/", "", FETCH, FETCH},
        {"POST", "/r.git/info/refs?service=git-upload-pack", "", FETCH, FETCH},
        {"GET", "/r.git/info/refs?service=git-upload-pack&x=1", "", FETCH, FETCH},
        {"GET", "/r.git/info/refs?service=git%2dupload-pack", "", FETCH, FETCH},
        {"POST", "/r.git/git-upload-pack", "", FETCH, PASS},
        {"GET", "/r.git/git-upload-pack", "", FETCH, FETCH},
        {"POST", "/r.git/git-upload-pack?x", "", FETCH, FETCH},
        {"POST", "/r.git//git-upload-pack", "", FETCH, AMBIGUOUS},
        {"POST", "/x", "Content-Type: application/x-git-upload-pack-request\r\n", FETCH, PASS},
        {"GET", "/r.git/info/refs?service=git-receive-pack", "", PUSH, PUSH},
        {"GET", "/r.git/info/refs?service=git-upload-pack&service=git-receive-pack", "", PUSH, PUSH},
        {"GET", "/r.git/info/refs?Service=GIT-Receive-Pack", "", PUSH, PUSH},
        {"GET", "/r.git/info/refs?service=git%2dreceive%2Dpack", "", PUSH, PUSH},
        {"GET", "/r.git/info/refs?service=git%252dreceive-pack", "", PUSH, PUSH},
        {"GET", "/r.git/info/refs?a;service=git-receive-pack", "", PUSH, PUSH},
        {"GET", "/else?service=git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack/", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack/x", "", PUSH, PUSH},
        {"POST", "/r.git/GIT-RECEIVE-PACK", "", PUSH, PUSH},
        {"POST", "/r.git/git%2Dreceive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/%67it-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/git%252Dreceive-pack", "", PUSH, PUSH},
        {"POST", "/r.git%2fgit-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git%5cgit-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git\\git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git//git-receive-pack", "", PUSH, PUSH},
        {"POST", "//r.git/./git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack;x=1", "", PUSH, PUSH},
        {"POST", "/r.git;x/git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/x/../git-receive-pack", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack/.", "", PUSH, PUSH},
        {"POST", "/r.git/git-receive-pack/%2e", "", PUSH, PUSH},
        {"POST", "/%/git-receive-pack", "", PUSH, PUSH},
        {"POST", "/x", "Content-Type: application/x-git-Receive-pack-request\r\n", PUSH, PUSH},
        {"POST", "/x", "Content-Type: text/plain\r\nContent-Type: application/x-git-receive-pack-request\r\n",
         PUSH, PUSH},
        {"GET", "/r.git/gitlab-lfs/objects/ab/1", "", FETCH, PASS},
        {"PUT", "/r.git/gitlab-lfs/objects/ab/1", "", PUSH, PUSH},
        {"PUT", "/r.git/info/lfs/objects/ab", "", PUSH, PUSH},
        {"POST", "/r.git/info/lfs/locks", "", PUSH, PUSH},
        {"GET", "/r.git/info/lfs/locks", "", FETCH, PASS},
        {"PUT", "/r.git/info/lfs/objects/batch", "", FETCH, PUSH},
        {"POST", "/r.git/info/lfs/objects/batch", LFS "Content-Encoding: gzip\r\n", FETCH, PUSH},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *fields = table[i].fields;
        enum denial without = judge(false, table[i].method, table[i].target, fields);
        ck_assert_msg(without == table[i].without, "%s: %s", table[i].target, denial_name(without));
        enum denial with = judge(true, table[i].method, table[i].target, fields);
        ck_assert_msg(with == table[i].with, "%s with git.fetch: %s", table[i].target, denial_name(with));
        ck_assert(with != PASS || !asked.look);
    }
}
END_TEST

START_TEST(batches_are_looked_at_where_git_is_allowed)
{
    static const char *const batches[] = {"/r.git/info/lfs/objects/batch", "/R.git/info/LFS/objects/Batch/",
                                          "/any/objects/batch", "/any"};

    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        ck_assert_int_eq(judge(false, "POST", batches[i], LFS), FETCH);
        ck_assert_int_eq(judge(true, "POST", batches[i], LFS), PASS);
        ck_assert_msg(asked.look, "%s", batches[i]);
    }
    judge(true, "GET", "/r.git/info/refs?service=git-upload-pack", "");
    ck_assert(!asked.look);
    judge(true, "GET", "/", "");
    ck_assert(!asked.look);
}
END_TEST

START_TEST(only_a_clear_download_is_one)
{
    static const struct {
        const char *body;
        enum denial denial;
    } table[] = {
        {"{\"operation\":\"download\",\"transfers\":[\"basic\"],\"objects\":[]}", PASS},
        {" {\"objects\":[],\"operation\":\"downl\\u006fad\"} ", PASS},
        {"{\"operation\":\"upload\",\"objects\":[]}", PUSH},
        {"{\"operation\":\"Download\"}", PUSH},
        {"{\"operation\":\"download\",\"operation\":\"upload\"}", PUSH},
        {"{\"operation\":\"download\",\"Operation\":\"upload\"}", PUSH},
        {"{\"OPERATION\":\"download\",\"operation\":\"download\"}", PUSH},
        {"{\"operation\":[\"download\"]}", PUSH},
        {"{\"objects\":[]}", PUSH},
        {"[\"operation\",\"download\"]", PUSH},
        {"{\"operation\":\"download\"}{\"operation\":\"upload\"}", PUSH},
        {"{\"operation\":\"download\"", PUSH},
        {"\xef\xbb\xbf{\"operation\":\"download\"}", PUSH},
        {"", PUSH},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        ck_assert_msg(gitfetch_batch(str_of(table[i].body)) == table[i].denial, "%s", table[i].body);
    ck_assert_int_eq(gitfetch_batch((struct str){"{\"operation\":\"download\"}\0x", 26}), PUSH);
}
END_TEST

START_TEST(a_path_too_long_to_be_read_is_refused)
{
    static char target[65600];

    memset(target, 'a', 60000);
    target[0] = '/';
    ck_assert_int_eq(judge(false, "GET", target, ""), PASS);
    ck_assert_int_eq(judge(true, "GET", target, ""), PASS);
}
END_TEST

SUITE_MAIN("gitfetch", each_spelling_has_its_answer, batches_are_looked_at_where_git_is_allowed,
           only_a_clear_download_is_one, a_path_too_long_to_be_read_is_refused)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate porcelain: lines as git 2.39 writes them. */
#include "gate/porcelain.h"
#include "suite.h"

START_TEST(lines_about_refs_are_read)
{
    static const struct {
        const char *line;
        enum porcelain outcome;
        const char *from, *to, *reason;
    } cases[] = {
        {"*\t1234:refs/heads/x\t[new branch]", PORCELAIN_TAKEN, "1234", "refs/heads/x", ""},
        {" \t1234:refs/heads/x\tabc..def", PORCELAIN_TAKEN, "1234", "refs/heads/x", ""},
        {"+\t1234:refs/heads/x\tabc...def (forced update)", PORCELAIN_TAKEN, "1234", "refs/heads/x", ""},
        {"-\t:refs/heads/x\t[deleted]", PORCELAIN_TAKEN, "", "refs/heads/x", ""},
        {"=\t1234:refs/heads/x\t[up to date]", PORCELAIN_TAKEN, "1234", "refs/heads/x", ""},
        {"!\t1234:refs/heads/x\t[remote rejected] (pre-receive hook declined)", PORCELAIN_DECLINED, "1234",
         "refs/heads/x", "pre-receive hook declined"},
        {"!\t1234:refs/heads/x\t[remote rejected] (no (really) no)", PORCELAIN_DECLINED, "1234",
         "refs/heads/x", "no (really) no"},
        {"!\t1234:refs/heads/x\t[rejected] (stale info)", PORCELAIN_DECLINED, "1234", "refs/heads/x",
         "stale info"},
        {"!\t1234:refs/heads/x\t[no match]", PORCELAIN_DECLINED, "1234", "refs/heads/x", "[no match]"},
        {"!\t1234:refs/heads/x\t[remote failure] (remote failed to report status)", PORCELAIN_BROKEN, "1234",
         "refs/heads/x", "remote failed to report status"},
        {"!\t:refs/heads/x\t[remote rejected] ()", PORCELAIN_DECLINED, "", "refs/heads/x", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct porcelain_ref ref;
        ck_assert_msg(porcelain_read(str_of(cases[i].line), &ref) == 0, "%s", cases[i].line);
        ck_assert_msg(ref.outcome == cases[i].outcome && str_equal(ref.from, str_of(cases[i].from)) &&
                          str_equal(ref.to, str_of(cases[i].to)) &&
                          str_equal(ref.reason, str_of(cases[i].reason)),
                      "%s", cases[i].line);
    }
}
END_TEST

START_TEST(other_lines_are_not)
{
    static const char *const others[] = {"",
                                         "T",
                                         "To ssh://git@host/x.git",
                                         "Done",
                                         "*\t",
                                         "*\t1234",
                                         "*\t1234\t[new branch]",
                                         "x\t1:refs/heads/x\t[?]",
                                         "!\t1234:refs/heads/x"};
    struct porcelain_ref ref;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(porcelain_read(str_of(others[i]), &ref) == -1, "%s", others[i]);
}
END_TEST

START_TEST(words_lose_gits_mark_once)
{
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"remote: protected branch        ", "protected branch"},
        {"remote: remote: said twice        ", "remote: said twice"},
        {"remote: its own blanks                ", "its own blanks        "},
        {"remote: ", ""},
        {"ssh: connect to host x port 22: Connection refused",
         "ssh: connect to host x port 22: Connection refused"},
        {"fatal: the receiving end does not support push options",
         "fatal: the receiving end does not support push options"},
        {"error: failed to push some refs to 'ssh://git@host/x.git'", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str word;
        bool shown = porcelain_word(str_of(cases[i].line), &word);
        ck_assert_int_eq(shown, cases[i].word != NULL);
        ck_assert_msg(!shown || str_equal(word, str_of(cases[i].word)), "%s", cases[i].line);
    }
}
END_TEST

SUITE_MAIN("gate_porcelain", lines_about_refs_are_read, other_lines_are_not, words_lose_gits_mark_once)

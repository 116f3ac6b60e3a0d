/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate/push_outside: a scanner of the operator's gets all that a push brings, can refuse it by its exit status alone, and reaches nobody. With
 * programs of the test's own, and with gitleaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/seccomp.h"
#include "tests/dlp/rig.h"
#include "tests/gate/push_rig.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;
static struct push_rig rig;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

static char scanner[128];

/* A scanner that is this script of the shell's; its answer is that of the script. */
static void use_script(const char *name, const char *script)
{
    snprintf(scanner, sizeof scanner, "%s/%s", rig.dir, name);
    FILE *file = fopen(scanner, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(scanner, 0755), 0);
    rig.gate.scanner = scanner;
}

static void answers(enum push_answer answer, const char *text)
{
    rig_update(&rig, "refs/heads/x", "x");
    struct push_check *check = rig_push(&rig, "");

    ck_assert_msg(check->answer == answer && strstr(rig_said(check), text) != NULL, "%s", rig_said(check));
    if (answer == PUSH_REFUSED)
        ck_assert_ptr_nonnull(rig_finding(check, PUSH_SCANNER, "scanner"));
    push_check_free(check);
}

static void begin(const char *content)
{
    rig_begin(&rig, engine);
    rig_sh(&rig, content,
           "git checkout -q -b x; mkdir dir; echo \"$S\" >dir/name-of-a-file; git add .; git commit -qm "
           "'the-message of it'");
}

START_TEST(its_exit_status_is_its_word)
{
    begin("content");
    use_script("yes", "exec cat >/dev/null");
    answers(PUSH_CLEAN, "clean");
    use_script("no", "cat >/dev/null; echo leaked; echo leaked >&2; exit 3");
    answers(PUSH_REFUSED, "the outside scanner says no (exit status 3)");
    use_script("killed", "cat >/dev/null; exec sh -c 'ulimit -t 1; while :; do :; done'");
    answers(PUSH_REFUSED, "the outside scanner was killed or has crashed");
    snprintf(scanner, sizeof scanner, "/nonexistent/scanner");
    answers(PUSH_FAILED, "/nonexistent/scanner: execve");
    rig_end(&rig);
}
END_TEST

START_TEST(it_gets_all_that_is_new)
{
    static const char *const texts[] = {"^content-of-it$", "^the-message of it$",
                                        "^author Agent <agent@example.com>", "^dir/name-of-a-file$"};
    char script[256];

    begin("content-of-it");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        snprintf(script, sizeof script, "grep -q '%s' - && cat >/dev/null && exit 9; exit 0", texts[i]);
        use_script("grep", script);
        answers(PUSH_REFUSED, "exit status 9");
    }
    use_script("grep", "if grep -q 'not in it' -; then exit 9; fi");
    answers(PUSH_CLEAN, "clean");
    rig_end(&rig);
}
END_TEST

START_TEST(who_does_not_read_all_has_not_looked)
{
    begin("content");
    rig_sh(&rig, "", "seq 1 300000 >numbers; git add .; git commit -qm numbers");
    use_script("lazy", "read line; exit 0");
    answers(PUSH_REFUSED, "the outside scanner says no (exit status 0, before it had read all)");
    rig_end(&rig);
}
END_TEST

START_TEST(it_has_no_environment_and_no_descriptor_and_reaches_nobody)
{
    static const char check[] =
        "/usr/bin/python3 -c '\n"
        "import errno, os, signal, socket, sys\n"
        "def refused(do):\n"
        "    try:\n"
        "        do()\n"
        "    except OSError as error:\n"
        "        return error.errno in (errno.EPERM, errno.EACCES, errno.EFBIG)\n"
        "    return False\n"
        "def write(path):\n"
        "    with open(path, \"w\") as file:\n"
        "        file.write(\"x\")\n"
        "tests = [set(os.environ) <= {\"PWD\", \"LC_CTYPE\"},\n"
        "         os.listdir(\"/proc/self/fd\") <= [\"0\", \"1\", \"2\", \"3\", \"4\"] and "
        "len(os.listdir(\"/proc/self/fd\")) <= 4,\n"
        "         os.readlink(\"/proc/self/fd/1\") == \"/dev/null\", os.readlink(\"/proc/self/fd/2\") == "
        "\"/dev/null\",\n"
        "         refused(lambda: socket.socket(socket.AF_INET)), refused(lambda: "
        "socket.socket(socket.AF_UNIX)),\n"
        "         refused(lambda: socket.socketpair()), refused(lambda: os.kill(os.getppid(), 0)),\n"
        "         refused(lambda: write(\"%s/written\")),\n"
        "         os.path.exists(\"/\")]\n"
        "sys.stdin.buffer.read()\n"
        "sys.exit(0 if all(tests) else 10 + tests.index(False))'";
    char script[2048];

    begin("content");
    setenv("STOPPER_TEST", "inherited", 1);
    snprintf(script, sizeof script, check, rig.dir);
    use_script("probe", script);
    answers(PUSH_CLEAN, "clean");
    rig_end(&rig);
}
END_TEST

START_TEST(it_has_the_time_of_the_push)
{
    begin("content");
    use_script("slow", "cat >/dev/null; exec sleep 600");
    rig.ms = 3000;
    answers(PUSH_FAILED, "it took longer than it may");
    rig_end(&rig);
}
END_TEST

/* Under its own name, by which it is known. */
static void use_gitleaks(void)
{
    const char *path = getenv("STOPPER_GITLEAKS");
    static char link[128];

    ck_assert_msg(path != NULL && access(path, X_OK) == 0,
                  "STOPPER_GITLEAKS is no program: run make deps (gitleaks of Debian 13)");
    snprintf(link, sizeof link, "%s/gitleaks", rig.dir);
    ck_assert_int_eq(symlink(path, link), 0);
    rig.gate.scanner = link;
}

/* What it knows and the detectors do not. */
#define COMMIT_KEY                                                                                           \
    "printf 'access_key: %%s%%s\\n' q7Rk2v9XsT4m Zp8Lw1Nd >s.yaml; git add s.yaml; git commit -qm s"

START_TEST(gitleaks_is_one)
{
    begin("nothing to see");
    use_gitleaks();
    answers(PUSH_CLEAN, "clean");
    rig_sh(&rig, "", COMMIT_KEY);
    answers(PUSH_REFUSED, "the outside scanner says no (exit status 1)");
    rig.gate.scanner = NULL;
    answers(PUSH_CLEAN, "clean"); /* nobody else knows */
    rig_end(&rig);
}
END_TEST

/* What the push of x says under the gate's system calls: in a process of its own, which ends without a look for leaks (that is one that
 * may not be). */
static int answer_in_jail(void)
{
    int status = 0;

    rig_update(&rig, "refs/heads/x", "x");
    push_check_free(rig_push(&rig, "")); /* fills the quarantine */
    rig_update(&rig, "refs/heads/x", "x");
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct err err = {""};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || seccomp_confine(JAIL_GATE, &err) != 0)
            _exit(99);
        struct push_check *check = rig_check(&rig);
        fprintf(stderr, "%s\n", rig_said(check));
        _exit(10 + (int)check->answer);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status) - 10;
}

START_TEST(the_jail_of_the_gate_is_wide_enough)
{
    begin("nothing to see");
    use_gitleaks();
    ck_assert_int_eq(answer_in_jail(), PUSH_CLEAN);
    rig_sh(&rig, "", "head -c 9000000 /dev/zero >large; git add large; " COMMIT_KEY);
    ck_assert_int_eq(answer_in_jail(), PUSH_REFUSED);
    rig_end(&rig);
}
END_TEST

SUITE_MAIN("push_outside", its_exit_status_is_its_word, it_gets_all_that_is_new,
           who_does_not_read_all_has_not_looked, it_has_no_environment_and_no_descriptor_and_reaches_nobody,
           it_has_the_time_of_the_push, gitleaks_is_one, the_jail_of_the_gate_is_wide_enough)

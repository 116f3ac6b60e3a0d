/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frontmatter: which bytes of which files become a manifest, and what is refused with which line. */
#include "hostctl/frontmatter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

/* The YAML, or the error in square brackets. */
static const char *of(const char *file, const char *bytes, size_t len, unsigned *line)
{
    static char out[4096];
    struct frontmatter matter;
    struct report report;

    report_init(&report, file);
    if (frontmatter_parse(&matter, (struct str){bytes, len}, &report) == 0) {
        ck_assert_uint_eq(report.count, 0);
        snprintf(out, sizeof out, "%.*s", (int)matter.yaml.len, matter.yaml.ptr);
        *line = matter.first_line;
        frontmatter_fini(&matter);
    } else {
        ck_assert_uint_eq(report.kept, 1);
        ck_assert_ptr_null(matter.bytes);
        snprintf(out, sizeof out, "[%u: %s]", report.lines[0].line, report.lines[0].text);
    }
    report_fini(&report);
    return out;
}

static const struct {
    const char *file, *bytes, *wanted;
    unsigned line;
} cases[] = {
    {"a.yaml", "env: {}\n", "env: {}\n", 1},
    {"a.YML", "env: {}", "env: {}", 1},
    {"a.yaml", "", "", 1},
    {"a.yaml",
     "\xef\xbb\xbf"
     "a: 1\n",
     "a: 1\n", 1},
    {"a.yaml", "a: 1\r\nb: 2\r\n", "a: 1\r\nb: 2\r\n", 1},
    {"a.yaml", "a: \"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"\n",
     "a: \"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"\n", 1},
    {"a.md", "---\nenv: {}\n---\nwords\n", "env: {}\n", 2},
    {"a.md", "---  \r\nenv: {}\r\n---\r\nwords\r\n", "env: {}\r\n", 2},
    {"a.md", "---\n---", "", 2},
    {"a.md", "---\na: |\n  ---\n----\n---x\n---\n", "a: |\n  ---\n----\n---x\n", 2},
    {"a.md", "---\na: 1\n---\nthe body may hold \x07 and \xe2\x80\xa8\n", "a: 1\n", 2},
    {"a.txt", "a: 1\n", "[0: the name of a manifest ends in .yaml, .yml or .md]", 0},
    {".md", "a: 1\n", "[0: the name of a manifest ends in .yaml, .yml or .md]", 0},
    {"a.md", "env: {}\n", "[1: no front matter: the first line of a .md manifest is \"---\"]", 0},
    {"a.md", " ---\na: 1\n---\n", "[1: no front matter: the first line of a .md manifest is \"---\"]", 0},
    {"a.md", "---\nenv: {}\n", "[1: the front matter does not end: a second line \"---\" is missing]", 0},
    {"a.yaml", "a: 1\nb: \xff\n", "[2: not UTF-8 text (byte 0xff)]", 0},
    {"a.yaml", "a: \xc0\x80\n", "[1: not UTF-8 text (byte 0xc0)]", 0},
    {"a.yaml", "a: \xed\xa0\x80\n", "[1: not UTF-8 text (byte 0xed)]", 0},
    {"a.yaml", "a: \xf4\x90\x80\x80\n", "[1: not UTF-8 text (byte 0xf4)]", 0},
    {"a.yaml", "a: \xe2\x82", "[1: not UTF-8 text (byte 0xe2)]", 0},
    {"a.yaml",
     "\xff\xfe"
     "a",
     "[1: not UTF-8 text (byte 0xff)]", 0},
    {"a.md", "---\na: 1\n---\n\n\xff\n", "[5: not UTF-8 text (byte 0xff)]", 0},
    {"a.yaml", "a: 1\nb: \x1b[31m\n", "[2: a control character (byte 0x1b)]", 0},
    {"a.yaml", "a: 1\rb: 2\n", "[1: a CR without LF (byte 0x0d)]", 0},
    {"a.yaml", "a: 1\n# \xe2\x80\xa8 b: 2\n", "[2: a line break that is neither LF nor CRLF (byte 0xe2)]", 0},
    {"a.yaml", "# \xc2\x85", "[1: a line break that is neither LF nor CRLF (byte 0xc2)]", 0},
    {"a.yaml",
     "a: \xef\xbb\xbf"
     "1",
     "[1: a byte order mark or noncharacter (byte 0xef)]", 0},
    {"a.md", "---\n\na: \x7f\n---\n", "[3: a control character (byte 0x7f)]", 0},
};

START_TEST(text_becomes_yaml_or_one_error)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned line = 0;
        ck_assert_str_eq(of(cases[i].file, cases[i].bytes, strlen(cases[i].bytes), &line), cases[i].wanted);
        ck_assert_uint_eq(line, cases[i].line);
    }
}
END_TEST

START_TEST(nul_is_a_control_character)
{
    unsigned line = 0;

    ck_assert_str_eq(of("a.yaml", "a: \0", 4, &line), "[1: a control character (byte 0x00)]");
}
END_TEST

/* What reading this path says. */
static const char *read_path(const char *path)
{
    static char out[1024];
    struct frontmatter matter;
    struct report report;

    report_init(&report, path);
    out[0] = '\0';
    if (frontmatter_read(&matter, &report) != 0)
        snprintf(out, sizeof out, "%s", report.lines[0].text);
    frontmatter_fini(&matter);
    report_fini(&report);
    return out;
}

START_TEST(files_that_cannot_be_manifests_say_why)
{
    char folder[] = "/tmp/test_frontmatter.XXXXXX", path[64], *big = calloc(1, FRONTMATTER_MAX_BYTES + 1);

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_str_eq(read_path(folder), "is a folder, not a manifest");
    ck_assert_str_eq(read_path("/dev/null"), "is not a regular file");
    snprintf(path, sizeof path, "%s/a.yaml", folder);
    ck_assert_str_eq(read_path(path), "No such file or directory");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_str_eq(read_path(path), "is not a regular file");
    unlink(path);
    for (size_t size = FRONTMATTER_MAX_BYTES; size <= FRONTMATTER_MAX_BYTES + 1; size++) {
        FILE *file = fopen(path, "w");
        memset(big, '#', size);
        ck_assert_uint_eq(fwrite(big, 1, size, file), size);
        fclose(file);
        ck_assert_str_eq(read_path(path), size > FRONTMATTER_MAX_BYTES ? "larger than 1048576 bytes" : "");
    }
    unlink(path);
    rmdir(folder);
    free(big);
}
END_TEST

SUITE_MAIN("frontmatter", text_becomes_yaml_or_one_error, nul_is_a_control_character,
           files_that_cannot_be_manifests_say_why)

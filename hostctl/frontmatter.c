/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frontmatter: see frontmatter.h. First stage of a manifest. It must not hand on bytes on which two YAML
 * readers could disagree: only UTF-8, only LF and CRLF as line breaks, no control characters. */
#include "hostctl/frontmatter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), end = strlen(suffix);

    return len > end && strcasecmp(name + len - end, suffix) == 0;
}

/* One character (RFC 3629). Returns its length in bytes, 0 when it is none. */
static size_t utf8(const unsigned char *at, size_t left, uint32_t *character)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t more = 0; more < 4; more++) {
        if ((at[0] & forms[more].mask) != forms[more].lead)
            continue;
        if (more >= left)
            return 0;
        uint32_t value = at[0] & (unsigned char)~forms[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (at[i] & 0x3f);
        }
        if (value < forms[more].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *character = value;
        return more + 1;
    }
    return 0;
}

/* What YAML 1.1 and 1.2 read differently or not at all (YAML 1.2 sections 5.1, 5.4). */
static const char *unwanted(uint32_t character, bool lf_follows)
{
    if (character == '\r')
        return lf_follows ? NULL : "a CR without LF";
    if (character == 0x85 || character == 0x2028 || character == 0x2029)
        return "a line break that is neither LF nor CRLF";
    if ((character < 0x20 && character != '\t' && character != '\n') ||
        (character >= 0x7f && character < 0xa0))
        return "a control character";
    if (character == 0xfeff || (character & 0xfffe) == 0xfffe)
        return "a byte order mark or noncharacter";
    return NULL;
}

/* Reports the first bad byte. Returns 0 or -1. */
static int check_text(struct str text, unsigned line, bool strict, struct report *report)
{
    const unsigned char *at = (const unsigned char *)text.ptr;

    for (size_t i = 0; i < text.len;) {
        uint32_t character;
        size_t len = utf8(at + i, text.len - i, &character);
        const char *what = len == 0 ? "not UTF-8 text" : NULL;
        if (what == NULL && strict)
            what = unwanted(character, i + 1 < text.len && at[i + 1] == '\n');
        if (what != NULL) {
            report_add(report, line, "", "%s (byte 0x%02x)", what, at[i]);
            return -1;
        }
        line += character == '\n';
        i += len;
    }
    return 0;
}

/* The next line without its line break; *rest goes behind it. */
static struct str take_line(struct str *rest)
{
    const char *lf = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t len = lf != NULL ? (size_t)(lf - rest->ptr) : rest->len;
    struct str line = {rest->ptr, len};

    len += lf != NULL;
    rest->ptr += len;
    rest->len -= len;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return str_trim(line);
}

static bool take_fence(struct str *rest)
{
    bool dash = rest->len > 0 && rest->ptr[0] == '-';

    return str_equal(take_line(rest), str_of("---")) && dash;
}

/* Narrows matter->yaml, which is a Markdown file, to its front matter. */
static int find_front_matter(struct frontmatter *matter, struct report *report)
{
    struct str rest = matter->yaml;

    if (!take_fence(&rest)) {
        report_add(report, 1, "", "no front matter: the first line of a .md manifest is \"---\"");
        return -1;
    }
    const char *start = rest.ptr;
    while (rest.len > 0) {
        const char *end = rest.ptr;
        if (!take_fence(&rest))
            continue;
        matter->yaml = (struct str){start, (size_t)(end - start)};
        matter->first_line = 2;
        matter->body = rest;
        return 0;
    }
    report_add(report, 1, "", "the front matter does not end: a second line \"---\" is missing");
    return -1;
}

/* Checks and narrows matter->bytes, of which len are filled. */
static int take_apart(struct frontmatter *matter, size_t len, struct report *report)
{
    const char *name = report->file;
    bool markdown = ends_in(name, ".md");

    matter->len = len;
    matter->yaml = (struct str){matter->bytes, len};
    matter->body = (struct str){matter->bytes, 0};
    matter->first_line = 1;
    if (!markdown && !ends_in(name, ".yaml") && !ends_in(name, ".yml"))
        report_add(report, 0, "", "the name of a manifest ends in .yaml, .yml or .md");
    else if (len > FRONTMATTER_MAX_BYTES)
        report_add(report, 0, "", "larger than %u bytes", FRONTMATTER_MAX_BYTES);
    else if (check_text(matter->yaml, 1, false, report) == 0) {
        if (len >= 3 &&
            memcmp(matter->bytes, "\xef\xbb\xbf", 3) == 0) /* a leading byte order mark says UTF-8 */
            matter->yaml = (struct str){matter->bytes + 3, len - 3};
        if ((!markdown || find_front_matter(matter, report) == 0) &&
            check_text(matter->yaml, matter->first_line, true, report) == 0)
            return 0;
    }
    frontmatter_fini(matter);
    return -1;
}

int frontmatter_parse(struct frontmatter *matter, struct str bytes, struct report *report)
{
    *matter = (struct frontmatter){.bytes = malloc(bytes.len + 1)};
    if (matter->bytes == NULL) {
        report_add(report, 0, "", "out of memory");
        return -1;
    }
    if (bytes.len > 0)
        memcpy(matter->bytes, bytes.ptr, bytes.len);
    return take_apart(matter, bytes.len, report);
}

/* All bytes, but no more than one above the limit. Returns their number, -1 with errno. */
static ssize_t read_all(int fd, char *into)
{
    size_t len = 0;

    while (len <= FRONTMATTER_MAX_BYTES) {
        ssize_t got = read(fd, into + len, FRONTMATTER_MAX_BYTES + 1 - len);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

int frontmatter_read(struct frontmatter *matter, struct report *report)
{
    int fd = open(report->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not wait */
    struct stat info;
    ssize_t len = -1;

    *matter = (struct frontmatter){.bytes = NULL};
    if (fd < 0 || fstat(fd, &info) != 0)
        report_add(report, 0, "", "%s", strerror(errno));
    else if (S_ISDIR(info.st_mode))
        report_add(report, 0, "", "is a folder, not a manifest");
    else if (!S_ISREG(info.st_mode))
        report_add(report, 0, "", "is not a regular file");
    else if ((matter->bytes = malloc(FRONTMATTER_MAX_BYTES + 1)) == NULL)
        report_add(report, 0, "", "out of memory");
    else if ((len = read_all(fd, matter->bytes)) < 0)
        report_add(report, 0, "", "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (len < 0) {
        frontmatter_fini(matter);
        return -1;
    }
    return take_apart(matter, (size_t)len, report);
}

void frontmatter_fini(struct frontmatter *matter)
{
    free(matter->bytes);
    *matter = (struct frontmatter){.bytes = NULL};
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1_head: the raw reading of an HTTP/1 head.
 *
 * Request smuggling lives on two programs reading one head differently. So a head is split here by the
 * strictest reading of RFC 9112, then given to llhttp (proxy/h1_check.c), exactly that far and no further; every
 * element of the two readings must be the same run of bytes, and the framing the same, else the message is
 * refused. What goes upstream is written anew from the result (proxy/rewrite.c).
 */
#include "core/h1_head.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9110 section 5.6.2: letters, digits and !#$%&'*+-.^_`|~; a bit for each of 128 characters */
static bool is_tchar(char c)
{
    static const uint64_t bits[2] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu};
    unsigned char byte = (unsigned char)c;

    return byte < 128 && (bits[byte / 64] >> byte % 64 & 1) != 0;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_tchar(s.ptr[i]))
            return false;
    return s.len > 0;
}

/* field-vchar, SP and HTAB: no control characters, RFC 9110 section 5.5 */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

long h1_head_end(struct h1_scan *scan, const char *bytes, size_t len, enum h1_error *error)
{
    size_t last = len < HEAD_MAX ? len : HEAD_MAX; /* the byte in front of it is looked at closely */

    *error = H1_BAD_SYNTAX;
    for (size_t i = scan->at; i < len; i++) {
        bool after_cr = i > 0 && bytes[i - 1] == '\r';
        if (i == HEAD_MAX || scan->lines > FIELDS_MAX + 1) {
            *error = H1_TOO_LARGE;
            return -1;
        }
        while (!after_cr && i + 1 < last && (unsigned char)bytes[i] > '\r') /* neither NUL, LF nor CR */
            i++;
        if (bytes[i] == '\0' || (bytes[i] == '\n') != after_cr)
            return -1; /* a bare LF, or a CR that no LF follows */
        if (bytes[i] != '\n')
            continue;
        if (i - scan->line == 1)
            return scan->lines > 0 ? (long)i + 1 : -1; /* empty lines in front of a request are not skipped */
        scan->line = i + 1;
        scan->lines++;
    }
    scan->at = len;
    return 0;
}

int h1_field_parse(struct str line, struct h1_field *field)
{
    const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;

    if (colon == NULL)
        return -1;
    field->name = (struct str){line.ptr, (size_t)(colon - line.ptr)};
    field->value = str_trim((struct str){colon + 1, line.len - field->name.len - 1});
    return is_token(field->name) && is_value(field->value) ? 0 : -1;
}

const struct h1_field *h1_head_find(const struct h1_head *head, const char *name, size_t *count)
{
    const struct h1_field *found = NULL;

    struct str wanted = str_of(name);

    *count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        if (str_equal_nocase(head->fields[i].name, wanted)) {
            found = &head->fields[i];
            ++*count;
        }
    }
    return found;
}

bool h1_head_lists(const struct h1_head *head, const char *name, struct str token)
{
    struct str wanted = str_of(name);

    for (size_t i = 0; i < head->field_count; i++) {
        struct str rest = head->fields[i].value;
        if (!str_equal_nocase(head->fields[i].name, wanted))
            continue;
        while (rest.len > 0) {
            const char *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;
            if (str_equal_nocase(str_trim((struct str){rest.ptr, len}), token))
                return true;
            len += comma != NULL;
            rest = (struct str){rest.ptr + len, rest.len - len};
        }
    }
    return false;
}

/* "HTTP/1.x" */
static enum h1_error read_version(struct str text, struct h1_head *head)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || text.ptr[6] != '.' || text.ptr[5] < '0' ||
        text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return H1_BAD_SYNTAX;
    if (text.ptr[5] != '1' || text.ptr[7] > '1')
        return H1_BAD_VERSION;
    head->minor = (unsigned)(text.ptr[7] - '0');
    return H1_OK;
}

/* Those that llhttp knows, which a test compares, without CONNECT and TRACE. */
static bool method_is_known(struct str method)
{
    static const struct str known[] = {
        STR("DELETE"),      STR("GET"),       STR("HEAD"),     STR("POST"),       STR("PUT"),
        STR("OPTIONS"),     STR("COPY"),      STR("LOCK"),     STR("MKCOL"),      STR("MOVE"),
        STR("PROPFIND"),    STR("PROPPATCH"), STR("SEARCH"),   STR("UNLOCK"),     STR("BIND"),
        STR("REBIND"),      STR("UNBIND"),    STR("ACL"),      STR("REPORT"),     STR("MKACTIVITY"),
        STR("CHECKOUT"),    STR("MERGE"),     STR("M-SEARCH"), STR("NOTIFY"),     STR("SUBSCRIBE"),
        STR("UNSUBSCRIBE"), STR("PATCH"),     STR("PURGE"),    STR("MKCALENDAR"), STR("LINK"),
        STR("UNLINK"),      STR("SOURCE"),    STR("QUERY")};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_equal(method, known[i]))
            return true;
    return false;
}

/* method SP request-target SP HTTP-version, RFC 9112 section 3: single spaces, a target of printable ASCII */
static enum h1_error read_request_line(struct str line, struct h1_head *head)
{
    const char *first = memchr(line.ptr, ' ', line.len);

    if (first == NULL)
        return H1_BAD_SYNTAX;
    head->method = (struct str){line.ptr, (size_t)(first - line.ptr)};
    struct str rest = {first + 1, line.len - head->method.len - 1};
    const char *second = rest.len > 0 ? memchr(rest.ptr, ' ', rest.len) : NULL;
    if (second == NULL)
        return H1_BAD_SYNTAX;
    head->target = (struct str){rest.ptr, (size_t)(second - rest.ptr)};
    if (!is_token(head->method) || head->target.len == 0)
        return H1_BAD_SYNTAX;
    for (size_t i = 0; i < head->target.len; i++)
        if (head->target.ptr[i] <= ' ' || head->target.ptr[i] >= 0x7f || head->target.ptr[i] == '#')
            return H1_BAD_SYNTAX;
    struct str version = {second + 1, rest.len - head->target.len - 1};
    return read_version(version, head);
}

/* HTTP-version SP status-code SP [reason], RFC 9112 section 4; the second space may be missing, as many
 * servers do. */
static enum h1_error read_status_line(struct str line, struct h1_head *head)
{
    struct str version = {line.ptr, line.len < 8 ? line.len : 8};
    enum h1_error error = read_version(version, head);

    if (error != H1_OK)
        return error;
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' '))
        return H1_BAD_SYNTAX;
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return H1_BAD_SYNTAX;
        head->status = head->status * 10 + (unsigned)(line.ptr[i] - '0');
    }
    if (line.len > 13)
        head->reason = (struct str){line.ptr + 13, line.len - 13};
    return head->status >= 100 && head->status <= 599 && is_value(head->reason) ? H1_OK : H1_BAD_SYNTAX;
}

/* Names that a server with CGI-like variables takes for the fields that frame a message: there letters and
 * digits stay and all else is '_' ("Content_Length", "Content.Length"). */
static bool is_disguised(struct str name)
{
    static const struct str framing[] = {STR("content-length"), STR("transfer-encoding")};
    char plain[32];

    if (name.len != framing[0].len && name.len != framing[1].len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        plain[i] = is_alnum(name.ptr[i]) ? name.ptr[i] : '-';
    if (memcmp(plain, name.ptr, name.len) == 0) /* no disguise */
        return false;
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
        if (str_equal_nocase((struct str){plain, name.len}, framing[i]))
            return true;
    return false;
}

static enum h1_error read_fields(const char *bytes, size_t len, struct h1_head *head)
{
    while (len > 2) {
        const char *end = memchr(bytes, '\n', len);
        size_t line = (size_t)(end - bytes) + 1;
        if (head->field_count == FIELDS_MAX)
            return H1_TOO_LARGE;
        struct h1_field *field = &head->fields[head->field_count];
        if (h1_field_parse((struct str){bytes, line - 2}, field) != 0 || is_disguised(field->name))
            return H1_BAD_SYNTAX;
        head->field_count++; /* only now: without a colon it still points to where an earlier head was */
        head->connections += str_equal_nocase(field->name, str_of("connection"));
        bytes += line;
        len -= line;
    }
    return H1_OK;
}

/* Content-Length: one field of digits (RFC 9110 section 8.6); a list of equal values is a second reading, so
 * refused. */
static bool read_length(struct str value, struct h1_head *head)
{
    if (value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        head->length = head->length * 10 + (unsigned)(value.ptr[i] - '0');
    }
    head->has_length = true;
    return true;
}

/* RFC 9112 section 6.3, without its repairs. */
static enum h1_error read_framing(bool request, bool to_head, struct h1_head *head)
{
    size_t lengths, codings;
    const struct h1_field *length = h1_head_find(head, "content-length", &lengths);
    const struct h1_field *coding = h1_head_find(head, "transfer-encoding", &codings);
    bool never = !request && (head->status < 200 || head->status == 204 || head->status == 205);
    bool bodiless = never || (!request && (to_head || head->status == 304));

    if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0))
        return H1_BAD_SYNTAX;
    if (length != NULL && !read_length(length->value, head))
        return H1_BAD_SYNTAX;
    if (coding != NULL && (head->minor == 0 || !str_equal_nocase(coding->value, str_of("chunked"))))
        return H1_BAD_SYNTAX;
    if (never && (coding != NULL || head->length > 0))
        return H1_BAD_SYNTAX; /* RFC 9112 section 6.1, RFC 9110 section 15.3.6: some reader will wait for it
                               */
    if (bodiless)
        head->framing = H1_NO_BODY;
    else if (coding != NULL)
        head->framing = H1_CHUNKED;
    else if (length != NULL)
        head->framing = head->length > 0 ? H1_LENGTH : H1_NO_BODY;
    else
        head->framing = request ? H1_NO_BODY : H1_CLOSE;
    bool close = h1_head_lists(head, "connection", str_of("close"));
    head->keep_alive =
        !close && (head->minor == 1 || h1_head_lists(head, "connection", str_of("keep-alive")));
    return H1_OK;
}

enum h1_error h1_head_parse(bool request, bool to_head, const char *bytes, size_t len, struct h1_head *head)
{
    const char *end = memchr(bytes, '\n', len);
    size_t first = (size_t)(end - bytes) + 1; /* h1_head_end has seen it */
    struct str line = {bytes, first - 2};

    memset(head, 0, offsetof(struct h1_head, fields)); /* the fields behind it count only up to field_count */
    enum h1_error error = request ? read_request_line(line, head) : read_status_line(line, head);
    if (error == H1_OK)
        error = read_fields(bytes + first, len - first, head);
    if (error == H1_OK && request && !method_is_known(head->method))
        return H1_BAD_METHOD;
    if (error == H1_OK)
        error = read_framing(request, to_head, head);
    return error;
}

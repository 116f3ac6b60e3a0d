/* SPDX-License-Identifier: GPL-3.0-or-later */
/* html: see html.h. Names are looked up where their hash says, because a page has a tag every fifty bytes. */
#include "dlp/html.h"

#include <string.h>

#define TAG_MAX     4096 /* bytes of an element's tag; a longer one is text */
#define ELEMENT_MAX 12   /* bytes of a name, and a NUL */
#define SLOTS       512  /* more than twice the names */

static const struct {
    const char name[16];
    uint32_t code;
} references[] = {
    {"amp", '&'},      {"lt", '<'},     {"gt", '>'},      {"quot", '"'},   {"apos", '\''},
    {"nbsp", ' '},     {"ensp", ' '},   {"emsp", ' '},    {"thinsp", ' '}, {"Tab", '\t'},
    {"NewLine", '\n'}, {"shy", 0xad},   {"zwnj", 0x200c}, {"zwj", 0x200d}, {"ZeroWidthSpace", 0x200b},
    {"lrm", 0x200e},   {"rlm", 0x200f}, {"lsquo", '\''},  {"rsquo", '\''}, {"ldquo", '"'},
    {"rdquo", '"'},    {"ndash", '-'},  {"mdash", '-'},   {"hyphen", '-'}, {"colon", ':'},
    {"semi", ';'},     {"comma", ','},  {"period", '.'},  {"excl", '!'},   {"quest", '?'},
    {"lpar", '('},     {"rpar", ')'},   {"lsqb", '['},    {"rsqb", ']'},   {"lcub", '{'},
    {"rcub", '}'},     {"verbar", '|'}, {"vert", '|'},    {"lowbar", '_'}, {"sol", '/'},
    {"bsol", '\\'},    {"num", '#'},    {"commat", '@'},  {"equals", '='}, {"hellip", '.'},
};

#define IN_LINE DLP_HTML_FORMS
#define PARTING DLP_HTML_PARTS

/* Elements that only give a form to the text in a line, and those that part it. */
static const struct element {
    char name[ELEMENT_MAX];
    enum dlp_html is;
} elements[] = {
    {"a", IN_LINE},        {"abbr", IN_LINE},       {"acronym", IN_LINE},  {"b", IN_LINE},
    {"bdi", IN_LINE},      {"bdo", IN_LINE},        {"big", IN_LINE},      {"cite", IN_LINE},
    {"code", IN_LINE},     {"data", IN_LINE},       {"del", IN_LINE},      {"dfn", IN_LINE},
    {"em", IN_LINE},       {"font", IN_LINE},       {"i", IN_LINE},        {"ins", IN_LINE},
    {"kbd", IN_LINE},      {"label", IN_LINE},      {"mark", IN_LINE},     {"nobr", IN_LINE},
    {"q", IN_LINE},        {"rp", IN_LINE},         {"rt", IN_LINE},       {"ruby", IN_LINE},
    {"s", IN_LINE},        {"samp", IN_LINE},       {"small", IN_LINE},    {"span", IN_LINE},
    {"strike", IN_LINE},   {"strong", IN_LINE},     {"sub", IN_LINE},      {"sup", IN_LINE},
    {"time", IN_LINE},     {"tt", IN_LINE},         {"u", IN_LINE},        {"var", IN_LINE},
    {"wbr", IN_LINE},      {"address", PARTING},    {"area", PARTING},     {"article", PARTING},
    {"aside", PARTING},    {"audio", PARTING},      {"base", PARTING},     {"blockquote", PARTING},
    {"body", PARTING},     {"br", PARTING},         {"button", PARTING},   {"canvas", PARTING},
    {"caption", PARTING},  {"center", PARTING},     {"col", PARTING},      {"colgroup", PARTING},
    {"dd", PARTING},       {"details", PARTING},    {"dialog", PARTING},   {"dir", PARTING},
    {"div", PARTING},      {"dl", PARTING},         {"dt", PARTING},       {"embed", PARTING},
    {"fieldset", PARTING}, {"figcaption", PARTING}, {"figure", PARTING},   {"footer", PARTING},
    {"form", PARTING},     {"frame", PARTING},      {"frameset", PARTING}, {"h1", PARTING},
    {"h2", PARTING},       {"h3", PARTING},         {"h4", PARTING},       {"h5", PARTING},
    {"h6", PARTING},       {"head", PARTING},       {"header", PARTING},   {"hr", PARTING},
    {"html", PARTING},     {"iframe", PARTING},     {"img", PARTING},      {"input", PARTING},
    {"legend", PARTING},   {"li", PARTING},         {"link", PARTING},     {"main", PARTING},
    {"map", PARTING},      {"menu", PARTING},       {"meta", PARTING},     {"meter", PARTING},
    {"nav", PARTING},      {"noframes", PARTING},   {"noscript", PARTING}, {"object", PARTING},
    {"ol", PARTING},       {"optgroup", PARTING},   {"option", PARTING},   {"output", PARTING},
    {"p", PARTING},        {"param", PARTING},      {"picture", PARTING},  {"pre", PARTING},
    {"progress", PARTING}, {"script", PARTING},     {"section", PARTING},  {"select", PARTING},
    {"source", PARTING},   {"style", PARTING},      {"summary", PARTING},  {"svg", PARTING},
    {"table", PARTING},    {"tbody", PARTING},      {"td", PARTING},       {"template", PARTING},
    {"textarea", PARTING}, {"tfoot", PARTING},      {"th", PARTING},       {"thead", PARTING},
    {"title", PARTING},    {"tr", PARTING},         {"track", PARTING},    {"ul", PARTING},
    {"video", PARTING},    {"path", PARTING},       {"g", PARTING},
};
_Static_assert(2 * sizeof elements / sizeof elements[0] < SLOTS, "a search ends");

static const struct element *slots[SLOTS];

static size_t slot(const char name[ELEMENT_MAX])
{
    uint64_t front;
    uint32_t back;

    memcpy(&front, name, sizeof front);
    memcpy(&back, name + sizeof front, sizeof back);
    return (size_t)((front ^ back) * 0x9e3779b97f4a7c15 >> 55) % SLOTS;
}

__attribute__((constructor)) static void prepare(void)
{
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        size_t at = slot(elements[i].name);
        while (slots[at] != NULL)
            at = (at + 1) % SLOTS;
        slots[at] = &elements[i];
    }
}

/* What an element of this name is; in any case. */
static enum dlp_html element(struct str name)
{
    char folded[ELEMENT_MAX] = "";

    if (name.len == 0 || name.len >= ELEMENT_MAX)
        return DLP_HTML_TEXT;
    for (size_t i = 0; i < name.len; i++)
        folded[i] = (char)(name.ptr[i] | 0x20); /* digits have that bit */
    for (size_t at = slot(folded); slots[at] != NULL; at = (at + 1) % SLOTS)
        if (memcmp(slots[at]->name, folded, ELEMENT_MAX) == 0)
            return slots[at]->is;
    return DLP_HTML_TEXT;
}

static bool is_letter(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t dlp_html_reference(struct str in, uint32_t *code)
{
    size_t at = 1;
    if (in.len > 3 && in.ptr[1] == '#') {
        bool hex = (in.ptr[2] | 0x20) == 'x';
        uint32_t number = 0;
        at = hex ? 3 : 2;
        size_t first = at;
        for (; at < in.len && at < first + 8; at++) {
            char c = in.ptr[at];
            if (is_digit(c))
                number = number * (hex ? 16 : 10) + (uint32_t)(c - '0');
            else if (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                number = number * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
            else
                break;
        }
        if (at == first)
            return 0;
        *code = number;
        return at < in.len && in.ptr[at] == ';' ? at + 1 : at;
    }
    while (at < in.len && at < 16 && is_letter(in.ptr[at]))
        at++;
    if (at == in.len || in.ptr[at] != ';')
        return 0;
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        if (references[i].name[0] == in.ptr[1] && references[i].name[at - 1] == '\0' &&
            memcmp(references[i].name, in.ptr + 1, at - 1) == 0) {
            *code = references[i].code;
            return at + 1;
        }
    return 0;
}

enum dlp_html dlp_html_markup(struct str in, size_t *len)
{
    if (in.len > 3 && memcmp(in.ptr, "<!--", 4) == 0) {
        const char *end = memmem(in.ptr + 4, in.len - 4, "-->", 3);
        if (end == NULL)
            return DLP_HTML_OPEN;
        *len = (size_t)(end - in.ptr) + 3;
        return DLP_HTML_FORMS;
    }
    size_t start = in.len > 1 && in.ptr[1] == '/' ? 2 : 1, at = start;
    while (at < in.len && at < start + ELEMENT_MAX && (is_letter(in.ptr[at]) || is_digit(in.ptr[at])))
        at++;
    enum dlp_html is = element((struct str){in.ptr + start, at - start});
    if (is == DLP_HTML_TEXT)
        return is;
    char quote = 0;
    for (; at < in.len && at < TAG_MAX; at++) {
        char c = in.ptr[at];
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>') {
            *len = at + 1;
            return is;
        }
    }
    return at < TAG_MAX ? DLP_HTML_OPEN : DLP_HTML_TEXT;
}

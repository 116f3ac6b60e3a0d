/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter: what tools say becomes routes, or an error that names the setting and no credential. */
#include "hostctl/starter_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct starter starter; /* large */

static const struct starter_tool *tool_of(const char *name)
{
    const struct starter_tool *tool = starter_tools;

    while (strcmp(tool->name, name) != 0)
        tool++;
    return tool;
}

/* "host:ports[ +repo]…[ !]; …" of the routes (! = a credential was left out), then the gate's URLs and the variables. */
static void describe(char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < starter.route_count; i++) {
        const struct starter_route *route = &starter.routes[i];
        len += (size_t)snprintf(out + len, size - len, "%s", route->host);
        for (size_t port = 0; port < route->port_count; port++)
            len += (size_t)snprintf(out + len, size - len, ":%u", route->ports[port]);
        for (size_t repo = 0; repo < route->repos.count; repo++)
            len += (size_t)snprintf(out + len, size - len, " +%s", route->repos.list[repo]);
        len += (size_t)snprintf(out + len, size - len, "%s;", route->credentials ? " !" : "");
    }
    for (size_t i = 0; i < starter.gate_count; i++)
        len += (size_t)snprintf(out + len, size - len, " %s=%s", starter.gates[i].name, starter.gates[i].url);
    for (size_t i = 0; i + 1 < starter.env.count; i += 2)
        len +=
            (size_t)snprintf(out + len, size - len, " %s='%s'", starter.env.list[i], starter.env.list[i + 1]);
    for (size_t i = 0; i < starter.notes.count; i++)
        len += (size_t)snprintf(out + len, size - len, " (%s)", starter.notes.list[i]);
}

#define NPM(text)  "npm", 0, text
#define PIP(text)  "pip", 0, text
#define HELP(text) "pip", 1, text
#define APT(text)  "apt", 0, text
#define GO(text)   "go", 0, text
#define GIT(text)  "git", 0, text
#define O          "origin\t"

static const struct {
    const char *tool;
    int question;
    const char *said;
    int status; /* what the question ends with */
    const char *wanted;
} cases[] = {
    {NPM("; \"default\" values\n\nregistry = \"https://npm.example/\"\nreplace-registry-host = \"npmjs\"\n"),
     0, "npm.example:443; NPM_CONFIG_REGISTRY='https://npm.example/'"},
    {NPM("; registry = \"https://old.example/\" ; overridden by user\nregistry = "
         "\"http://NPM.example:4873/a/\" \n"),
     0, "npm.example:4873; NPM_CONFIG_REGISTRY='http://npm.example:4873/a/'"},
    {NPM("@x:registry = \"https://x:***@scoped.example/q\"\nregistry = \"https://a.example\" ; overridden by "
         "nobody\n"),
     0,
     "scoped.example:443 !;a.example:443; NPM_CONFIG_REGISTRY='https://a.example' (npm: @x:registry has a "
     "route; say it in the "
     "bottle's .npmrc, for no variable can)"},
    {NPM(""), -1, "it names no registry"},
    {NPM("registry = null\n"), -1, "registry: no text"},
    {NPM("registry = \"https://\n"), -1, "registry: no text"},
    {NPM("registry = \"ftp://a.example/\"\n"), -1, "registry: no http:// or https:// URL"},
    {NPM("registry = \"https://10.0.0.1/\"\n"), -1,
     "registry: a URL with an address: routes go by name, so give the server one"},
    {NPM("registry = \"https://[::2]:80/\"\n"), -1,
     "registry: a URL with an address: routes go by name, so give the server one"},
    {NPM("registry = \"http://localhost:4873/\"\n"), 0,
     "host.stopper.internal:4873; NPM_CONFIG_REGISTRY='http://host.stopper.internal:4873/' (npm: registry: "
     "this machine, which a bottle calls host.stopper.internal)"},
    {NPM("registry = \"http://u:secret@[::1]:4873/\"\n"), 0,
     "host.stopper.internal:4873 !; NPM_CONFIG_REGISTRY='http://host.stopper.internal:4873/' (npm: registry"
     ": this machine, which a "
     "bottle calls host.stopper.internal)"},
    {APT("http://127.0.0.1:3142/debian\nhttp://a.LOCALHOST/\nhttp://notlocalhost/\n"), 0,
     "host.stopper.internal:80:3142;notlocalhost:80; (apt: its sources: this machine, which a bottle "
     "calls host.stopper.internal)"},
    {GIT(O "git@localhost:a/b (fetch)\n"), 0, " (git: remote origin: ssh to this machine itself)"},
    {NPM("registry = \"https://bad host/\"\n"), -1,
     "registry: a URL with a blank, a control character, a backslash, or what is not ASCII"},
    {NPM("registry = \"https://a.example\\u0000.evil.example/\"\n"), -1, "registry: no text"},
    {NPM("registry = \"https://a.example\\\\@evil.example/\"\n"), -1,
     "registry: a URL with a blank, a control character, a backslash, or what is not ASCII"},
    {NPM("registry = \"https://a_.-.example/\"\n"), -1, "registry: a URL whose host is no host name"},
    {NPM("registry = \"https://a.example./\"\n"), -1, "registry: a URL whose host is no host name"},
    {NPM("registry = \"https:///x\"\n"), -1, "registry: a URL whose host is no host name"},
    {NPM("registry = \"https://a.example:0/\"\n"), -1, "registry: a URL whose host and port cannot be read"},
    {NPM("registry = \"https://a.example:65536/\"\n"), -1,
     "registry: a URL whose host and port cannot be read"},
    {NPM("registry = \"https://u:sec/ret@a.example/\"\n"), -1, "registry: a URL with an @ behind its host"},
    {NPM("registry = \"https://u:sec@ret@a.example/\"\n"), -1, "registry: a URL with more than one @"},
    {NPM("registry = \"https://a.example/?token=secret\"\n"), -1,
     "registry: a URL with a query or a fragment, which may hold a credential"},
    {PIP("global.index-url='https://user:secret@pip.example/simple'\n"), 0,
     "pip.example:443 !; PIP_INDEX_URL='https://pip.example/simple'"},
    {PIP("global.extra-index-url='\\nhttps://b.example/x\\nhttp://c.example:3141/'\nglobal.index-url='https:/"
         "/a.example/'\n"),
     0,
     "a.example:443;b.example:443;c.example:3141; PIP_INDEX_URL='https://a.example/' "
     "PIP_EXTRA_INDEX_URL='https://b.example/x http://c.example:3141/' PIP_TRUSTED_HOST='c.example:3141'"},
    {PIP(":env:.index-url='https://env.example/'\nglobal.index-url='https://file.example/'\n"), 0,
     "env.example:443; PIP_INDEX_URL='https://env.example/'"},
    {PIP("download.index-url='https://d.example/'\nglobal.index-url='https://g.example/'\n"), 0,
     "d.example:443;g.example:443; PIP_INDEX_URL='https://d.example/'"},
    {PIP("global.timeout='60'\nglobal.extra-index-url='https://b.example/x'\n"), 1,
     "b.example:443; PIP_EXTRA_INDEX_URL='https://b.example/x'"},
    {PIP(""), 1, ""},
    {PIP("global.index-url=https://a.example/\n"), -1, "global.index-url: no text in quotes"},
    {PIP("global.index-url='https://a\\x1b.example/'\n"), -1, "global.index-url: a letter that no URL has"},
    {PIP("global.index-url='/srv/simple'\n"), -1, "global.index-url: no http:// or https:// URL"},
    {HELP("  -i, --index-url <url>   Base URL of the Index\n       (default\n      "
          "https://pip.example/simple). This should\n"),
     0, "pip.example:443; PIP_INDEX_URL='https://pip.example/simple'"},
    {HELP("  -i, --index-url <url>   Base URL\n  --extra-index-url <url> more (default "
          "https://b.example/).\n"),
     -1, "it names no index"},
    {HELP("  -i, --index-url <url>   Base URL (default"), -1, "it names no index"},
    {HELP(""), -1, "it names no index"},
    {APT("http://apt.example/debian\nhttps://u:p@apt.example:8443/debian\nhttp://apt.example/debian\n"), 0,
     "apt.example:80:8443 !;"},
    {APT("file:/srv/debian\nmirror+http://m.example/list\ncdrom:[Debian 12]/\n"), 0,
     " (apt: a source of the kind of a file or medium, which no route is for) "
     "(apt: a source of the kind mirror+http, which no route is for)"},
    {APT(""), -1, "it knows no sources: has apt-get update been run?"},
    {APT("nonsense\n"), -1, "a source that is no URI"},
    {APT("http://apt.exam\033[2Jple/\n"), -1,
     "sources: a URL with a blank, a control character, a backslash, or what is not ASCII"},
    {GO("https://p.example,https://u:secret@q.example:8081/x|direct\nsum.example+abc\n*.corp.example\n"), 0,
     "p.example:443;q.example:8081 !;sum.example:443; "
     "GOPROXY='https://p.example,https://q.example:8081/x|direct' "
     "GOSUMDB='sum.example+abc' GONOSUMDB='*.corp.example' "
     "(go: direct: modules that no proxy has come from hosts of their own: name those, with git.fetch)"},
    {GO("off\nsum.example+abc https://u:p@mirror.example/db\n\n"), 0,
     "mirror.example:443 !; GOPROXY='off' GOSUMDB='sum.example+abc https://mirror.example/db'"},
    {GO("https://p.example\noff\n\n"), 0, "p.example:443; GOPROXY='https://p.example'"},
    {GO("https://p.example\noff\n"), -1, "it did not say three values"},
    {GO("https://p.example\noff\n\nmore\n"), -1, "it said more than three values"},
    {GO("\noff\n\n"), -1, "GOPROXY: empty"},
    {GO("https://p.example\nsum@x\n\n"), 0,
     "p.example:443;x:443 !; GOPROXY='https://p.example' GOSUMDB='sum@x'"},
    {GO("/srv/proxy\noff\n\n"), -1, "GOPROXY: no http:// or https:// URL"},
    {GO("https://p.example\noff\na\033b\n"), -1, "GONOSUMDB: what is not printable ASCII"},
    {GIT(O "https://git.example/a/b.git (fetch)\n" O "https://git.example/a/b.git (push)\n"), 0,
     "git.example:443 +/a/b;"},
    {GIT(O
         "https://tok:secret@git.example:3000/a/b/ (fetch) [blob:none]\nup\thttp://git.example/c (fetch)\n"),
     0, "git.example:80:3000 +/a/b +/c !;"},
    {GIT(O "https://git.example/a (fetch)\n" O "git@git.example:a.git (push)\n"), 0,
     "git.example:443 +/a; a=ssh://git@git.example/a.git"},
    {GIT(O "ssh://git:secret@git.example:2222/a/b.git (fetch)\nb\tgit@git.example:/x/b "
           "(fetch)\nc\tgit@git.example:x/b (fetch)\n"),
     0, " b=ssh://git@git.example:2222/a/b.git b-2=ssh://git@git.example/x/b"},
    {GIT(O "git.example:a/b (fetch)\n"), 0,
     " (git: remote origin: ssh without a user or a path, which the gate needs)"},
    {GIT(O "git@10.0.0.1:a/b (fetch)\n"), 0,
     " (git: remote origin: ssh that has to be written by hand: a URL with an address: routes go by name, so "
     "give the server one)"},
    {GIT(O "/srv/a b (fetch)\nx\text::sh -c y (fetch)\ny\tgit://git.example/a (fetch)\nz\t\n"), 0,
     " (git: remote origin is a folder of this machine, or of a kind of its own) (git: remote x is a folder "
     "of this machine, or of a "
     "kind of its own) (git: remote y: git is not let through) (git: remote z has no URL)"},
    {GIT(O "git@git.example:a'b (fetch)\n"), 0,
     " (git: remote origin: ssh that has to be written by hand: a URL with a quote, * or [ in its path)"},
    {NPM("registry = \"https://a.example/\"\nregistry = \"https://b.example/\"\n"), -1,
     "NPM_CONFIG_REGISTRY: two values"},
    {GIT(O "https://git.example/ (fetch)\n"), -1, "remote origin: a URL without a repository"},
    {GIT(O "https://git.example/.git (fetch)\n"), -1, "remote origin: a URL without a repository"},
    {GIT(O "https://git.example/a/../b (fetch)\n"), -1,
     "remote origin: a URL with a path that servers read in different ways"},
    {GIT("nonsense\n"), -1, "a line that is no remote"},
    {GIT(O "https://git.example/a\n"), -1, "a line that is no remote"},
    {GIT(""), -1, "this repository has no remotes"},
};

START_TEST(what_tools_say_becomes_routes_or_an_error_without_its_credentials)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char found[2048];
        struct err err = {""};

        starter_init(&starter);
        int status =
            tool_of(cases[i].tool)->questions[cases[i].question].take(&starter, str_of(cases[i].said), &err);
        describe(found, sizeof found);
        ck_assert_msg(status == cases[i].status, "%zu: %d %s %s", i, status, err.text, found);
        ck_assert_str_eq(status == -1 ? err.text : found, cases[i].wanted);
        ck_assert_ptr_null(strstr(found, "secret"));
        ck_assert_ptr_null(strstr(err.text, "secret"));
        starter_fini(&starter);
    }
}
END_TEST

START_TEST(what_never_ends_is_bounded)
{
    struct err err;
    char line[64];
    int status = 0;

    starter_init(&starter);
    for (int i = 0; status == 0; i++) {
        ck_assert_int_lt(i, 1000);
        snprintf(line, sizeof line, "https://h%d.example/\n", i);
        status = tool_of("apt")->questions[0].take(&starter, str_of(line), &err);
    }
    ck_assert_str_eq(err.text, "sources: more than 64 hosts");
    starter_fini(&starter);
    starter_init(&starter);
    for (int i = 1; (status = 0, i <= 17); i++) {
        snprintf(line, sizeof line, "https://h.example:%d/\n", i);
        status = tool_of("apt")->questions[0].take(&starter, str_of(line), &err);
        ck_assert_int_eq(status, i == 17 ? -1 : 0);
    }
    ck_assert_str_eq(err.text, "sources: more than 16 ports of one host");
    starter_fini(&starter);
}
END_TEST

static struct ip address(const char *text)
{
    struct ip ip;

    ck_assert_int_eq(ip_parse(str_of(text), &ip), 0);
    return ip;
}

START_TEST(private_addresses_are_allowed_and_loopback_is_an_error)
{
    struct starter_route route = {.host = "a.example"};
    const struct ip mixed[] = {address("10.9.0.2"), address("192.0.9.1"), address("127.0.0.1"),
                               address("10.1.0.2")},
                    loop[] = {address("127.0.1.1")};
    struct err err;

    ck_assert_int_eq(starter_addresses(&route, mixed, 4, &err), 0);
    ck_assert_uint_eq(route.address_count, 2);
    ck_assert_uint_eq(route.addresses[0].bytes[1], 1); /* in order, whatever the resolver's was */
    route.address_count = 0;
    ck_assert_int_eq(starter_addresses(&route, loop, 1, &err), -1);
    ck_assert_str_eq(err.text, "a.example leads to 127.0.1.1, and no bottle may go there: call it localhost, "
                               "or let it be served at an address of "
                               "your network");
    ck_assert_int_eq(starter_addresses(&route, NULL, 0, &err), 0);
    ck_assert(route.unresolved);
}
END_TEST

SUITE_MAIN("starter", what_tools_say_becomes_routes_or_an_error_without_its_credentials,
           what_never_ends_is_bounded, private_addresses_are_allowed_and_loopback_is_an_error)

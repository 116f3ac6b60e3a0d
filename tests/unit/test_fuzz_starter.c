/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_starter: fuzz_starter for a bounded time, from what each tool says. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

static const char *const seeds[] = {
    "; old = 1\n@x:registry = \"https://u:p@s.example:8443/a%20b/\"\nregistry = \"https://npm.example/\" ; "
    "more\n",
    ":env:.index-url='https://u:p@pip.example/simple'\nglobal.extra-index-url='\\nhttps://b.example/"
    "x\\nhttp://c.example:3141/'\n",
    "  -i, --index-url <url>  Base URL (default\n  https://pip.example/simple). This\n  --extra-index-url "
    "<url>\n",
    "http://apt.example/debian\nhttps://u:p@apt.example:8443/debian\nmirror+http://m.example/list\nfile:/srv/"
    "x\n",
    "https://p.example,https://u:p@q.example:81/x|direct\nsum.example+abc "
    "https://s.example/db\n*.corp.example\n",
    "o\thttps://u:p@git.example:3000/a/b.git (fetch) [blob:none]\no\tgit@git.example:a/b.git "
    "(push)\nup\tssh://git@g.example:22/x (fetch)\n"
    "l\t/srv/a b (fetch)\n",
};

START_TEST(what_tools_say_is_refused_or_makes_a_bottle)
{
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        uint8_t bytes[FUZZ_MAX];
        size_t len = strlen(seeds[i]);

        bytes[0] = (uint8_t)i;
        memcpy(bytes + 1, seeds[i], len);
        ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, len + 1), 0);
        fuzz_mutations(bytes, len + 1, 700);
    }
}
END_TEST

SUITE_MAIN("fuzz_starter", what_tools_say_is_refused_or_makes_a_bottle)

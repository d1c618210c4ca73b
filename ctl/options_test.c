/*
 * Goal: a command line is read as meant, wherever its options stand, and a wrong one is told what would be right.
 * Method: command lines against the options they give, then wrong ones against a piece of their message.
 */
#include <assert.h>
#include <string.h>

#include "ctl/options.h"

enum { WORDS_MAX = 16 };

/* `line` is split at blanks. */
static enum code parse(const char *line, struct options *out, struct fault *why)
{
    static char        copy[512];
    static const char *argv[WORDS_MAX];
    int                argc = 0;

    snprintf(copy, sizeof copy, "hearthctl %s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, out, why);
}

static void check_good(void)
{
    struct options o;
    struct fault   why;

    assert(parse("push --name a --label x=1 --label=y=2=3 f1 -- --f2 -", &o, &why) == CODE_OK);
    assert(!strcmp(o.command, "push") && !strcmp(o.name, "a") && o.n_labels == 2 && !strcmp(o.labels[1], "y=2=3"));
    assert(o.n_args == 3 && !strcmp(o.args[0], "f1") && !strcmp(o.args[1], "--f2") && !strcmp(o.args[2], "-"));

    assert(parse("--url http://x:1 --json types --from -1h", &o, &why) == CODE_OK);
    assert(!strcmp(o.command, "types") && !strcmp(o.url, "http://x:1") && o.is_json && !strcmp(o.from, "-1h"));

    assert(parse("--type t flame {}", &o, &why) == CODE_OK && !strcmp(o.command, "flame") && !strcmp(o.type, "t"));
    assert(o.n_args == 1 && !strcmp(o.args[0], "{}"));

    assert(parse("labels labels", &o, &why) == CODE_OK && o.n_args == 1 && !strcmp(o.args[0], "labels"));
    assert(parse("top -h", &o, &why) == CODE_OK && o.wants_help);
    assert(parse("", &o, &why) == CODE_OK && o.command == NULL);
    assert(parse("--version", &o, &why) == CODE_OK && !strcmp(o.command, "version"));
}

static void check_bad(void)
{
    static const struct {
        const char *line, *says;
    } bad[] = {
        { "puhs x", "did you mean `push`" },
        { "frobnicate", "unknown command `frobnicate`" },
        { "types --frmo -1h", "did you mean --from" },
        { "types --depth 3", "it is for: flame" },
        { "--depth 3", "`hearthctl` has no option --depth" },
        { "types --json=yes", "--json takes no value" },
        { "types --url", "--url needs a value: --url URL" },
        { "push --label novalue f", "write NAME=VALUE" },
        { "push -x", "options begin with two dashes" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct options o;
        struct fault   why;
        assert(parse(bad[i].line, &o, &why) == CODE_INVALID_ARGUMENT);
        if (strstr(why.text, bad[i].says) == NULL)
            fprintf(stderr, "%s: %s\n", bad[i].line, why.text);
        assert(strstr(why.text, bad[i].says) != NULL);
    }
}

/* Every command has a page with its own options, examples and the exit codes; every shell has every command. */
static void check_help(void)
{
    struct fault why;

    for (size_t i = 0; i < n_commands; i++) {
        struct buf page = { 0 };
        help_write(command_table[i].name, &page);
        buf_byte(&page, 0);
        assert(strstr(page.p, command_table[i].synopsis) && strstr(page.p, "Examples:") &&
               strstr(page.p, "Exit codes:"));
        for (size_t k = 0; k < n_options; k++)
            assert(!option_is_for(&option_table[k], command_table[i].name) || strstr(page.p, option_table[k].help));
        buf_free(&page);
    }
    static const char *const shells[] = { "bash", "zsh", "fish" };
    for (size_t s = 0; s < 3; s++) {
        struct buf script = { 0 };
        assert(completion_write(shells[s], &script, &why) == CODE_OK);
        buf_byte(&script, 0);
        for (size_t i = 0; i < n_commands; i++)
            assert(strstr(script.p, command_table[i].name));
        buf_free(&script);
    }
    assert(completion_write("csh", &(struct buf){ 0 }, &why) == CODE_INVALID_ARGUMENT);
}

int main(void)
{
    check_good();
    check_bad();
    check_help();
    return 0;
}

#include <stdlib.h>
#include <string.h>

#include "ctl/options.h"

#define AT(field) offsetof(struct options, field)

const struct option option_table[] = {
    { "url", "URL", AT(url), NULL, "the server (default $HEARTH_URL, else http://127.0.0.1:4040)" },
    { "tenant", "ID", AT(tenant), NULL, "whose data (header X-Scope-OrgID; default $HEARTH_TENANT)" },
    { "token-file", "FILE", AT(token_file), NULL, "a file that holds the bearer token (default $HEARTH_TOKEN_FILE)" },
    { "ca-file", "FILE", AT(ca_file), NULL,
      "whose signature an https:// server must show (default $HEARTH_CA_FILE, else the system's)" },
    { "cert-file", "FILE", AT(cert_file), NULL, "the certificate to show such a server (default $HEARTH_CERT_FILE)" },
    { "key-file", "FILE", AT(key_file), NULL, "its private key (default $HEARTH_KEY_FILE)" },
    { "timeout", "DURATION", AT(timeout), NULL, "how long to wait for one answer (default 30s)" },
    { "json", NULL, AT(is_json), NULL, "answer in JSON, for programs" },
    { "color", "WHEN", AT(colour), NULL, "always, never or auto (default: on a terminal, unless NO_COLOR is set)" },
    { "help", NULL, AT(wants_help), NULL, "what a command does, with examples" },
    { "from", "TIME", AT(from), "types labels series top flame diff pprof replay", "begin of the range (default -1h)" },
    { "to", "TIME", AT(to), "types labels series top flame diff pprof replay", "end of the range (default now)" },
    { "name", "SERVICE", AT(name), "push", "the service that was profiled: label service_name" },
    { "type", "NAME", AT(type), "push",
      "what was profiled: label __name__ (default: from the file, e.g. process_cpu)" },
    { "label", "K=V", AT(labels), "push", "one more label; may be given several times" },
    { "keep-time", NULL, AT(keep_time), "push replay",
      "keep the times in the files (the server refuses old ones); replay: and do not wait between them" },
    { "type", "ID", AT(type), "top flame diff pprof",
      "profile type (default: CPU, else wall, else the first; see `hearthctl types`)" },
    { "max-nodes", "N", AT(max_nodes), "top flame diff pprof",
      "have the server cut to the N greatest nodes (default: it decides for flame)" },
    { "limit", "N", AT(limit), "top diff", "show N functions (default 20; 0: all)" },
    { "sort", "BY", AT(sort), "top diff", "self or total (default self); diff: by how much that changed" },
    { "min-percent", "P", AT(min_percent), "flame", "leave out boxes below P percent of the whole" },
    { "depth", "N", AT(depth), "flame", "show N levels only" },
    { "collapsed", NULL, AT(is_collapsed), "flame", "folded stacks, `main;work;read 17`, for other tools" },
    { "left-from", "TIME", AT(left_from), "diff",
      "begin of the left range (default: that of the right; with one selector the span before it)" },
    { "left-to", "TIME", AT(left_to), "diff", "end of the left range (default: the same)" },
    { "output", "FILE", AT(output), "pprof replay",
      "where to write it, gzipped; -o FILE for short (default: standard output)" },
    { "speed", "N", AT(speed), "replay", "push N times as fast as it was recorded (default 1)" },
    { "loop", NULL, AT(loops), "replay", "begin again at the end, until interrupted" },
};
const size_t n_options = sizeof option_table / sizeof *option_table;

const struct command command_table[] = {
    { "push", "push --name SERVICE [--type NAME] [--label K=V]... FILE...|-",
      "send profiles: pprof files (plain or gzip), `perf script` text, or - for standard input",
      "  hearthctl push --name checkout cpu.pb.gz\n"
      "  hearthctl push --name checkout --label pod=a-1 --label region=eu profiles/*.pb.gz\n"
      "  perf record -F 99 -g -- ./work && perf script | hearthctl push --name work -\n"
      "  curl -s localhost:6060/debug/pprof/heap | hearthctl push --name api -\n" },
    { "types", "types", "list the profile types there are",
      "  hearthctl types\n  hearthctl types --from -24h --json\n" },
    { "labels", "labels [NAME] [SELECTOR]", "list label names, or the values of one label",
      "  hearthctl labels\n  hearthctl labels service_name\n  hearthctl labels pod '{service_name=\"checkout\"}'\n" },
    { "series", "series [SELECTOR]", "list the series there are",
      "  hearthctl series\n  hearthctl series '{service_name=~\"check.*\"}' --json\n" },
    { "top", "top [--type ID] [SELECTOR]", "functions by what they cost, by themselves and with all they call",
      "  hearthctl top '{service_name=\"checkout\"}'\n"
      "  hearthctl top --type memory:inuse_space:bytes:space:bytes --sort total --limit 50 "
      "'{service_name=\"api\"}'\n" },
    { "flame", "flame [--type ID] [SELECTOR]", "a flame graph in the terminal",
      "  hearthctl flame '{service_name=\"checkout\"}'\n"
      "  hearthctl flame --from -6h --to -5h --min-percent 1 '{service_name=\"checkout\"}'\n"
      "  hearthctl flame --collapsed '{service_name=\"checkout\"}' > checkout.folded\n" },
    { "diff", "diff [--type ID] [--left-from TIME --left-to TIME] [LEFT [RIGHT]]",
      "functions by how much they changed between two selectors, or two times",
      "  hearthctl diff '{service_name=\"checkout\"}'                      the last hour with the one before\n"
      "  hearthctl diff '{service_name=\"checkout\", pod=\"a\"}' '{service_name=\"checkout\", pod=\"b\"}'\n"
      "  hearthctl diff --left-from -25h --left-to -24h --sort total '{service_name=\"checkout\"}'\n" },
    { "pprof", "pprof [--type ID] [-o FILE] [SELECTOR]", "download all that was selected as one pprof",
      "  hearthctl pprof -o checkout.pb.gz '{service_name=\"checkout\"}' && go tool pprof -top checkout.pb.gz\n"
      "  hearthctl pprof --from -24h '{service_name=\"api\"}' > default.pgo\n" },
    { "replay", "replay push [--speed N] [--loop] [--keep-time] ARCHIVE | replay dump -o ARCHIVE [SELECTOR]",
      "push what was recorded as it came, or record it (archives of profilecli replay)",
      "  hearthctl replay dump --from -1h -o hour.replay '{service_name=\"checkout\"}'\n"
      "  hearthctl replay dump --tenant one,two -o both.replay\n"
      "  hearthctl replay push --speed 10 --loop hour.replay\n" },
    { "wal", "wal dump FILE|FOLDER", "show what a shard's log says, record by record, and whether it is sound",
      "  hearthctl wal dump /var/lib/hearth/wal\n"
      "  hearthctl wal dump /var/lib/hearth/wal/wal-0000000000000001\n" },
    { "block", "block ls|verify|dump FILE|FOLDER...", "show what a shard's block files hold, and whether they are sound",
      "  hearthctl block ls /var/lib/hearth/blocks\n"
      "  hearthctl block verify /var/lib/hearth/blocks && echo all are sound\n"
      "  hearthctl block dump FILE | less\n" },
    { "completion", "completion bash|zsh|fish", "print a completion script for a shell",
      "  source <(hearthctl completion bash)\n"
      "  hearthctl completion fish > ~/.config/fish/completions/hearthctl.fish\n" },
    { "version", "version", "print the version", "  hearthctl version\n" },
    { "help", "help [COMMAND]", "what there is, or all about one command", "  hearthctl help push\n" },
};
const size_t n_commands = sizeof command_table / sizeof *command_table;

static bool words_have(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

bool option_is_for(const struct option *o, const char *command)
{
    if (o->commands == NULL || command == NULL)
        return o->commands == NULL;
    return words_have(o->commands, command);
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

/* The option called `name` of `command`; NULL: it has none of that name. */
static const struct option *option_find(struct slice name, const char *command)
{
    for (size_t i = 0; i < n_options; i++)
        if (slice_is(name, option_table[i].name) && option_is_for(&option_table[i], command))
            return &option_table[i];
    return NULL;
}

/* How many letters differ, roughly: enough to guess what a mistyped word was meant to be. */
static size_t word_distance(struct slice a, const char *b)
{
    size_t n = strlen(b), row[64];

    if (a.n >= 64 || n >= 64)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t before = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t swap = before + (a.p[i - 1] != b[j - 1]);
            before = row[j];
            row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = row[j] < swap ? row[j] : swap;
        }
    }
    return row[n];
}

static enum code option_unknown(struct slice name, const char *command, struct fault *why)
{
    for (size_t i = 0; i < n_options; i++)
        if (slice_is(name, option_table[i].name))
            return fail(why, CODE_INVALID_ARGUMENT, "`%s` has no option --%.*s (it is for: %s)",
                        command ? command : "hearthctl", SLICE_ARGS(name), option_table[i].commands);
    for (size_t i = 0; i < n_options; i++)
        if (option_is_for(&option_table[i], command) && word_distance(name, option_table[i].name) <= 2)
            return fail(why, CODE_INVALID_ARGUMENT, "unknown option --%.*s: did you mean --%s?", SLICE_ARGS(name),
                        option_table[i].name);
    return fail(why, CODE_INVALID_ARGUMENT, "unknown option --%.*s", SLICE_ARGS(name));
}

static enum code option_set(struct options *out, const struct option *o, const char *value, struct fault *why)
{
    void *field = (char *)out + o->offset;

    if (o->offset == AT(labels)) {
        if (out->n_labels == LABELS_MAX)
            return fail(why, CODE_INVALID_ARGUMENT, "more than %d labels", LABELS_MAX);
        if (strchr(value, '=') == NULL || *value == '=')
            return fail(why, CODE_INVALID_ARGUMENT, "--label %s: write NAME=VALUE", value);
        out->labels[out->n_labels++] = value;
    } else if (o->value == NULL) {
        *(bool *)field = true;
    } else {
        *(const char **)field = value;
    }
    return CODE_OK;
}

/* argv[*i] is an option; its value may be argv[*i + 1]. */
static enum code option_take(int argc, const char **argv, int *i, struct options *out, struct fault *why)
{
    struct slice text = slice_of(argv[*i] + 2);
    size_t       equal = slice_find(text, SLICE("="));
    struct slice name = { text.p, equal };
    const char  *value = equal < text.n ? text.p + equal + 1 : NULL;

    const struct option *o = option_find(name, out->command);
    if (o == NULL)
        return option_unknown(name, out->command, why);
    if (o->value == NULL && value != NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "--%s takes no value", o->name);
    if (o->value != NULL && value == NULL) {
        if (*i + 1 == argc)
            return fail(why, CODE_INVALID_ARGUMENT, "--%s needs a value: --%s %s", o->name, o->name, o->value);
        value = argv[++*i];
    }
    return option_set(out, o, value, why);
}

static bool is_option(const char *arg) { return arg[0] == '-' && arg[1] != '\0'; }

/* The command is the first argument that is neither an option nor the value of a common one. */
static enum code command_pick(int argc, const char **argv, struct options *out, struct fault *why)
{
    for (int i = 1; i < argc; i++) {
        if (!is_option(argv[i])) {
            const struct command *c = command_find(argv[i]);
            if (c != NULL) {
                out->command = c->name;
                return CODE_OK;
            }
            for (size_t k = 0; k < n_commands; k++)
                if (word_distance(slice_of(argv[i]), command_table[k].name) <= 2)
                    return fail(why, CODE_INVALID_ARGUMENT, "unknown command `%s`: did you mean `%s`?", argv[i],
                                command_table[k].name);
            return fail(why, CODE_INVALID_ARGUMENT, "unknown command `%s`", argv[i]);
        }
        struct slice         name = slice_of(argv[i] + (argv[i][1] == '-' ? 2 : 1));
        const struct option *o = option_find(name, NULL);
        for (size_t k = 0; o == NULL && k < n_options; k++)
            if (slice_is(name, option_table[k].name))
                o = &option_table[k]; /* an option of the command still to come */
        i += o != NULL && o->value != NULL;
    }
    return CODE_OK;
}

enum code options_parse(int argc, const char **argv, struct options *out, struct fault *why)
{
    bool is_command_seen = false, are_ended = false;

    *out = (struct options){ .args = argv };
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-o") == 0)
            argv[i] = "--output";
    enum code code = command_pick(argc, argv, out, why);
    for (int i = 1; code == CODE_OK && i < argc; i++) {
        const char *arg = argv[i];
        if (!are_ended && strcmp(arg, "--") == 0)
            are_ended = true;
        else if (!are_ended && strcmp(arg, "-h") == 0)
            out->wants_help = true;
        else if (!are_ended && !strcmp(arg, "--version") && out->command == NULL)
            out->command = "version";
        else if (!are_ended && strncmp(arg, "--", 2) == 0)
            code = option_take(argc, argv, &i, out, why);
        else if (!are_ended && is_option(arg))
            code = fail(why, CODE_INVALID_ARGUMENT, "unknown option %s: options begin with two dashes", arg);
        else if (!is_command_seen && out->command != NULL && strcmp(arg, out->command) == 0)
            is_command_seen = true;
        else
            out->args[out->n_args++] = arg;
    }
    return code;
}

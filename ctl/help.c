/* --help and completion, from the table that parsing uses. */
#include <string.h>

#include "ctl/options.h"

static const char footer[] =
    "Times:      now, -1h, now-30m, 2026-11-20T10:00:00Z, 20261120, seconds (or ms, us, ns) since 1970.\n"
    "Selectors:  {service_name=\"checkout\", pod=~\"a.*\", region!=\"eu\"}; quote them for the shell.\n"
    "Exit codes: 0 all fine; 1 refused by the server, in part or wholly; 2 wrong usage; 3 server not reachable.\n";

static void options_write(const char *command, struct buf *out)
{
    for (size_t i = 0; i < n_options; i++) {
        const struct option *o = &option_table[i];
        char                 form[64];
        if (command == NULL ? o->commands != NULL : o->commands == NULL || !option_is_for(o, command))
            continue;
        snprintf(form, sizeof form, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        buf_printf(out, "  %-20s %s\n", form, o->help);
    }
}

static void overview_write(struct buf *out)
{
    buf_text(out, "hearthctl talks to Hearth, a continuous-profiling backend.\n\n"
                  "Usage: hearthctl COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n");
    for (size_t i = 0; i < n_commands; i++)
        buf_printf(out, "  %-12s %s\n", command_table[i].name, command_table[i].summary);
    buf_text(out, "\nOptions of every command:\n");
    options_write(NULL, out);
    buf_printf(out,
               "\n%s\nFirst steps:\n"
               "  hearthctl push --name checkout cpu.pb.gz    send a profile\n"
               "  hearthctl flame                             look at it\n"
               "`hearthctl help COMMAND` tells all about one command.\n",
               footer);
}

void help_write(const char *command, struct buf *out)
{
    const struct command *c = NULL;

    for (size_t i = 0; command != NULL && i < n_commands; i++)
        if (strcmp(command_table[i].name, command) == 0)
            c = &command_table[i];
    if (c == NULL) {
        overview_write(out);
        return;
    }
    buf_printf(out, "hearthctl %s: %s\n\nUsage: hearthctl %s\n", c->name, c->summary, c->synopsis);
    struct buf own = { 0 };
    options_write(c->name, &own);
    if (own.n > 0)
        buf_printf(out, "\nOptions:\n%.*s", (int)own.n, own.p);
    buf_free(&own);
    buf_text(out, "\nOptions of every command:\n");
    options_write(NULL, out);
    buf_printf(out, "\nExamples:\n%s\n%s", c->examples, footer);
}

/* " --url --tenant ..." for a command (NULL: the common ones), or the commands' names. */
static void words_write(const char *command, const char *prefix, struct buf *out)
{
    for (size_t i = 0; i < n_options; i++)
        if (option_is_for(&option_table[i], command))
            buf_printf(out, " %s%s", prefix, option_table[i].name);
}

static void commands_write(struct buf *out)
{
    for (size_t i = 0; i < n_commands; i++)
        buf_printf(out, "%s%s", i ? " " : "", command_table[i].name);
}

static void bash_write(struct buf *out)
{
    buf_text(out, "_hearthctl() {\n    local word=${COMP_WORDS[COMP_CWORD]} command= options i\n"
                  "    COMPREPLY=()\n"
                  "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                  "        case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n    done\n"
                  "    case $command in\n");
    for (size_t i = 0; i < n_commands; i++) {
        buf_printf(out, "    %s) options='", command_table[i].name);
        words_write(command_table[i].name, "--", out);
        buf_text(out, "' ;;\n");
    }
    buf_text(out, "    *) options='");
    commands_write(out);
    words_write(NULL, "--", out);
    buf_text(out, "' ;;\n    esac\n"
                  "    case $command:$word in\n"
                  "    completion:[!-]*|completion:) options='bash zsh fish' ;;\n"
                  "    help:*) options='");
    commands_write(out);
    buf_text(out, "' ;;\n    push:[!-]*|push:) return ;;\n    esac\n"
                  "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n"
                  "complete -o default -F _hearthctl hearthctl\n");
}

static void fish_write(struct buf *out)
{
    for (size_t i = 0; i < n_commands; i++)
        buf_printf(out, "complete -c hearthctl -n __fish_use_subcommand -f -a %s -d '%s'\n", command_table[i].name,
                   command_table[i].summary);
    for (size_t i = 0; i < n_options; i++) {
        const struct option *o = &option_table[i];
        buf_text(out, "complete -c hearthctl");
        if (o->commands != NULL)
            buf_printf(out, " -n '__fish_seen_subcommand_from %s'", o->commands);
        buf_printf(out, " -l %s%s -d '%s'\n", o->name, o->value ? " -r" : "", o->help);
    }
    buf_text(out, "complete -c hearthctl -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n");
}

enum code completion_write(const char *shell, struct buf *out, struct fault *why)
{
    if (shell != NULL && strcmp(shell, "fish") == 0)
        fish_write(out);
    else if (shell != NULL && strcmp(shell, "zsh") == 0) {
        buf_text(out, "#compdef hearthctl\nautoload -U +X bashcompinit && bashcompinit\n");
        bash_write(out);
    } else if (shell != NULL && strcmp(shell, "bash") == 0)
        bash_write(out);
    else
        return fail(why, CODE_INVALID_ARGUMENT, "completion is for bash, zsh or fish: hearthctl completion bash");
    return CODE_OK;
}

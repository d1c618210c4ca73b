/* pprof: all that a selector has, as one file for `go tool pprof` and its like. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/session.h"
#include "ctl/type.h"
#include "proto/querier.pb-c.h"
#include "wire/zip.h"

static struct answer *profile_ask(struct session *s, const char *type, const char *selector, int64_t max_nodes)
{
    Querier__V1__SelectMergeProfileRequest q = QUERIER__V1__SELECT_MERGE_PROFILE_REQUEST__INIT;

    q.profile_typeid = (char *)type;
    q.label_selector = (char *)selector;
    q.start = s->from_ms;
    q.end = s->to_ms;
    q._max_nodes_case = max_nodes ? QUERIER__V1__SELECT_MERGE_PROFILE_REQUEST___MAX_NODES_MAX_NODES : 0;
    q.max_nodes = max_nodes;
    return api_ask(s->api, "/querier.v1.QuerierService/SelectMergeProfile", &q.base, &google__v1__profile__descriptor);
}

static enum exit_code file_write(const char *path, struct slice bytes)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return say(EXIT_REFUSED, "cannot write %s: %s", path, strerror(errno));
    size_t n = fwrite(bytes.p, 1, bytes.n, file);
    if (fclose(file) != 0 || n < bytes.n)
        return say(EXIT_REFUSED, "cannot write %s: %s", path, strerror(errno));
    return EXIT_FINE;
}

static void profile_pack(const Google__V1__Profile *p, struct buf *out)
{
    struct buf bytes = { 0 };
    size_t     n = google__v1__profile__get_packed_size(p);

    bytes.n = google__v1__profile__pack(p, (uint8_t *)buf_reserve(&bytes, n));
    zip_gzip(buf_view(&bytes), out);
    buf_free(&bytes);
}

static enum exit_code profile_save(struct session *s, const Google__V1__Profile *p, const char *path)
{
    struct buf file = { 0 };

    if (path == NULL || strcmp(path, "-") == 0) {
        profile_pack(p, &s->out);
        return EXIT_FINE;
    }
    profile_pack(p, &file);
    enum exit_code code = file_write(path, buf_view(&file));
    if (code == EXIT_FINE)
        buf_printf(&s->out, "wrote %s: %zu stacks, %zu bytes; go tool pprof -top %s\n", path, p->n_sample, file.n,
                   path);
    buf_free(&file);
    return code;
}

enum exit_code command_pprof(struct session *s)
{
    const struct options *o = s->options;
    const char           *selector = o->n_args ? o->args[0] : "{}";
    int64_t               max_nodes;
    enum exit_code        code;

    if (o->n_args > 1)
        return say(EXIT_USAGE, "`pprof` takes one selector; quote it for the shell");
    if (o->output == NULL && s->term.is_tty)
        return say(EXIT_USAGE, "a pprof is nothing for a terminal: write -o FILE");
    if (!option_number("max-nodes", o->max_nodes, 1, 0, &max_nodes))
        return EXIT_USAGE;
    const char *type = type_choose(s, selector, &code);
    if (type == NULL)
        return code == EXIT_FINE ? EXIT_REFUSED : code; /* who asked for a file has none */
    struct answer *answer = profile_ask(s, type, selector, max_nodes);
    code = answer_check(s, answer);
    const Google__V1__Profile *p = (const void *)answer->message;
    if (code == EXIT_FINE && p->n_sample == 0)
        code = say(EXIT_REFUSED, "nothing matches %s in %s between --from and --to", selector, type);
    else if (code == EXIT_FINE)
        code = profile_save(s, p, o->output);
    answer_free(answer);
    return code;
}

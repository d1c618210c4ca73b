/* block ls|verify|dump: what is in the files of sealed buckets, each checked as a shard would check it. */
#include <errno.h>
#include <fts.h>
#include <string.h>

#include "ctl/session.h"
#include "index/block.h"
#include "shard/block_files.h"

typedef void show_fn(struct session *s, const char *path, const struct bucket *b);

static void show_line(struct session *s, const char *path, const struct bucket *b)
{
    struct bucket_stats now = bucket_stats(b);
    struct block_origin origin = block_origin(b);

    buf_printf(
        &s->out,
        "%s tenant=%.*s start_ns=%lld end_ns=%lld profiles=%lld samples=%lld series=%lld bytes=%zu wal=%llu-%llu\n",
        path, SLICE_ARGS(bucket_tenant(b)), (long long)bucket_start_ns(b), (long long)bucket_end_ns(b),
        (long long)now.profiles, (long long)now.samples, (long long)now.series, block_image(b).n,
        (unsigned long long)origin.first_seq, (unsigned long long)origin.last_seq);
}

static void show_verdict(struct session *s, const char *path, const struct bucket *b)
{
    buf_printf(&s->out, "%s sound: %zu bytes\n", path, block_image(b).n);
}

static void show_all(struct session *s, const char *path, const struct bucket *b)
{
    buf_printf(&s->out, "%s\n", path);
    block_dump(b, true, &s->out);
}

static enum exit_code file_show(struct session *s, const char *path, show_fn *show)
{
    struct block_image image;
    struct bucket     *b;
    struct fault       why;
    enum code          code = block_file_map(path, &image, &why);

    if (code == CODE_OK) {
        code = block_open(&image, NULL, &b, &why);
        if (code != CODE_OK)
            image.release(image.bytes);
    }
    if (code != CODE_OK)
        return say(EXIT_REFUSED, "%s: %s", path, why.text);
    show(s, path, b);
    bucket_unref(b);
    return EXIT_FINE;
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

/* A file that was named is shown, whatever its name; of a folder all that have the name of a block. */
static bool is_block(const FTSENT *e)
{
    size_t n = strlen(e->fts_name);
    return e->fts_info == FTS_F &&
           (e->fts_level == FTS_ROOTLEVEL || (n > 6 && strcmp(e->fts_name + n - 6, ".block") == 0));
}

static enum exit_code paths_show(struct session *s, char *const *paths, show_fn *show)
{
    FTS           *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    enum exit_code code = EXIT_FINE;

    if (walk == NULL)
        return say(EXIT_REFUSED, "%s: %s", paths[0], strerror(errno));
    for (FTSENT *e; (e = fts_read(walk)) != NULL;) {
        bool is_unreadable = e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS;
        if (is_unreadable)
            code = say(EXIT_REFUSED, "%s: %s", e->fts_path, strerror(e->fts_errno));
        else if (is_block(e) && file_show(s, e->fts_path, show) != EXIT_FINE)
            code = EXIT_REFUSED;
    }
    fts_close(walk);
    return code;
}

enum exit_code command_block(struct session *s)
{
    static const struct {
        const char *name;
        show_fn    *show;
    } acts[] = { { "ls", show_line }, { "verify", show_verdict }, { "dump", show_all } };
    const struct options *o = s->options;
    char                **paths = arena_zalloc(s->arena, (o->n_args + 1) * sizeof *paths);

    for (size_t i = 1; i < o->n_args; i++)
        paths[i - 1] = (char *)o->args[i];
    for (size_t i = 0; o->n_args > 1 && i < sizeof acts / sizeof *acts; i++)
        if (strcmp(o->args[0], acts[i].name) == 0)
            return paths_show(s, paths, acts[i].show);
    return say(EXIT_USAGE, "block: write `hearthctl block ls|verify|dump FILE|FOLDER...`");
}

#include <inttypes.h>

#include "index/block.h"
#include "index/reading.h"
#include "index/rows.h"

static const char *const bucket_kinds[B_SECTIONS] = {
    "keys",        "text",         "text ends",   "name ends",      "type parts",   "postings",   "posting ends",
    "group ends",  "label ends",   "labels",      "stream ends",    "stream types", "point ends", "points",
    "rollup ends", "rollup types", "rollup rows", "rollup columns", "row ends",     "rows",       "sources",
};
static const char *const group_kinds[G_SECTIONS] = {
    "text",           "text bytes",     "text shared",    "mappings",       "function name",  "function system",
    "function file",  "function line",  "function line^", "line function",  "line",           "line^",
    "location address", "location addr^", "location map", "location lines", "location name",  "location flags",
    "location up",    "location key",   "function up",    "function key",   "stack location", "stack function",
};

static void dump_section(struct buf *out, const char *kind, const struct section *s)
{
    buf_printf(out, "  %-16s %10" PRIu32 " items %12" PRIu64 " bytes\n", kind, s->n, s->bytes);
}

static void dump_series(const struct bucket *b, uint32_t id, struct buf *out)
{
    struct series_read  s = bucket_series(b, id);
    struct streams_walk w = streams_of(b, &s);
    struct stream_read  stream;
    const struct point *p;
    uint32_t            name;

    buf_printf(out, "series %" PRIu32 ":", id);
    for (uint32_t i = 0; i < s.n_labels; i++) {
        struct label l = bucket_label(b, &s, i, &name);
        buf_printf(out, " %.*s=\"%.*s\"", SLICE_ARGS(l.name), SLICE_ARGS(l.value));
    }
    buf_text(out, "\n");
    while (stream_next(&w, &stream)) {
        buf_printf(out, "  %.*s\n", SLICE_ARGS(bucket_type(b, stream.type).id));
        for (struct points_walk points = points_of(b, &stream); (p = points_next(&points)) != NULL;)
            buf_printf(out, "    %" PRId64 " %" PRId64 ", %" PRIu32 " rows\n", p->time_ns, p->total, rows_n(p->rows));
    }
}

void block_dump(const struct bucket *b, bool all, struct buf *out)
{
    const struct block      *sealed = b->sealed;
    const struct block_head *h = &sealed->head;

    buf_printf(out, "tenant %.*s, [%" PRId64 ", %" PRId64 ") ns\n", SLICE_ARGS(b->tenant), h->start_ns, h->end_ns);
    buf_printf(out, "%" PRId64 " profiles of [%" PRId64 ", %" PRId64 "] ns, %" PRId64 " samples, %" PRId64 " clamped\n",
               h->profiles, h->oldest_ns, h->newest_ns, h->samples, h->clamped);
    buf_printf(out, "WAL %" PRIu64 " to %" PRIu64 "; %" PRIu32 " series, %" PRIu32 " services, %zu bytes\n", h->first_seq, h->last_seq,
               sealed->n_series, h->n_groups, sealed->image.bytes.n);
    for (uint32_t i = 0; i < B_SECTIONS; i++)
        dump_section(out, bucket_kinds[i], &sealed->of[i]);
    for (uint32_t g = 0; g < h->n_groups; g++) {
        buf_printf(out, "service %.*s\n", SLICE_ARGS(group_service(b, g)));
        for (uint32_t i = 0; i < G_SECTIONS; i++) {
            struct section s = group_section(sealed, g, i);
            dump_section(out, group_kinds[i], &s);
        }
    }
    for (uint32_t i = 0; all && i < sealed->n_series; i++)
        dump_series(b, i, out);
}

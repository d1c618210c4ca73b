#include "ingest/build_id.h"

#include <jansson.h>
#include <stdlib.h>

static void field_set(json_t *o, const char *name, struct slice value)
{
    if (value.n > 0)
        json_object_set_new(o, name, json_stringn(value.p, value.n)); /* what is not UTF-8 is left out */
}

void build_ids_extend(struct pprof *p, struct labels series)
{
    struct slice repository = labels_get(series, SLICE("service_repository"));
    struct slice git_ref = labels_get(series, SLICE("service_git_ref"));
    struct slice root_path = labels_get(series, SLICE("service_root_path"));

    if (repository.n + git_ref.n + root_path.n == 0)
        return;
    for (uint32_t i = 0; i < p->n_mappings; i++) {
        json_t *o = json_object();
        field_set(o, "repository", repository);
        field_set(o, "git_ref", git_ref);
        field_set(o, "build_id", ref_text(p, p->mappings[i].build_id));
        field_set(o, "root_path", root_path);
        char *text = json_dumps(o, JSON_COMPACT);
        if (text != NULL)
            p->mappings[i].build_id = ref_add(p, arena_copy(p->scratch, slice_of(text)));
        free(text);
        json_decref(o);
    }
}

#include "ctl/push_send.h"

#include "proto/push.pb-c.h"
#include "wire/zip.h"

static char *text_of(struct arena *a, struct slice s) { return (char *)(uintptr_t)arena_copy(a, s).p; }

void push_send(struct api *api, size_t ticket, struct labels labels, struct slice pprof, struct arena *a)
{
    Types__V1__LabelPair      *pairs = arena_array(a, labels.n, sizeof *pairs);
    Types__V1__LabelPair     **at = arena_array(a, labels.n, sizeof *at);
    Push__V1__PushRequest      request = PUSH__V1__PUSH_REQUEST__INIT;
    Push__V1__RawProfileSeries series = PUSH__V1__RAW_PROFILE_SERIES__INIT, *all_series = &series;
    Push__V1__RawSample        sample = PUSH__V1__RAW_SAMPLE__INIT, *samples = &sample;
    struct buf                 zipped = { 0 };

    for (size_t i = 0; i < labels.n; i++) {
        types__v1__label_pair__init(at[i] = &pairs[i]);
        pairs[i].name = text_of(a, labels.at[i].name);
        pairs[i].value = text_of(a, labels.at[i].value);
    }
    zip_gzip(pprof, &zipped);
    sample.raw_profile = (ProtobufCBinaryData){ zipped.n, (uint8_t *)zipped.p };
    series.labels = at;
    series.n_labels = labels.n;
    series.samples = &samples;
    series.n_samples = 1;
    request.series = &all_series;
    request.n_series = 1;
    api_send(api, ticket, "/push.v1.PusherService/Push", &request.base, &push__v1__push_response__descriptor);
    buf_free(&zipped);
}

/* Querier replies: partials as the messages of querier.v1.  Each ends the ask's call; messages live in its arena. */
#pragma once

#include "server/ask.h"

ask_reply_fn reply_types, reply_label_names, reply_label_values, reply_series, reply_stacktraces, reply_points,
    reply_profile, reply_pprof; /* SelectMergeProfile; SelectMergeStacktraces in that format */
ask_pair_fn  reply_diff;

bool is_plain_label_name(struct slice name); /* [a-zA-Z_][a-zA-Z0-9_]* */

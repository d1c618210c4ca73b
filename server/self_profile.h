/*
 * Self-profile: this program's own CPU, as a profile in itself.
 *
 *     sampler --> cpu_profile --every 10 s--> pprof --> intake, like anybody's push
 *
 * About 100 samples for each second of CPU a thread uses; idle threads cost nothing.  It is service `hearth` of tenant
 * `anonymous`.  A profile that cannot be stored is dropped and the fault logged once.
 */
#pragma once

struct app;
struct self_profile;

/* Main thread.  NULL: this build or system has no such timers, which is logged. */
struct self_profile *self_profile_start(struct app *app);
void self_profile_stop(struct self_profile *p); /* joins the collector, with a last push under way or not */

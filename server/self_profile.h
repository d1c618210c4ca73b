/*
 * Self-profile: where this program works and waits, as profiles in itself.
 *
 *     sampler --> stack_profile, one a clock --after 2 s, then every 10 s--> pprofs --> intake, like anybody's push
 *
 * About 100 samples for each second of CPU a thread uses, as process_cpu; ten a second for each thread, whatever it
 * does, as wall.  It is service `hearth` of tenant `anonymous`.  A profile that cannot be stored is dropped and the
 * fault logged once.
 */
#pragma once

struct app;
struct self_profile;

/* Main thread.  NULL: this build or system has no such timers, which is logged. */
struct self_profile *self_profile_start(struct app *app);
void self_profile_stop(struct self_profile *p); /* joins the collector, with a last push under way or not */

/*
 * Pages: zeroed memory for one large table that is looked into in disorder.  From 2 MiB on it is of large pages, where the
 * system has them: what takes sixteen thousand entries of 4 KiB to be found is then found by thirty-two, and is there after
 * thirty-two faults.
 */
#pragma once

#include <stddef.h>

void *pages_take(size_t bytes);          /* or die, as base/mem.h */
void  pages_give(void *p, size_t bytes); /* NULL is fine */

/*
 * Last word: which mapped file a page could not be read of, told before the process dies of it.
 *
 *     level=error msg="a page of a mapped file cannot be read: ..." file="/data/blocks/0011223344556677/0000000000000004.block"
 *
 * The kernel answers a read of a page whose disk fails, or whose file was cut short, with SIGBUS.  There is no going on: whoever
 * read was in the middle of an answer.  The process ends by that signal, as it would have without a word.
 */
#pragma once

#include <stdbool.h>

/* Before any file is mapped. */
void last_word_install(bool as_json);

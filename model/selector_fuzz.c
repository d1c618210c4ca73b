/* Selectors from clients, regexes and all: any text is refused or can be tested with. */
#include <assert.h>
#include <stdint.h>

#include "model/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *values[] = {
        "", "a", "prod", "web-1-prod", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\xc3\xa9\xff\n"
    };
    struct arena   *a = arena_new(0);
    struct selector s;
    struct fault    why;

    if (selector_parse(slice_make(data, n), a, &s, &why) == CODE_OK) {
        for (size_t i = 0; i < s.n; i++) {
            const struct slice *literals;
            size_t              n_literals = matcher_literals(&s.at[i], &literals);
            bool                passes;
            for (size_t k = 0; k < sizeof values / sizeof *values; k++)
                if (matcher_test(&s.at[i], slice_of(values[k]), &passes, &why) != CODE_OK)
                    assert(why.code == CODE_RESOURCE_EXHAUSTED);
            for (size_t k = 0; k < n_literals && k < 100; k++)
                assert(matcher_test(&s.at[i], literals[k], &passes, &why) == CODE_OK &&
                       passes == (s.at[i].op == MATCH_EQ || s.at[i].op == MATCH_RE));
        }
        selector_free(&s);
    } else {
        assert(why.code == CODE_INVALID_ARGUMENT);
    }
    arena_free(a);
    return 0;
}
